"""What was sent with a form's token is compared by its digest, and not with the stored record."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0031_notices_of_super_admins")]

    operations = [
        migrations.AddField(
            model_name="sentform",
            name="wish_sha256",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Over what was sent with the token.",
                max_length=64,
            ),
        ),
    ]
