"""One person may edit one record for a time though its stage is locked (B15)."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0016_names_in_every_language"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="StageException",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("object", models.CharField(max_length=60)),
                ("record", models.BigIntegerField()),
                ("until", models.DateTimeField()),
                (
                    "giver",
                    models.ForeignKey(
                        help_text="Who made it. Empty: the product itself.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "stage",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="records.stage",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "exception from a stage rule",
                "verbose_name_plural": "exceptions from stage rules",
                "ordering": ("-id",),
                "indexes": [models.Index(fields=["object", "record"], name="stage_exception_of")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "object", "record"), name="stage_exception_once"
                    )
                ],
            },
        ),
    ]
