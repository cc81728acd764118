"""The time machine's page: what a person could do on a day, and who could see a record (E17)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import BadRequest, PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import access, catalogue, past
from accounts.access import LEVELS
from accounts.keys import KeyField, whole_number
from accounts.list_forms import day_field
from accounts.modeladmin import AccessModelAdmin, user_of
from accounts.models import PermissionChange, Rank, User
from accounts.past import BadMoment, moment_on
from accounts.permission_pages import history_address
from accounts.pickers import PickerSelect, Purpose, offered
from accounts.words import counted
from records import kinds
from records.models import Record
from records.past import (
    PERSON_AS_OF_TODAY,
    RECORD_AS_OF_TODAY,
    PersonThen,
    known_since,
    not_known,
    person_on,
    who_could_see,
)
from records.screens.access import PEOPLE_PER_PAGE, told_of

LONGEST_ADDRESS = 300
_RECORD = re.compile(r"(?:.*/)?([a-z_0-9]+)[/ #]+([0-9]+)(?:/.*)?")
"""“deal 42”, or the address of its page."""


class DayForm(forms.Form):
    """On which day, and about whom or what."""

    day = day_field(cast("str", gettext_lazy("On the day")), required=True)
    user = KeyField(
        User.objects.none(),
        label=gettext_lazy("Person"),
        required=False,
        empty_label=gettext_lazy("Nobody"),
    )
    record = forms.CharField(
        label=gettext_lazy("Or record: its address, or “deal 42”"),
        required=False,
        max_length=LONGEST_ADDRESS,
        widget=UnfoldAdminTextInputWidget,
    )
    page = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        field: Any = self.fields["user"]
        field.queryset = offered(User.objects.all(), user, Purpose.ASK)
        about = PermissionChange._meta.get_field("person")
        field.widget = PickerSelect(about, admin.site, Purpose.ASK)
        field.widget.choices = field.choices


def past_pages() -> list[URLPattern]:
    """Return the address of the page."""
    page = admin.site.admin_view(day_page)
    return [path("permissions/history/on/", page, name="access_on")]


def time_machine_tool(request: HttpRequest, screen: AccessModelAdmin) -> dict[str, Any] | None:
    """Lead from the history to the time machine; fills the slot `list_tools`."""
    if screen.model is not PermissionChange:
        return None
    asked = request.GET.get("person", "")
    narrowed = f"?user={whole_number(asked)}" if whole_number(asked) else ""
    url = reverse("admin:access_on") + narrowed
    return {"title": gettext("Access on a day"), "url": url, "icon": "history"}


def day_page(request: HttpRequest) -> HttpResponse:
    """Answer for a day and a person or a record, whatever became of them since."""
    reader = user_of(request)
    if not access.allows_any(reader, "view", PermissionChange):
        raise PermissionDenied
    if set(request.GET) - {"day", "user", "record", "page"}:
        raise BadRequest(gettext("This page has no such question."))
    # A link says about whom; which day is today's, unless somebody chooses another.
    asked = bool({"day", "user", "record"} & set(request.GET))
    data = {"day": str(timezone.localdate()), **request.GET.dict()}
    form = DayForm(data if asked else None, user=reader, initial=data)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": gettext("Access on a day"),
        "form": form,
        "history": reverse("admin:permission_history"),
    }
    if asked and not form.is_valid():
        if {"user", "page"} & set(form.errors):
            raise BadRequest(gettext("This page has no such question."))
        context["trouble"] = [
            f"{form.fields[name].label}: {' '.join(map(str, errors))}"
            for name, errors in form.errors.items()
        ]
    elif asked:
        try:
            context |= _answer(form.cleaned_data)
        except BadMoment as refusal:
            context["trouble"] = [str(refusal)]
    return TemplateResponse(request, "records/access_on.html", context)


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    moment = moment_on(asked["day"])
    context: dict[str, Any] = {"moment": moment}
    if asked["user"]:
        context |= {"asked": asked["user"], "as_of_today": PERSON_AS_OF_TODAY}
        context["not_known"] = not_known(moment, past.known_since())
        context["history"] = history_address(person=asked["user"].pk)
        return context if context["not_known"] else context | _of_person(asked["user"], moment)
    if not asked["record"]:
        raise BadMoment(gettext("Choose a person, or name a record."))
    record = _record(asked["record"])
    if record is None:
        raise BadMoment(
            gettext("There is no such record. Copy its address, or write it like “deal 42”.")
        )
    context |= {"original": record, "as_of_today": RECORD_AS_OF_TODAY}
    context["not_known"] = not_known(moment, known_since())
    return context if context["not_known"] else context | _of_record(record, moment, asked["page"])


def _record(text: str) -> Record | None:
    """Return the stored record that an address or “deal 42” names, in the bin or not."""
    found = _RECORD.fullmatch(text.strip().lower())
    kind = kinds.named(found[1]) if found else None
    if found is None or kind is None:
        return None
    return kind.model._base_manager.filter(pk=whole_number(found[2])).first()


def _of_person(user: User, moment: datetime) -> dict[str, Any]:
    then = person_on(user, moment)
    return {"person_then": then, "kinds": list(_kinds(then))}


def _kinds(then: PersonThen) -> Iterator[dict[str, Any]]:
    for kind in catalogue.objects():
        row = then.scopes.get(kind.key, {})
        scopes = []
        for action in kind.actions:
            said = row.get(action, 0)
            if not said:
                continue
            scopes.append(_scope(action, said, with_box=bool(row.get(f"{action}_unassigned"))))
        reach = then.reach.get(kind.key, {})
        yield {
            "label": kind.plural,
            "scopes": scopes,
            "reach": [
                str(_WOULD[action]) % {"count": counted(reach.get(action, 0))} for action in LEVELS
            ],
        }


def _scope(action: str, said: int | bool, *, with_box: bool) -> str:
    """Return what a set said of an action: that it was allowed, or how far it went."""
    label = str(catalogue.ACTION_LABELS[action])
    if said is True:
        return label
    parts = {"action": label, "level": Rank(said).label}
    if with_box:
        return gettext("%(action)s: %(level)s, with unassigned ones") % parts
    return gettext("%(action)s: %(level)s") % parts


_WOULD = {
    "view": pgettext_lazy("they would", "view %(count)s"),
    "change": pgettext_lazy("they would", "edit %(count)s"),
    "delete": pgettext_lazy("they would", "delete %(count)s"),
}


def _of_record(record: Record, moment: datetime, number: int | None) -> dict[str, Any]:
    then = who_could_see(record, moment)
    page = Paginator(then.people, PEOPLE_PER_PAGE).get_page(number or 1)
    return {
        "record_then": then,
        "page": page,
        "could": ngettext(
            "%(count)s person could see it.",
            "%(count)s people could see it.",
            page.paginator.count,
        )
        % {"count": counted(page.paginator.count)},
        "rows": told_of(page),
    }
