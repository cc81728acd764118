"""Who had which permission when: every change of rights, in a table of its own (E17).

Written by `accounts.permission_history.kept` in the transaction of the change, and never altered.
The log is evidence and keeps what was done; here stands what was so before and after, by one key
a permission, so that the state of any moment can be worked out (`accounts.past`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext, gettext_lazy

from accounts.rule import ALWAYS, Rule

if TYPE_CHECKING:
    from accounts.asker import Asker

BEGAN = "history began"
"""The system's name on rows that say how things stood when this table was made."""

IS_CHANGE = ~Q(before=F("after"))
"""Leaves out what own permissions began with and still say: kept for the past, and no change."""


class PermissionChange(models.Model):
    """One permission of a set, or one fact about a person or a team, from one value to another.

    Of a set: what it grants, by the catalogue's keys (`crm.deal.change`,
    `crm.deal.change.unassigned`, `crm.export`, `crm.workflows:edit`), and `permission_set` for the
    set itself. Of a person: `permission_set`, `team` (once for each team), `super_admin`,
    `partner_admin`, `active`.
    Of a team: `team` for itself, and `parent`. An empty value is no such thing at all.
    """

    at = models.DateTimeField(
        gettext_lazy("at"),
        db_default=Now(),
        help_text=gettext_lazy("By the database's clock, which all processes share."),
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=gettext_lazy("by"),
    )
    system = models.CharField(max_length=60, blank=True)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    # No foreign keys: sets and teams may be deleted, and what was done with them stays.
    set_key = models.BigIntegerField(null=True)
    team_key = models.BigIntegerField(null=True)
    name = models.CharField(
        max_length=150, blank=True, help_text="Of the set or the team, as it was called then."
    )
    permission = models.CharField(max_length=100)
    before = models.CharField(gettext_lazy("from"), max_length=200, blank=True)
    after = models.CharField(gettext_lazy("to"), max_length=200, blank=True)
    reason = models.CharField(gettext_lazy("why"), max_length=500, blank=True)

    append_only = True
    log_columns = ("permission", "name", "set_key", "person", "actor")
    log_conditions = 1
    always_visible = ("at", "name", "permission")

    class Meta:
        ordering = ("-id",)
        verbose_name = gettext_lazy("permission change")
        verbose_name_plural = gettext_lazy("permission changes")
        constraints = (
            models.CheckConstraint(
                condition=Q(actor__isnull=False, system="") | (Q(actor=None) & ~Q(system="")),
                name="permission_changed_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=False, set_key=None)
                | Q(person=None, set_key__isnull=False, team_key=None)
                | Q(person=None, set_key=None, team_key__isnull=False),
                name="permission_changed_of_one",
            ),
        )
        indexes = (
            models.Index(fields=["person", "id"], name="permission_changed_of"),
            models.Index(fields=["set_key", "id"], name="permission_changed_in"),
            models.Index(fields=["actor", "id"], name="permission_changed_by", condition=IS_CHANGE),
            models.Index(
                fields=["permission", "id"], name="permission_changed_which", condition=IS_CHANGE
            ),
            models.Index(
                fields=["name", "id"], name="permission_changed_called", condition=IS_CHANGE
            ),
            models.Index(fields=["at", "id"], name="permission_changed_at"),
        )

    def __str__(self) -> str:
        return gettext("Change #%(number)s") % {"number": self.pk}

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Super admins read it; nobody writes it but the operations."""
        if action == "view":
            return []
        because = gettext_lazy("the permission history cannot be written by hand")
        return [Rule("unseen", False, ALWAYS, because)]
