"""The filters of the list of people: where they stand, what they hold, when they logged in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import access, catalogue, invitations
from accounts.keys import KeyField
from accounts.list_forms import INCOMPLETE, FormFilter, ListForm
from accounts.models import Membership, ObjectScope, PermissionSet, Rank, Team, TeamReach, User

STATUSES: dict[str, Q] = {
    "active": Q(is_active=True) & ~invitations.waiting,
    "invited": invitations.waiting,
    "deactivated": Q(is_active=False),
}
LAST_LOG_INS: dict[str, Q] = {
    "never": Q(last_login=None),
    "30": Q(last_login__lt=Now() - timedelta(days=30)),
    "90": Q(last_login__lt=Now() - timedelta(days=90)),
}


def _choice(label: str, choices: Any, empty: str = "All") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        required=False,
        choices=choices if callable(choices) else [("", empty), *choices],
        widget=UnfoldAdminSelectWidget,
    )


def _scopes() -> list[tuple[str, str]]:
    """Return every scope of the catalogue by its key: `deal.change`, “Deals: Edit”."""
    return [
        ("", "Any"),
        *(
            (f"{kind.key}.{action}", f"{kind.plural}: {catalogue.ACTION_LABELS[action]}")
            for kind in catalogue.objects()
            for action in catalogue.SCOPED_ACTIONS
            if action in kind.actions
        ),
    ]


class PeopleForm(ListForm):
    """The filters of the list of people; every field is optional."""

    status = _choice(
        "Status",
        [
            ("active", "Active"),
            ("invited", "Invited, never logged in"),
            ("deactivated", "Deactivated"),
        ],
    )
    team = KeyField(
        label="Team",
        required=False,
        queryset=Team.objects.all(),
        empty_label="All",
        widget=UnfoldAdminSelectWidget,
    )
    below = _choice("Teams below it", [("yes", "As well")], "Without")
    permission_set = KeyField(
        label="Permission set",
        required=False,
        queryset=PermissionSet.objects.none(),
        empty_label="All",
        widget=UnfoldAdminSelectWidget,
    )
    super_admin = _choice("Super admin", [("yes", "Yes"), ("no", "No")])
    partner_admin = _choice("Partner admin", [("yes", "Yes"), ("no", "No")])
    scope = _choice("Scope in their permission set", _scopes)
    level = _choice("Level of that scope", [(str(rank), rank.label) for rank in Rank], "Any")
    last_log_in = _choice(
        "Last log-in",
        [("never", "Never"), ("30", "More than 30 days ago"), ("90", "More than 90 days ago")],
        "Any",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sets: Any = self.fields["permission_set"]  # a field of keys has a queryset
        sets.queryset = access.nameable(PermissionSet.objects.all(), self.user)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        for asked, needed, sentence in (
            ("level", "scope", "Choose as well which scope shall have this level."),
            ("scope", "level", "Choose as well which level this scope shall have."),
            ("below", "team", "Choose as well the team below which to look."),
        ):
            if values.get(asked) and not values.get(needed) and needed not in self.errors:
                self.add_error(asked, forms.ValidationError(sentence, code=INCOMPLETE))
        return values


class PeopleFilter(FormFilter):
    """All filters of the list of people."""

    form_class = PeopleForm

    def narrowed(self, queryset: QuerySet[Any], wanted: dict[str, Any]) -> QuerySet[Any]:
        if wanted["status"]:
            queryset = queryset.filter(STATUSES[wanted["status"]])
        if wanted["team"]:
            queryset = queryset.filter(_is_in(wanted["team"], bool(wanted["below"])))
        if wanted["permission_set"]:
            queryset = queryset.filter(permission_set=wanted["permission_set"])
        if wanted["super_admin"]:
            queryset = queryset.filter(is_superuser=wanted["super_admin"] == "yes")
        if wanted["partner_admin"]:
            queryset = queryset.filter(is_partner_admin=wanted["partner_admin"] == "yes")
        if wanted["scope"]:
            queryset = queryset.filter(_has_level(wanted["scope"], Rank(int(wanted["level"]))))
        if wanted["last_log_in"]:
            queryset = queryset.filter(LAST_LOG_INS[wanted["last_log_in"]])
        return queryset


def _is_in(team: Team, or_below: bool) -> Q:
    """Hold for members of a team, main or extra; and of those below it where that is asked."""
    rows = Membership.objects.filter(user=OuterRef("pk"))
    if or_below:
        below = TeamReach.objects.filter(above=team).values("below")
        return Q(Exists(rows.filter(team__in=below)))
    return Q(Exists(rows.filter(team=team)))


NEEDS_SCOPE = Q(is_superuser=False, is_partner_admin=False)


def _has_level(scope: str, rank: Rank) -> Q:
    """Hold for people whose permission set says this; who needs no scope has all (R90, R101)."""
    kind, _, action = scope.partition(".")
    stored = ObjectScope.objects.filter(permission_set=OuterRef("permission_set"), object=kind)
    if rank == Rank.EVERYTHING:
        return ~NEEDS_SCOPE | Q(Exists(stored.filter(**{action: rank})))
    if rank == Rank.NONE:
        return NEEDS_SCOPE & ~Q(Exists(stored.filter(**{f"{action}__gt": rank})))
    return NEEDS_SCOPE & Q(Exists(stored.filter(**{action: rank})))


def status_of(person: User) -> tuple[str, str]:
    """Return the status that the list shows of a person, and the class of its chip."""
    if not person.is_active:
        return "Deactivated", "is-off"
    if person.invited_at is not None and person.last_login is None:
        has_ended = person.invited_at < timezone.now() - timedelta(days=invitations.DAYS)
        return ("Invited, link ended" if has_ended else "Invited"), "is-pending"
    return "Active", ""
