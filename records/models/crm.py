"""The four kinds of record, each a model and its declaration (records/kinds.py)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.fields import Email, Line
from records.kinds import declare
from records.models.base import Record, RecordQuerySet, order_indexes, record_indexes
from records.models.pipelines import Stage


@declare(
    icon="person",
    search_help="Search name or e-mail",
    columns=("email", "phone", "company", "lifecycle", "owner", "updated_at"),
    unsorted=("email", "phone", "lifecycle"),
    filters=("company", "lifecycle"),
    rows=(
        ("first_name", "last_name"),
        ("email", "phone"),
        ("company", "job_title"),
        ("city", "lifecycle"),
    ),
)
class Contact(Record):
    """A person outside the house."""

    class Lifecycle(models.TextChoices):
        """How far a contact has come."""

        SUBSCRIBER = "subscriber", "Subscriber"
        LEAD = "lead", "Lead"
        QUALIFIED = "qualified", "Qualified lead"
        CUSTOMER = "customer", "Customer"
        FORMER = "former", "Former customer"

    first_name = Line(max_length=100, blank=True)
    last_name = Line(max_length=100)
    email = Email("e-mail", blank=True)
    phone = Line(max_length=50, blank=True)
    job_title = Line(max_length=100, blank=True)
    company = models.ForeignKey(
        "Company", models.PROTECT, null=True, blank=True, related_name="contacts"
    )
    city = Line(max_length=100, blank=True)
    lifecycle = models.CharField(max_length=20, choices=Lifecycle.choices, default=Lifecycle.LEAD)

    objects: ClassVar[RecordQuerySet[Contact]] = RecordQuerySet.as_manager()  # type: ignore[assignment]  # a manager made of the queryset

    object_key = "contact"
    always_visible = ("first_name", "last_name", "email", "lifecycle", *Record.always_visible)
    name_fields = ("first_name", "last_name")
    search_fields = ("first_name", "last_name", "email")

    class Meta:
        ordering = ("last_name", "first_name", "id")
        indexes = record_indexes("contact", "last_name", "first_name")


@declare(
    icon="apartment",
    search_help="Search name or domain",
    columns=("sector", "country", "employees", "revenue", "parent", "owner"),
    unsorted=("sector", "country"),
    filters=("sector", "country"),
)
class Company(Record):
    """An organisation that buys, or may one day."""

    name = Line(max_length=200)
    domain = Line(max_length=200, blank=True)
    sector = Line(max_length=100, blank=True)
    country = Line(max_length=100, blank=True)
    employees = models.PositiveIntegerField(null=True, blank=True)
    revenue = models.DecimalField(
        "revenue (million USD)", max_digits=14, decimal_places=2, null=True, blank=True
    )
    founded = models.PositiveSmallIntegerField("founded (year)", null=True, blank=True)
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="subsidiaries",
        verbose_name="parent company",
    )

    objects: ClassVar[RecordQuerySet[Company]] = RecordQuerySet.as_manager()  # type: ignore[assignment]  # a manager made of the queryset

    object_key = "company"
    always_visible = ("name", "domain", *Record.always_visible)
    years = ("founded",)
    search_fields = ("name", "domain")

    class Meta:
        verbose_name_plural = "companies"
        ordering = ("name", "id")
        indexes = (
            *record_indexes("company"),
            *order_indexes("company", "employees", "revenue"),
        )


@declare(
    icon="handshake",
    search_help="Search deal name",
    columns=("amount", "stage", "company", "owner", "closed", "updated_at"),
    filters=("stage", "closed", "amount", "company", "contact"),
)
class Deal(Record):
    """Business that may be won."""

    name = Line(max_length=200)
    amount = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    stage = models.ForeignKey(
        Stage, models.PROTECT, related_name="deals", limit_choices_to={"pipeline__object": "deal"}
    )
    product = Line(max_length=100, blank=True)
    company = models.ForeignKey(
        Company, models.PROTECT, null=True, blank=True, related_name="deals"
    )
    contact = models.ForeignKey(
        Contact, models.PROTECT, null=True, blank=True, related_name="deals"
    )
    opened = models.DateField(null=True, blank=True)
    closed = models.DateField(null=True, blank=True)
    source = Line(max_length=60, blank=True, editable=False)
    external_id = Line(max_length=60, blank=True, editable=False)

    objects: ClassVar[RecordQuerySet[Deal]] = RecordQuerySet.as_manager()  # type: ignore[assignment]  # a manager made of the queryset

    object_key = "deal"
    always_visible = ("name", "stage", "opened", "closed", *Record.always_visible)
    search_fields = ("name",)

    class Meta:
        ordering = ("-updated_at", "-id")
        indexes = (
            *record_indexes("deal"),
            *order_indexes("deal", "amount", "closed"),
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
    search_help="Search subject",
    columns=("priority", "stage", "company", "owner", "opened", "updated_at"),
    unsorted=("priority",),
    filters=("stage", "priority", "company", "contact"),
    rows=(("subject", "priority"), ("stage", "opened"), ("contact", "company")),
)
class Ticket(Record):
    """Something a customer needs help with."""

    class Priority(models.TextChoices):
        """How much it hurts."""

        LOW = "low", "Low"
        MEDIUM = "medium", "Medium"
        HIGH = "high", "High"
        URGENT = "urgent", "Urgent"

    subject = Line(max_length=200)
    priority = models.CharField(max_length=10, choices=Priority.choices, default=Priority.MEDIUM)
    stage = models.ForeignKey(
        Stage,
        models.PROTECT,
        related_name="tickets",
        limit_choices_to={"pipeline__object": "ticket"},
    )
    contact = models.ForeignKey(
        Contact, models.PROTECT, null=True, blank=True, related_name="tickets"
    )
    company = models.ForeignKey(
        Company, models.PROTECT, null=True, blank=True, related_name="tickets"
    )
    opened = models.DateField(default=timezone.localdate)

    objects: ClassVar[RecordQuerySet[Ticket]] = RecordQuerySet.as_manager()  # type: ignore[assignment]  # a manager made of the queryset

    object_key = "ticket"
    always_visible = ("subject", "stage", "opened", *Record.always_visible)
    name_fields = ("subject",)
    search_fields = ("subject",)

    class Meta:
        ordering = ("-updated_at", "-id")
        indexes = (
            *record_indexes("ticket", "subject"),
            *order_indexes("ticket", "opened"),
            models.Index(fields=["stage", "owner"], name="ticket_by_stage"),
        )
