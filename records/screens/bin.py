"""The recycle bin of each kind of record: what a person may restore, and doing so (E10)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.core.exceptions import BadRequest, PermissionDenied
from django.core.paginator import Paginator
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import access
from accounts.access import RESTORE
from accounts.keys import whole_number
from accounts.modeladmin import AccessModelAdmin, page_address, user_of
from accounts.paging import CappedPaginator
from accounts.words import counted
from records import filters, kinds
from records.models import Record
from records.models.base import BIN_DAYS
from records.operations import RecordError
from records.operations.recycling import in_bin, restore


def bin_tool(request: HttpRequest, screen: AccessModelAdmin) -> dict[str, Any] | None:
    """Offer the recycle bin above a list, to whoever may restore anything of this kind."""
    model = screen.model
    if not isinstance(screen, RecyclingAdmin) or not access.allows_any(
        user_of(request), RESTORE, model
    ):
        return None
    return {
        "title": gettext("Recycle bin"),
        "icon": "delete",
        "url": page_address(screen.model, "bin"),
    }


class SearchForm(forms.Form):
    """By the words of a name, as the list above is searched."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        widget=UnfoldAdminTextInputWidget,
        max_length=filters.LONGEST_SEARCH,
    )


class RecyclingAdmin(AccessModelAdmin):
    """Adds the recycle bin to the screens of one kind of record."""

    model: type[Record]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("bin/", view(self.bin_view), name=f"{name}_bin"),
            path("bin/restore/", view(self.restore_view), name=f"{name}_restore"),
            *super().get_urls(),
        ]

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        """Say where the record is now, and lead there; back to the list as it was narrowed."""
        said = ngettext(
            "“%(record)s” is in the recycle bin, where it can be restored for %(count)s day.",
            "“%(record)s” is in the recycle bin, where it can be restored for %(count)s days.",
            BIN_DAYS,
        ) % {"record": obj_display, "count": counted(BIN_DAYS)}
        link = format_html(
            '<a class="text-link" href="{}">{}</a>',
            page_address(self.model, "bin"),
            gettext("Recycle bin"),
        )
        messages.success(request, format_html("{} {}", said, link))
        kept: dict[str, Any] = {
            "preserved_filters": self.get_preserved_filters(request),
            "opts": self.opts,
        }
        address = page_address(self.model, "changelist")
        return HttpResponseRedirect(add_preserved_filters(kept, address))

    def bin_view(self, request: HttpRequest) -> HttpResponse:
        """List what this person may restore, the latest first."""
        user = user_of(request)
        if not access.allows_any(user, RESTORE, self.model):
            raise PermissionDenied
        term = request.GET.get(filters.SEARCH, "").strip()
        may_search = filters.may_search(self.model, user)
        known = {"p", filters.SEARCH} if may_search else {"p"}
        form = SearchForm(initial={filters.SEARCH: term}) if may_search else None
        if set(request.GET) - known or "\x00" in term:
            raise BadRequest(gettext("This list has no such filter."))
        rows = in_bin(self.model, user).select_related("deleted_by", *self.read_with)
        if term:
            rows, _ = self.get_search_results(request, rows, term)
        pages: Paginator[Any] = CappedPaginator(rows, self.list_per_page)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Recycle bin: %(kinds)s") % {"kinds": kinds.of(self.model).nouns},
            "opts": self.opts,
            "plural": kinds.of(self.model).nouns,
            "form": form,
            "term": term,
            "days": BIN_DAYS,
            "page": pages.get_page(whole_number(request.GET.get("p")) or 1),
            "back": page_address(self.model, "changelist"),
            "restore_url": page_address(self.model, "restore"),
        }
        return TemplateResponse(request, "records/bin.html", context)

    def restore_view(self, request: HttpRequest) -> HttpResponse:
        """Restore one record, and open it where this person sees it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user = user_of(request)
        key = whole_number(request.POST.get("record"))
        record = in_bin(self.model, user).filter(pk=key).first()
        if record is None:
            raise Http404
        try:
            restored = restore(record, actor=user)
        except RecordError as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(page_address(self.model, "bin"))
        messages.success(request, gettext("“%(record)s” is restored.") % {"record": restored})
        if access.allows(user, "view", restored):
            return HttpResponseRedirect(page_address(self.model, "change", restored.pk))
        return HttpResponseRedirect(page_address(self.model, "bin"))
