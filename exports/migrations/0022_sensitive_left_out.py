"""The log tells whether sensitive data is left in a file; of older files as of their requests."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("exports", "0021_left_out"),
    ]

    operations = [
        migrations.AddField(
            model_name="exportrequest",
            name="sensitive_left_out",
            field=models.BooleanField(
                default=False, help_text="Whether nothing sensitive is left in the finished file."
            ),
        ),
    ]
