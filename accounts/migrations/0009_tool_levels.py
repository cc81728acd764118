"""Grants of tools that have levels (forecast, goals) keep level and box Unassigned."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_letters")]

    operations = [
        migrations.AddField(
            "toolgrant",
            "rank",
            models.SmallIntegerField(
                choices=[(0, "None"), (1, "Owned only"), (2, "Team only"), (3, "Everything")],
                default=0,
            ),
        ),
        migrations.AddField("toolgrant", "unassigned", models.BooleanField(default=False)),
        migrations.AddConstraint(
            "toolgrant",
            models.CheckConstraint(
                condition=models.Q(rank__in=[0, 1, 2, 3]), name="level_of_a_grant_is_known"
            ),
        ),
        migrations.AddConstraint(
            "toolgrant",
            models.CheckConstraint(
                condition=models.Q(unassigned=False) | models.Q(rank__in=(1, 2)),
                name="box_of_a_grant_fits",
            ),
        ),
    ]
