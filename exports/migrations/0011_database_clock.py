"""Moments of exports are written by the database's clock, not by that of whoever writes them."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("exports", "0010_gate_changed_before")]

    operations = [
        migrations.AlterField("delegation", "created_at", models.DateTimeField(db_default=Now())),
        migrations.AlterField("download", "at", models.DateTimeField(db_default=Now())),
        migrations.AlterField(
            "exportrequest", "requested_at", models.DateTimeField(db_default=Now())
        ),
    ]
