"""Set somebody's password on the server: as everywhere, in the log, and their sessions end."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import changepassword
from django.core.management import CommandError

from accounts.account_errors import AccountsError
from accounts.audit import System
from accounts.models import User
from accounts.operations import set_password
from accounts.text import normal_email


class Command(changepassword.Command):
    """Django's own, which asks for the password twice, with our operation in place of its save."""

    help = "Set a person's password; they are told, and the log says so."

    def handle(self, *args: Any, **options: Any) -> str:
        email = normal_email(options["username"] or "")
        person = User.objects.filter(email=email).first()
        if person is None:
            raise CommandError("Nobody logs in with this e-mail address. Give one that is stored.")
        ask = self._get_pass  # type: ignore[attr-defined]  # Django's own
        first, again = ask(), ask("Password (again): ")
        if first != again:
            raise CommandError("These are two different passwords. Nothing was changed.")
        try:
            set_password(person, actor=System("changepassword"), password=first)
        except AccountsError as refusal:
            raise CommandError(str(refusal)) from None
        return f"The password of {person.email} is changed; open sessions have ended."
