"""Permission sets: added, changed, deleted, and given to people (R98, Q26)."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext, ngettext

from accounts import audit, rights
from accounts.account_errors import InvalidChange
from accounts.audit import Actor, operation
from accounts.entered import free_name, line
from accounts.held import (
    Scopes,
    changes_of,
    checked,
    write_permissions,
)
from accounts.models import PermissionSet, User
from accounts.operations.frame import permissions_changing, require, this
from accounts.operations.granting import held_in, keys_of, opening_no_log_in, require_may_give
from accounts.operations.memberships import team_data
from accounts.operations.opened import require_as_opened
from accounts.permission_history import kept
from accounts.rights import Door, one_at_a_time

MOST_SETS = 100
"""So many named sets there can be (E11)."""


@operation("set.create")
def create_set(
    *,
    actor: Actor,
    name: str,
    description: str = "",
    scopes: Scopes | None = None,
    tools: Iterable[str] = (),
    people: Iterable[User] = (),
) -> PermissionSet:
    """Add a permission set, and give it to these people instead of what they had (R98, E11)."""
    require(actor, "add", PermissionSet)
    one_at_a_time("people")
    one_at_a_time("rights")
    if PermissionSet.objects.named().count() >= MOST_SETS:
        text = gettext(
            "There are %(count)s permission sets, as many as there can be. Delete one first."
        )
        raise InvalidChange(text % {"count": MOST_SETS})
    permission_set = PermissionSet(
        name=_free_set_name(name), description=line(gettext("Description"), description)
    )
    with rights.changing(actor, Door.SET_EDITED, User.objects.none(), permission_set):
        permission_set.save(force_insert=True)
        changes = changes_of(permission_set, *checked(scopes or {}, tools))
        write_permissions(permission_set, changes)
    audit.record("set.create", actor=actor, on=permission_set, data=changes.data)
    for person in people:
        assign_set(person, actor=actor, permission_set=permission_set)
    return permission_set


@operation("set.change")
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
    one_at_a_time("rights")
    require(actor, "change", permission_set)
    require_named(permission_set)
    # Locked, so that of two who change it at once the second is held against the first.
    stored = PermissionSet.objects.select_for_update().get(pk=permission_set.pk)
    require_as_opened(stored, as_opened)
    texts = {
        "name": _free_set_name(name, besides=stored),
        "description": line(gettext("Description"), description),
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


@operation("set.delete")
def delete_set(
    permission_set: PermissionSet, *, actor: Actor, replacement: PermissionSet | None = None
) -> None:
    """Remove a permission set; whoever has it gets the replacement, in one transaction (Q26)."""
    require(actor, "delete", permission_set)
    require_named(permission_set)
    people = list(permission_set.people.order_by("pk"))
    if people and (replacement is None or replacement == permission_set):
        text = ngettext(
            "%(count)s person has this set. Choose the set that they get instead.",
            "%(count)s people have this set. Choose the set that they get instead.",
            len(people),
        )
        raise InvalidChange(text % {"count": len(people)})
    for person in people:
        assign_set(person, actor=actor, permission_set=replacement)
    audit.record("set.delete", actor=actor, on=permission_set, data={"name": permission_set.name})
    with kept(actor, edited=permission_set):
        permission_set.delete()


@operation("person.assign_set")
def assign_set(person: User, *, actor: Actor, permission_set: PermissionSet | None) -> None:
    """Give a person this permission set; it replaces what they had, own permissions too (E12).

    A delegated administrator gives only what they hold wholly, and replaces nothing else (R97).
    """
    require(actor, "change", person)
    stored = User.objects.select_related("permission_set").get(pk=person.pk)
    before, after = stored.permission_set, permission_set
    if before == after:
        return  # a form that leaves it as it is, own permissions too, gives nothing
    if after is not None:
        require(actor, "assign", after)
    had, has = held_in(before), held_in(after)
    require_may_give(actor, had, has, keys_of(team_data(person)))
    tools_had, tools_have = ({str(grant) for grant in held[1]} for held in (had, has))
    with (
        opening_no_log_in(actor, this(person)),
        permissions_changing(actor, Door.SET_ASSIGNED, this(person)),
    ):
        this(person).update(permission_set=permission_set)
        audit.record(
            "person.assign_set",
            actor=actor,
            on=person,
            data={
                "from": before and before.pk,
                "to": after and after.pk,
                # As of now: either set may be changed, or be gone, when somebody reads this.
                "tools_added": sorted(tools_have - tools_had),
                "tools_removed": sorted(tools_had - tools_have),
            },
        )
        remove_own(person)


def remove_own(person: User) -> None:
    """Delete a person's own permissions, once they have another set (Q26)."""
    PermissionSet.objects.filter(owner=person, people=None).delete()


def require_named(permission_set: PermissionSet) -> None:
    """Raise where a set is one person's own: it is changed as their permissions are."""
    if permission_set.owner_id is not None:
        text = gettext("These are one person’s own permissions. Change them on that person’s page.")
        raise InvalidChange(text)


def _free_set_name(name: str, besides: PermissionSet | None = None) -> str:
    key, before = (besides.pk, besides.name or "") if besides else (0, "")
    if free := free_name(name, PermissionSet.objects.exclude(pk=key), before):
        return free
    raise InvalidChange(
        gettext(
            "A permission set needs a name that no other set has. Upper and lower case are one "
            "name."
        )
    )
