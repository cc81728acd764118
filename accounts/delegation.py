"""Delegated administration: whom somebody may govern, which sets they give, how far (R95–R99).

Rights are cut into *pieces*, each of which a person holds or does not. A set is covered by somebody
who holds all of its pieces; a change may be made by somebody who holds every piece that it gives or
takes. Both ask `Piece.held`, and nothing else says who holds what. Models import this module, so it
finds them when it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext, gettext_lazy

from accounts import catalogue
from accounts.asker import Asker
from accounts.catalogue import EVERYTHING, OWNED, TEAM, Grant, Kind
from accounts.rule import ALWAYS, NEVER, Rule, settled

EDIT_USERS = "account.edit_users"
EDIT_TEAMS = "account.edit_teams"
USER_TABLE = "account.user_table"
BILLING = "account.modify_billing"
SEAT = "sales.seat"

OpenedByName = Callable[[Asker | None, Asker], Iterable[QuerySet[Any]]]
opened_by_name: list[OpenedByName] = []
"""A slot for upper floors: rows of what is open to the first and not to the second, where no
permission set opens it but a name, theirs or that of a team. None: to the person of the row around,
once their account is active. The second is asked in these very queries."""


# --- Pieces of rights -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """One right that is held or not: a level of a scope, a box, Create, or a tool.

    `key` is of the catalogue (`crm.deal.change`, `crm.workflows:edit`); `rank` a level where there
    are levels; `box` says that it is the box Unassigned beside them.
    """

    key: str
    rank: int = 0
    box: bool = False

    @property
    def is_scope(self) -> bool:
        """Whether it belongs to a kind of record, so not to the tools."""
        return self.key.count(".") == 2

    def held(self, asker: Asker) -> Q:
        """Hold where the person has this: what has no effect for them is not theirs to give (R96).

        Nor is what a partner admin has by that status alone (R101): their permission set says it.
        Everything covers the box beside a narrower level (R26).
        """
        if not self.is_scope:
            tool, _ = catalogue.find(self.key)
            if self.box:
                box = catalogue.effective_box(self.key).asked_of(asker)
                return box | asker.is_superuser() | asker.may_give(self.key, EVERYTHING)
            needed = tool.granting_requires
            also = asker.may_give(needed) if needed else ALWAYS
            return asker.may_give(self.key, self.rank) & also
        _, kind, action = self.key.split(".")
        if action == "add":
            held = asker.may_add(kind)
        elif self.box:
            held = asker.box(kind, action) | asker.at_least(kind, action, EVERYTHING)
        else:
            held = asker.at_least(kind, action, self.rank)
        return held | asker.is_superuser()

    def stored(self) -> Q:
        """Hold for the row, of scopes or of tools, in which a permission set stores this."""
        if not self.is_scope:
            key, _, option = self.key.partition(":")
            row = Q(key=key, option=option)
            if self.rank:
                row &= Q(rank__gte=self.rank)
            return row & Q(unassigned=True) if self.box else row
        _, kind, action = self.key.split(".")
        if action == "add":
            return Q(object=kind, add=True)
        column = {f"{action}_unassigned": True} if self.box else {f"{action}__gte": self.rank}
        return Q(object=kind, **column)

    def __str__(self) -> str:
        if not self.is_scope:
            name = catalogue.name_of(self.key)
        else:
            _, key, action = self.key.split(".")
            kind = catalogue.object_kind(key)
            name = gettext("%(action)s for %(kinds)s") % {
                "action": catalogue.ACTION_LABELS[action],
                "kinds": kind.nouns if kind else key,
            }
        if self.box:
            return gettext("%(permission)s: Unassigned") % {"permission": name}
        return f"{name}: {catalogue.LEVEL_LABELS[self.rank]}" if self.rank else name


def pieces_of(scopes: Mapping[str, Mapping[str, Any]], grants: Iterable[Grant]) -> frozenset[Piece]:
    """Return what a set with these scopes (by object and column) and tools is made of."""
    pieces = set()
    for kind, row in scopes.items():
        for action in catalogue.ACTIONS:
            key = f"crm.{kind}.{action}"
            if action == "add":
                pieces |= {Piece(key)} if row.get("add") else set()
                continue
            pieces |= {Piece(key, rank) for rank in range(OWNED, int(row.get(action, 0)) + 1)}
            pieces |= {Piece(key, box=True)} if row.get(f"{action}_unassigned") else set()
    for grant in grants:
        ranks = range(OWNED, grant.rank + 1) if grant.rank else (0,)
        pieces |= {Piece(grant.name, rank) for rank in ranks}
        pieces |= {Piece(grant.name, box=True)} if grant.unassigned else set()
    return frozenset(pieces)


def every_piece() -> Iterator[Piece]:
    """Yield every piece that a permission set can be made of."""
    for kind in catalogue.objects():
        for action in kind.actions:
            key = f"crm.{kind.key}.{action}"
            if action == "add":
                yield Piece(key)
            else:
                yield from (*_levels(key), Piece(key, box=True))
    for tool in catalogue.TOOLS.values():
        for key in catalogue.keys_to_give(tool):
            if tool.kind is Kind.SCOPE:
                yield from (*_levels(key), Piece(key, box=True))
            else:
                yield Piece(key)


def _levels(key: str) -> Iterator[Piece]:
    return (Piece(key, rank) for rank in (OWNED, TEAM, EVERYTHING))


def lacks(asker: Asker, piece: Piece) -> bool:
    """Tell whether a known person does not have this piece."""
    return settled(piece.held(asker)) is not ALWAYS


def covers(asker: Asker, column: str) -> Q:
    """Hold for rows whose permission set, named by this column, stores nothing the asker lacks.

    A row without a set is covered. What the catalogue does not know any more is nobody's to give.
    """
    if _is_super(asker):
        return ALWAYS
    kinds = [kind.key for kind in catalogue.objects()]
    known = list(catalogue.TOOLS)
    pieces = list(every_piece())
    scopes, tools = ([each for each in pieces if each.is_scope is sort] for sort in (True, False))
    return ~(
        _stores_more(asker, "ObjectScope", column, scopes, ~Q(object__in=kinds))
        | _stores_more(asker, "ToolGrant", column, tools, ~Q(key__in=known))
    )


def _stores_more(asker: Asker, table: str, column: str, pieces: Iterable[Piece], unknown: Q) -> Q:
    """Hold where the set of `column` stores one of these pieces, or something else, that is lacked.

    `unknown`: the rows of what no piece stands for. For a known person all is settled, and one look
    at the table is enough for all that they lack.
    """
    rows = _rows(table, column)
    lacked: list[Piece] = []
    more = NEVER
    for piece in pieces:
        held = settled(piece.held(asker))
        if held is NEVER:
            lacked.append(piece)
        elif held is not ALWAYS:
            more |= Q(Exists(rows.filter(piece.stored()))) & ~held
    return more | Q(Exists(rows.filter(_stored_in(lacked) | unknown)))


def _stored_in(pieces: Iterable[Piece]) -> Q:
    """Return the rows that store any of these pieces, in as few words as may be."""
    rows = Q()
    for piece in (lacked := set(pieces)):
        # Who lacks a level lacks all above it, and those rows are among these.
        if piece.rank <= OWNED or replace(piece, rank=piece.rank - 1) not in lacked:
            rows |= piece.stored()
    return rows


def _rows(table: str, column: str) -> Any:
    """Return the rows of what the set of this column stores, for a sub-query."""
    rows = apps.get_model("accounts", table)._default_manager
    return rows.filter(permission_set=OuterRef(column))


def _is_super(asker: Asker) -> bool:
    return settled(asker.is_superuser()) is ALWAYS


# --- Teams, as far as somebody sees ---------------------------------------------------------------


def _within_reach(asker: Asker) -> Q:
    """Hold for people who are in a team, and only in teams the asker is in or that hang below."""
    members = apps.get_model("accounts", "Membership")._default_manager
    reach = apps.get_model("accounts", "TeamReach")._default_manager
    theirs = members.filter(user=OuterRef("pk"))
    mine = reach.filter(above__in=asker.teams(3)).values("below")
    return Q(Exists(theirs)) & ~Q(Exists(theirs.exclude(team__in=mine)))


def _sees_more(asker: Asker) -> Q:
    """Hold for people who reach records by their scopes that the asker does not reach.

    Each scope is relative to who has it: only who reaches everything, or all teams of that person
    by Team only, reaches as much.
    """
    within = _within_reach(asker)
    rows = _rows("ObjectScope", "permission_set")
    more = NEVER
    for kind in catalogue.objects():
        for action in kind.actions:
            if action == "add":
                continue
            owned = Piece(f"crm.{kind.key}.{action}", OWNED)
            everything = asker.at_least(kind.key, action, EVERYTHING)
            as_mates = asker.at_least(kind.key, action, TEAM) & within
            reached = settled(everything | as_mates)
            if reached is not ALWAYS:
                more |= Q(Exists(rows.filter(owned.stored()))) & ~reached
    return more


def opened_beyond(theirs: Asker | None, mine: Asker) -> Iterator[QuerySet[Any]]:
    """Yield rows of what is open by name to one and not to the other; nothing where they agree."""
    for rows in opened_by_name:
        yield from rows(theirs, mine)


# --- The rules ------------------------------------------------------------------------------------


def people_rules(asker: Asker, action: str) -> list[Rule]:
    """Return who may govern whom: people see, add, change, put into teams, and change log-ins.

    `change` is name, permissions and permission set; `credentials` e-mail, password and the pause
    after wrong ones; `teams` memberships. Whatever is given stays within what one holds: that is
    asked of the change itself (`accounts.operations`).
    """
    if action == "view":
        because = gettext_lazy("the permission User table settings shows the table of people")
        return [Rule("delegated", True, asker.holds(USER_TABLE), because)]
    may = asker.holds(EDIT_USERS)
    because = gettext_lazy("the permission Add and edit users allows it")
    if action == "teams":
        may |= asker.holds(EDIT_TEAMS)
        because = gettext_lazy(
            "the permission Add and edit users, or Add and edit teams, allows it"
        )
    if action == "delete":
        may, because = NEVER, gettext_lazy("nobody deletes people")
    if action == "add":
        # Nobody adds people to a table that is hidden from them (R7).
        return [Rule("delegated", True, may & asker.holds(USER_TABLE), because)]
    rules = [Rule("delegated", True, may, because)]
    is_super = asker.is_superuser()
    has_seat = Exists(
        apps.get_model("accounts", "ToolGrant")._default_manager.filter(
            permission_set=OuterRef("permission_set"), key=SEAT
        )
    )
    rules += [
        Rule(
            "oneself",
            False,
            Q(pk=asker.id()) & ~is_super,
            gettext_lazy("nobody changes their own rights or log-in here"),
        ),
        Rule(
            "protected",
            False,
            (Q(is_superuser=True) | Q(is_partner_admin=True)) & ~is_super,
            gettext_lazy("only super admins change a super admin or a partner admin"),
        ),
        Rule(
            "seat",
            False,
            Q(has_seat) & ~(is_super | asker.holds(BILLING)),
            gettext_lazy("changing somebody who has a seat needs the permission Modify billing"),
        ),
    ]
    if action == "credentials":
        stronger = NEVER
        if not _is_super(asker):
            stronger = ~covers(asker, "permission_set") | _sees_more(asker)
            for rows in opened_beyond(None, asker.inside()):
                stronger |= Q(Exists(rows))
        rules.append(
            Rule(
                "stronger",
                False,
                stronger & ~is_super,
                gettext_lazy("whoever logs in as this person could do more than you"),
            )
        )
    return rules


def set_rules(asker: Asker, action: str) -> list[Rule]:
    """Return who may read, give and change permission sets; changing is for super admins (R98)."""
    rules = []
    if action in ("view", "assign"):
        because = gettext_lazy("the permission Add and edit users shows the permission sets")
        rules.append(Rule("delegated", True, asker.holds(EDIT_USERS), because))
    if action == "assign":
        rules += [
            Rule(
                "own_copy",
                False,
                Q(owner__isnull=False),
                gettext_lazy("it is one person’s own, and given to nobody else"),
            ),
            Rule(
                "beyond",
                False,
                ~(asker.is_superuser() | covers(asker, "pk")),
                gettext_lazy("it holds permissions that you do not hold yourself"),
            ),
        ]
    return rules


def team_rules(asker: Asker, action: str) -> list[Rule]:
    """Return who may govern teams; the change itself is asked what it shows to whom."""
    may = asker.holds(EDIT_TEAMS)
    because = gettext_lazy("the permission Add and edit teams allows it")
    if action == "view":
        may |= asker.holds(EDIT_USERS) | asker.holds(USER_TABLE)
        because = gettext_lazy("a permission of Account shows the teams")
    elif action not in ("add", "change"):
        return []
    return [Rule("delegated", True, may, because)]
