"""Who had which permission when stands in a table of its own, append-only."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from accounts.protection import ProtectTable


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0012_door_invited"),
    ]

    operations = [
        migrations.CreateModel(
            name="PermissionChange",
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
                ("set_key", models.BigIntegerField(null=True)),
                ("team_key", models.BigIntegerField(null=True)),
                (
                    "name",
                    models.CharField(
                        blank=True,
                        help_text="Of the set or the team, as it was called then.",
                        max_length=150,
                    ),
                ),
                ("permission", models.CharField(max_length=100)),
                ("before", models.CharField(blank=True, max_length=200, verbose_name="from")),
                ("after", models.CharField(blank=True, max_length=200, verbose_name="to")),
                ("reason", models.CharField(blank=True, max_length=500, verbose_name="why")),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "person",
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
                "verbose_name": "permission change",
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["person", "id"], name="permission_changed_of"),
                    models.Index(fields=["set_key", "id"], name="permission_changed_in"),
                    models.Index(fields=["actor", "id"], name="permission_changed_by"),
                    models.Index(fields=["permission", "id"], name="permission_changed_which"),
                    models.Index(fields=["at"], name="permission_changed_at"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("actor__isnull", False), ("system", "")),
                            models.Q(("actor", None), models.Q(("system", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="permission_changed_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("person__isnull", False), ("set_key", None)),
                            models.Q(
                                ("person", None), ("set_key__isnull", False), ("team_key", None)
                            ),
                            models.Q(
                                ("person", None), ("set_key", None), ("team_key__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="permission_changed_of_one",
                    ),
                ],
            },
        ),
        ProtectTable(model="PermissionChange"),
    ]
