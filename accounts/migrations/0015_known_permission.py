"""Which permissions an installation has known, and the switch of how new ones arrive (Q25)."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0014_permission_history_begins"),
    ]

    operations = [
        migrations.CreateModel(
            name="ArrivalPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "all_on",
                    models.BooleanField(default=False, verbose_name="HubSpot-compatible: all on"),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
            ],
            options={
                "verbose_name": "arrival of new permissions",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("pk", 1)), name="one_arrival_policy")
                ],
            },
        ),
        migrations.CreateModel(
            name="KnownPermission",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=100, unique=True)),
                (
                    "subject",
                    models.CharField(
                        help_text="The tool or the kind of record that is decided on as one.",
                        max_length=100,
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "arrived",
                    models.CharField(
                        blank=True, choices=[("on", "on"), ("off", "off")], max_length=3
                    ),
                ),
                (
                    "sets",
                    models.PositiveIntegerField(
                        default=0, help_text="How many sets it arrived in."
                    ),
                ),
                ("to_review", models.BooleanField(default=False)),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "decided_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "new permission",
                "ordering": ("id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("decided_at", None), ("to_review", True)),
                        fields=["subject"],
                        name="permissions_to_review",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("to_review", False), ("arrived", "off"), _connector="OR"
                        ),
                        name="review_of_what_is_off",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at", None), ("decided_by", None)),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", False),
                                ("to_review", True),
                            ),
                            _connector="OR",
                        ),
                        name="review_decided_by_somebody",
                    ),
                ],
            },
        ),
    ]
