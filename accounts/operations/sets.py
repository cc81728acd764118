"""Permission sets: added, changed, deleted, and given to people (R98, Q26)."""

from __future__ import annotations

from collections.abc import Iterable

from accounts import audit, rights
from accounts.audit import Actor, operation
from accounts.models import PermissionSet, User
from accounts.operations.errors import InvalidChange
from accounts.operations.frame import line, permissions_changing, require, this
from accounts.operations.opened import require_as_opened
from accounts.operations.permissions import (
    Scopes,
    changes_of,
    checked,
    grants_of,
    write_permissions,
)
from accounts.permission_history import kept
from accounts.rights import Door, one_at_a_time


@operation
def create_set(
    *,
    actor: Actor,
    name: str,
    description: str = "",
    scopes: Scopes | None = None,
    tools: Iterable[str] = (),
) -> PermissionSet:
    """Add a permission set (R98)."""
    require(actor, "add", PermissionSet)
    permission_set = PermissionSet(
        name=_free_set_name(name), description=line("Description", description)
    )
    with rights.changing(actor, Door.SET_EDITED, User.objects.none(), permission_set):
        permission_set.save(force_insert=True)
        changes = changes_of(permission_set, *checked(scopes or {}, tools))
        write_permissions(permission_set, changes)
    audit.record("set.create", actor=actor, on=permission_set, data=changes.data)
    return permission_set


@operation
def change_set(
    permission_set: PermissionSet,
    *,
    actor: Actor,
    name: str,
    description: str,
    scopes: Scopes,
    tools: Iterable[str],
    remove_unknown: bool = False,
    as_opened: str | None = None,
) -> None:
    """Write what a permission set says; everybody who has it is affected at once (Q24, Q26).

    What it holds and the catalogue does not know any more grants nothing; it stays unless
    `remove_unknown` says otherwise. `as_opened` is what `as_it_stands` said when it was read: a
    form that is out of date changes nothing. Whoever read nothing before leaves it out.
    """
    require(actor, "change", permission_set)
    one_at_a_time("rights")
    # Locked, so that of two who change it at once the second is held against the first.
    stored = PermissionSet.objects.select_for_update().get(pk=permission_set.pk)
    require_as_opened(stored, as_opened)
    texts = {
        "name": _free_set_name(name, besides=stored),
        "description": line("Description", description),
    }
    changes = changes_of(stored, *checked(scopes, tools), remove_unknown=remove_unknown)
    renamed = any(getattr(stored, field) != text for field, text in texts.items())
    if not renamed and not any(changes.data.values()):
        return
    PermissionSet.objects.filter(pk=stored.pk).update(**texts)
    people = User.objects.filter(permission_set=stored)
    with permissions_changing(actor, Door.SET_EDITED, people, stored):
        write_permissions(stored, changes)
        audit.record("set.change", actor=actor, on=stored, data=changes.data)


@operation
def delete_set(permission_set: PermissionSet, *, actor: Actor) -> None:
    """Remove a permission set that nobody has (Q26)."""
    require(actor, "delete", permission_set)
    if permission_set.people.exists():
        raise InvalidChange("People still have this set. Give them another one first.")
    audit.record("set.delete", actor=actor, on=permission_set, data={"name": permission_set.name})
    one_at_a_time("rights")
    with kept(actor, edited=permission_set):
        permission_set.delete()


@operation
def assign_set(person: User, *, actor: Actor, permission_set: PermissionSet | None) -> None:
    """Give a person this permission set; it replaces what they had (E12)."""
    require(actor, "change", person)
    one_at_a_time("people")
    before = User.objects.values_list("permission_set", flat=True).get(pk=person.pk)
    after = permission_set.pk if permission_set else None
    if before == after:
        return
    had, has = _tools_of(before), _tools_of(after)
    with permissions_changing(actor, Door.SET_ASSIGNED, this(person)):
        User.objects.filter(pk=person.pk).update(permission_set=permission_set)
        audit.record(
            "person.assign_set",
            actor=actor,
            on=person,
            data={
                "from": before,
                "to": after,
                # As of now: either set may be changed, or be gone, when somebody reads this.
                "tools_added": sorted(has - had),
                "tools_removed": sorted(had - has),
            },
        )


def _tools_of(set_id: int | None) -> set[str]:
    return {str(grant) for grant in grants_of(set_id)}


def _free_set_name(name: str, besides: PermissionSet | None = None) -> str:
    name = line("Name", name)
    others = PermissionSet.objects.filter(name=name)
    if besides is not None:
        others = others.exclude(pk=besides.pk)
    if not name or others.exists():
        raise InvalidChange("A permission set needs a name that no other set has.")
    return name
