"""What each person chooses for themselves: their language, time zone, and how close rows stand."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0024_partner_admin")]

    operations = [
        migrations.AddField(
            "user",
            "language",
            models.CharField(blank=True, default="", editable=False, max_length=10),
        ),
        migrations.AddField(
            "user",
            "time_zone",
            models.CharField(blank=True, default="", editable=False, max_length=60),
        ),
        migrations.AddField(
            "user",
            "density",
            models.CharField(
                choices=[("comfortable", "Comfortable"), ("compact", "Compact")],
                default="comfortable",
                editable=False,
                max_length=12,
            ),
        ),
    ]
