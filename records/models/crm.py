"""The four kinds of record, each a model and its declaration (declared.py)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts.fields import Email, Line
from records.kinds import Beginning, Part
from records.models.base import (
    Record,
    RecordQuerySet,
    link_indexes,
    order_indexes,
    record_indexes,
)
from records.models.declared import declare
from records.models.pipelines import Stage

__all__ = ["Company", "Contact", "Deal", "Ticket"]


@declare(
    icon="person",
    search_help=gettext_lazy("Search name or e-mail"),
    number_help=gettext_lazy("Search name, e-mail or phone"),
    columns=("email", "phone", "company", "lifecycle", "owner", "updated_at"),
    unsorted=("email", "phone", "lifecycle"),
    filters=("company", "lifecycle"),
    rows=(
        ("first_name", "last_name"),
        ("email", "phone"),
        ("company", "job_title"),
        ("city", "lifecycle"),
    ),
    service=Part.KEEPS,
)
class Contact(Record):
    """A person outside the house."""

    class Lifecycle(models.TextChoices):
        """How far a contact has come."""

        SUBSCRIBER = "subscriber", gettext_lazy("Subscriber")
        LEAD = "lead", gettext_lazy("Lead")
        QUALIFIED = "qualified", gettext_lazy("Qualified lead")
        CUSTOMER = "customer", gettext_lazy("Customer")
        FORMER = "former", gettext_lazy("Former customer")

    first_name = Line(gettext_lazy("first name"), max_length=100, blank=True)
    last_name = Line(gettext_lazy("last name"), max_length=100)
    email = Email(gettext_lazy("e-mail"), blank=True)
    phone = Line(gettext_lazy("phone"), max_length=50, blank=True)
    job_title = Line(gettext_lazy("job title"), max_length=100, blank=True)
    company = models.ForeignKey(
        "Company",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="contacts",
        verbose_name=gettext_lazy("company"),
    )
    city = Line(gettext_lazy("city"), max_length=100, blank=True)
    lifecycle = models.CharField(
        gettext_lazy("lifecycle"), max_length=20, choices=Lifecycle.choices, default=Lifecycle.LEAD
    )

    objects: ClassVar[RecordQuerySet[Contact]] = RecordQuerySet.as_manager()  # type: ignore[assignment]  # a manager made of the queryset

    object_key = "contact"
    always_visible = ("first_name", "last_name", "email", "lifecycle", *Record.always_visible)
    name_fields = ("first_name", "last_name")
    search_fields = ("first_name", "last_name", "email")
    number_fields = ("phone",)

    class Meta:
        verbose_name = gettext_lazy("contact")
        verbose_name_plural = gettext_lazy("contacts")
        ordering = ("last_name", "first_name", "id")
        indexes = (
            *record_indexes("contact", "last_name", "first_name"),
            *link_indexes("contact", "company"),
        )


@declare(
    icon="apartment",
    search_help=gettext_lazy("Search name or domain"),
    columns=("sector", "country", "employees", "revenue", "parent", "owner"),
    unsorted=("sector", "country"),
    filters=("sector", "country"),
)
class Company(Record):
    """An organisation that buys, or may one day."""

    name = Line(gettext_lazy("name"), max_length=200)
    domain = Line(gettext_lazy("domain"), max_length=200, blank=True)
    sector = Line(gettext_lazy("sector"), max_length=100, blank=True)
    country = Line(gettext_lazy("country"), max_length=100, blank=True)
    employees = models.PositiveIntegerField(gettext_lazy("employees"), null=True, blank=True)
    revenue = models.DecimalField(
        gettext_lazy("revenue (million USD)"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
    )
    founded = models.PositiveSmallIntegerField(
        gettext_lazy("founded (year)"), null=True, blank=True
    )
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="subsidiaries",
        verbose_name=gettext_lazy("parent company"),
    )

    objects: ClassVar[RecordQuerySet[Company]] = RecordQuerySet.as_manager()  # type: ignore[assignment]  # a manager made of the queryset

    object_key = "company"
    always_visible = ("name", "domain", *Record.always_visible)
    years = ("founded",)
    search_fields = ("name", "domain")

    class Meta:
        verbose_name = gettext_lazy("company")
        verbose_name_plural = gettext_lazy("companies")
        ordering = ("name", "id")
        indexes = (
            *record_indexes("company"),
            *order_indexes("company", "employees", "revenue"),
            *link_indexes("company", "parent"),
        )


@declare(
    icon="handshake",
    search_help=gettext_lazy("Search deal name"),
    columns=("amount", "stage", "company", "owner", "closed", "updated_at"),
    filters=("stage", "closed", "amount", "company", "contact"),
    closing="closed",
    worth="amount",
    service=Part.NONE,
    beginning=Beginning(
        gettext_lazy("Sales"),
        (
            (gettext_lazy("Qualified"), Stage.Outcome.OPEN),
            (gettext_lazy("Proposal"), Stage.Outcome.OPEN),
            (gettext_lazy("Negotiation"), Stage.Outcome.OPEN),
            (gettext_lazy("Won"), Stage.Outcome.WON),
            (gettext_lazy("Lost"), Stage.Outcome.LOST),
        ),
    ),
)
class Deal(Record):
    """Business that may be won."""

    name = Line(gettext_lazy("name"), max_length=200)
    amount = models.DecimalField(
        gettext_lazy("amount"), max_digits=14, decimal_places=2, null=True, blank=True
    )
    stage = models.ForeignKey(
        Stage,
        models.PROTECT,
        related_name="deals",
        limit_choices_to={"pipeline__object": "deal"},
        verbose_name=gettext_lazy("stage"),
    )
    product = Line(gettext_lazy("product"), max_length=100, blank=True)
    company = models.ForeignKey(
        Company,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="deals",
        verbose_name=gettext_lazy("company"),
    )
    contact = models.ForeignKey(
        Contact,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="deals",
        verbose_name=gettext_lazy("contact"),
    )
    opened = models.DateField(pgettext_lazy("day", "opened"), null=True, blank=True)
    closed = models.DateField(pgettext_lazy("day", "closed"), null=True, blank=True)
    source = Line(gettext_lazy("source"), max_length=60, blank=True, editable=False)
    external_id = Line(gettext_lazy("external id"), max_length=60, blank=True, editable=False)

    objects: ClassVar[RecordQuerySet[Deal]] = RecordQuerySet.as_manager()  # type: ignore[assignment]  # a manager made of the queryset

    object_key = "deal"
    always_visible = ("name", "stage", "opened", "closed", *Record.always_visible)
    search_fields = ("name",)

    class Meta:
        verbose_name = gettext_lazy("deal")
        verbose_name_plural = gettext_lazy("deals")
        ordering = ("-updated_at", "-id")
        indexes = (
            *record_indexes("deal"),
            *order_indexes("deal", "amount", "closed"),
            *link_indexes("deal", "company", "contact"),
            models.Index(fields=["stage", "owner"], name="deal_by_stage"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["source", "external_id"],
                condition=~Q(external_id=""),
                name="imported_deal_once",
            ),
        )


@declare(
    icon="confirmation_number",
    search_help=gettext_lazy("Search subject"),
    columns=("priority", "stage", "company", "owner", "opened", "updated_at"),
    unsorted=("priority",),
    filters=("stage", "priority", "company", "contact"),
    rows=(("subject", "priority"), ("stage", "opened"), ("contact", "company")),
    sales=Part.READS,
    service=Part.WORKS,
    beginning=Beginning(
        gettext_lazy("Support"),
        (
            (gettext_lazy("New"), Stage.Outcome.OPEN),
            (gettext_lazy("In progress"), Stage.Outcome.OPEN),
            (gettext_lazy("Waiting for customer"), Stage.Outcome.OPEN),
            (gettext_lazy("Solved"), Stage.Outcome.WON),
        ),
    ),
)
class Ticket(Record):
    """Something a customer needs help with."""

    class Priority(models.TextChoices):
        """How much it hurts."""

        LOW = "low", gettext_lazy("Low")
        MEDIUM = "medium", gettext_lazy("Medium")
        HIGH = "high", gettext_lazy("High")
        URGENT = "urgent", gettext_lazy("Urgent")

    subject = Line(gettext_lazy("subject"), max_length=200)
    priority = models.CharField(
        gettext_lazy("priority"), max_length=10, choices=Priority.choices, default=Priority.MEDIUM
    )
    stage = models.ForeignKey(
        Stage,
        models.PROTECT,
        related_name="tickets",
        limit_choices_to={"pipeline__object": "ticket"},
        verbose_name=gettext_lazy("stage"),
    )
    contact = models.ForeignKey(
        Contact,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="tickets",
        verbose_name=gettext_lazy("contact"),
    )
    company = models.ForeignKey(
        Company,
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="tickets",
        verbose_name=gettext_lazy("company"),
    )
    opened = models.DateField(pgettext_lazy("day", "opened"), default=timezone.localdate)

    objects: ClassVar[RecordQuerySet[Ticket]] = RecordQuerySet.as_manager()  # type: ignore[assignment]  # a manager made of the queryset

    object_key = "ticket"
    always_visible = ("subject", "stage", "opened", *Record.always_visible)
    name_fields = ("subject",)
    search_fields = ("subject",)

    class Meta:
        verbose_name = gettext_lazy("ticket")
        verbose_name_plural = gettext_lazy("tickets")
        ordering = ("-updated_at", "-id")
        indexes = (
            *record_indexes("ticket", "subject"),
            *order_indexes("ticket", "opened"),
            *link_indexes("ticket", "company", "contact"),
            models.Index(fields=["stage", "owner"], name="ticket_by_stage"),
        )
