"""Whoever is a partner admin bears the mark of an employee of the partner, and keeps it (R101)."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext

from accounts.account_errors import InvalidChange
from accounts.models import ToolGrant, User

EMPLOYEE = "partner.employee"


def employees(people: Iterable[User]) -> QuerySet[User]:
    """Return those of these people whose permission set says that they are the partner's."""
    return User.objects.filter(_bears_mark(), pk__in=[each.pk for each in people])


def keep_employees() -> None:
    """Raise where a partner admin's permission set does not say *Partner employee* any more.

    Asked after every change to who may do what, in its transaction, of deactivated people too: no
    status lies dormant that a later change of a set would wake.
    """
    found = User.objects.filter(~_bears_mark(), is_partner_admin=True).first()
    if found is not None:
        text = gettext(
            "%(name)s is a partner admin, so their permission set has to say Partner employee. "
            "Remove partner admin first, or leave that permission on. Nothing was saved."
        )
        raise InvalidChange(text % {"name": found})


def with_mark(people: QuerySet[User]) -> QuerySet[User]:
    """Add `is_employee`, whether they bear the mark; inside the caller's query."""
    return people.annotate(is_employee=_bears_mark())


def _bears_mark() -> Exists:
    return Exists(ToolGrant.objects.filter(permission_set=OuterRef("permission_set"), key=EMPLOYEE))
