"""What every kind of record has: owners, stamps, a version and a deletion flag."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts import access
from accounts.access import Rule, scope_rules
from records.models.rules import share_rules, stage_rules

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from accounts.asker import Asker
    from accounts.models import User

R = TypeVar("R", bound="Record")

BIN_DAYS = 90
"""For so many days a deleted record can be restored (E10)."""

IN_THE_BIN = gettext_lazy("it is in the recycle bin")
NOT_IN_THE_BIN = gettext_lazy("it is not in the recycle bin")


class RecordQuerySet(models.QuerySet[R]):
    """Records, narrowed by what a person may do with them."""

    def permitted(self, user: User, action: str) -> RecordQuerySet[R]:
        """Return the records on which this person may do this."""
        return access.permitted(self, user, action)  # type: ignore[return-value]  # the same class

    def marked(self, user: User, action: str) -> RecordQuerySet[R]:
        """Keep every record and add `may_<action>`."""
        return access.marked(self, user, action)  # type: ignore[return-value]  # the same class


def _stamped_by(label: StrOrPromise | None = None) -> models.ForeignKey[User | None, User | None]:
    # Nobody looks records up by who wrote them last, so these have no index to be written as well.
    # That of an owner stays: SQLite answers an OR over owners by no index that leaves out the bin.
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        db_index=False,
        verbose_name=label,
    )


class Record(models.Model):
    """The base of every kind of record; owners decide who reaches it (R23)."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="owned_%(class)ss",
        verbose_name=gettext_lazy("owner"),
        help_text=gettext_lazy("Responsible for this record. Leave empty for unassigned."),
    )
    co_owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="co_owned_%(class)ss",
        verbose_name=gettext_lazy("co-owner"),
        help_text=gettext_lazy("Has the same rights as the owner."),
    )
    created_at = models.DateTimeField(
        gettext_lazy("created at"), default=timezone.now, editable=False
    )
    created_by = _stamped_by(gettext_lazy("created by"))
    updated_at = models.DateTimeField(
        gettext_lazy("updated at"), default=timezone.now, editable=False
    )
    updated_by = _stamped_by(gettext_lazy("updated by"))
    version = models.PositiveIntegerField(default=1, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)
    deleted_by = _stamped_by()

    objects: ClassVar[models.Manager[Record]] = RecordQuerySet.as_manager()

    object_key: ClassVar[str]
    owner_fields: ClassVar[tuple[str, ...]] = ("owner", "co_owner")
    stamps: ClassVar[tuple[str, ...]] = ("created_at", "created_by", "updated_at", "updated_by")
    internal: ClassVar[tuple[str, ...]] = ("version", "deleted_at", "deleted_by")
    """Fields that no list, form or export shows."""
    always_visible: ClassVar[tuple[str, ...]] = (*owner_fields, *stamps)
    """Fields that cannot be view-restricted; only these may stand in `__str__` and ordering."""
    name_fields: ClassVar[tuple[str, ...]] = ("name",)
    """What `__str__` is made of, so that whoever writes a record's name knows what it reads."""
    years: ClassVar[tuple[str, ...]] = ()
    """Fields that hold years, whose thousands are not separated."""
    search_fields: ClassVar[tuple[str, ...]]
    """What the search box looks in: names, all of them always visible."""
    number_fields: ClassVar[tuple[str, ...]] = ()
    """Numbers that it finds by their digits, for whoever may filter by these fields."""

    class Meta:
        abstract = True

    def __str__(self) -> str:
        said = " ".join(str(getattr(self, name)) for name in self.name_fields).strip()
        return said or f"{self._meta.verbose_name} {self.pk}"

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Return scope rules, shares, the edit rule of the stored stage, and the bin (R107, Q40).

        A deleted record is absent for everybody, but for restoring what lies in the bin.
        """
        asked = access.SCOPE_OF.get(action, action)
        # By the database's clock: the page, the check and the UPDATE agree on the last moment. Said
        # as what is not in it: negated once more for a query, it is a range that an index serves.
        out_of_it = ~Q(deleted_at__gte=Now() - timedelta(days=BIN_DAYS))
        bin_rule = (
            Rule("deleted", False, out_of_it, NOT_IN_THE_BIN)
            if action == access.RESTORE
            else Rule("deleted", False, Q(deleted_at__isnull=False), IN_THE_BIN)
        )
        return [
            bin_rule,
            *scope_rules(asker, asked, cls.object_key, cls.owner_fields),
            *share_rules(asker, asked, cls),
            *(stage_rules(asker, action, cls) if hasattr(cls, "stage") else ()),
        ]


LIVE = Q(deleted_at__isnull=True)


def record_indexes(model: str, *titles: str) -> list[models.Index]:
    """Return the indexes that lists sort and rules filter by (measured).

    `titles` is what the kind of record is ordered by, by name. The bin stays out of all of them but
    its own: every other query of a person asks for live records, and the index alone answers it.
    """
    by_title = titles or ("name",)
    return [
        models.Index(
            fields=["owner", "updated_at", "id", "co_owner"],
            name=f"{model}_own_updated",
            condition=LIVE,
        ),
        models.Index(
            fields=["owner", *by_title, "id", "co_owner"],
            name=f"{model}_own_title",
            condition=LIVE,
        ),
        models.Index(
            fields=["co_owner", "updated_at", "id", "owner"],
            name=f"{model}_co_updated",
            condition=Q(co_owner__isnull=False) & LIVE,
        ),
        models.Index(
            fields=["co_owner", *by_title, "id", "owner"],
            name=f"{model}_co_title",
            condition=Q(co_owner__isnull=False) & LIVE,
        ),
        models.Index(
            fields=["-updated_at", "-id", "owner", "co_owner"],
            name=f"{model}_updated",
            condition=LIVE,
        ),
        models.Index(
            fields=[*by_title, "id", "owner", "co_owner"], name=f"{model}_title", condition=LIVE
        ),
        models.Index(
            fields=["-deleted_at", "-id"],
            name=f"{model}_bin",
            condition=Q(deleted_at__isnull=False),
        ),
        *link_indexes(model, "co_owner"),
    ]


def link_indexes(model: str, *names: str) -> list[models.Index]:
    """Return the indexes of links that may be empty; their fields have `db_index=False`.

    Empty ones stay out. SQLite takes an index for as useful as its values differ: where most are
    empty, one of all rows counts as useless, and the whole table is read for three linked records.
    The bin is in: SQLite does not look at the rest of a query for one side of an *or*.
    """
    return [
        models.Index(
            fields=[name], name=f"{model}_by_{name}", condition=Q(**{f"{name}__isnull": False})
        )
        for name in names
    ]


def order_indexes(model: str, *names: str) -> list[models.Index]:
    """Return the indexes of further columns that the kind's list can be sorted by.

    Each makes adding a record up to 7 % slower, so only what people sort by has one. A list
    offers no other column (accounts/checks.py).
    """
    return [
        models.Index(
            fields=[name, "id", "owner", "co_owner"], name=f"{model}_{name}", condition=LIVE
        )
        for name in names
    ]
