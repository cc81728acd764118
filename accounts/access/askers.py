"""The rules asked of one loaded person, or of anyone in a query over people."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from django.db.models import (
    BooleanField,
    Exists,
    ExpressionWrapper,
    ForeignKey,
    OuterRef,
    Q,
)
from django.db.models.lookups import In

from accounts.access.grants import made_for
from accounts.asker import Asker
from accounts.models.people import Membership, TeamReach, User
from accounts.models.permissions import ObjectScope, ToolGrant
from accounts.prepared import Keys, listed
from accounts.rule import ALWAYS, NEVER, yes

MOST_LITERAL = 10_000
"""So many keys of given records at most stand in a statement; beyond it the tables are asked."""


@ForeignKey.register_lookup
class Among(In):  # type: ignore[type-arg]  # Django's is not generic when it runs
    """`owner__among=Keys(…)`: what `in` says, in fewer words to PostgreSQL.

    It reads an array at once, but a list number by number: seven hundred took it milliseconds,
    several times in a statement. What it makes of both is the same.
    """

    lookup_name = "among"

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        column, params = self.process_lhs(compiler, connection)
        return f"{column} = ANY('{{{listed(self.rhs.keys)}}}'::bigint[])", [*params]


def _among(
    given: Mapping[tuple[str, str], frozenset[int]],
    kind: str,
    permissions: Sequence[str],
    shared: Callable[[], Q],
) -> Q:
    """Hold for the records of a kind that are given by one of these permissions."""
    keys = frozenset[int]().union(*(given.get((kind, each), frozenset()) for each in permissions))
    if len(keys) > MOST_LITERAL:
        return shared()
    # As a sub-query in an OR, PostgreSQL took it for half of the table and used no index.
    return Q(pk__in=Keys(sorted(keys))) if keys else NEVER


class Loaded(Asker):
    """One known person: every answer is ALWAYS, NEVER or a list of literal keys (measured fast)."""

    def __init__(self, user: User) -> None:
        self.user = user

    @property
    def known(self) -> dict[Hashable, Any]:
        # What is no grant, and may differ on the same instance, is part of the question.
        user = self.user
        standing = (user.is_active, user.is_superuser, user.is_partner_admin)
        mine: dict[Hashable, Any] | None = user.grants.known.get(standing)
        if mine is None:
            # Who answers otherwise than by what they hold shares with nobody.
            mine = made_for(user) if type(self) is Loaded and isinstance(user.pk, int) else {}
            user.grants.known[standing] = mine
        return mine

    def id(self, depth: int = 1) -> Any:
        return self.user.pk

    def is_active(self) -> Q:
        return yes(self.user.is_active)

    def is_superuser(self) -> Q:
        return yes(self.user.is_superuser)

    def is_partner_admin(self) -> Q:
        return yes(self.user.is_partner_admin)

    def at_least(self, object_key: str, action: str, rank: int) -> Q:
        scope = self.user.grants.scopes.get(object_key)
        return yes(scope is not None and getattr(scope, action) >= rank)

    def box(self, object_key: str, action: str) -> Q:
        scope = self.user.grants.scopes.get(object_key)
        return yes(scope is not None and getattr(scope, f"{action}_unassigned"))

    def may_add(self, object_key: str) -> Q:
        scope = self.user.grants.scopes.get(object_key)
        return yes(scope is not None and scope.add)

    def given(self, key: str, options: tuple[str, ...], rank: int = 0) -> Q:
        grants = self.user.grants
        names = [f"{key}:{option}" if option else key for option in options]
        if rank:
            return yes(any(grants.levels.get(name, (0, False))[0] >= rank for name in names))
        return yes(not grants.tools.isdisjoint(names))

    def given_box(self, key: str, option: str) -> Q:
        return yes(self.user.grants.levels.get(f"{key}:{option}", (0, False))[1])

    def receives(self, kind: str, permissions: Sequence[str], shared: Callable[[], Q]) -> Q:
        return _among(self.user.grants.given, kind, permissions, shared)

    def receives_for_good(
        self, kind: str, permissions: Sequence[str], shared: Callable[[], Q]
    ) -> Q:
        return _among(self.user.grants.lasting, kind, permissions, shared)

    def excepted(self, kind: str, permission: str, made: Callable[[], Q]) -> Q:
        # What was loaded says who has none; of the others, one may have ended, or its record moved.
        return made() if (kind, permission) in self.user.grants.given else NEVER

    def mates(self) -> Any:
        """Return the keys of the person's mates."""
        mates = self.user.grants.mates
        # One list for all rules: it may be long, and is kept as long as they are.
        return self.once("mates", lambda: Keys(mates)) if mates else ()

    def mates_own(self, owner_fields: Sequence[str]) -> Q:
        owned, mates = NEVER, self.mates()
        lookup = Among.lookup_name if isinstance(mates, Keys) else "in"
        for name in owner_fields:
            owned |= Q(**{f"{name}__{lookup}": mates})
        return owned

    def teams(self, depth: int = 1) -> Any:
        return self.user.grants.teams

    def main_teams(self, depth: int = 1) -> Any:
        return self.user.grants.main_teams


def outer(name: str, depth: int) -> Any:
    reference: Any = name
    for _ in range(depth):
        reference = OuterRef(reference)
    return reference


class Anyone(Asker):
    """The person of an enclosing query over people: every answer is an expression on that row.

    The same rules asked of anyone tell who can reach a record, in one query (B3).
    """

    def __init__(self, column: Callable[[str, int], Any] = outer) -> None:
        self._known: dict[Hashable, Any] = {}
        self._column = column
        """How a column of the person's row is referred to, from so many levels further in."""

    @property
    def known(self) -> dict[Hashable, Any]:
        return self._known

    def inside(self) -> Anyone:
        return Anyone(lambda name, depth: self._column(name, depth + 1))

    def id(self, depth: int = 1) -> Any:
        return self._column("pk", depth)

    def _is(self, name: str) -> Q:
        return Q(ExpressionWrapper(self._column(name, 1), output_field=BooleanField()))

    def _scope(self, object_key: str, **conditions: Any) -> Q:
        return Q(
            Exists(
                ObjectScope.objects.filter(
                    object=object_key,
                    permission_set=self._column("permission_set_id", 2),
                    **conditions,
                )
            )
        )

    def is_active(self) -> Q:
        return self._is("is_active")

    def is_superuser(self) -> Q:
        return self._is("is_superuser")

    def is_partner_admin(self) -> Q:
        return self._is("is_partner_admin")

    def at_least(self, object_key: str, action: str, rank: int) -> Q:
        return self._scope(object_key, **{f"{action}__gte": rank})

    def box(self, object_key: str, action: str) -> Q:
        return self._scope(object_key, **{f"{action}_unassigned": True})

    def may_add(self, object_key: str) -> Q:
        return self._scope(object_key, add=True)

    def given(self, key: str, options: tuple[str, ...], rank: int = 0) -> Q:
        which: dict[str, Any] = {"option__in": options}
        if len(options) == 1:
            which = {"option": options[0]}
        if rank:
            which["rank__gte"] = rank
        return self._granted(key, **which)

    def given_box(self, key: str, option: str) -> Q:
        return self._granted(key, option=option, unassigned=True)

    def _granted(self, key: str, **conditions: Any) -> Q:
        granted = ToolGrant.objects.filter(
            key=key, permission_set=self._column("permission_set_id", 2), **conditions
        )
        return Q(Exists(granted))

    def teams(self, depth: int = 1) -> Any:
        return Membership.objects.filter(user=self._column("pk", depth + 1)).values("team")

    def main_teams(self, depth: int = 1) -> Any:
        return Membership.objects.filter(user=self._column("pk", depth + 1), is_main=True).values(
            "team"
        )

    def mates_own(self, owner_fields: Sequence[str]) -> Q:
        # From the owner upwards: a few teams each. Listing all mates of everybody took several
        # times as long in a company of 2,000.
        owned = NEVER
        mine = Membership.objects.filter(user=self._column("pk", 3)).values("team")
        for name in owner_fields:
            theirs = Membership.objects.filter(user=outer(name, 2)).values("team")
            owned |= Q(Exists(TeamReach.objects.filter(below__in=theirs, above__in=mine)))
        return owned


class _WithAccount(Anyone):
    """The person of an enclosing query over people, once their account is active."""

    def is_active(self) -> Q:
        return ALWAYS


ACCOUNT = _WithAccount()
"""Whoever can log in as the person of a row: a deactivated account can be reactivated."""

ANYONE = Anyone()
"""The one that `who_can` asks: it is nobody in particular, so what is known of it stays true."""
