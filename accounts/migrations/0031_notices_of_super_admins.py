"""Notices that only super admins read, and e-mails to the address somebody had before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0030_let_in_by")]

    operations = [
        migrations.AddField(
            model_name="notice",
            name="for_super_admins",
            field=models.BooleanField(
                default=False, help_text="Whether only who is a super admin by now may read it."
            ),
        ),
        migrations.AddField(
            model_name="outbox",
            name="address",
            field=models.EmailField(
                blank=True,
                help_text="Where it goes, if not to the person’s address as it is by then.",
                max_length=254,
            ),
        ),
    ]
