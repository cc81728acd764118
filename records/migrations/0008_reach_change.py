"""What decided who reaches a record, and changed, stands in a table of its own, append-only."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from accounts.protection import ProtectTable


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0007_flag_lifted"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ReachChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="By the database's clock, which all processes share.",
                    ),
                ),
                ("system", models.CharField(blank=True, max_length=60)),
                ("object", models.CharField(max_length=60)),
                ("record", models.BigIntegerField()),
                (
                    "fact",
                    models.CharField(help_text="A column, “share” or “stage_rule”.", max_length=60),
                ),
                (
                    "receiver",
                    models.CharField(
                        blank=True, help_text="Of a share: user:5, team:7.", max_length=30
                    ),
                ),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                (
                    "actor",
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
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["object", "record", "id"], name="reach_changed_of"),
                    models.Index(
                        condition=models.Q(("receiver", ""), _negated=True),
                        fields=["receiver", "at"],
                        name="reach_changed_shared",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("actor__isnull", False), ("system", "")),
                            models.Q(("actor", None), models.Q(("system", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="reach_changed_by_somebody",
                    )
                ],
            },
        ),
        ProtectTable(model="ReachChange"),
    ]
