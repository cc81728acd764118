"""The export log is narrowed to a kind of record, and searched by name, by indexes."""

from django.db import migrations, models

from accounts.migrating import drawn_once


class Migration(migrations.Migration):
    dependencies = [("exports", "0016_orders")]

    operations = [
        migrations.AddIndex(
            model_name="exportrequest",
            index=models.Index(fields=["object", "-id"], name="export_of_kind"),
        ),
        migrations.AddIndex(
            model_name="exportrequest",
            index=models.Index(fields=["name", "-id"], name="export_called"),
        ),
    ]
    operations = drawn_once(operations)
