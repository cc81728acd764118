"""Super admins: made, taken away, and never the last one (R91, R92, Q22)."""

from __future__ import annotations

from django.utils.translation import gettext

from accounts import audit
from accounts.account_errors import InvalidChange, LastSuperAdmin, NotAllowed
from accounts.audit import Actor, operation
from accounts.models import PermissionSet, User
from accounts.operations.frame import permissions_changing, require, require_super_admin, this
from accounts.operations.sets import remove_own
from accounts.rights import Door, one_at_a_time


@operation("person.make_super_admin")
def make_super_admin(person: User, *, actor: Actor) -> None:
    """Make a person a super admin (R91); nobody is that and a partner admin (R101)."""
    require_super_admin(actor)
    one_at_a_time("people")
    if this(person).filter(is_partner_admin=True).exists():
        text = gettext("%(name)s is a partner admin. Remove partner admin first: nobody is both.")
        raise InvalidChange(text % {"name": person})
    if not this(person).filter(is_active=True, is_superuser=False).exists():
        return
    with permissions_changing(actor, Door.MADE_SUPER_ADMIN, this(person)):
        this(person).update(is_superuser=True)
        audit.record("person.make_super_admin", actor=actor, on=person)


@operation("person.remove_super_admin")
def remove_super_admin(person: User, *, actor: Actor, permission_set: PermissionSet) -> None:
    """Take super admin status away; from now on the person may do what this set says (R92, Q27)."""
    require_super_admin(actor)
    if actor == person:
        text = gettext("Nobody demotes themselves. Ask another super admin to do it.")
        raise NotAllowed(text, "oneself")
    require(actor, "assign", permission_set)
    one_at_a_time("people")
    if not this(person).filter(is_superuser=True).exists():
        return
    with permissions_changing(actor, Door.REMOVED_SUPER_ADMIN, this(person)):
        lock_super_admins()
        this(person).update(is_superuser=False, permission_set=permission_set)
        keep_a_super_admin(
            gettext(
                "The last active super admin cannot be demoted. Make somebody else super admin "
                "first."
            )
        )
        audit.record(
            "person.remove_super_admin",
            actor=actor,
            on=person,
            data={"permission_set": permission_set.pk},
        )
        remove_own(person)


def lock_super_admins() -> None:
    """Let two demotions happen one after the other; SQLite's transactions already do."""
    # Not the key: who only refers to a super admin, as every event does, need not wait for this.
    rows = User.objects.select_for_update(no_key=True).filter(is_superuser=True)
    list(rows.order_by("pk").values("pk"))


def keep_a_super_admin(refusal: str) -> None:
    """Raise with this sentence where no active super admin is left."""
    if not User.objects.filter(is_superuser=True, is_active=True).exists():
        raise LastSuperAdmin(refusal)
