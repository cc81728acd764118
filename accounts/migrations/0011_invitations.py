"""People can be invited: when the link that they choose their first password by was made."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_own_permissions")]

    operations = [
        migrations.AddField(
            "user",
            "invited_at",
            models.DateTimeField(
                null=True,
                blank=True,
                editable=False,
                help_text="When their last invitation was made.",
            ),
        ),
    ]
