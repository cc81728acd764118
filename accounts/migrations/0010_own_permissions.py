"""One person's own permissions are a permission set with an owner (Q26)."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import accounts.fields


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_tool_levels")]

    operations = [
        migrations.AddField(
            "permissionset",
            "owner",
            models.OneToOneField(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="own_permissions",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            "permissionset",
            "based_on",
            models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="copies",
                to="accounts.permissionset",
            ),
        ),
        migrations.AlterField(
            "permissionset",
            "name",
            accounts.fields.Line(db_collation="crm_order", max_length=100, null=True, unique=True),
        ),
        migrations.AddConstraint(
            "permissionset",
            models.CheckConstraint(
                condition=models.Q(owner=None, name__isnull=False, based_on=None)
                | models.Q(owner__isnull=False, name=None),
                name="set_is_named_or_owned",
            ),
        ),
        # Choices alone: no table is touched, so none has to be protected again.
        migrations.AlterField(
            "rightschange",
            "door",
            models.CharField(
                choices=[
                    ("created", "created the account"),
                    ("email", "changed the e-mail address"),
                    ("password", "set the password"),
                    ("set_assigned", "assigned a permission set"),
                    ("set_edited", "edited the permission set"),
                    ("edited", "edited the permissions"),
                    ("made_super_admin", "made the person a super admin"),
                    ("removed_super_admin", "took super admin status away"),
                    ("deactivated", "deactivated the account"),
                    ("reactivated", "reactivated the account"),
                ],
                max_length=20,
            ),
        ),
    ]
