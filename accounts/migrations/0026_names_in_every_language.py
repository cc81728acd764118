"""Models and their fields bear names that are translated; English ones stay as they were.

Names are no part of the database, so this changes what Django knows of the models and nothing else.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import accounts.fields


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0025_own_settings"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="auditevent",
            options={
                "ordering": ("-id",),
                "verbose_name": "audit event",
                "verbose_name_plural": "audit events",
            },
        ),
        migrations.AlterModelOptions(
            name="knownpermission",
            options={
                "ordering": ("id",),
                "verbose_name": "new permission",
                "verbose_name_plural": "new permissions",
            },
        ),
        migrations.AlterModelOptions(
            name="outbox",
            options={"verbose_name": "e-mail", "verbose_name_plural": "e-mails"},
        ),
        migrations.AlterModelOptions(
            name="permissionchange",
            options={
                "ordering": ("-id",),
                "verbose_name": "permission change",
                "verbose_name_plural": "permission changes",
            },
        ),
        migrations.AlterModelOptions(
            name="permissionset",
            options={
                "ordering": ("name",),
                "verbose_name": "permission set",
                "verbose_name_plural": "permission sets",
            },
        ),
        migrations.AlterModelOptions(
            name="team",
            options={"ordering": ("name",), "verbose_name": "team", "verbose_name_plural": "teams"},
        ),
        migrations.AlterField(
            model_name="auditevent",
            name="text_digest",
            field=models.CharField(blank=True, max_length=64, verbose_name="text digest"),
        ),
        migrations.AlterField(
            model_name="permissionchange",
            name="at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                help_text="By the database's clock, which all processes share.",
                verbose_name="at",
            ),
        ),
        migrations.AlterField(
            model_name="permissionset",
            name="description",
            field=accounts.fields.Line(
                blank=True, db_collation="crm_order", max_length=300, verbose_name="description"
            ),
        ),
        migrations.AlterField(
            model_name="permissionset",
            name="name",
            field=accounts.fields.Line(
                db_collation="crm_order",
                max_length=100,
                null=True,
                unique=True,
                verbose_name="name",
            ),
        ),
        migrations.AlterField(
            model_name="team",
            name="parent",
            field=models.ForeignKey(
                blank=True,
                help_text="A team above sees everything owned below, never the other way round.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="children",
                to="accounts.team",
                verbose_name="parent",
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="first_name",
            field=accounts.fields.Line(
                blank=True, db_collation="crm_order", max_length=100, verbose_name="first name"
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="last_name",
            field=accounts.fields.Line(
                blank=True, db_collation="crm_order", max_length=100, verbose_name="last name"
            ),
        ),
        migrations.AlterField(
            model_name="user",
            name="permission_set",
            field=models.ForeignKey(
                blank=True,
                help_text="What this person may do. Without a set: nothing.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="people",
                to="accounts.permissionset",
                verbose_name="permission set",
            ),
        ),
    ]
