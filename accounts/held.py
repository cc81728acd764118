"""What a permission set holds: checked, clamped, compared and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from accounts import catalogue
from accounts.account_errors import InvalidChange
from accounts.catalogue import Grant
from accounts.delegation import pieces_of
from accounts.models import ObjectScope, PermissionSet, Rank, ToolGrant

Scopes = Mapping[str, Mapping[str, int | bool]]
"""Object key → column → value; a missing column is None, or False for a box and for `add`."""


def scopes_of(permission_set: PermissionSet) -> dict[str, dict[str, int | bool]]:
    """Return a set's scopes by object and column."""
    rows = permission_set.scopes.values("object", *catalogue.SCOPE_COLUMNS)
    return {row.pop("object"): row for row in rows}


def clamped(scope: Mapping[str, int | bool]) -> dict[str, int | bool]:
    """Return a full row of scopes in which nothing exceeds what caps it, boxes included (R20)."""
    row: dict[str, int | bool] = {"add": bool(scope.get("add", False))}
    for action in catalogue.SCOPED_ACTIONS:
        rank = Rank(scope.get(action, Rank.NONE))
        box = bool(scope.get(f"{action}_unassigned", False))
        if action in catalogue.CAPPED_BY:
            cap = catalogue.CAPPED_BY[action]
            rank = Rank(min(rank, row[cap]))
            box = box and (bool(row[f"{cap}_unassigned"]) or row[cap] == Rank.EVERYTHING)
        row[action] = int(rank)
        row[f"{action}_unassigned"] = box and rank in (Rank.OWNED, Rank.TEAM)
    row["add"] = row["add"] and row["view"] > Rank.NONE
    return row


def narrowed(scopes: Scopes) -> list[str]:
    """Return in words what saving these scopes narrows (R20): of what, from what to what."""
    said: list[str] = []
    for kind in catalogue.objects():
        asked = scopes.get(kind.key, {})
        row = clamped(asked)
        for action in kind.actions:
            said += _narrowing(kind, action, asked, row)
    return said


def ticked_along(tools: Iterable[str]) -> list[str]:
    """Return in words what saving these tools adds or narrows (Q38, R20), nothing where nothing."""
    asked = {grant.name: grant for grant in map(catalogue.parse, tools)}
    stored = {grant.name: grant for grant in to_be_stored(tools)}
    said = [
        gettext("%(permission)s is ticked too") % {"permission": catalogue.name_of(name)}
        for name in sorted(stored.keys() - asked)
    ]
    text = gettext("%(permission)s from %(level)s to %(becomes)s, as wide as View")
    for name, grant in asked.items():
        left = stored.get(name)
        if left != grant:
            levels = {"level": _level_in_words(grant), "becomes": _level_in_words(left)}
            said.append(text % {"permission": catalogue.name_of(name), **levels})
    return said


def _level_in_words(grant: Grant | None) -> str:
    level = Rank.NONE.label if grant is None else Rank(grant.rank).label
    if grant is not None and grant.unassigned:
        return gettext("%(level)s, with unassigned ones") % {"level": level}
    return str(level)


def _narrowing(
    kind: catalogue.ObjectKind,
    action: str,
    asked: Mapping[str, int | bool],
    row: Mapping[str, int | bool],
) -> Iterator[str]:
    """Yield what is narrowed of one action on one kind of record."""
    labels = catalogue.ACTION_LABELS
    names = {"kinds": kind.plural, "action": labels[action], "none": Rank.NONE.label}
    if action == "add":
        if asked.get("add", False) and not row["add"]:
            text = gettext("%(kinds)s: %(action)s from Yes to No, because %(cap)s is %(none)s")
            yield text % {**names, "cap": labels["view"]}
        return
    names["cap"] = labels[catalogue.CAPPED_BY[action]] if action in catalogue.CAPPED_BY else ""
    before, after = Rank(asked.get(action, Rank.NONE)), Rank(row[action])
    if before != after:
        text = gettext(
            "%(kinds)s: %(action)s from %(level)s to %(becomes)s, which is as wide as %(cap)s"
        )
        yield text % {**names, "level": before.label, "becomes": after.label}
    # Everything covers unassigned ones without a box.
    if asked.get(f"{action}_unassigned", False) and not row[f"{action}_unassigned"]:
        if after == Rank.NONE:
            yield (
                gettext("%(kinds)s: %(action)s covers no unassigned ones, because it is %(none)s")
                % names
            )
        elif after != Rank.EVERYTHING:
            yield (
                gettext(
                    "%(kinds)s: %(action)s covers no unassigned ones, because %(cap)s covers none"
                )
                % names
            )


@dataclass(frozen=True, slots=True)
class _Changes:
    """What a permission set is to hold, and how that differs from what it holds."""

    scopes: Mapping[str, Mapping[str, int | bool]]
    tools: frozenset[Grant]
    data: dict[str, Any]
    """The differences, for the log; each part is empty where there is none."""


def checked(scopes: Scopes, tools: Iterable[str]) -> tuple[Scopes, frozenset[Grant]]:
    """Return scopes and tools all of which the catalogue knows; raise where it does not.

    What no rule asks for would look as if it granted something.
    """
    unknown = set()
    for key, row in scopes.items():
        kind = catalogue.object_kind(key)
        if kind is None:
            unknown.add(key)
            continue
        for column, value in row.items():
            action = column.removesuffix("_unassigned")
            has_column = action in catalogue.ACTIONS and column != "add_unassigned"
            if not has_column or (value and action not in kind.actions):
                unknown.add(f"{key}.{column}")
            elif column != action or action == "add":
                if value not in (True, False):
                    text = gettext("%(kinds)s, %(column)s: this is either yes or no.")
                    raise InvalidChange(text % {"kinds": kind.plural, "column": column})
            elif isinstance(value, bool) or value not in Rank.values:
                text = gettext("%(kinds)s, %(column)s: choose one of the offered scopes.")
                raise InvalidChange(text % {"kinds": kind.plural, "column": column})
    if unknown:
        text = gettext(
            "Unknown permissions: %(permissions)s. Nothing was saved; leave them out, or open the "
            "permission set again to see which there are."
        )
        raise InvalidChange(text % {"permissions": ", ".join(sorted(map(str, unknown)))})
    return scopes, to_be_stored(tools)


def unknown_in(permission_set: PermissionSet) -> list[str]:
    """Return what a set holds that the catalogue does not know any more: it grants nothing."""
    kinds = set(permission_set.scopes.values_list("object", flat=True))
    known = {kind.key for kind in catalogue.objects()}
    unknown = {
        grant.name
        for grant in grants_of(permission_set.pk)
        if not catalogue.is_known(grant.key, grant.option)
    }
    return sorted(unknown | (kinds - known))


def changes_of(
    permission_set: PermissionSet,
    scopes: Scopes,
    tools: frozenset[Grant],
    *,
    remove_unknown: bool = False,
) -> _Changes:
    before = {s.object: row_of(s) for s in permission_set.scopes.all()}
    held = grants_of(permission_set.pk)
    kept = set() if remove_unknown else set(unknown_in(permission_set))
    after = {key: clamped(scope) for key, scope in scopes.items()}
    after |= {key: row for key, row in before.items() if key in kept}
    wanted = tools | {grant for grant in held if grant.name in kept}
    nothing = clamped({})
    return _Changes(
        after,
        wanted,
        {
            "scopes": {
                key: {"from": before.get(key), "to": after.get(key)}
                for key in sorted({*before, *after})
                # No row says the same as one in which nothing is allowed.
                if before.get(key, nothing) != after.get(key, nothing)
            },
            "tools_added": [str(grant) for grant in sorted(wanted - held)],
            "tools_removed": [str(grant) for grant in sorted(held - wanted)],
        },
    )


def write_permissions(permission_set: PermissionSet, changes: _Changes) -> None:
    """Replace scopes and tools."""
    try:
        with transaction.atomic():
            permission_set.scopes.all().delete()
            ObjectScope.objects.bulk_create(
                ObjectScope(permission_set=permission_set, object=key, **row)
                for key, row in changes.scopes.items()
            )
    except IntegrityError as error:
        text = gettext("These scopes contradict each other; nothing was saved.")
        raise InvalidChange(text) from error
    permission_set.tools.all().delete()
    ToolGrant.objects.bulk_create(
        ToolGrant(permission_set=permission_set, **asdict(grant)) for grant in sorted(changes.tools)
    )


Held = tuple[Mapping[str, Mapping[str, int | bool]], frozenset[Grant]]
"""What one permission set says: scopes by object and column, and tools."""


def held_in_each(keys: Iterable[int | None]) -> dict[int | None, Held]:
    """Return what each of these permission sets says, nothing for None; two queries for all."""
    wanted = set(keys)
    scopes: dict[int | None, dict[str, dict[str, int | bool]]] = {key: {} for key in wanted}
    grants: dict[int | None, set[Grant]] = {key: set() for key in wanted}
    stored = wanted - {None}
    for scope in ObjectScope.objects.filter(permission_set__in=stored):
        scopes[scope.permission_set_id][scope.object] = row_of(scope)
    for tool in ToolGrant.objects.filter(permission_set__in=stored):
        grants[tool.permission_set_id].add(tool.as_grant)
    return {key: (scopes[key], frozenset(grants[key])) for key in wanted}


def states_of(keys: Iterable[int | None]) -> list[Any]:
    """Return what these sets hold, as values for a mark."""
    found = held_in_each(keys)
    return [
        (key, sorted(scopes.items()), sorted(map(str, tools)))
        for key, (scopes, tools) in sorted(found.items(), key=lambda each: each[0] or 0)
    ]


def lowest_set() -> PermissionSet | None:
    """Return the named set that allows least, for whoever is no super admin any more (Q27)."""
    sets = list(PermissionSet.objects.named())
    held = held_in_each(each.pk for each in sets)
    return min(sets, key=lambda each: len(pieces_of(*held[each.pk])), default=None)


def grants_of(set_id: int | None) -> frozenset[Grant]:
    """Return the tools that a permission set stores, also those that have no effect."""
    rows = ToolGrant.objects.filter(permission_set=set_id)
    names = (f.name for f in fields(Grant))
    return frozenset(Grant(*row) for row in rows.values_list(*names))


def to_be_stored(tools: Iterable[str]) -> frozenset[Grant]:
    """Return what is stored for these tools: with lower boxes, and levels within what caps them.

    Raise `InvalidChange` for what the catalogue does not have, or where two contradict each other.
    """
    try:
        return catalogue.completed([catalogue.parse(tool) for tool in tools])
    except (catalogue.UnknownPermission, catalogue.Contradiction) as error:
        text = gettext(
            "%(wrong)s Nothing was saved; open the permission set again to see which there are."
        )
        raise InvalidChange(text % {"wrong": error}) from error


def row_of(scope: ObjectScope) -> dict[str, int | bool]:
    """Return one kind of record's scopes as they are stored: column → value."""
    return {name: getattr(scope, name) for name in catalogue.SCOPE_COLUMNS}
