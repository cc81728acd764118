"""The section of fields: by kind of record and field, who may use it and how secret it is (E24).

A field that is left out is open to whoever may view or edit its record. What is stored about fields
that are gone says nothing about anybody; it is neither shown nor touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from accounts.models import Team, User
from accounts.policy_file import (
    Difference,
    File,
    Plain,
    Section,
    Step,
    Verb,
    Written,
    difference,
    people_of,
    teams_of,
)
from records import kinds, operations
from records.models import Property, PropertyGrant
from records.operations import RecordError

Key = tuple[str, str]
"""A field: its kind of record and its name."""
LEVELS = {"viewers": PropertyGrant.Level.VIEW.value, "editors": PropertyGrant.Level.EDIT.value}
KEYS = ("access", "sensitive", "highly_sensitive", *LEVELS)
RECEIVERS = ("teams", "people")


@dataclass(frozen=True, slots=True)
class _Receivers:
    """Who was chosen, by name and by e-mail, to view a field, or to view and edit it."""

    teams: tuple[str, ...] = ()
    people: tuple[str, ...] = ()

    def found(self) -> list[User | Team]:
        return [*teams_of(self.teams), *people_of(self.people)]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is said of one field; as it stands here nothing is."""

    access: str = Property.Access.EVERYONE_EDIT.value
    sensitive: bool = False
    highly_sensitive: bool = False
    viewers: _Receivers = _Receivers()
    editors: _Receivers = _Receivers()


NO_RULE = _Rule()


def _show() -> dict[str, Plain]:
    found: dict[str, dict[str, Plain]] = {}
    for (kind, name), rule in sorted(_stored().items()):
        found.setdefault(kind, {})[name] = _written(rule)
    return dict(found)


def _written(rule: _Rule) -> Plain:
    """Return what differs from a field that is open to everyone, the access in any case."""
    said: dict[str, Plain] = {"access": rule.access}
    said |= {name: True for name in ("sensitive", "highly_sensitive") if getattr(rule, name)}
    for name in LEVELS:
        chosen: _Receivers = getattr(rule, name)
        lists = {"teams": list(chosen.teams), "people": list(chosen.people)}
        if any(lists.values()):
            said[name] = {key: names for key, names in lists.items() if names}
    return said


def _stored() -> dict[Key, _Rule]:
    """Return what is said of the fields that there are, where it is anything."""
    rows = Property.objects.prefetch_related("grants__user", "grants__team")
    rules = {(row.object, row.name): _rule_of(row) for row in rows}
    known = {(kind, name) for kind, names in _fields().items() for name in names}
    return {key: rule for key, rule in rules.items() if key in known and rule != NO_RULE}


def _fields() -> dict[str, list[str]]:
    """Return the names of the fields about which something can be said, by kind of record."""
    return {
        kind.key: [field.name for field in operations.restrictable(kind.model)]
        for kind in kinds.every()
    }


def _rule_of(row: Property) -> _Rule:
    if row.access != Property.Access.CHOSEN:
        return _Rule(row.access, row.sensitive, row.highly_sensitive)
    chosen = {name: _receivers(row, level) for name, level in LEVELS.items()}
    return _Rule(row.access, row.sensitive, row.highly_sensitive, **chosen)


def _receivers(row: Property, level: str) -> _Receivers:
    grants = [grant for grant in row.grants.all() if grant.level == level]
    return _Receivers(
        tuple(sorted(grant.team.name for grant in grants if grant.team)),
        tuple(sorted(grant.user.email for grant in grants if grant.user)),
    )


# --- Planning -------------------------------------------------------------------------------------


def _plan(wanted: Written, file: File) -> list[Step]:
    fields, stored = _fields(), _stored()
    asked = {}
    for kind, of_kind in wanted.mapping(fields, "kind of record").items():
        for name, given in of_kind.mapping(fields[kind], "field").items():
            rule = asked[kind, name] = _read(given, file)
            if rule != stored.get((kind, name), NO_RULE):
                _check(kind, name, rule, given)
    return [
        step
        for key in sorted({*stored, *asked})
        for step in _steps(key, stored.get(key, NO_RULE), asked.get(key, NO_RULE))
    ]


def _read(given: Written, file: File) -> _Rule:
    values = given.mapping(KEYS)
    access = values.get("access")
    flags = {name: values[name].flag() for name in KEYS[1:3] if name in values}
    chosen = {name: _receivers_read(values[name], file) for name in LEVELS if name in values}
    rule = _Rule(
        access.one_of(Property.Access.values, "choice") if access else NO_RULE.access,
        flags.get("sensitive", False) or flags.get("highly_sensitive", False),
        flags.get("highly_sensitive", False),
        **chosen,
    )
    named = [name for name, receivers in chosen.items() if receivers != _Receivers()]
    if rule.access == Property.Access.CHOSEN and not named:
        raise given.refused("choose at least one team or person, as viewers or editors.")
    if rule.access != Property.Access.CHOSEN and named:
        raise values[named[0]].refused("these count only with access: chosen. Leave them out.")
    _check_named_once(rule, given)
    return rule


def _check(kind: str, name: str, rule: _Rule, given: Written) -> None:
    """Raise where the field cannot be restricted like this."""
    try:
        operations.check_restriction(kind, name, rule.access, rule.highly_sensitive)
    except RecordError as refusal:
        raise given.refused(str(refusal)) from None


def _receivers_read(given: Written, file: File) -> _Receivers:
    values = given.mapping(RECEIVERS)
    return _Receivers(file.teams(values.get("teams")), file.people(values.get("people")))


def _check_named_once(rule: _Rule, given: Written) -> None:
    """Raise where somebody is chosen to view and to edit: who edits views."""
    for name in RECEIVERS:
        viewers, editors = getattr(rule.viewers, name), getattr(rule.editors, name)
        for both in sorted(set(viewers) & set(editors)):
            raise given.refused(f"“{both}” is among viewers and editors. Keep it among editors.")


def _steps(key: Key, before: _Rule, after: _Rule) -> Iterator[Step]:
    if before == after:
        return
    kind, name = key

    def take(actor: User) -> None:
        operations.restrict_property(
            actor=actor,
            object=kind,
            name=name,
            access=after.access,
            viewers=after.viewers.found(),
            editors=after.editors.found(),
            sensitive=after.sensitive,
            highly_sensitive=after.highly_sensitive,
        )

    what = f"Rule of the field “{kind}.{name}”"
    if after == NO_RULE:
        yield Step(Verb.DELETE, what, take)
    else:
        verb = Verb.CREATE if before == NO_RULE else Verb.CHANGE
        yield Step(verb, what, take, tuple(_differences(before, after)))


def _differences(before: _Rule, after: _Rule) -> Iterator[Difference]:
    for key, label, read in _ASPECTS:
        was, becomes = read(before), read(after)
        if was != becomes:
            yield difference(key, label, was, becomes)


_ASPECTS: tuple[tuple[str, str, Any], ...] = (
    ("access", "Access", lambda rule: Property.Access(rule.access).label),
    ("sensitive", "Sensitive", lambda rule: rule.sensitive),
    ("highly_sensitive", "Highly sensitive", lambda rule: rule.highly_sensitive),
    ("viewers.teams", "Teams that may view", lambda rule: rule.viewers.teams),
    ("viewers.people", "People who may view", lambda rule: rule.viewers.people),
    ("editors.teams", "Teams that may view and edit", lambda rule: rule.editors.teams),
    ("editors.people", "People who may view and edit", lambda rule: rule.editors.people),
)

FIELDS = Section("fields", _show, _plan, (RecordError,))
