"""The folder for files is known by its marker, and what keeps workers from it is shared by all."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("exports", "0011_database_clock")]

    operations = [
        migrations.CreateModel(
            name="ExportFolder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("marker", models.CharField(blank=True, max_length=32)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(pk=1), name="one_export_folder")
                ],
            },
        ),
        migrations.CreateModel(
            name="Trouble",
            fields=[
                (
                    "key",
                    models.CharField(max_length=100, primary_key=True, serialize=False),
                ),
                ("why", models.CharField(max_length=300)),
                ("since", models.DateTimeField(db_default=Now())),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0, help_text="How often it was met in a row."
                    ),
                ),
                (
                    "next_try_at",
                    models.DateTimeField(help_text="Until then nobody tries again.", null=True),
                ),
            ],
        ),
        migrations.AddField(
            model_name="exportrequest",
            name="folder_failures",
            field=models.PositiveSmallIntegerField(
                default=0,
                editable=False,
                help_text="Attempts that the folder for files refused; they never end the export.",
            ),
        ),
        migrations.AddField(
            model_name="exportrequest",
            name="setbacks",
            field=models.PositiveSmallIntegerField(
                default=0,
                editable=False,
                help_text="Attempts that came to nothing though the export may be fine: the worker "
                "was killed, the database went away, the product was half installed.",
            ),
        ),
        migrations.AlterField(
            model_name="exportrequest",
            name="tries",
            field=models.PositiveSmallIntegerField(
                default=0,
                editable=False,
                help_text="Attempts that failed through something about this export; five end it.",
            ),
        ),
    ]
