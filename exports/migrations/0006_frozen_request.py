"""What a request was when it was frozen stands in an append-only table of its own."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from accounts.protection import ProtectTable


class Migration(migrations.Migration):
    dependencies = [("exports", "0005_terms")]

    operations = [
        migrations.CreateModel(
            name="FrozenRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "columns",
                    models.JSONField(default=list, help_text="Names of the columns, in order."),
                ),
                (
                    "form",
                    models.PositiveSmallIntegerField(
                        help_text="Which form the digest has: see writers/manifest.py."
                    ),
                ),
                (
                    "salt",
                    models.CharField(
                        help_text="Drawn by chance. Without it, whoever reads a digest could try values.",
                        max_length=32,
                    ),
                ),
                ("digest", models.CharField(blank=True, max_length=64)),
                (
                    "export",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="frozen",
                        to="exports.exportrequest",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("salt", ""), _negated=True),
                        name="frozen_request_is_salted",
                    )
                ],
            },
        ),
        ProtectTable("FrozenRequest"),
    ]
