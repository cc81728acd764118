"""Whether a form still says what is stored: two people do not overwrite each other."""

from __future__ import annotations

from django.utils.translation import gettext

from accounts.account_errors import InvalidChange
from accounts.held import scopes_of
from accounts.marks import mark
from accounts.models import PermissionSet, Team, User
from accounts.operations.memberships import team_data


def as_it_stands(subject: User | Team | PermissionSet) -> str:
    """Return a mark of all that the form of a person, a team or a permission set writes.

    Of the columns as this instance has them, so that a page is never newer than its mark.
    """
    if isinstance(subject, User):
        names = [subject.email, subject.first_name, subject.last_name]
        return mark([*names, subject.permission_set_id, team_data(subject)])
    if isinstance(subject, Team):
        return mark([subject.name, subject.parent_id])
    tools = sorted(subject.tools.values_list("key", "option", "rank", "unassigned"))
    return mark([subject.name, subject.description, sorted(scopes_of(subject).items()), tools])


def require_as_opened(stored: User | Team | PermissionSet, as_opened: str | None) -> None:
    """Raise where a form is out of date. Whoever read nothing before leaves the mark out."""
    if as_opened is not None and as_opened != as_it_stands(stored):
        text = gettext(
            "Somebody changed this %(thing)s while you had it open. Nothing was saved; open it "
            "again to see what it says now."
        )
        raise InvalidChange(text % {"thing": stored._meta.verbose_name})
