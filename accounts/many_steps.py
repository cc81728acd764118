"""The changes that can be made to many people at once: how each asks, and what carries it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy, ngettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import invitations, operations, partner_steps, proposals, undo
from accounts.keys import KeyField
from accounts.models import PermissionSet, Team, User
from accounts.partner_steps import FOR_EMPLOYEES
from accounts.people import sets_to_give
from accounts.review import Proposal

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class ManyForm(forms.Form):
    """What is asked beside the people; nothing, unless a step adds fields."""

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        self.user = user


class SetForm(ManyForm):
    """Which permission set they get."""

    permission_set = KeyField(
        label=gettext_lazy("Permission set"),
        queryset=PermissionSet.objects.none(),
        widget=UnfoldAdminSelectWidget,
        empty_label=gettext_lazy("Choose a set"),
    )

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data, user=user)
        sets: Any = self.fields["permission_set"]  # a field of keys has a queryset
        sets.queryset = sets_to_give(user)


class TeamForm(ManyForm):
    """Which team they get."""

    team = KeyField(
        label=gettext_lazy("Team"),
        queryset=Team.objects.all(),
        widget=UnfoldAdminSelectWidget,
        empty_label=gettext_lazy("Choose a team"),
    )


@dataclass(frozen=True, slots=True)
class ManyStep:
    """One change that can be made to many people: how it asks, and what carries it out."""

    title: StrOrPromise
    text: StrOrPromise | Callable[[], str]
    """What follows for each of them, before it is done."""
    done: StrOrPromise
    """What was done, with `count` people."""
    run: Callable[..., object]
    """The operation for one person, the values of the form by keyword."""
    form: type[ManyForm] = ManyForm
    review: Callable[[Sequence[User], dict[str, Any], User, str], Proposal] | None = None
    """What is shown before it is done, for steps that give or take rights."""
    before: Callable[[Sequence[User]], undo.Part | None] = lambda people: None
    """What there is before it, to be taken back to."""
    asks: str = "change"
    """What has to be allowed of a person for them not to be left out."""
    why_not: Callable[[Sequence[User]], Mapping[int, str]] = lambda people: {}
    """Who is left out as they stand, whoever asks, each by key with why."""


def _review(
    propose: Callable[..., Proposal], *names: str
) -> Callable[[Sequence[User], dict[str, Any], User, str], Proposal]:
    """Return what proposes a step from the values of its form."""

    def of(people: Sequence[User], values: dict[str, Any], actor: User, back: str) -> Proposal:
        return propose(people, *(values[name] for name in names), actor=actor, back=back)

    return of


MANY: dict[str, ManyStep] = {
    "assign_set": ManyStep(
        gettext_lazy("Give a permission set"),
        gettext_lazy(
            "From now on each of them may do exactly what the set says. It replaces what they have "
            "now. For a super admin it takes effect once they no longer are one."
        ),
        ngettext_lazy(
            "%(count)s person has the permission set now.",
            "%(count)s people have the permission set now.",
            "count",
        ),
        operations.assign_set,
        SetForm,
        _review(proposals.set_given, "permission_set"),
        undo.of_permissions,
    ),
    "set_main_team": ManyStep(
        gettext_lazy("Set the main team"),
        gettext_lazy(
            "Each of them leaves their present main team and keeps their extra teams. The members "
            "of the new team, and of the teams above it, see what they own where a permission set "
            "says “Team only”."
        ),
        ngettext_lazy(
            "%(count)s person has the main team now.",
            "%(count)s people have the main team now.",
            "count",
        ),
        operations.set_main_team,
        TeamForm,
        _review(proposals.main_team_set, "team"),
        undo.of_teams,
        "teams",
    ),
    "add_to_team": ManyStep(
        gettext_lazy("Add to a team"),
        gettext_lazy(
            "Each of them becomes an extra member and keeps their other teams. They see what its "
            "members own, and its members see what they own, where a permission set says “Team "
            "only”."
        ),
        ngettext_lazy(
            "%(count)s person is in the team now.", "%(count)s people are in the team now.", "count"
        ),
        operations.add_to_team,
        TeamForm,
        _review(proposals.team_joined, "team"),
        undo.of_teams,
        "teams",
    ),
    "invite": ManyStep(
        invitations.OF_MANY,
        invitations.what_follows,
        ngettext_lazy(
            "%(count)s person is invited now.", "%(count)s people are invited now.", "count"
        ),
        operations.invite,
    ),
    "promote": ManyStep(
        gettext_lazy("Make super admin"),
        gettext_lazy(
            "Super admins may see and do everything. If only one task needs a super admin, it is "
            "safer to ask an existing one."
        ),
        ngettext_lazy(
            "%(count)s person is a super admin now.",
            "%(count)s people are super admins now.",
            "count",
        ),
        operations.make_super_admin,
        ManyForm,
        _review(proposals.super_admins_made),
        undo.of_super_admins,
    ),
    "make_partner_admin": ManyStep(
        gettext_lazy("Make partner admin"),
        FOR_EMPLOYEES,
        ngettext_lazy(
            "%(count)s person is a partner admin now.",
            "%(count)s people are partner admins now.",
            "count",
        ),
        operations.make_partner_admin,
        ManyForm,
        _review(proposals.partner_admins_made),
        undo.of_partner_admins,
        why_not=operations.why_no_partner_admins,
    ),
    "deactivate": ManyStep(
        gettext_lazy("Deactivate"),
        gettext_lazy(
            "They are logged out at once, and their waiting exports are cancelled. Records and "
            "history stay, and their teams keep seeing them."
        ),
        ngettext_lazy(
            "%(count)s person is deactivated now.", "%(count)s people are deactivated now.", "count"
        ),
        operations.deactivate,
    ),
    "reactivate": ManyStep(
        gettext_lazy("Reactivate"),
        gettext_lazy("They may log in again, with the rights their permission sets give now."),
        ngettext_lazy(
            "%(count)s person may log in again.", "%(count)s people may log in again.", "count"
        ),
        operations.reactivate,
    ),
}


GRAVE = frozenset({"promote", "deactivate", partner_steps.MAKE})
"""Steps whose button is red, as that of deleting is: they take a lot away, or give a lot."""

FOR_SUPER_ADMINS = frozenset(
    {*("promote", "demote", "deactivate", "reactivate"), *partner_steps.STEPS}
)
"""Steps that no delegated administrator takes (R91, R101, E51): they are not offered to them."""
