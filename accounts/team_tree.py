"""Teams as a tree: the order of its list, how many people are in each team, what they own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Count, F, Q, QuerySet, Value
from django.db.models.functions import Cast
from django.http import HttpRequest

from accounts import access, catalogue
from accounts.access import Keys
from accounts.letters import folded
from accounts.modeladmin import AccessChangeList, user_of
from accounts.models import Membership, Team, User
from accounts.words import counted


@dataclass(frozen=True, slots=True)
class Position:
    """Where a team stands in the tree: how far down, and below which teams, the nearest last."""

    depth: int
    above: tuple[str, ...]


def in_tree_order(rows: Iterable[tuple[int, int | None, str]]) -> dict[int, Position]:
    """Return teams, given as (key, key of the team above, name), in the order of the tree.

    Each stands below the one above it, those with the same one by name. A team whose one above is
    not among them stands at the top; so does one of a circle, which no operation leaves behind.
    """
    below: dict[int | None, list[tuple[str, int]]] = defaultdict(list)
    names: dict[int, str] = {}
    rows = list(rows)
    present = {key for key, _, _ in rows}
    for key, parent, name in rows:
        names[key] = name
        below[parent if parent in present else None].append((folded(name), key))
    placed: dict[int, Position] = {}
    # The next one is at the end.
    waiting: list[tuple[int, tuple[str, ...]]] = [(key, ()) for key in reversed(names)]
    waiting += _next(below[None], ())
    while waiting:
        key, above = waiting.pop()
        if key not in placed:
            placed[key] = Position(len(above), above)
            waiting += _next(below[key], (*above, names[key]))
    return placed


def _next(
    teams: Iterable[tuple[str, int]], above: tuple[str, ...]
) -> list[tuple[int, tuple[str, ...]]]:
    return [(key, above) for _, key in sorted(teams, reverse=True)]


class TreeChangeList(AccessChangeList):
    """A list of teams in the order of the tree, unless somebody asked for another one."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = Team.objects.order_by().values_list("pk", "parent", "name")
        positions = in_tree_order(rows)
        if not self.params.get("o"):
            self.result_list = self._page_of_tree(list(positions))
        owned = owned_by_each(self.result_list, user_of(request))
        for row in self.result_list:
            row.position = positions.get(row.pk, Position(0, ()))
            row.is_found = bool(self.query)
            row.owned = owned[row.pk]

    def _page_of_tree(self, order: list[int]) -> list[Any]:
        """Return the rows of this page: which keys it has is told by the whole tree."""
        found = set(self.queryset.order_by().values_list("pk", flat=True))
        keys = [key for key in order if key in found]
        first = (self.page_num - 1) * self.list_per_page
        page = keys[first : first + self.list_per_page]
        rows = {row.pk: row for row in self.queryset.filter(pk__in=page)}
        return [rows[key] for key in page if key in rows]


def with_people(teams: QuerySet[Any]) -> QuerySet[Any]:
    """Add `people_main` and `people_extra`: how many are in each team, deactivated ones too (Q23).

    In one pass over the memberships, inside the caller's query.
    """
    with_counts: QuerySet[Any] = teams.annotate(
        people_main=Count("memberships", filter=Q(memberships__is_main=True)),
        people_extra=Count("memberships", filter=Q(memberships__is_main=False)),
    )
    return with_counts


def people_seen_by(user: User) -> QuerySet[Any]:
    """Return whom this person sees as members: names of teams are public, who is in them is not."""
    return access.permitted(User.objects.all(), user, "view").order_by().values("pk")


def owned_by_each(teams: Iterable[Team], user: User) -> dict[int, list[str]]:
    """Return what the members of each team own or co-own, in words: “120 deals”.

    Each record once for a team, however many of its owners are in it, and among what this person
    may view. Members whom they do not see are left out: whose records a team owns says who is in
    it. A team of which nothing can be said is not in the answer. One query for each kind.
    """
    keys = [team.pk for team in teams]
    memberships = Membership.objects.filter(team__in=keys, user__in=people_seen_by(user))
    teams_of: dict[int, set[int]] = defaultdict(set)
    for team, member in memberships.order_by().values_list("team", "user"):
        teams_of[member].add(team)
    words: dict[int, list[str]] = defaultdict(list)
    if not teams_of:
        return words  # an empty list of keys is no SQL
    for kind, fields in _kinds(user):
        rows = access.permitted(kind.model._default_manager.all(), user, "view").order_by()
        numbers: Counter[int] = Counter()
        for *earlier, owner, number in _counted_by_owners(rows, fields, sorted(teams_of)):
            has_it = set().union(*(teams_of.get(each, ()) for each in earlier))
            for team in teams_of[owner] - has_it:
                numbers[team] += number
        for team, number in numbers.items():
            words[team].append(_number(number, kind))
    return words


def _counted_by_owners(
    rows: QuerySet[Any], fields: Sequence[str], people: Sequence[int]
) -> Iterable[tuple[int, ...]]:
    """Return how many records there are by each owner field, with the owners in the fields before.

    Each row is the owners of earlier fields, None where there is none, one of `people`, the number.
    Each part goes by the index of its field, since few records have a second owner: by both at
    once, 300,000 records took two and a half times as long (SQLite).
    """
    nobody = Cast(Value(None), BigIntegerField())
    parts = [
        rows.filter(**{f"{name}__in": Keys(people)})
        .values_list(*[nobody] * (len(fields) - at - 1), *map(F, fields[: at + 1]))
        .annotate(number=Count("pk"))
        for at, name in enumerate(fields)
    ]
    counted_rows: Iterable[tuple[int, ...]] = parts[0].union(*parts[1:], all=True)
    return counted_rows


def _kinds(user: User) -> Iterator[tuple[catalogue.ObjectKind, tuple[str, ...]]]:
    """Yield the kinds of record that this person may view, with the fields of their owners."""
    for kind in catalogue.objects():
        fields = getattr(kind.model, "owner_fields", ())
        if fields and access.allows_any(user, "view", kind.model):
            yield kind, fields


def _number(number: int, kind: catalogue.ObjectKind) -> str:
    names = kind.model._meta
    return f"{counted(number)} {names.verbose_name if number == 1 else names.verbose_name_plural}"
