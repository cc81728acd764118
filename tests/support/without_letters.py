"""The tiny company with data that have no Latin letters, so that any such word is the product's."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db.models import CharField, F, Model, Value
from django.db.models.functions import Cast, Concat

from accounts.models import PermissionSet, User
from records.models import Company, Contact, Deal, Pipeline, Stage, Ticket

NAMED: dict[type[Model], tuple[str, ...]] = {
    User: ("first_name", "last_name"),
    Group: ("name",),
    PermissionSet: ("name", "description"),
    Pipeline: ("name",),
    Stage: ("name",),
    Company: ("name", "website", "city"),
    Contact: ("first_name", "last_name", "job_title", "city"),
    Deal: ("name", "product"),
    Ticket: ("subject",),
}


def take_letters_away() -> None:
    """Rename everything: a letter of Greek and the key, which is unique."""
    for model, fields in NAMED.items():
        there = {field.name for field in model._meta.get_fields()}
        for name in fields:
            if name in there:
                # A permission set of one person has no name, and stays without.
                named = model._base_manager.filter(**{f"{name}__gt": ""})
                named.update(**{name: Concat(Value("Ω"), Cast(F("pk"), CharField()))})
    User.objects.update(email=Concat(Value("ω"), Cast(F("pk"), CharField()), Value("@0.0")))
