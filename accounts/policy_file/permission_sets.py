"""The section of permission sets: by name, each with its description and what it grants.

People are not in the file: who has a set is written elsewhere. A name that is new is a new set; a
file renames none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from accounts import operations
from accounts.held import row_of
from accounts.models import PermissionSet, User
from accounts.operations import AccountsError
from accounts.policy_file import grants
from accounts.policy_file.grants import Granted
from accounts.policy_file.naming import File, fitting
from accounts.policy_file.reading import Plain, Written
from accounts.policy_file.sections import Difference, Section, Step, Verb, difference


@dataclass(frozen=True, slots=True)
class _Held:
    """What the file says of one set."""

    description: str
    granted: Granted


@dataclass(frozen=True, slots=True)
class _Stored:
    """A set as it is, with how many people have it."""

    row: PermissionSet
    held: _Held
    people: int
    active: int


def sets_of_the_policy() -> QuerySet[PermissionSet]:
    """Return the permission sets that the file is about: asked wherever this section reads them."""
    return PermissionSet.objects.named()


def _show() -> dict[str, Plain]:
    return {name: _written(each.held) for name, each in sorted(_stored().items())}


def _written(held: _Held) -> Plain:
    said: dict[str, Plain] = {"description": held.description} if held.description else {}
    granted = grants.written(held.granted)
    return said | ({"grants": granted} if granted else {})


def _stored() -> dict[str, _Stored]:
    active = Count("people", filter=Q(people__is_active=True))
    rows = sets_of_the_policy().annotate(count=Count("people"), active=active)
    found = {}
    for row in rows.prefetch_related("scopes", "tools"):
        scopes = {scope.object: row_of(scope) for scope in row.scopes.all()}
        granted = grants.granted(scopes, (tool.as_grant for tool in row.tools.all()))
        found[row.name] = _Stored(row, _Held(row.description, granted), row.count, row.active)
    return found


# --- Planning -------------------------------------------------------------------------------------


def _plan(wanted: Written, file: File) -> list[Step]:
    asked = {name: _read(name, given) for name, given in wanted.mapping().items()}
    stored = _stored()
    creations = [_creation(name, held) for name, held in asked.items() if name not in stored]
    kept = [(stored[name], held) for name, held in asked.items() if name in stored]
    # Whoever decides about exports gets that before somebody else loses it: between two operations
    # somebody must be left to decide, or the second is refused.
    kept.sort(key=lambda both: not grants.gives_guarded(both[0].held.granted, both[1].granted))
    changes = [step for before, held in kept for step in _change(before, held)]
    gone = [_deletion(each) for name, each in sorted(stored.items()) if name not in asked]
    return [*creations, *changes, *gone]


def _read(name: str, given: Written) -> _Held:
    fitting(PermissionSet, "name", name, given)
    values = given.mapping(("description", "grants"))
    described = values.get("description")
    description = described.text() if described else ""
    if described:
        fitting(PermissionSet, "description", description, described)
    return _Held(description, grants.read(values.get("grants")))


def _creation(name: str, held: _Held) -> Step:
    def take(actor: User) -> None:
        operations.create_set(
            actor=actor, name=name, description=held.description, **held.granted.to_store
        )

    nothing = _Held("", grants.granted({}, ()))
    return Step(Verb.CREATE, _called(name), take, tuple(_differences(nothing, held)), people=0)


def _change(stored: _Stored, held: _Held) -> Iterator[Step]:
    """Yield the step from what is stored to what is written, where there is a difference."""

    def take(actor: User) -> None:
        operations.change_set(
            stored.row,
            actor=actor,
            name=stored.row.name,
            description=held.description,
            **held.granted.to_store,
        )

    if differences := tuple(_differences(stored.held, held)):
        what = _called(stored.row.name)
        yield Step(Verb.CHANGE, what, take, differences, people=stored.active)


def _deletion(stored: _Stored) -> Step:
    note = ""
    if stored.people:
        have = "1 person has" if stored.people == 1 else f"{stored.people:,} people have"
        note = f"{have} it, so this is refused until they have another one."

    def take(actor: User) -> None:
        operations.delete_set(stored.row, actor=actor)

    what = _called(stored.row.name)
    return Step(Verb.DELETE, what, take, people=stored.active, note=note)


def _differences(before: _Held, after: _Held) -> Iterator[Difference]:
    if before.description != after.description:
        yield difference("description", "Description", before.description, after.description)
    yield from grants.differences(before.granted, after.granted)


def _called(name: str) -> str:
    return f"Permission set “{name}”"


PERMISSION_SETS = Section("permission_sets", _show, _plan, (AccountsError,))
