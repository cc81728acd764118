"""Teams as a tree: the order of its list, how many people are in each team, what they own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest

from accounts import access, catalogue
from accounts.access import Keys
from accounts.letters import folded
from accounts.modeladmin import AccessChangeList, user_of
from accounts.models import Membership, Team, User
from accounts.paging import CappedCount, capped_count
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
    """Return what the members of each team own, in words: “120 deals”; one query per kind.

    Counted by the first of a kind's owner fields, among what this person may view.

    Members whom they do not see are left out: whose records a team owns says who is in it.
    """
    members: dict[int, set[int]] = defaultdict(set)
    keys = [team.pk for team in teams]
    memberships = Membership.objects.filter(team__in=keys, user__in=people_seen_by(user))
    for team, member in memberships.order_by().values_list("team", "user"):
        members[team].add(member)
    everybody = sorted(set().union(*members.values()))
    words: dict[int, list[str]] = defaultdict(list)
    if not everybody:
        return words
    for kind, fields in _kinds(user):
        rows = access.permitted(kind.model._default_manager.all(), user, "view")
        owned = rows.filter(**{f"{fields[0]}__in": Keys(everybody)}).order_by()
        per_owner = dict(owned.values_list(F(fields[0])).annotate(number=Count("pk")))
        for team, people in members.items():
            if number := sum(per_owner.get(person, 0) for person in people):
                words[team].append(_number(number, kind))
    return words


def owned_by(team: Team, user: User) -> list[str]:
    """Return how many records of each kind this team's members own, by whatever owner field.

    Among what this person may view; no further than ten thousand of a kind; one query per kind.
    """
    memberships = Membership.objects.filter(team=team, user__in=people_seen_by(user))
    members = list(memberships.values_list("user", flat=True))
    words: list[str] = []
    if not members:
        return words  # an empty list of keys is no SQL
    for kind, fields in _kinds(user):
        is_owned = Q()
        for name in fields:
            is_owned |= Q(**{f"{name}__in": Keys(members)})
        rows = access.permitted(kind.model._default_manager.all(), user, "view")
        if number := capped_count(rows.filter(is_owned)):
            words.append(_number(number, kind))
    return words


def _kinds(user: User) -> Iterator[tuple[catalogue.ObjectKind, tuple[str, ...]]]:
    """Yield the kinds of record that this person may view, with the fields of their owners."""
    for kind in catalogue.objects():
        fields = getattr(kind.model, "owner_fields", ())
        if fields and access.allows_any(user, "view", kind.model):
            yield kind, fields


def _number(number: int, kind: catalogue.ObjectKind) -> str:
    said = str(number) if isinstance(number, CappedCount) else counted(number)
    names = kind.model._meta
    return f"{said} {names.verbose_name if number == 1 else names.verbose_name_plural}"
