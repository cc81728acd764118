"""Highly sensitive values: each is shown alone, logged, and may be emptied there (E30)."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.admin.utils import display_for_value
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.text import capfirst
from django.utils.translation import gettext

from accounts.keys import whole_number
from accounts.modeladmin import row_pages, user_of
from records import kinds, operations
from records.models import Record
from records.operations import screen_limit
from records.refusals import NotFound, RecordError
from records.screens.part import RecordPart


class RevealingAdmin(RecordPart):
    """Adds the pages of one highly sensitive value to the screens of records."""

    def veiled_labels(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return (name, label) of the fields whose values are shown one at a time (E30)."""
        veiled = self.veiled_fields(request)
        fields = kinds.of(self.model).fields
        return [(field.name, field.label) for field in fields if field.name in veiled]

    def get_urls(self) -> list[URLPattern]:
        pages = row_pages(self, reveal=self.reveal_view, empty=self.empty_view)
        return [*pages, *super().get_urls()]

    def reveal_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show one highly sensitive value once, on the answer to a POST; it is logged (E30)."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        record = self.found(request, object_id)
        name = request.POST.get("field", "")
        try:
            value = screen_limit.reveal(record, actor=user_of(request), name=name)
        except NotFound:
            raise Http404 from None
        except screen_limit.UsedUp as refusal:
            messages.warning(request, str(refusal))
            return HttpResponseRedirect(self.page_of(record))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Highly sensitive value"),
            "opts": self.opts,
            "original": record,
            "label": dict(self.veiled_labels(request))[name],
            "value": str(value) if name in record.years else display_for_value(value, "–"),
            "field_name": name,
            "may_empty": self._may_empty(request, record, name) and value not in (None, ""),
        }
        return TemplateResponse(request, "records/revealed.html", context)

    def _may_empty(self, request: HttpRequest, record: Record, name: str) -> bool:
        """Tell whether this person may take a veiled value away, which the form cannot say."""
        return (
            name in self.veiled_fields(request) - self.fixed_fields(request)
            and bool(self.opts.get_field(name).blank)  # type: ignore[union-attr]  # concrete fields
            and self.has_change_permission(request, record)
        )

    def empty_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Empty one highly sensitive field, from the page on which its value was just shown.

        The record's form never holds the value, so that its empty field means “as it is” (E30).
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        record = self.found(request, object_id)
        name, version = request.POST.get("field", ""), request.POST.get("record_version", "")
        if name not in self.veiled_fields(request):
            raise Http404
        if not self._may_empty(request, record, name):
            return self.refuse(request, record, "change")
        nothing = None if self.opts.get_field(name).null else ""  # type: ignore[union-attr]  # concrete
        try:
            operations.change(
                record,
                actor=user_of(request),
                values={name: nothing},
                version=whole_number(version),
            )
        except RecordError as refusal:
            messages.error(request, str(refusal))
        else:
            label = dict(self.veiled_labels(request))[name]
            said = gettext("%(field)s is empty now.") % {"field": capfirst(label)}
            messages.success(request, said)
        return HttpResponseRedirect(self.page_of(record))
