"""Which tools of the catalogue a person has, and the same questions in Django's words."""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps
from django.db.models import Model

from accounts import catalogue
from accounts.access.askers import Loaded
from accounts.access.readers import allows, allows_any
from accounts.access.rules import ACTIONS
from accounts.models.people import User
from accounts.models.permissions import Rank
from accounts.rule import ALWAYS, settled


def holds_tool(user: User, key: str) -> bool:
    """Tell whether this person has a tool of the catalogue, by key or `key:option`.

    A key alone of a tool with options means any of them. One that does not exist raises.
    """
    return Loaded(user).holds(key) is ALWAYS and user.is_active


@dataclass(frozen=True, slots=True)
class ToolScope:
    """How far a tool with levels reaches for one person, and whether ownerless things count."""

    rank: Rank
    unassigned: bool


def tool_scope(user: User, key: str) -> ToolScope:
    """Return the level and the box Unassigned that a person has of `key:option` (S-7, RP-4)."""
    asker = Loaded(user)
    box = settled(catalogue.effective_box(key).asked_of(asker)) is ALWAYS  # raises for other keys
    reached = [rank for rank in Rank if rank and asker.holds(key, rank) is ALWAYS]
    rank = max(reached, default=Rank.NONE) if user.is_active else Rank.NONE
    return ToolScope(rank, box and rank in (Rank.OWNED, Rank.TEAM))


def asked(perm: str) -> tuple[str, type[Model]] | None:
    """Return (action, model) for `app.action_model` or `crm.object.action`, else None."""
    parts = perm.split(".")
    if len(parts) == 3 and parts[0] == "crm":
        kind = catalogue.object_kind(parts[1])
        return (parts[2], kind.model) if kind and parts[2] in ACTIONS else None
    if len(parts) != 2:
        return None
    action, _, model_name = parts[1].partition("_")
    try:
        model = apps.get_model(parts[0], model_name)
    except LookupError:
        return None
    return (action, model) if action in ACTIONS else None


def has_perm(user: User, perm: str, obj: Model | None = None) -> bool:
    """Answer `user.has_perm`: a tool by its key, or an action on a model or one record.

    What looks like a key of the catalogue and is none raises: it is a mistake in our own code.
    """
    of_catalogue = perm.partition(".")[0] in catalogue.NAMESPACES
    if of_catalogue and perm.count(".") == 1:
        return holds_tool(user, perm)
    question = asked(perm)
    if question is None:
        if of_catalogue and "." in perm:
            raise catalogue.UnknownPermission(perm)
        return False
    action, model = question
    if obj is None:
        return allows_any(user, action, model)
    return isinstance(obj, model) and allows(user, action, obj)


def allows_any_in_app(user: User, app_label: str) -> bool:
    """Answer `user.has_module_perms`: may anything of this app be viewed?

    Models that say what may be seen *in* a record (`is_about_fields`) are nothing to be viewed.
    """
    try:
        models = apps.get_app_config(app_label).get_models()
    except LookupError:
        return False
    viewed = (model for model in models if not getattr(model, "is_about_fields", False))
    return any(allows_any(user, "view", model) for model in viewed)
