"""Who changed the rules of the gate, and how they stood before, in a table of its own."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from accounts.protection import ProtectTable


class Migration(migrations.Migration):
    dependencies = [
        ("exports", "0008_no_digest_in_request"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="GateChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "require_approval",
                    models.BooleanField(
                        default=False,
                        help_text="Off: every export of a person with the permission Export runs at once.",
                        verbose_name="require approvals for exports",
                    ),
                ),
                (
                    "threshold",
                    models.PositiveIntegerField(
                        default=100,
                        help_text="An export with more than this many records needs approval; 0: every export that is not empty. Exports with sensitive fields always need it.",
                        verbose_name="record threshold",
                    ),
                ),
                (
                    "daily_records",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Who takes out more than this in 24 hours needs approval for what exceeds it, however small each export is. Empty: no limit.",
                        null=True,
                        verbose_name="records per person in 24 hours",
                    ),
                ),
                (
                    "weekly_records",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="The same over 7 days. Empty: no limit.",
                        null=True,
                        verbose_name="records per person in 7 days",
                    ),
                ),
                (
                    "second_person_above",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="People who export without approval, super admins included, need somebody's consent above this many records. Empty: never.",
                        null=True,
                        verbose_name="a second person above",
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="By the database's clock, which all processes share.",
                    ),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "through",
                    models.ForeignKey(
                        db_index=False,
                        help_text="Who acted, where the actor had made or changed the account that acted.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-at", "-id"),
                "indexes": [models.Index(fields=["actor", "at"], name="gate_changed_by")],
            },
        ),
        ProtectTable(model="GateChange"),
    ]
