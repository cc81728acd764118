"""Whether a form still says what is stored: two people do not overwrite each other."""

from __future__ import annotations

import json

from django.utils.crypto import salted_hmac

from accounts.models import PermissionSet, Team, User
from accounts.operations.errors import InvalidChange
from accounts.operations.memberships import team_data
from accounts.operations.permissions import scopes_of


def mark(said: object) -> str:
    """Return a mark of what a form showed; another one as soon as anything of it is changed.

    Keyed: it goes to a browser, whose person may not be allowed to read all that it is made of.
    """
    text = json.dumps(said, sort_keys=True, default=str)
    return salted_hmac("accounts.operations.mark", text, algorithm="sha256").hexdigest()


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
        raise InvalidChange(
            f"Somebody changed this {stored._meta.verbose_name} while you had it open. Nothing was "
            "saved; open it again to see what it says now."
        )
