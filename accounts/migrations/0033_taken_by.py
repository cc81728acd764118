"""From whom somebody took the right to decide is looked up by who did."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0032_wish_of_sent_form")]

    operations = [
        migrations.AddIndex(
            model_name="rightschange",
            index=models.Index(
                condition=models.Q(("gave", False)), fields=["actor", "at"], name="rights_taken_by"
            ),
        ),
    ]
