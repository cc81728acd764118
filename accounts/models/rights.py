"""Who changed whose account or rights: what decides who may consent to what, so no part of the log.

The log is evidence and is never asked before somebody may do something. What has to be asked stands
here, written in the transaction of the change and, like the log, never altered.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy


class Deed(models.Model):
    """Who did what is asked about before somebody may consent, or needs no consent; and when."""

    at = models.DateTimeField(
        db_default=Now(), help_text="By the database's clock, which all processes share."
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False
    )
    through = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Who acted, where the actor had made or changed the account that acted.",
    )

    append_only = True

    class Meta:
        abstract = True


class RightsChange(Deed):
    """One change of a person's account, or of who holds a guarded tool of the catalogue.

    Written by `accounts.rights.changing` alone. The account itself is a row with an empty `tool`;
    every guarded tool that somebody holds since, or holds no more, is a row of its own. Edits of a
    permission set are kept for the set as well (no person then), for those who get it later.
    """

    class Door(models.TextChoices):
        """By which operation."""

        CREATED = "created", gettext_lazy("created the account")
        INVITED = "invited", gettext_lazy("was shown an invitation link")
        EMAIL = "email", gettext_lazy("changed the e-mail address")
        PASSWORD = "password", gettext_lazy("set the password")
        SET_ASSIGNED = "set_assigned", gettext_lazy("assigned a permission set")
        SET_EDITED = "set_edited", gettext_lazy("edited the permission set")
        EDITED = "edited", gettext_lazy("edited the permissions")
        MADE_SUPER_ADMIN = "made_super_admin", gettext_lazy("made the person a super admin")
        REMOVED_SUPER_ADMIN = "removed_super_admin", gettext_lazy("took super admin status away")
        MADE_PARTNER_ADMIN = "made_partner_admin", gettext_lazy("made the person a partner admin")
        ENDED_PARTNER_ADMIN = "ended_partner_admin", gettext_lazy("took partner admin status away")
        DEACTIVATED = "deactivated", gettext_lazy("deactivated the account")
        REACTIVATED = "reactivated", gettext_lazy("reactivated the account")

    actor = models.ForeignKey(  # type: ignore[assignment]  # the product itself acts here too
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    system = models.CharField(max_length=60, blank=True)
    door = models.CharField(max_length=20, choices=Door.choices)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False
    )
    # No foreign key: a set may be deleted, and what was done with it stays.
    set_key = models.BigIntegerField(null=True)
    tool = models.CharField(max_length=60, blank=True)
    gave = models.BooleanField(default=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(actor__isnull=False, system="") | (Q(actor=None) & ~Q(system="")),
                name="rights_changed_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=False) | (Q(set_key__isnull=False) & ~Q(tool="")),
                name="rights_changed_of_somebody",
            ),
        )
        indexes = (
            models.Index(fields=["person", "actor", "at"], name="rights_changed_of_by"),
            models.Index(
                fields=["set_key", "at"], name="rights_changed_in_set", condition=Q(person=None)
            ),
            # From whom somebody took a guarded tool.
            models.Index(fields=["actor", "at"], name="rights_taken_by", condition=Q(gave=False)),
            # Whose accounts somebody let themselves into.
            models.Index(fields=["actor", "at"], name="rights_let_in_by", condition=Q(tool="")),
        )

    def __str__(self) -> str:
        return f"{self.actor_id or self.system} {self.door} {self.person_id or self.set_key}"
