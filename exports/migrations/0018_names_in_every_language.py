"""Exports and their stand-ins bear names that are translated; no table changes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("exports", "0017_found_in_log"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="delegation",
            options={
                "ordering": ("first_day", "id"),
                "verbose_name": "out of office",
                "verbose_name_plural": "out of office",
            },
        ),
        migrations.AlterModelOptions(
            name="exportrequest",
            options={
                "ordering": ("-id",),
                "verbose_name": "export",
                "verbose_name_plural": "exports",
            },
        ),
    ]
