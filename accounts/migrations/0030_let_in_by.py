"""Whose accounts somebody let themselves into is looked up by who did."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0029_what_notices_are_about")]

    operations = [
        migrations.AddIndex(
            model_name="rightschange",
            index=models.Index(
                condition=models.Q(("tool", "")), fields=["actor", "at"], name="rights_let_in_by"
            ),
        ),
    ]
