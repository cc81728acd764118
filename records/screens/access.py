"""Who reaches one record: two pages for super admins, what one person may do and who may (B2, B3).

And for everybody who views it, the panel of who owned it so far (E54).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django import forms
from django.core.exceptions import BadRequest, PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext, pgettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts import access, catalogue
from accounts.access import EXPORT
from accounts.keys import KeyField
from accounts.modeladmin import AccessModelAdmin, page_address, row_pages, user_of
from accounts.models import Membership, PermissionChange, Team, TeamReach, User
from accounts.people import members, named, with_main_team
from accounts.pickers import PickerSelect, Purpose
from accounts.words import counted
from records import kinds, operations
from records.history import owners_so_far
from records.models import Record
from records.reasons import granted_by, rule_name
from records.why import field_answers, way_out

LONGEST_NAME = 80
PEOPLE_PER_PAGE = 50


class PersonForm(forms.Form):
    """Whom to ask about, and which action."""

    user = KeyField(User.objects.all(), label=gettext_lazy("Person"))
    action = forms.ChoiceField(label=gettext_lazy("Action"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, actions: list[tuple[str, str]], picker: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["action"].choices = actions  # type: ignore[attr-defined]  # a choice field
        picker.choices = self.fields["user"].choices  # type: ignore[attr-defined]  # a choice field
        self.fields["user"].widget = picker


HIGHEST = {
    "view": gettext_lazy("View only"),
    "change": gettext_lazy("Edit, not delete"),
    "delete": gettext_lazy("Delete"),
}
"""What a person may do at most, by action; actions in the order of `access.LEVELS`."""
AT_MOST = {
    "view": gettext_lazy("at most: view only"),
    "change": gettext_lazy("at most: edit, not delete"),
    "delete": gettext_lazy("at most: delete"),
}
VERBS = {
    "view": pgettext_lazy("may …", "view this"),
    "change": pgettext_lazy("may …", "edit this"),
    "delete": pgettext_lazy("may …", "delete this"),
    "communicate": pgettext_lazy("may …", "communicate about this"),
    "merge": pgettext_lazy("may …", "merge this"),
    EXPORT: pgettext_lazy("may …", "export this"),
}
"""What somebody may do with the record that the page is about."""


class PeopleForm(forms.Form):
    """Which action, and who: in which team, up to which level, of which name (E54)."""

    action = forms.ChoiceField(label=gettext_lazy("Who can"), widget=UnfoldAdminSelectWidget)
    team = KeyField(Team.objects.all(), label=gettext_lazy("Team"), required=False)
    level = forms.ChoiceField(
        label=gettext_lazy("Highest access"),
        required=False,
        choices=[("", gettext_lazy("Any")), *HIGHEST.items()],
        widget=UnfoldAdminSelectWidget,
    )
    q = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=LONGEST_NAME,
        widget=UnfoldAdminTextInputWidget,
    )
    page = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, actions: list[tuple[str, str]], picker: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        self.fields["action"].choices = actions  # type: ignore[attr-defined]  # a choice field
        picker.choices = self.fields["team"].choices  # type: ignore[attr-defined]  # a choice field
        self.fields["team"].widget = picker


class AccessPages(AccessModelAdmin):
    """Adds “Access” and “Who can see this” to the screens of one kind of record."""

    model: type[Record]

    def get_urls(self) -> list[URLPattern]:
        pages = row_pages(self, access=self.access_view, who=self.who_view)
        return [*pages, *super().get_urls()]

    def may_govern(self, request: HttpRequest) -> bool:
        """Tell whether these pages are for this person: they show what others hold."""
        return access.allows_any(user_of(request), "change", User)

    def access_links(self, request: HttpRequest, obj: Record) -> list[dict[str, str]]:
        """Return links to the pages for whom they open, else nothing."""
        if not self.may_govern(request):
            return []
        on_day = {
            "title": gettext("Who could, on a day"),
            "icon": "history",
            "url": f"{reverse('admin:access_on')}?record={obj.object_key}+{obj.pk}",
        }
        sees_past = access.allows_any(user_of(request), "view", PermissionChange)
        return [
            {
                "title": gettext("Access"),
                "icon": "key",
                "url": page_address(obj, "access", obj.pk),
            },
            {
                "title": gettext("Who can see this"),
                "icon": "group",
                "url": page_address(obj, "who", obj.pk),
            },
            *([on_day] if sees_past else []),
        ]

    def _asked(self, request: HttpRequest, object_id: str, known: set[str]) -> Record:
        """Return the record, or refuse: first whom the page is not for, whatever the record."""
        if not self.may_govern(request):
            raise PermissionDenied
        obj: Record = self.found(request, object_id)
        if set(request.GET) - known or any("\x00" in value for value in request.GET.values()):
            raise BadRequest(gettext("This page has no such question."))
        return obj

    def _actions(self) -> list[tuple[str, str]]:
        """Return what can be asked about a record that exists."""
        asked = [action for action in kinds.of(self.model).actions if action != "add"]
        labels = [(action, str(catalogue.ACTION_LABELS[action])) for action in asked]
        return [*labels, (EXPORT, pgettext("to do so", "Export"))]

    def asked_fields(self, request: HttpRequest) -> frozenset[str]:
        """Add the owner, by which “Access” asks about a person."""
        also = {"owner"} if self.may_govern(request) else set()
        return super().asked_fields(request) | also

    def _picker(self, field: Any) -> PickerSelect:
        """Return a picker of what this field points at."""
        return PickerSelect(field, self.admin_site, Purpose.ASK)

    def access_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Answer for one person and one action: the verdict, every finding, what would help."""
        obj = self._asked(request, object_id, {"user", "action"})
        form = PersonForm(
            {"action": "view", **request.GET.dict()},
            actions=self._actions(),
            picker=self._picker(self.model._meta.get_field("owner")),
        )
        context: dict[str, Any] = {"title": gettext("Access"), "form": form}
        if not form.is_valid():
            # Nobody is chosen yet; anything else the page itself would never have sent.
            if request.GET.get("user") or "action" in form.errors:
                raise BadRequest(gettext("This page has no such question."))
        else:
            asked, action = form.cleaned_data["user"], form.cleaned_data["action"]
            context["asked"] = asked
            answers = access.explain_each(asked, (action, "change"), obj)
            context["explanation"] = explanation = answers[action]
            context["findings"] = [(each, rule_name(each.code)) for each in explanation.findings]
            parts = {"person": asked, "verb": VERBS[action]}
            context["verdict"] = (
                gettext("%(person)s may %(verb)s.") % parts
                if explanation.allowed
                else gettext("%(person)s may not %(verb)s.") % parts
            )
            if explanation.allowed:
                may_change = answers["change"].allowed
                context["fields"] = field_answers(
                    asked, self.model, reader=user_of(request), may_change=may_change
                )
            else:
                context["reasons"] = operations.sentences_of(
                    explanation, asked, action, obj, str(asked)
                )
                context["way_out"] = way_out(asked, action, obj, explanation)
        return self._page(request, obj, "records/access.html", context)

    def who_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """List everybody who may do this to the record, with main team, level and reasons."""
        obj = self._asked(request, object_id, {"action", "team", "level", "q", "page"})
        form = PeopleForm(
            {"action": "view", **request.GET.dict()},
            actions=self._actions(),
            # Any field that points at a team will do; TeamAdmin.asked_fields has this one.
            picker=self._picker(Team._meta.get_field("parent")),
        )
        if not form.is_valid():
            raise BadRequest(gettext("This page has no such question."))
        values = form.cleaned_data
        # Read whole: one query answers for everybody, and tells how many they are.
        found = with_main_team(named(access.who_can(values["action"], obj), values["q"]))
        if values["team"]:
            found = members(found, values["team"])
        people = [each for each in found if values["level"] in ("", each.level[-1])]
        pages = Paginator(people, PEOPLE_PER_PAGE)
        page = pages.get_page(values["page"] or 1)
        context = {
            "title": gettext("Who can see this"),
            "form": form,
            "page": page,
            "heading": self._heading(len(people), values),
            "rows": told_of(page, _other_teams(obj, page)),
        }
        return self._page(request, obj, "records/who.html", context)

    def _heading(self, number: int, asked: dict[str, Any]) -> str:
        """Return how many may do it, and by what else the people were chosen."""
        said = ngettext("%(count)s person may %(verb)s", "%(count)s people may %(verb)s", number)
        narrowed = [said % {"count": counted(number), "verb": VERBS[asked["action"]]}]
        if asked["team"]:
            narrowed.append(gettext("among those in %(team)s") % {"team": asked["team"]})
        if asked["level"]:
            narrowed.append(str(AT_MOST[asked["level"]]))
        if asked["q"]:
            narrowed.append(gettext("among those named “%(name)s”") % {"name": asked["q"]})
        return ", ".join(narrowed)

    def _page(
        self, request: HttpRequest, obj: Record, template: str, context: dict[str, Any]
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": obj,
            "access_links": self.access_links(request, obj),
            "back": page_address(obj, "change", obj.pk),
            **context,
        }
        return TemplateResponse(request, template, context)


def owners_panel(request: HttpRequest, record: Any) -> str:
    """Return who owned a record and since when; nothing where that never changed (E54)."""
    if not isinstance(record, Record):
        return ""
    events, earlier = owners_so_far(record, user_of(request))
    if not events:
        return ""
    context = {"events": events, "earlier": earlier}
    return render_to_string("records/owners_panel.html", context)


def _other_teams(record: Record, people: Iterable[User]) -> dict[int, list[str]]:
    """Return by person the teams by which they reach an owner, where none is their main team.

    One query for all. The main team stands beside the person, and any other one nowhere.
    """
    owners = [getattr(record, f"{name}_id") for name in record.owner_fields]
    theirs = Membership.objects.filter(user__in=[key for key in owners if key]).values("team")
    reaching = TeamReach.objects.filter(below__in=theirs).values("above")
    keys = [each.pk for each in people if "team" in each.reasons]
    found: dict[int, list[str]] = {}
    by_main = set()
    rows = Membership.objects.filter(user__in=keys, team__in=reaching).order_by("team__name")
    for user, name, is_main in rows.values_list("user", "team__name", "is_main"):
        found.setdefault(user, []).append(name)
        if is_main:
            by_main.add(user)
    return {user: names for user, names in found.items() if user not in by_main}


def told_of(
    people: Iterable[User], other_teams: Mapping[int, Sequence[str]] = MappingProxyType({})
) -> list[dict[str, Any]]:
    """Return rows about people from `access.who_can`: main team, what they may, and why.

    `other_teams`: by person, the teams to be named where their team is why.
    """
    return [
        {
            "person": each,
            "team": each.main_team,
            "level": [str(catalogue.ACTION_LABELS[action]) for action in each.level],
            "reasons": [granted_by(code, other_teams.get(each.pk, ())) for code in each.reasons],
        }
        for each in people
    ]
