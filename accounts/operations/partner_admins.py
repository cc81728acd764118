"""Partner admins: made and taken away by super admins, employees of the partner alone (R101)."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext

from accounts import audit
from accounts.account_errors import InvalidChange, NotAllowed
from accounts.addresses import page_address
from accounts.audit import Actor, operation
from accounts.models import PermissionSet, User
from accounts.notices import one_line, tell_super_admins
from accounts.operations.employees import employees
from accounts.operations.frame import permissions_changing, require, require_super_admin, this
from accounts.operations.sets import remove_own
from accounts.rights import Door, one_at_a_time


@operation("person.make_partner_admin")
def make_partner_admin(person: User, *, actor: Actor) -> None:
    """Make an employee of the implementation partner a partner admin (R101).

    They keep their permission set, which goes on counting beside what the status gives.
    """
    require_super_admin(actor)
    # A set that loses the mark meanwhile waits, or was waited for.
    one_at_a_time("people")
    one_at_a_time("rights")
    stored = User.objects.get(pk=person.pk)
    if stored.is_partner_admin:
        return
    if why := why_no_partner_admins([stored]).get(stored.pk):
        raise NotAllowed(why, "no_partner_admin")
    with permissions_changing(actor, Door.MADE_PARTNER_ADMIN, this(person)):
        changed = this(person).filter(is_active=True, is_superuser=False, is_partner_admin=False)
        if not changed.update(is_partner_admin=True):
            text = gettext("Somebody changed %(name)s meanwhile. Look at them once more.")
            raise InvalidChange(text % {"name": stored})
        audit.record("person.make_partner_admin", actor=actor, on=person)
    if isinstance(actor, User):
        _tell_super_admins(actor, stored)


@operation("person.remove_partner_admin")
def remove_partner_admin(person: User, *, actor: Actor, permission_set: PermissionSet) -> None:
    """Take the status away; from now on the person may do what this set says (Q27)."""
    require_super_admin(actor)
    if actor == person:
        text = gettext("Nobody demotes themselves. Ask a super admin to do it.")
        raise NotAllowed(text, "oneself")
    require(actor, "assign", permission_set)
    one_at_a_time("people")
    one_at_a_time("rights")
    if not this(person).filter(is_partner_admin=True).exists():
        return
    with permissions_changing(actor, Door.ENDED_PARTNER_ADMIN, this(person)):
        this(person).update(is_partner_admin=False, permission_set=permission_set)
        audit.record(
            "person.remove_partner_admin",
            actor=actor,
            on=person,
            data={"permission_set": permission_set.pk},
        )
        remove_own(person)


def _tell_super_admins(actor: User, person: User) -> None:
    """Tell the other super admins that somebody from outside looks after people from now on."""
    tell_super_admins(
        lambda: (
            gettext("%(actor)s made %(name)s a partner admin.")
            % {"actor": actor.get_full_name(), "name": person.get_full_name()}
        ),
        page_address(User, "change", person.pk),
        but=[actor.pk, person.pk],
        subject=lambda: gettext("Somebody became a partner admin"),
        mail=lambda: (
            gettext("%(name)s made somebody a partner admin. Look whether it is meant.")
            % {"name": one_line(actor.get_full_name())}
        ),
        place=lambda: gettext("People"),
    )


def why_no_partner_admins(people: Sequence[User]) -> dict[int, str]:
    """Return whom of these nobody can make a partner admin as they stand, each with why; one query.

    Nobody has two such statuses, so that everywhere one answer says what somebody is.
    """
    marked = set(employees(people).values_list("pk", flat=True))
    why = ((each.pk, _why_not(each, each.pk in marked)) for each in people)
    return {key: sentence for key, sentence in why if sentence}


def _why_not(person: User, is_employee: bool) -> str:
    text = ""
    if not person.is_active:
        text = gettext("The account of %(name)s is deactivated. Reactivate it first.")
    elif person.is_superuser:
        text = gettext("%(name)s is a super admin. Remove super admin first: nobody is both.")
    elif not is_employee:
        text = gettext(
            "%(name)s is no employee of the implementation partner: only those become partner "
            "admins. Give them a permission set that says Partner employee (tab Partner) first."
        )
    return text % {"name": person.get_full_name()}
