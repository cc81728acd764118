"""Showing somebody's invitation link is one more way in which an account is opened.

Choices alone: no database changes a table for them, so its protection stays as it is.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_invitations")]

    operations = [
        migrations.AlterField(
            "rightschange",
            "door",
            models.CharField(
                choices=[
                    ("created", "created the account"),
                    ("invited", "was shown an invitation link"),
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
