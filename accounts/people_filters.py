"""The filters of the list of people: where they stand, what they hold, when they logged in."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import access, catalogue, invitations
from accounts.keys import KeyField
from accounts.list_forms import INCOMPLETE, FormFilter, ListForm
from accounts.models import Membership, ObjectScope, PermissionSet, Rank, Team, TeamReach, User

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

STATUSES: dict[str, Q] = {
    "active": Q(is_active=True) & ~invitations.waiting,
    "invited": invitations.waiting,
    "deactivated": Q(is_active=False),
    # Super admins and partner admins need none.
    "without_set": Q(is_active=True, permission_set=None)
    & Q(is_superuser=False, is_partner_admin=False),
}
LAST_LOG_INS: dict[str, Q] = {
    "never": Q(last_login=None),
    "30": Q(last_login__lt=Now() - timedelta(days=30)),
    "90": Q(last_login__lt=Now() - timedelta(days=90)),
}

ALL = gettext_lazy("All")
YES_OR_NO = [("yes", gettext_lazy("Yes")), ("no", gettext_lazy("No"))]


def _choice(label: StrOrPromise, choices: Any, empty: StrOrPromise = ALL) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        required=False,
        choices=choices if callable(choices) else [("", empty), *choices],
        widget=UnfoldAdminSelectWidget,
    )


def _scopes() -> list[tuple[str, str]]:
    """Return every scope of the catalogue by its key: `deal.change`, “Deals: Edit”."""
    return [
        ("", gettext("Any")),
        *(
            (
                f"{kind.key}.{action}",
                gettext("%(label)s: %(what)s")
                % {"label": kind.plural, "what": catalogue.ACTION_LABELS[action]},
            )
            for kind in catalogue.objects()
            for action in catalogue.SCOPED_ACTIONS
            if action in kind.actions
        ),
    ]


class PeopleForm(ListForm):
    """The filters of the list of people; every field is optional."""

    status = _choice(
        gettext_lazy("Status"),
        [
            ("active", gettext_lazy("Active")),
            ("invited", gettext_lazy("Invited, never logged in")),
            ("deactivated", gettext_lazy("Deactivated")),
            ("without_set", gettext_lazy("Without a permission set")),
        ],
    )
    team = KeyField(
        label=gettext_lazy("Team"),
        required=False,
        queryset=Team.objects.all(),
        empty_label=ALL,
        widget=UnfoldAdminSelectWidget,
    )
    below = _choice(
        gettext_lazy("Teams below it"), [("yes", gettext_lazy("As well"))], gettext_lazy("Without")
    )
    permission_set = KeyField(
        label=gettext_lazy("Permission set"),
        required=False,
        queryset=PermissionSet.objects.none(),
        empty_label=ALL,
        widget=UnfoldAdminSelectWidget,
    )
    super_admin = _choice(gettext_lazy("Super admin"), YES_OR_NO)
    partner_admin = _choice(gettext_lazy("Partner admin"), YES_OR_NO)
    scope = _choice(gettext_lazy("Scope in their permission set"), _scopes)
    level = _choice(
        gettext_lazy("Level of that scope"),
        [(str(rank), rank.label) for rank in Rank],
        gettext_lazy("Any"),
    )
    last_log_in = _choice(
        gettext_lazy("Last log-in"),
        [
            ("never", gettext_lazy("Never")),
            ("30", gettext_lazy("More than 30 days ago")),
            ("90", gettext_lazy("More than 90 days ago")),
        ],
        gettext_lazy("Any"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sets: Any = self.fields["permission_set"]  # a field of keys has a queryset
        sets.queryset = access.nameable(PermissionSet.objects.all(), self.user)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        for asked, needed, sentence in (
            ("level", "scope", gettext("Choose as well which scope shall have this level.")),
            ("scope", "level", gettext("Choose as well which level this scope shall have.")),
            ("below", "team", gettext("Choose as well the team below which to look.")),
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
        return gettext("Deactivated"), "is-off"
    if person.invited_at is not None and person.last_login is None:
        has_ended = person.invited_at < timezone.now() - timedelta(days=invitations.DAYS)
        return (gettext("Invited, link ended") if has_ended else gettext("Invited")), "is-pending"
    return gettext("Active"), ""
