"""Finding people, as pickers and lists do (R7)."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat

from accounts.models import User


def selectable(chosen: Iterable[int] = ()) -> QuerySet[User]:
    """Return whom a list of boxes offers: active people, and those who are chosen already.

    Else saving would take a deactivated person out, who may come back one day.
    """
    return User.objects.filter(Q(is_active=True) | Q(pk__in=list(chosen)))


def named(people: QuerySet[User], words: str) -> QuerySet[User]:
    """Return those in whose name every word occurs, in the order of names."""
    for word in words.split():
        people = people.alias(full_name=Concat("first_name", Value(" "), "last_name")).filter(
            full_name__icontains=word
        )
    return people.order_by(*(User._meta.ordering or ()))
