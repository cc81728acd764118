"""Django's door to the access engine: log in as Django does, decide as access.py does."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Model

from accounts import access, catalogue
from accounts.models import User


class AccessBackend(ModelBackend):
    """Password log-in by e-mail; every permission question is answered by access.py (B1)."""

    def get_user(self, user_id: int) -> User | None:
        """Return who is logged in, by the key in their session; nobody who is deactivated."""
        user = access.stored_user(user_id)
        return user if user is not None and self.user_can_authenticate(user) else None

    def has_perm(self, user_obj: Any, perm: str, obj: Model | None = None) -> bool:
        return isinstance(user_obj, User) and access.has_perm(user_obj, perm, obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        return isinstance(user_obj, User) and access.allows_any_in_app(user_obj, app_label)

    def get_user_permissions(self, user_obj: Any, obj: Model | None = None) -> set[str]:
        """Return the keys of the catalogue that this person has anything of."""
        if not isinstance(user_obj, User) or obj is not None:
            return set()
        tools = (key for key in catalogue.known_keys() if key.count(".") == 1)
        keys = {tool for tool in tools if access.holds_tool(user_obj, tool)}
        for kind in catalogue.objects():
            keys |= {
                f"crm.{kind.key}.{action}"
                for action in kind.actions
                if access.allows_any(user_obj, action, kind.model)
            }
        return keys

    def get_group_permissions(self, user_obj: Any, obj: Model | None = None) -> set[str]:
        """Return nothing: teams carry no permissions."""
        return set()

    def get_all_permissions(self, user_obj: Any, obj: Model | None = None) -> set[str]:
        return self.get_user_permissions(user_obj, obj)
