"""What a new permission set can begin with: a template, another set, or what a person has (E11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.translation import gettext

from accounts import access, changes
from accounts.changes import State
from accounts.keys import whole_number
from accounts.models import PermissionSet, User
from accounts.people import BY_NAME


@dataclass(frozen=True, slots=True)
class Template:
    """A set that is ready to be made."""

    name: str
    description: str
    state: State


templates: list[Callable[[], Iterable[Template]]] = []
"""A slot for upper layers: the sets that the product offers to begin with."""


MOST_OFFERED = 200
"""So many people at most stand in the list; of others, the page of each leads to a new set."""


def beginnings(actor: User) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what this person may begin a set with, in groups: values and labels of each."""
    ready = [template for more in templates for template in more()]
    sets = access.permitted(PermissionSet.objects.named(), actor, "view")
    rows = User.objects.filter(is_active=True, is_superuser=False, permission_set__isnull=False)
    people = access.permitted(rows, actor, "change").order_by(*BY_NAME)[:MOST_OFFERED]
    groups = {
        gettext("Template"): [(f"template-{each.name}", each.name) for each in ready],
        gettext("Copy of a set"): [(f"set-{each.pk}", str(each)) for each in sets],
        gettext("What a person may do"): [(f"person-{each.pk}", str(each)) for each in people],
    }
    return [(label, choices) for label, choices in groups.items() if choices]


def state_of(actor: User, begin: str) -> State | None:
    """Return what a new set begins with; None for what there is not, or is out of reach."""
    sort, _, rest = begin.partition("-")
    if sort == "template":
        ready = (template for more in templates for template in more())
        return next((each.state for each in ready if each.name == rest), None)
    key = whole_number(rest)
    if sort == "set":
        rows = access.permitted(PermissionSet.objects.named(), actor, "view")
        found = rows.filter(pk=key).first()
        return changes.stored(found) if found else None
    if sort == "person":
        people = access.permitted(User.objects.filter(pk=key), actor, "change")
        person = people.select_related("permission_set").first()
        return changes.stored(person.permission_set) if person else None
    return None
