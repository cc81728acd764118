"""`manage.py policy_apply FILE --as E-MAIL`: all that a policy file says, or nothing."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts import policy_file
from accounts.management.language import EnglishCommand
from accounts.management.policy import text_of
from accounts.models import User
from accounts.operations import NotAllowed
from accounts.policy_file.telling import WAS, sentences
from accounts.text import normal_email


class Command(EnglishCommand):
    """Apply a policy file in one transaction, as a super admin who is named."""

    help = (
        "Make permission sets, teams, rules and approvals as FILE says, in one transaction: either "
        "all of it or nothing. Everything is done, and logged, as the super admin with this "
        "e-mail. A section that is not in the file is left alone; what a section leaves out is "
        "deleted or switched off. Look at policy_plan FILE first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="a file as policy_show writes it")
        parser.add_argument(
            "--as",
            dest="actor",
            metavar="E-MAIL",
            required=True,
            help="the super admin as whom it is done",
        )

    def handle(self, *, file: str, actor: str, **options: Any) -> None:
        person = User.objects.filter(email=normal_email(actor)).first()
        if person is None:
            raise CommandError(f"Nobody logs in as “{actor}”. Give the e-mail of a super admin.")
        try:
            planned = policy_file.apply(text_of(file), actor=person)
        except (policy_file.PolicyError, NotAllowed) as error:
            raise CommandError(str(error)) from None
        told = "\n".join(sentences(planned, WAS))
        self.stdout.write(told or "Nothing was changed: the account is as the file says.")
