"""Who changed whose account or rights stands in a table of its own, append-only."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from accounts.protection import ProtectTable


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_log_in_count"),
    ]

    operations = [
        migrations.CreateModel(
            name="RightsChange",
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
                (
                    "door",
                    models.CharField(
                        choices=[
                            ("created", "created the account"),
                            ("email", "changed the e-mail address"),
                            ("password", "set the password"),
                            ("set_assigned", "assigned a permission set"),
                            ("set_edited", "edited the permission set"),
                            ("made_super_admin", "made the person a super admin"),
                            ("removed_super_admin", "took super admin status away"),
                            ("deactivated", "deactivated the account"),
                            ("reactivated", "reactivated the account"),
                        ],
                        max_length=20,
                    ),
                ),
                ("set_key", models.BigIntegerField(null=True)),
                ("tool", models.CharField(blank=True, max_length=60)),
                ("gave", models.BooleanField(default=True)),
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
                "indexes": [
                    models.Index(fields=["person", "actor", "at"], name="rights_changed_of_by"),
                    models.Index(
                        condition=models.Q(("person", None)),
                        fields=["set_key", "at"],
                        name="rights_changed_in_set",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("actor__isnull", False), ("system", "")),
                            models.Q(("actor", None), models.Q(("system", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="rights_changed_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("person__isnull", False),
                            models.Q(
                                ("set_key__isnull", False), models.Q(("tool", ""), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="rights_changed_of_somebody",
                    ),
                ],
            },
        ),
        ProtectTable(model="RightsChange"),
    ]
