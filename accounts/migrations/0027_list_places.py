"""On which tab and in which order each person's lists open."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0026_names_in_every_language")]

    operations = [
        migrations.AddField(
            "user",
            "list_places",
            models.JSONField(
                default=dict,
                editable=False,
                help_text="By kind: the tab and the order that their list was last used in.",
            ),
        ),
    ]
