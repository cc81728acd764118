"""What a change to permissions, permission sets or super admins would do (B4, E12, E13, Q26)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from django.utils.translation import gettext

from accounts import changes
from accounts.account_errors import InvalidChange
from accounts.audit import Actor
from accounts.changes import Changes, State
from accounts.held import Scopes, clamped, narrowed, ticked_along, to_be_stored
from accounts.models import PermissionSet, User
from accounts.operations.frame import require, require_super_admin
from accounts.preview import standings
from accounts.preview.result import Preview, keys_of, keys_to_change, previewed
from accounts.preview.standings import Company, Held

# --- Permissions ----------------------------------------------------------------------------------


def permissions(people: Iterable[User], wanted: Changes, *, actor: Actor) -> Preview:
    """Tell what these changes by key would do for exactly these people (B4).

    Whoever else has their permission set keeps it as it is: each gets an own copy (Q26).
    """
    keys = keys_to_change(people, actor)
    wanted = changes.validated(wanted)
    company = standings.now()
    held = {key: company.people[key].rights for key in keys}
    states = _states(rights for rights in held.values() if isinstance(rights, int))
    after = {key: Held.of(changes.after(*state, wanted)) for key, state in states.items()}
    nothing = Held.of(changes.after(*changes.NOTHING, wanted))
    changed = {
        key: replace(
            company.people[key],
            rights=after[rights] if isinstance(rights, int) else nothing,
        )
        for key, rights in held.items()
    }
    begun = [*states.values(), *([changes.NOTHING] if None in held.values() else [])]

    def said() -> list[str]:
        return [words for state in begun for words in changes.narrowed_by(*state, wanted)]

    return previewed(company, company.with_people(changed), changed, said, actor=actor)


def sets(permission_sets: Iterable[PermissionSet], wanted: Changes, *, actor: Actor) -> Preview:
    """Tell what these changes by key to permission sets would do for everybody who has one."""
    wanted = changes.validated(wanted)
    keys = keys_of(permission_sets)
    for permission_set in PermissionSet.objects.filter(pk__in=keys):
        require(actor, "change", permission_set)
    states = _states(keys)
    after = {key: changes.after(*state, wanted) for key, state in states.items()}

    def said() -> list[str]:
        begun = states.values()
        return [words for state in begun for words in changes.narrowed_by(*state, wanted)]

    return _sets_as(after, said, actor)


def set_as(
    permission_set: PermissionSet, scopes: Scopes, tools: Iterable[str], *, actor: Actor
) -> Preview:
    """Tell what `change_set` with these scopes and tools would do for everybody who has the set."""
    require(actor, "change", permission_set)
    asked = list(tools)
    rows = {key: clamped(row) for key, row in scopes.items()}
    state = State(rows, tuple(map(str, sorted(to_be_stored(asked)))))
    return _sets_as({permission_set.pk: state}, lambda: _narrowed(scopes, asked), actor)


def assignment(
    people: Iterable[User], permission_set: PermissionSet | None, *, actor: Actor
) -> Preview:
    """Tell what giving these people this permission set, or none, would do (`assign_set`, E12)."""
    keys = keys_to_change(people, actor)
    company = standings.now()
    rights = permission_set.pk if permission_set else None
    changed = {key: replace(company.people[key], rights=rights) for key in keys}
    return previewed(company, company.with_people(changed), changed, actor=actor)


def set_created(
    scopes: Scopes, tools: Iterable[str], people: Iterable[User], *, actor: Actor
) -> Preview:
    """Tell what a new set with these scopes and tools would do for its people (`create_set`)."""
    require(actor, "add", PermissionSet)
    asked = list(tools)
    rows = {key: clamped(row) for key, row in scopes.items()}
    held = Held.of(State(rows, tuple(map(str, sorted(to_be_stored(asked))))))
    company = standings.now()
    changed = {
        key: replace(company.people[key], rights=held) for key in keys_to_change(people, actor)
    }
    after = company.with_people(changed)
    return previewed(company, after, changed, lambda: _narrowed(scopes, asked), actor=actor)


def _narrowed(scopes: Scopes, tools: Iterable[str]) -> list[str]:
    return [*narrowed(scopes), *ticked_along(tools)]


def set_deleted(
    permission_set: PermissionSet, replacement: PermissionSet | None, *, actor: Actor
) -> Preview:
    """Tell what deleting a set would do, whose people get the other one, or none (Q26)."""
    require(actor, "delete", permission_set)
    if permission_set == replacement:
        raise InvalidChange(gettext("A permission set cannot replace itself. Choose another one."))
    company = standings.now()
    rights = replacement.pk if replacement else None
    changed = {
        key: replace(standing, rights=rights)
        for key, standing in company.people.items()
        if standing.rights == permission_set.pk
    }
    return previewed(company, company.with_people(changed), changed, actor=actor)


def _sets_as(
    after: Mapping[int, State], said: Callable[[], Iterable[str]], actor: Actor
) -> Preview:
    company = standings.now()
    held = {key: Held.of(state) for key, state in after.items()}
    changed = {
        key: replace(standing, rights=held[standing.rights])
        for key, standing in company.people.items()
        if isinstance(standing.rights, int) and standing.rights in held
    }
    return previewed(company, company.with_people(changed), changed, said, actor=actor)


def _states(keys: Iterable[int]) -> dict[int, State]:
    return standings.states_of(set(keys))


# --- Super admins ---------------------------------------------------------------------------------


def super_admin_made(people: Iterable[User], *, actor: Actor) -> Preview:
    """Tell what making these people super admins would do (`make_super_admin`)."""
    require_super_admin(actor)
    company = standings.now()
    # As the operation: whoever is deactivated does not become one.
    changed = {
        key: replace(company.people[key], super_admin=True)
        for key in _known(people, company)
        if company.people[key].active
    }
    return previewed(company, company.with_people(changed), changed, actor=actor)


def super_admin_removed(
    people: Iterable[User], permission_set: PermissionSet, *, actor: Actor
) -> Preview:
    """Tell what taking super admin away would do, with this set instead (`remove_super_admin`)."""
    require_super_admin(actor)
    company = standings.now()
    changed = {
        key: replace(company.people[key], super_admin=False, rights=permission_set.pk)
        for key in _known(people, company)
        if company.people[key].super_admin
    }
    return previewed(company, company.with_people(changed), changed, actor=actor)


# --- Partner admins -------------------------------------------------------------------------------


def partner_admin_made(people: Iterable[User], *, actor: Actor) -> Preview:
    """Tell what making these people partner admins would do (`make_partner_admin`)."""
    require_super_admin(actor)
    company = standings.now()
    changed = {
        key: replace(company.people[key], partner_admin=True)
        for key in _known(people, company)
        # As the operation: nobody is both, and whoever is deactivated does not become one.
        if company.people[key].active and not company.people[key].super_admin
    }
    return previewed(company, company.with_people(changed), changed, actor=actor)


def partner_admin_removed(
    people: Iterable[User], permission_set: PermissionSet, *, actor: Actor
) -> Preview:
    """Tell what taking the status away would do, with this set instead (`remove_partner_admin`)."""
    require_super_admin(actor)
    company = standings.now()
    changed = {
        key: replace(company.people[key], partner_admin=False, rights=permission_set.pk)
        for key in _known(people, company)
        if company.people[key].partner_admin
    }
    return previewed(company, company.with_people(changed), changed, actor=actor)


def _known(people: Iterable[User], company: Company) -> list[int]:
    return [key for key in keys_of(people) if key in company.people]
