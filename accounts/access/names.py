"""What of a row people may read who may not see all of it: its name, that it was deleted, whose."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

from accounts.access.askers import Loaded
from accounts.access.readers import permitted
from accounts.access.rules import rules_for, seen_outside_the_bin
from accounts.models.people import Team, TeamReach, User
from accounts.models.permissions import Rank
from accounts.rule import ALWAYS, NEVER, settled

M = TypeVar("M", bound=Model)


def nameable(queryset: QuerySet[M], user: User) -> QuerySet[M]:
    """Return the rows whose *name* this person may read, for pickers and links (R7, Q32).

    A model whose `names_are_public` (people, teams, stages) shows its names to everybody who can
    log in, and nothing else; of any other model, the names of what the person may view.
    """
    if getattr(queryset.model, "names_are_public", False):
        return queryset if user.is_active else queryset.filter(NEVER)
    return permitted(queryset, user, "view")


def recycled(queryset: QuerySet[M], user: User) -> QuerySet[M]:
    """Return the rows in the recycle bin that this person would see outside it.

    Of a model whose rows go into no bin there are none.
    """
    asker = Loaded(user)
    for rule in rules_for(asker, "view", queryset.model):
        if rule.code == "deleted":
            return queryset.filter(rule.when, seen_outside_the_bin(asker, queryset.model))
    return queryset.none()


def teams_told(user: User, model: type[Model]) -> QuerySet[Team]:
    """Return the teams of which this person may be told whose records of this kind they own.

    Names of teams are public, who is in them is not (R7): one's own teams and those below, and all
    of them for whoever may view every record of this kind.
    """
    asker = Loaded(user)
    key = getattr(model, "object_key", "")
    without_scope = asker.is_superuser() | asker.is_partner_admin()
    everything = without_scope | asker.at_least(key, "view", Rank.EVERYTHING)
    if settled(asker.is_active() & everything) is ALWAYS:
        return Team.objects.all()
    below = TeamReach.objects.filter(above__in=asker.teams()).values("below")
    return Team.objects.filter(pk__in=below)
