"""How often somebody got a password wrong; see accounts/log_in.py for what follows from it."""

from __future__ import annotations

from django.db import models


class LogInCount(models.Model):
    """Wrong passwords in a row: for one account, from one address, or for one account from there.

    Keyed hashes instead of what was typed and where from: people also type a password into the
    field for the e-mail address. There is a row for an address nobody logs in with as well.
    """

    key = models.CharField(max_length=64, primary_key=True)
    account = models.CharField(
        max_length=64, blank=True, db_index=True, help_text="Empty: it counts a whole address."
    )
    wrong = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(null=True, db_index=True)
    paused_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.wrong} wrong"
