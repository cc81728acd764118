"""What fields, stages and shared records are open to one person and not to another (R95, R96).

Asked before somebody may log in as another, or put another into a team. Permission sets are
compared by `accounts.delegation`; what is opened by name, or by the name of a team, is compared
here, by the rules that open it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts import access, catalogue
from accounts.models import Rank
from records.models.exceptions import StageException
from records.models.pipelines import Stage
from records.models.properties import Property
from records.models.rules import (
    GIVEN_BY_SHARE,
    SHARED,
    live_shares,
    locked_for,
    names_of,
    received_by,
)
from records.models.shares import SHARES, WITHOUT_END, live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accounts.asker import Asker

BINDS_BOTH = frozenset({"deleted", "stage", "unseen"})
"""Rules by which a share gives nothing either: of a record in the bin, or in a locked stage. That
nobody changes what they may not view is left out as well, as viewing is asked on its own."""


def beyond(them: Asker | None, mine: Asker) -> Iterator[QuerySet[Any]]:
    """Yield what is open to one and not to the other; fills `accounts.delegation.opened_by_name`.

    A share counts though the receiver's set gives it no effect, and so does a record of their own:
    their set may change, and who governs them may take it away for the moment of a password.
    """
    theirs = them or access.ACCOUNT
    for action in ("view", "change"):
        to_them, to_me = (access.condition_for(each, action, Property) for each in (theirs, mine))
        yield Property.objects.filter(to_them & ~to_me)
    yield Stage.objects.filter(locked_for(mine, "pk") & ~locked_for(theirs, "pk"))
    yield StageException.objects.filter(live() & locked_for(mine, "stage"), user=theirs.id())
    for tables in SHARES.values():
        to_people: Any = tables[0]
        model = to_people._meta.get_field("content_object").related_model
        yield model._base_manager.filter(
            theirs.owns(model.owner_fields) & _out_of_reach(mine, model)
        )
        for rows in live_shares(tables, theirs.id(), theirs.main_teams()):
            gives_more = access.NEVER
            for action in GIVEN_BY_SHARE:
                names = names_of(action, model)
                reached = Q(Exists(_reached(mine.inside(), action, model)))
                gives_more |= Q(permission__codename__in=names) & ~reached
            yield rows.filter(gives_more)


def _out_of_reach(mine: Asker, model: Any) -> Q:
    """Hold for records with which somebody may not do all that a set given by them would allow.

    Whoever edits one may make it their own, and do with it what they may do with their own.
    """
    kind = catalogue.object_kind(model.object_key)
    beyond = {
        action: mine.at_least(model.object_key, action, Rank.OWNED)
        & ~_otherwise(mine, action, model)
        for action in (kind.actions if kind else ())
        if action != "add"
    }
    unseen, more = beyond.pop("view", access.NEVER), access.NEVER
    for each in beyond.values():
        more |= each
    return unseen | (more & ~_by_rules(mine, "change", model))


def _by_rules(mine: Asker, action: str, model: Any) -> Q:
    """Hold for records that somebody reaches, but by shares."""
    rules = access.rules_for(mine, action, model)
    return access.condition(rule for rule in rules if rule.code not in {*BINDS_BOTH, SHARED})


def _otherwise(mine: Asker, action: str, model: Any) -> Q:
    """Hold for records that somebody reaches, by shares only where these have no end.

    By one of five minutes they would set a password for good. Nor does a share count that ends as
    theirs does, whom they are compared with: they may get another.
    """
    reached = _by_rules(mine, action, model)
    if action in GIVEN_BY_SHARE:
        names, tables = names_of(action, model), SHARES[model.object_key]
        has_scope = mine.at_least(model.object_key, action, Rank.OWNED)
        reached |= has_scope & mine.receives_for_good(
            model.object_key, names, lambda: received_by(mine, names, tables, WITHOUT_END)
        )
    return reached


def _reached(mine: Asker, action: str, model: Any) -> QuerySet[Any]:
    """Return the record of the share around, if somebody reaches it."""
    reached = _otherwise(mine, action, model)
    rows: QuerySet[Any] = model._base_manager.filter(reached, pk=OuterRef("content_object"))
    return rows
