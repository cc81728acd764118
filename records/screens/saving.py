"""Forms of records save in the transaction of their operation, and in no longer one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse


class SavesByOneOperation(admin.ModelAdmin):  # type: ignore[type-arg]  # Django does not subscribe it
    """A screen whose form is saved, or whose object is deleted, by exactly one operation.

    Django opens a transaction before it even reads the form. SQLite lets one transaction write at
    a time, so nobody else could save for as long as a whole page takes, ten times as long as the
    operation, which is a transaction of its own. Stands behind the theme's classes, in front of
    Django's. For screens without inlines: those save by several operations, all of them or none.
    """

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        assert not self.inlines
        return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]  # not in the stubs

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        answer: HttpResponse = self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined]  # not in the stubs
        return answer
