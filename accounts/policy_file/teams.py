"""The section of teams: by name, each with the team above it. Who is in them is not in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.db.models import Count

from accounts import operations
from accounts.models import Team, User
from accounts.operations import AccountsError
from accounts.policy_file.naming import TEAMS as KEY
from accounts.policy_file.naming import File, fitting
from accounts.policy_file.reading import Plain, Written, said
from accounts.policy_file.sections import Section, Step, Verb, difference

Tree = Mapping[str, str]
"""Team → the team above it, by name; empty at the top."""

TOP = "the top"


def _show() -> dict[str, Plain]:
    return {name: {"below": above} if above else {} for name, above in sorted(_stored().items())}


def _stored() -> dict[str, str]:
    rows = Team.objects.order_by().values_list("name", "parent__name")
    return {name: above or "" for name, above in rows}


def _plan(wanted: Written, file: File) -> list[Step]:
    asked, stored = _read(wanted), _stored()
    gone = {name: above for name, above in stored.items() if name not in asked}
    members = _members() if gone else {}
    from_below = reversed(list(_from_the_top(gone)))
    return [*_moves(asked, stored), *(_deletion(name, members[name]) for name in from_below)]


def _members() -> dict[str, int]:
    rows = Team.objects.order_by().annotate(count=Count("memberships"))
    return dict(rows.values_list("name", "count"))


def _read(wanted: Written) -> Tree:
    given = wanted.mapping()
    tree = {}
    for name, each in given.items():
        fitting(Team, "name", name, each)
        above = each.mapping(("below",)).get("below")
        tree[name] = above.one_of(given.keys(), "team in this section") if above else ""
    for name in tree:
        _check_ends_at_the_top(given[name], name, tree)
    return tree


def _check_ends_at_the_top(given: Written, name: str, tree: Tree) -> None:
    passed = [name]
    while above := tree[passed[-1]]:
        if above in passed:
            circle = " below ".join(map(said, [*passed[passed.index(above) :], above]))
            raise given.refused(f"these teams hang below each other in a circle: {circle}.")
        passed.append(above)


def _moves(asked: Tree, stored: Tree) -> Iterator[Step]:
    """Yield creations and moves, a team above before those below: no step makes a circle."""
    for name in _from_the_top(asked):
        above = asked[name]
        if name not in stored:
            yield _creation(name, above)
        elif stored[name] != above:
            yield _move(name, stored[name], above)


def _from_the_top(tree: Tree) -> Iterator[str]:
    """Yield the teams of a tree, each after the one above it, and otherwise by name."""
    below: dict[str, list[str]] = {}
    for name, above in sorted(tree.items()):
        below.setdefault(above if above in tree else "", []).append(name)
    level = below.get("", [])
    while level:
        yield from level
        level = [name for above in level for name in below.get(above, [])]


def _creation(name: str, above: str) -> Step:
    def take(actor: User) -> None:
        operations.create_team(actor=actor, name=name, parent=_named(above))

    places = (difference("below", "Below", TOP, above),) if above else ()
    return Step(Verb.CREATE, _called(name), take, places)


def _move(name: str, before: str, after: str) -> Step:
    def take(actor: User) -> None:
        team = Team.objects.get(name=name)
        operations.change_team(team, actor=actor, name=name, parent=_named(after))

    places = (difference("below", "Below", before or TOP, after or TOP),)
    return Step(Verb.CHANGE, _called(name), take, places)


def _deletion(name: str, members: int) -> Step:
    def take(actor: User) -> None:
        operations.delete_team(Team.objects.get(name=name), actor=actor)

    note = ""
    if members:
        are = "1 person is" if members == 1 else f"{members:,} people are"
        note = f"{are} in it, so this is refused until they have left it."
    return Step(Verb.DELETE, _called(name), take, note=note)


def _named(name: str) -> Team | None:
    return Team.objects.get(name=name) if name else None


def _called(name: str) -> str:
    return f"Team “{name}”"


TEAMS = Section(KEY, _show, _plan, (AccountsError,))
