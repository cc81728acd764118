"""Making somebody a partner admin, and taking it away: what these steps of a person ask (R101)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy

from accounts import operations, proposals
from accounts.forms import ConfirmForm, DemoteForm
from accounts.models import User
from accounts.review import Proposal

MAKE, REMOVE = "make_partner_admin", "remove_partner_admin"
FOR_EMPLOYEES = gettext_lazy(
    "Only for employees of the implementation partner, whose permission set says Partner employee. "
    "Partner admins work with every record; they govern nobody by it, and approve nothing."
)

STEPS: dict[str, dict[str, Any]] = {
    MAKE: {
        "title": gettext_lazy("Make partner admin"),
        "text": FOR_EMPLOYEES,
        "form": ConfirmForm,
        "run": operations.make_partner_admin,
        "done": gettext_lazy("%(person)s is a partner admin now."),
    },
    REMOVE: {
        "title": gettext_lazy("Remove partner admin"),
        "text": gettext_lazy(
            "What the person had before does not come back: choose what they may do now."
        ),
        "form": DemoteForm,
        "run": operations.remove_partner_admin,
        "done": gettext_lazy("%(person)s is no partner admin any more."),
    },
}


def offered(user: Any) -> list[str]:
    """Return the step that is open for somebody of `with_mark`; none for who is no employee."""
    if user.is_partner_admin:
        return [REMOVE]
    can_be = user.is_active and not user.is_superuser and user.is_employee
    return [MAKE] if can_be else []


def proposal_of(name: str, user: User, values: Mapping[str, Any], actor: User) -> Proposal | None:
    """Return what is reviewed before one of these steps; None where the operation refuses it."""
    if name == MAKE and not user.is_partner_admin and not operations.why_no_partner_admins([user]):
        back = reverse("admin:accounts_user_change", args=[user.pk])
        return proposals.partner_admins_made([user], actor=actor, back=back)
    if name == REMOVE and user.is_partner_admin and user != actor:
        return proposals.partner_admin_removed(user, values["permission_set"], actor=actor)
    return None
