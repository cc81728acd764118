"""The table of people, which can be hidden from those who may see its people (R7, A-16).

A person's own page, and pickers elsewhere, ask nothing of it.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import access
from accounts.modeladmin import AccessModelAdmin
from accounts.models import User


def is_shown_to(user: User) -> bool:
    """Tell whether this person sees the table, as far as the permission for it is concerned."""
    return access.holds_tool(user, "account.user_table")


class HasTable(AccessModelAdmin):
    """A list of people that is there for those alone who hold the permission for it."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Leave the list out of menus and of the palette as well."""
        return super().has_module_permission(request) and self.shows_table(request)

    def shows_table(self, request: HttpRequest) -> bool:
        """Tell whether whoever asks sees the table."""
        return isinstance(request.user, User) and is_shown_to(request.user)

    def require_table(self, request: HttpRequest) -> None:
        """Raise `PermissionDenied` for a page that only the table leads to."""
        if not self.shows_table(request):
            raise PermissionDenied

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        self.require_table(request)
        return super().changelist_view(request, extra_context)

    def _response_post_save(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Lead to the first page where there is no list to lead back to."""
        if not self.shows_table(request):
            return HttpResponseRedirect(reverse("admin:index"))
        answer: HttpResponse = super()._response_post_save(request, obj)  # type: ignore[misc]  # not in the stubs
        return answer
