"""The steps with one person: how each asks, what carries it out, and who is offered it."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy

from accounts import invitations, operations, partner_steps, proposals
from accounts.addresses import page_address
from accounts.forms import ConfirmForm, DemoteForm, PasswordForm
from accounts.many_steps import FOR_SUPER_ADMINS
from accounts.models import User
from accounts.review import Proposal


def proposal_of(name: str, target: User, values: Any, actor: User) -> Proposal | None:
    """Return what is reviewed before a step is taken; None for steps that give nobody rights."""
    if name == "promote" and not (target.is_superuser or target.is_partner_admin):
        back = page_address(User, "change", target.pk)
        return proposals.super_admins_made([target], actor=actor, back=back)
    if name == "demote" and target != actor:
        return proposals.super_admin_removed(target, values["permission_set"], actor=actor)
    return partner_steps.proposal_of(name, target, values, actor)


def steps_with(obj: Any, actor: User, *also: str) -> list[dict[str, str]]:
    """Return the steps that can be taken with somebody as they stand, by title and address.

    The person's row says whether the actor may change them, and their log-in (`access.marked`).
    """
    if not obj.may_change:
        return []
    may_be_invited = obj.is_active and obj.last_login is None
    names = [
        *(["invite"] if may_be_invited else []),
        "password",
        *(["demote" if obj.is_superuser else "promote"] if not obj.is_partner_admin else []),
        *(partner_steps.offered(obj) if operations.is_free(actor) else []),
        *also,
        "deactivate" if obj.is_active else "reactivate",
    ]
    return [
        {
            "name": name,
            "title": str(invitations.AGAIN)
            if name == "invite" and obj.invited_at
            else str(STEPS[name]["title"]),
            "url": page_address(User, name, obj.pk),
        }
        for name in names
        if (obj.is_active or name in ("reactivate", "password"))
        # Nobody demotes or deactivates themselves.
        and (obj != actor or name not in ("demote", "deactivate", partner_steps.REMOVE))
        and (name not in FOR_SUPER_ADMINS or operations.is_free(actor))
        and (name not in OF_LOG_IN or obj.may_credentials)
    ]


OF_LOG_IN = ("invite", "password", "lift_pause")
"""Steps for who may change the log-in of somebody: not of who can do more."""


def edit_address(obj: User) -> str:
    """Return where somebody's permissions are edited."""
    return f"{reverse('admin:edit_permissions')}?person={obj.pk}"


STEPS: dict[str, dict[str, Any]] = {
    **partner_steps.STEPS,
    "invite": {
        "title": invitations.TITLE,
        "text": invitations.what_follows,
        "form": ConfirmForm,
        "run": operations.invite,
        "done": gettext_lazy("%(person)s is invited."),
    },
    "password": {
        "title": gettext_lazy("Set password"),
        "text": gettext_lazy(
            "The person is logged out everywhere, and only the new password works."
        ),
        "form": PasswordForm,
        "run": operations.set_password,
        "done": gettext_lazy("%(person)s has a new password."),
    },
    "promote": {
        "title": gettext_lazy("Make super admin"),
        "text": gettext_lazy(
            "Super admins may see and do everything. If only one task needs a super admin, it is "
            "safer to ask an existing one."
        ),
        "form": ConfirmForm,
        "run": operations.make_super_admin,
        "done": gettext_lazy("%(person)s is a super admin now."),
    },
    "demote": {
        "title": gettext_lazy("Remove super admin"),
        "text": gettext_lazy(
            "What the person had before does not come back: choose what they may do now."
        ),
        "form": DemoteForm,
        "run": operations.remove_super_admin,
        "done": gettext_lazy("%(person)s is no super admin any more."),
    },
    "deactivate": {
        "title": gettext_lazy("Deactivate"),
        "text": gettext_lazy(
            "The person is logged out at once, and their waiting exports are cancelled. Records "
            "and history stay, and the person’s team keeps seeing them."
        ),
        "form": ConfirmForm,
        "run": operations.deactivate,
        "done": gettext_lazy("%(person)s is deactivated."),
    },
    "reactivate": {
        "title": gettext_lazy("Reactivate"),
        "text": gettext_lazy(
            "The person may log in again, with the rights their permission set gives now."
        ),
        "form": ConfirmForm,
        "run": operations.reactivate,
        "done": gettext_lazy("%(person)s may log in again."),
    },
    "lift_pause": {
        "title": gettext_lazy("End the log-in pause"),
        "text": gettext_lazy(
            "There were too many wrong passwords, so this person has to wait before the next "
            "try. End it only if they tell you themselves that it was them: it may have been "
            "somebody guessing. The audit log has every attempt."
        ),
        "form": ConfirmForm,
        "run": operations.lift_log_in_pause,
        "done": gettext_lazy("%(person)s may try again at once."),
    },
}
