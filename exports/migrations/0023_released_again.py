"""Exports that had failed count towards limits from when they are tried again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exports", "0022_sensitive_left_out")]

    operations = [
        migrations.AddField(
            model_name="exportrequest",
            name="released_again_at",
            field=models.DateTimeField(
                help_text="When it was tried again last, with the consent that it had.", null=True
            ),
        ),
    ]
