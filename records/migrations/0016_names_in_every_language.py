"""Kinds of record and their fields bear names that are translated; English ones stay as they were.

Names are no part of the database, so this changes what Django knows of the models and nothing else.
"""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import accounts.fields
import records.models.pipelines


class StateOnly(migrations.SeparateDatabaseAndState):
    """What changes no table, at once: Django would draw all models anew after each of these."""

    def state_forwards(self, app_label, state):
        state.__dict__.pop("apps", None)  # drawn again by whoever needs it
        super().state_forwards(app_label, state)


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0015_plain_help_for_owners"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        StateOnly(
            state_operations=[
                migrations.AlterModelOptions(
                    name="company",
                    options={
                        "ordering": ("name", "id"),
                        "verbose_name": "company",
                        "verbose_name_plural": "companies",
                    },
                ),
                migrations.AlterModelOptions(
                    name="contact",
                    options={
                        "ordering": ("last_name", "first_name", "id"),
                        "verbose_name": "contact",
                        "verbose_name_plural": "contacts",
                    },
                ),
                migrations.AlterModelOptions(
                    name="deal",
                    options={
                        "ordering": ("-updated_at", "-id"),
                        "verbose_name": "deal",
                        "verbose_name_plural": "deals",
                    },
                ),
                migrations.AlterModelOptions(
                    name="pipeline",
                    options={
                        "ordering": ("object", "name"),
                        "verbose_name": "pipeline",
                        "verbose_name_plural": "pipelines",
                    },
                ),
                migrations.AlterModelOptions(
                    name="stage",
                    options={
                        "ordering": ("pipeline", "position", "id"),
                        "verbose_name": "stage",
                        "verbose_name_plural": "stages",
                    },
                ),
                migrations.AlterModelOptions(
                    name="ticket",
                    options={
                        "ordering": ("-updated_at", "-id"),
                        "verbose_name": "ticket",
                        "verbose_name_plural": "tickets",
                    },
                ),
                migrations.AlterField(
                    model_name="company",
                    name="country",
                    field=accounts.fields.Line(
                        blank=True, db_collation="crm_order", max_length=100, verbose_name="country"
                    ),
                ),
                migrations.AlterField(
                    model_name="company",
                    name="created_at",
                    field=models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created at"
                    ),
                ),
                migrations.AlterField(
                    model_name="company",
                    name="created_by",
                    field=models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                migrations.AlterField(
                    model_name="company",
                    name="domain",
                    field=accounts.fields.Line(
                        blank=True, db_collation="crm_order", max_length=200, verbose_name="domain"
                    ),
                ),
                migrations.AlterField(
                    model_name="company",
                    name="employees",
                    field=models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="employees"
                    ),
                ),
                migrations.AlterField(
                    model_name="company",
                    name="name",
                    field=accounts.fields.Line(
                        db_collation="crm_order", max_length=200, verbose_name="name"
                    ),
                ),
                migrations.AlterField(
                    model_name="company",
                    name="owner",
                    field=models.ForeignKey(
                        blank=True,
                        help_text="Responsible for this record. Leave empty for unassigned.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="owned_%(class)ss",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
                migrations.AlterField(
                    model_name="company",
                    name="sector",
                    field=accounts.fields.Line(
                        blank=True, db_collation="crm_order", max_length=100, verbose_name="sector"
                    ),
                ),
                migrations.AlterField(
                    model_name="company",
                    name="updated_at",
                    field=models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="updated at"
                    ),
                ),
                migrations.AlterField(
                    model_name="company",
                    name="updated_by",
                    field=models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="updated by",
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="city",
                    field=accounts.fields.Line(
                        blank=True, db_collation="crm_order", max_length=100, verbose_name="city"
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="company",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contacts",
                        to="records.company",
                        verbose_name="company",
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="created_at",
                    field=models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created at"
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="created_by",
                    field=models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="first_name",
                    field=accounts.fields.Line(
                        blank=True,
                        db_collation="crm_order",
                        max_length=100,
                        verbose_name="first name",
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="job_title",
                    field=accounts.fields.Line(
                        blank=True,
                        db_collation="crm_order",
                        max_length=100,
                        verbose_name="job title",
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="last_name",
                    field=accounts.fields.Line(
                        db_collation="crm_order", max_length=100, verbose_name="last name"
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="lifecycle",
                    field=models.CharField(
                        choices=[
                            ("subscriber", "Subscriber"),
                            ("lead", "Lead"),
                            ("qualified", "Qualified lead"),
                            ("customer", "Customer"),
                            ("former", "Former customer"),
                        ],
                        default="lead",
                        max_length=20,
                        verbose_name="lifecycle",
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="owner",
                    field=models.ForeignKey(
                        blank=True,
                        help_text="Responsible for this record. Leave empty for unassigned.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="owned_%(class)ss",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="phone",
                    field=accounts.fields.Line(
                        blank=True, db_collation="crm_order", max_length=50, verbose_name="phone"
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="updated_at",
                    field=models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="updated at"
                    ),
                ),
                migrations.AlterField(
                    model_name="contact",
                    name="updated_by",
                    field=models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="updated by",
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="amount",
                    field=models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=14,
                        null=True,
                        verbose_name="amount",
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="closed",
                    field=models.DateField(blank=True, null=True, verbose_name="closed"),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="company",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deals",
                        to="records.company",
                        verbose_name="company",
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="contact",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deals",
                        to="records.contact",
                        verbose_name="contact",
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="created_at",
                    field=models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created at"
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="created_by",
                    field=models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="name",
                    field=accounts.fields.Line(
                        db_collation="crm_order", max_length=200, verbose_name="name"
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="opened",
                    field=models.DateField(blank=True, null=True, verbose_name="opened"),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="owner",
                    field=models.ForeignKey(
                        blank=True,
                        help_text="Responsible for this record. Leave empty for unassigned.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="owned_%(class)ss",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="external_id",
                    field=accounts.fields.Line(
                        blank=True,
                        db_collation="crm_order",
                        editable=False,
                        max_length=60,
                        verbose_name="external id",
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="source",
                    field=accounts.fields.Line(
                        blank=True,
                        db_collation="crm_order",
                        editable=False,
                        max_length=60,
                        verbose_name="source",
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="product",
                    field=accounts.fields.Line(
                        blank=True, db_collation="crm_order", max_length=100, verbose_name="product"
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="stage",
                    field=models.ForeignKey(
                        limit_choices_to={"pipeline__object": "deal"},
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deals",
                        to="records.stage",
                        verbose_name="stage",
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="updated_at",
                    field=models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="updated at"
                    ),
                ),
                migrations.AlterField(
                    model_name="deal",
                    name="updated_by",
                    field=models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="updated by",
                    ),
                ),
                migrations.AlterField(
                    model_name="pipeline",
                    name="name",
                    field=accounts.fields.Line(
                        db_collation="crm_order", max_length=100, verbose_name="name"
                    ),
                ),
                migrations.AlterField(
                    model_name="pipeline",
                    name="object",
                    field=models.CharField(
                        choices=records.models.pipelines.staged_kinds,
                        default=records.models.pipelines.first_staged_kind,
                        max_length=60,
                        verbose_name="object",
                    ),
                ),
                migrations.AlterField(
                    model_name="property",
                    name="highly_sensitive",
                    field=models.BooleanField(
                        default=False,
                        help_text="Values appear only after a click, and every such click is logged. Nobody filters or sorts by them. Always sensitive too.",
                        verbose_name="highly sensitive",
                    ),
                ),
                migrations.AlterField(
                    model_name="property",
                    name="sensitive",
                    field=models.BooleanField(
                        default=False,
                        help_text="An export with this field always needs approval, whatever its size.",
                        verbose_name="sensitive",
                    ),
                ),
                migrations.AlterField(
                    model_name="stage",
                    name="name",
                    field=accounts.fields.Line(
                        db_collation="crm_order", max_length=100, verbose_name="name"
                    ),
                ),
                migrations.AlterField(
                    model_name="stage",
                    name="outcome",
                    field=models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("won", "Closed: won"),
                            ("lost", "Closed: lost"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                migrations.AlterField(
                    model_name="stage",
                    name="pipeline",
                    field=models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="stages",
                        to="records.pipeline",
                        verbose_name="pipeline",
                    ),
                ),
                migrations.AlterField(
                    model_name="stage",
                    name="position",
                    field=models.PositiveSmallIntegerField(default=1, verbose_name="position"),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="company",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tickets",
                        to="records.company",
                        verbose_name="company",
                    ),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="contact",
                    field=models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tickets",
                        to="records.contact",
                        verbose_name="contact",
                    ),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="created_at",
                    field=models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created at"
                    ),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="created_by",
                    field=models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="opened",
                    field=models.DateField(
                        default=django.utils.timezone.localdate, verbose_name="opened"
                    ),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="owner",
                    field=models.ForeignKey(
                        blank=True,
                        help_text="Responsible for this record. Leave empty for unassigned.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="owned_%(class)ss",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="priority",
                    field=models.CharField(
                        choices=[
                            ("low", "Low"),
                            ("medium", "Medium"),
                            ("high", "High"),
                            ("urgent", "Urgent"),
                        ],
                        default="medium",
                        max_length=10,
                        verbose_name="priority",
                    ),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="stage",
                    field=models.ForeignKey(
                        limit_choices_to={"pipeline__object": "ticket"},
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tickets",
                        to="records.stage",
                        verbose_name="stage",
                    ),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="subject",
                    field=accounts.fields.Line(
                        db_collation="crm_order", max_length=200, verbose_name="subject"
                    ),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="updated_at",
                    field=models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="updated at"
                    ),
                ),
                migrations.AlterField(
                    model_name="ticket",
                    name="updated_by",
                    field=models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="updated by",
                    ),
                ),
            ]
        ),
    ]
