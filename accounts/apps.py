"""The ground floor as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class AccountsConfig(AppConfig):
    """People, teams, permissions, access and audit."""

    name = "accounts"
    verbose_name = gettext_lazy("Users & permissions")

    def ready(self) -> None:
        from django.db.models import CharField, TextField

        from accounts import checks, digits, letters, sessions  # noqa: F401  # importing the checks registers them
        from accounts.arrival_pages import hidden_notices
        from accounts.notices import hidden
        from accounts.policy_file import NEW_PERMISSIONS, PERMISSION_SETS, TEAMS, sections

        hidden.append(hidden_notices)
        sections.extend((PERMISSION_SETS, TEAMS, NEW_PERMISSIONS))
        letters.listen()
        CharField.register_lookup(letters.Folded)
        CharField.register_lookup(digits.Digits)
        TextField.register_lookup(letters.Folded)
        sessions.listen()
