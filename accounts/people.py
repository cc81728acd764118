"""Finding people by name, as pickers and lists do (R7), and by team, for super admins."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Concat
from django.utils.translation import gettext

from accounts import access
from accounts.fields import Line
from accounts.finding import with_words
from accounts.models import Membership, PermissionSet, Team, User
from accounts.ordering import empty_last

BY_NAME = empty_last(User, User._meta.ordering or ())
"""The order of people by name; whoever has none stands at the end, by e-mail."""


def selectable(chosen: Iterable[int] = ()) -> QuerySet[User]:
    """Return whom a list of boxes offers: active people, and those who are chosen already.

    Else saving would take a deactivated person out, who may come back one day.
    """
    return User.objects.filter(Q(is_active=True) | Q(pk__in=list(chosen)))


def sets_to_give(user: User) -> QuerySet[PermissionSet]:
    """Return the permission sets that this person may give to others (R97)."""
    return access.permitted(PermissionSet.objects.all(), user, "assign")


def _shown() -> Concat:
    """Return what people read of a person, as `User.__str__` does."""
    line = Line()
    nameless = When(first_name="", last_name="", then="email")
    full_name = Concat("first_name", Value(" ", line), "last_name")
    before, _, after = gettext("%(name)s (deactivated)").partition("%(name)s")
    parts = [Case(nameless, default=full_name, output_field=line), _of_gone(after)]
    # Not without need: each part is worked out for every row that is searched.
    return Concat(*([_of_gone(before)] if before else []), *parts)


def _of_gone(words: str) -> Case:
    line = Line()
    gone = When(is_active=False, then=Value(words, line))
    return Case(gone, default=Value("", line))


def named(people: QuerySet[User], words: str) -> QuerySet[User]:
    """Return those in whose name, as it is shown, every word occurs, in the order of names."""
    people = with_words(people.alias(shown=_shown()), words, ["shown"])
    return people.order_by(*BY_NAME)


def members(people: QuerySet[User], team: Team) -> QuerySet[User]:
    """Return those who are in this team, main or extra."""
    return people.filter(Exists(Membership.objects.filter(team=team, user=OuterRef("pk"))))


def with_main_team(people: QuerySet[User]) -> QuerySet[User]:
    """Add `main_team`, its name or None; inside the caller's query."""
    main = Membership.objects.filter(user=OuterRef("pk"), is_main=True)
    return people.annotate(main_team=Subquery(main.values("team__name")))  # type: ignore[no-redef]  # declared on the model for whoever reads it


def standing_of(user: User) -> str:
    """Return what a person is beside having a permission set, in words; mostly nothing."""
    if user.is_superuser:
        return gettext("super admin")
    return gettext("partner admin") if user.is_partner_admin else ""


def role_of(user: User) -> str:
    """Return what a person has, in words: their permission set, and what status they have."""
    if user.is_superuser:
        return gettext("Super admin")
    name = str(user.permission_set or "–")
    if user.is_partner_admin:
        return gettext("Partner admin, %(permission_set)s") % {"permission_set": name}
    return name


def team_names_of(user: User) -> str:
    """Return the names of a person's teams, the main one first."""
    memberships = list(user.memberships.all())
    main = [str(each.team) for each in memberships if each.is_main]
    extra = [
        gettext("%(team)s (extra)") % {"team": each.team}
        for each in memberships
        if not each.is_main
    ]
    return ", ".join(main + extra) or gettext("No team")
