"""Permission changes are found by the name of their set or team, and in the order of time.

The indexes of its list leave out what the list leaves out, so that they answer alone.
"""

from django.db import migrations, models

from accounts.migrating import drawn_once
from accounts.protection import ProtectTable

IS_CHANGE = models.Q(("before", models.F("after")), _negated=True)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0020_audit_refused")]

    operations = [
        migrations.RemoveIndex(model_name="permissionchange", name="permission_changed_by"),
        migrations.RemoveIndex(model_name="permissionchange", name="permission_changed_which"),
        migrations.RemoveIndex(model_name="permissionchange", name="permission_changed_at"),
        migrations.AddIndex(
            model_name="permissionchange",
            index=models.Index(
                condition=IS_CHANGE, fields=["actor", "id"], name="permission_changed_by"
            ),
        ),
        migrations.AddIndex(
            model_name="permissionchange",
            index=models.Index(
                condition=IS_CHANGE, fields=["permission", "id"], name="permission_changed_which"
            ),
        ),
        migrations.AddIndex(
            model_name="permissionchange",
            index=models.Index(
                condition=IS_CHANGE, fields=["name", "id"], name="permission_changed_called"
            ),
        ),
        migrations.AddIndex(
            model_name="permissionchange",
            index=models.Index(fields=["at", "id"], name="permission_changed_at"),
        ),
        ProtectTable(model="PermissionChange"),
    ]
    operations = drawn_once(operations)
