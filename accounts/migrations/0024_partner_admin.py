"""Partner admins: a status beside super admin, and nobody has both (R101).

The doors by which it is given and taken are choices alone: no database changes a table for them.
"""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("accounts", "0023_call_people_users")]

    operations = [
        migrations.AddField(
            "user",
            "is_partner_admin",
            models.BooleanField(
                "partner admin",
                default=False,
                help_text="An employee of the implementation partner who works with every record.",
            ),
        ),
        migrations.AddConstraint(
            "user",
            models.CheckConstraint(
                condition=Q(is_superuser=False) | Q(is_partner_admin=False),
                name="super_or_partner_admin_not_both",
            ),
        ),
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
                    ("made_partner_admin", "made the person a partner admin"),
                    ("ended_partner_admin", "took partner admin status away"),
                    ("deactivated", "deactivated the account"),
                    ("reactivated", "reactivated the account"),
                ],
                max_length=20,
            ),
        ),
    ]
