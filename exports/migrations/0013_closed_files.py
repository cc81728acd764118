"""A file that is not the one that was written is closed, and what a worker left is written down."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("exports", "0012_folder")]

    operations = [
        migrations.CreateModel(
            name="LeftFile",
            fields=[
                ("name", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("left_at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.AddField(
            model_name="exportrequest",
            name="closed_because",
            field=models.CharField(
                blank=True,
                help_text="Why the file is handed out no more: it is not the one that was written.",
                max_length=300,
            ),
        ),
    ]
