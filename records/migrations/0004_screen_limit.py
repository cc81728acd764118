"""How many sensitive values a person may see on screens in a day, and how many they saw."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0003_recycle_bin"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ScreenLimit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "values_a_day",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Further ones read as dots until midnight. Empty: no limit, and nobody counts.",
                        null=True,
                        verbose_name="sensitive values per person and day",
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
            ],
            options={
                "verbose_name": "sensitive data on screens",
                "verbose_name_plural": "sensitive data on screens",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("pk", 1)), name="one_screen_limit")
                ],
            },
        ),
        migrations.CreateModel(
            name="ScreenCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField(help_text="By the house's own time zone.")),
                ("shown", models.PositiveIntegerField(default=0)),
                (
                    "reached_at",
                    models.DateTimeField(
                        help_text="When super admins were told that the limit was reached.",
                        null=True,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-shown", "user"),
                "constraints": [
                    models.UniqueConstraint(fields=("day", "user"), name="screen_count_once_a_day")
                ],
            },
        ),
    ]
