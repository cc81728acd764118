"""Finding people by name, as pickers and lists do (R7)."""

from __future__ import annotations

from django.db.models import QuerySet, Value
from django.db.models.functions import Concat

from accounts.models import User


def named(people: QuerySet[User], words: str) -> QuerySet[User]:
    """Return those in whose name every word occurs, in the order of names."""
    for word in words.split():
        people = people.alias(full_name=Concat("first_name", Value(" "), "last_name")).filter(
            full_name__icontains=word
        )
    return people.order_by(*(User._meta.ordering or ()))
