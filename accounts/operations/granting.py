"""How far a delegated administrator may go: they give and take only what they hold (R96, Q21).

Whom they may touch is a rule (delegation.py); this looks at the change itself, as it would be
stored. Every door to somebody's rights or teams comes by here: form, selection, set, import,
invitation. Super admins and named system actors pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts import access, catalogue
from accounts.access import Loaded, somebody
from accounts.account_errors import NotAllowed
from accounts.audit import Actor, System
from accounts.catalogue import EVERYTHING, TEAM
from accounts.delegation import Piece, lacks, opened_beyond, pieces_of
from accounts.held import Held, held_in_each
from accounts.models import PermissionSet, TeamReach, User
from accounts.words import counted

NOTHING: Held = ({}, frozenset())
Teams = Mapping[str, Any]
"""A main team or None, and a list of extra ones, by key: see `memberships.team_data`."""
MOST_NAMED = 5


def held_in(permission_set: PermissionSet | None) -> Held:
    """Return what a permission set says; nothing where there is none."""
    key = permission_set.pk if permission_set else None
    return held_in_each([key])[key]


def require_may_give(actor: Actor, before: Held, after: Held, teams: Iterable[int]) -> None:
    """Raise `NotAllowed` unless the actor holds all that this change gives or takes away.

    `teams` are those of the person whose rights change: Team only is relative to them, so it is
    given, and taken, by who reaches everything, or all of these teams (Q21). Taken for a moment, it
    would have let the actor set the password of whoever gets it back from others.
    """
    if is_free(actor):
        return
    asker = Loaded(actor)  # type: ignore[arg-type]  # a person, as no system actor comes here
    had, has = pieces_of(*before), pieces_of(*after)
    if lacking := [piece for piece in had ^ has if lacks(asker, piece)]:
        raise NotAllowed(
            gettext(
                "You may neither give nor take away what you do not hold yourself: "
                "%(permissions)s. Nothing was saved."
            )
            % {"permissions": _named(lacking)},
            "beyond",
        )
    relative = [
        piece
        for piece in had ^ has
        if piece.rank == TEAM and lacks(asker, Piece(piece.key, EVERYTHING))
    ]
    theirs = set(teams)
    if relative and not (theirs and theirs <= reach_of(actor)):
        raise NotAllowed(
            gettext(
                "Team only reaches what this person’s teams own. You may give or take it only "
                "where all of their teams are yours or below yours: %(permissions)s. Nothing was "
                "saved."
            )
            % {"permissions": _named(relative)},
            "beyond",
        )


def require_may_move(
    actor: Actor, key: int, before: Teams, after: Teams, held: Held, *, owns_records: bool
) -> None:
    """Raise `NotAllowed` where a change of teams shows anybody more than the actor sees (Q21).

    `key` is the person's, 0 of a new one; `held` is what their set says. Whoever reaches a team
    that they join sees what they own from then on: a colleague of the actor, or the actor.
    """
    if is_free(actor):
        return
    asker = Loaded(actor)  # type: ignore[arg-type]  # a person, as no system actor comes here
    had, has = keys_of(before), keys_of(after)
    changed = had ^ has
    if before["main"] != after["main"]:
        changed |= {before["main"], after["main"]} - {None}
    mine = reach_of(actor)
    sees_all = not any(lacks(asker, piece) for piece in _everything())
    if not sees_all and not changed <= mine:
        raise NotAllowed(
            gettext(
                "You may put people only into teams that are yours or below yours, and take them "
                "out of these alone. Nothing was saved."
            ),
            "beyond",
        )
    beyond = [
        piece
        for piece in pieces_of(*held)
        if piece.rank == TEAM and lacks(asker, piece) and lacks(asker, Piece(piece.key, EVERYTHING))
    ]
    if has - had and beyond:
        raise NotAllowed(
            gettext(
                "In another team this person would reach more than you do yourself: "
                "%(permissions)s. Nothing was saved."
            )
            % {"permissions": _named(beyond)},
            "beyond",
        )
    if (has - had or before["main"] != after["main"]) and _opens(asker, key, before, after):
        raise NotAllowed(
            gettext(
                "In another team this person would get to fields, stages or shared records that "
                "are not open to you. Ask a super admin to do it. Nothing was saved."
            ),
            "beyond",
        )
    if has - had and owns_records and not sees_all and not (had and had <= mine):
        raise NotAllowed(
            gettext(
                "The new team would see records of this person that you do not see. Ask a super "
                "admin to do it. Nothing was saved."
            ),
            "beyond",
        )


@contextmanager
def opening_no_log_in(actor: Actor, people: QuerySet[User]) -> Iterator[None]:
    """Raise `NotAllowed` where what is done meanwhile opens somebody's log-in to the actor.

    Whoever can do less for a moment would get a password of the actor's choosing, and have it
    still when they can do more again.
    """
    if is_free(actor):
        yield
        return
    before = _open_to(actor, people)
    yield
    if opened := people.filter(pk__in=_open_to(actor, people) - before).first():
        raise NotAllowed(
            gettext(
                "After that you could log in as %(name)s, who can do more than you now. Ask a "
                "super admin to do it. Nothing was saved."
            )
            % {"name": opened},
            "beyond",
        )


def _open_to(actor: Actor, people: QuerySet[User]) -> set[int]:
    """Return whose log-in the actor may change; a query for all of them."""
    assert isinstance(actor, User)
    rows = access.permitted(people.order_by(), actor, "credentials")
    return set(rows.values_list("pk", flat=True))


def require_may_know(actor: Actor, person: User) -> None:
    """Raise `NotAllowed` where whoever logs in as this new person gets beyond the actor by name.

    A partner admin reads no sensitive field that is open to everybody else: with a password of
    their choosing the new person would be their way to it (R101).
    """
    if is_free(actor):
        return
    mine = Loaded(actor)  # type: ignore[arg-type]  # a person, as no system actor comes here
    if any(rows.exists() for rows in opened_beyond(Loaded(person), mine)):
        raise NotAllowed(
            gettext(
                "Whoever logs in as this person would get to fields, stages or shared records that "
                "are not open to you. Let a super admin choose the password. Nothing was saved."
            ),
            "stronger",
        )


def _opens(mine: Loaded, key: int, before: Teams, after: Teams) -> bool:
    """Tell whether these teams open by name what neither those before nor the actor's own do."""

    def by_teams(teams: Teams) -> Iterable[QuerySet[Any]]:
        main = () if teams["main"] is None else (teams["main"],)
        member = somebody(key, tuple(sorted(keys_of(teams))), main_teams=main)
        return opened_beyond(Loaded(member), mine)

    pairs = zip(by_teams(after), by_teams(before), strict=True)
    return any(rows.exclude(pk__in=had.values("pk")).exists() for rows, had in pairs)


def keys_of(teams: Teams) -> set[int]:
    """Return the keys of all of these teams."""
    main = teams["main"]
    return {*teams["extra"], *([] if main is None else [main])}


def is_free(actor: Actor) -> bool:
    """Tell whether nothing limits what this actor gives: a super admin, or the product itself."""
    return isinstance(actor, System) or (actor.is_active and actor.is_superuser)


def reach_of(actor: Actor) -> set[int]:
    """Return the keys of the actor's teams and of those below."""
    assert isinstance(actor, User)
    below = TeamReach.objects.filter(above__in=actor.grants.teams)
    return set(below.values_list("below", flat=True))


def owns_anything(person: User) -> bool:
    """Tell whether any record names this person as an owner; a query per kind of record."""
    return any(
        kind.model._base_manager.filter(**{name: person.pk}).exists()
        for kind in catalogue.objects()
        for name in getattr(kind.model, "owner_fields", ())
    )


def _everything() -> Iterable[Piece]:
    for kind in catalogue.objects():
        for action in kind.actions:
            if action != "add":
                yield Piece(f"crm.{kind.key}.{action}", EVERYTHING)


def _named(pieces: Iterable[Piece]) -> str:
    """Return the pieces in words, of each scope the widest level alone, and not too many."""
    widest: dict[tuple[str, bool], Piece] = {}
    for piece in pieces:
        key = (piece.key, piece.box)
        if key not in widest or piece.rank > widest[key].rank:
            widest[key] = piece
    names = sorted(map(str, widest.values()))
    more = len(names) - MOST_NAMED
    rest = [gettext("and %(count)s more") % {"count": counted(more)}] if more > 0 else []
    return "; ".join([*names[:MOST_NAMED], *rest])
