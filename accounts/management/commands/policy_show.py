"""`manage.py policy_show > policy.yaml`: the policy that holds now, as a file."""

from __future__ import annotations

from typing import Any

from accounts import policy_file
from accounts.management.language import EnglishCommand


class Command(EnglishCommand):
    """Print the policy; the same one is always the same file."""

    help = (
        "Print the policy of this account as YAML: permission sets, teams, stage rules, rules of "
        "fields, the limit of sensitive values, approvals. By names and e-mails, without numbers, "
        "in a stable order. Who has which permission set, and who is in which team, is not in it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(policy_file.shown(), ending="")
