"""The ground floor as a Django app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, teams, permissions, access and audit."""

    name = "accounts"
    verbose_name = "People & permissions"

    def ready(self) -> None:
        from accounts import checks, sessions  # noqa: F401  # importing the checks registers them

        sessions.listen()
