"""Changing one field of the ticked records: a page that names them and what stays, then one step.

The list's actions change nothing: they lead to that page (Q41).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.forms.models import apply_limit_choices_to_to_formfield
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts import access
from accounts.keys import is_key
from accounts.modeladmin import opened, page_address, user_of
from accounts.modeladmin.requests import once
from accounts.review import ANSWER, edits_further, sent_once_more
from accounts.words import counted, listed
from records import kinds
from records.kinds import Field
from records.models import Record
from records.operations import many
from records.operations.many import MOST_AT_ONCE, Outcome
from records.refusals import HandOver, RecordError
from records.screens.part import RecordPart

MOST_NAMED = 5
"""So many of the records that stayed as they are the message names."""


class ManyForm(forms.Form):
    """The value that all of them shall have; or none, which is said and not left out."""

    empty = forms.BooleanField(required=False, label=gettext_lazy("Leave it empty in all of them"))

    def __init__(self, data: Any, value: forms.Field, *, may_be_empty: bool) -> None:
        super().__init__(data)
        value.required, value.help_text = not may_be_empty, ""
        apply_limit_choices_to_to_formfield(value)
        self.fields = {"value": value, **(self.fields if may_be_empty else {})}

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        has_value = given.get("value") not in (None, "")
        if "value" in given and has_value == bool(given.get("empty")):
            said = gettext("Enter a value, or tick that it is left empty.")
            raise forms.ValidationError(
                said
                if not has_value
                else gettext("Enter a value or tick that it is left empty, not both.")
            )
        return given


class ChangesManyRecords(RecordPart):
    """A list of records with a step for each field that many of them can be given at once."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        for field in self._fields_for_many(request).values():
            said = gettext("Change %(field)s") % {"field": field.label}
            actions[f"change_{field.name}"] = (_action(field.name), f"change_{field.name}", said)
        return actions

    def _fields_for_many(self, request: HttpRequest) -> dict[str, Field]:
        def offered() -> dict[str, Field]:
            user = user_of(request)
            if not access.allows_any(user, "change", self.model):
                return {}
            return {field.name: field for field in many.offered_fields(user, self.model)}

        # Django asks a list for its actions five times a page.
        return once(request, ("fields for many", self.model), offered)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_change_many"
        view = self.admin_site.admin_view(self.change_many_view)
        return [path("change-many/<slug:name>/", view, name=name), *super().get_urls()]

    def ask_about_many(
        self, request: HttpRequest, name: str, rows: QuerySet[Record]
    ) -> HttpResponse:
        """Lead to the page that asks for the value for these rows of the list.

        By an address that says which, so that *Back* leads here and sends nothing once more.
        """
        keys = list(rows.order_by().values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(keys) > MOST_AT_ONCE:
            messages.error(request, many.too_many())
            return HttpResponseRedirect(request.get_full_path())
        asked = request.GET.copy()
        asked["records"] = ",".join(map(str, keys))
        address = page_address(self.model, "change_many", name)
        return HttpResponseRedirect(f"{address}?{asked.urlencode(safe=',')}")

    def change_many_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask for the value; write it, or show the page once more with what was wrong."""
        fields = self._fields_for_many(request)
        if not fields:
            raise PermissionDenied
        if name not in fields:
            raise Http404
        is_sent = request.method == "POST"
        sent = request.POST if is_sent else request.GET
        if not is_sent and "records" not in sent:
            messages.info(request, gettext("Tick the records in the list first."))
            return HttpResponseRedirect(page_address(self.model, "changelist"))
        given = sent.get("records", "").split(",")
        if len(given) > MOST_AT_ONCE or not all(map(is_key, given)):
            raise BadRequest("These are not records of the list.")
        keys = [int(key) for key in given]
        if not is_sent:
            return self._page_of_many(request, name, keys, self._form_for_many(request, name, None))
        form, asks = self._form_for_many(request, name, request.POST), None
        if form.is_valid() and not edits_further(request):
            try:
                return self._said_of_many(
                    request, name, self._changed_many(request, name, keys, form)
                )
            except HandOver as question:
                asks = question
            except RecordError as refusal:
                form.add_error(None, str(refusal))
        return self._page_of_many(request, name, keys, form, asks)

    def _changed_many(
        self, request: HttpRequest, name: str, keys: list[int], form: ManyForm
    ) -> Outcome:
        column: Any = self.opts.get_field(name)
        nothing = None if column.null else ""
        return many.change_many(
            kinds.of(self.model),
            keys,
            actor=user_of(request),
            name=name,
            value=nothing if form.cleaned_data.get("empty") else form.cleaned_data["value"],
            as_opened=opened(request),
            confirm_hand_over=request.POST.get(ANSWER, ""),
        )

    def _form_for_many(self, request: HttpRequest, name: str, data: Any) -> ManyForm:
        column: Any = self.opts.get_field(name)
        # The record's own form field: it searches and shows what is offered there, and no more.
        value: Any = self.formfield_for_dbfield(column, request)
        return ManyForm(data, value, may_be_empty=column.blank)

    def _page_of_many(
        self,
        request: HttpRequest,
        name: str,
        keys: list[int],
        form: ManyForm,
        asks: HandOver | None = None,
    ) -> HttpResponse:
        kind, user = kinds.of(self.model), user_of(request)
        field, query = kind.field(name), _query_of_list(request)
        rows = list(many.seen(kind, keys, user).order_by(*self.get_ordering(request), "pk"))
        left = many.not_changeable(kind, [row.pk for row in rows], user, name)
        stays = {each.pk: each for each in left}
        free = [row for row in rows if row.pk not in stays]
        title = gettext("Change %(field)s") % {"field": field.label}
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "form": form,
            "media": self.media + form.media,
            "heading": ngettext(
                "Change %(field)s of %(count)s record",
                "Change %(field)s of %(count)s records",
                len(free),
            )
            % {"field": field.label, "count": counted(len(free))},
            "button": capfirst(title),
            "free": free,
            "stays": [stays[row.pk] for row in rows if row.pk in stays],
            "keys": ",".join(str(row.pk) for row in rows) or "0",
            # Once more the same where the page was refused: to send it again is not to have read
            # what it says now. What somebody else changed is shown, and so read, now.
            "as_opened": many.many_as_they_stand(rows),
            "url": page_address(self.model, "change_many", name) + (f"?{query}" if query else ""),
            "back": self._list_of_many(request),
            "asks": asks,
            "sent": sent_once_more(request) if asks else (),
        }
        return TemplateResponse(request, "records/change_many.html", context)

    def _list_of_many(self, request: HttpRequest) -> str:
        address, query = page_address(self.model, "changelist"), _query_of_list(request)
        return f"{address}?{query}" if query else address

    def _said_of_many(self, request: HttpRequest, name: str, outcome: Outcome) -> HttpResponse:
        """Say what was changed, and which records stay as they are and why."""
        if outcome.changed:
            said = ngettext(
                "%(field)s: changed in %(count)s record.",
                "%(field)s: changed in %(count)s records.",
                len(outcome.changed),
            )
            label = capfirst(kinds.of(self.model).field(name).label)
            parts = {"field": label, "count": counted(len(outcome.changed))}
            messages.success(request, said % parts)
        if outcome.unchanged:
            said = ngettext(
                "%(count)s record had this value already.",
                "%(count)s records had this value already.",
                outcome.unchanged,
            )
            messages.info(request, said % {"count": counted(outcome.unchanged)})
        if stay := [each.name for each in outcome.refused]:
            said = ngettext(
                "%(count)s record stays as it is: %(names)s.",
                "%(count)s records stay as they are: %(names)s.",
                len(stay),
            )
            names = listed([*stay[:MOST_NAMED], *(["…"] if len(stay) > MOST_NAMED else [])])
            messages.warning(request, said % {"count": counted(len(stay)), "names": names})
        return HttpResponseRedirect(self._list_of_many(request))


def _query_of_list(request: HttpRequest) -> str:
    """Return what the list was asked for, without the records that were ticked in it."""
    query = request.GET.copy()
    query.pop("records", None)
    return query.urlencode()


def _action(name: str) -> Callable[..., HttpResponse]:
    def action(screen: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        answer: HttpResponse = screen.ask_about_many(request, name, queryset)
        return answer

    return action
