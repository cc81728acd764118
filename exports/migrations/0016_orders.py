"""What the export log can be sorted by has an index each."""

from django.conf import settings
from django.db import migrations, models

from accounts.migrating import drawn_once


class Migration(migrations.Migration):
    dependencies = [
        ("exports", "0015_letters"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="exportrequest",
            index=models.Index(fields=["requested_at", "id"], name="export_asked_at"),
        ),
        migrations.AddIndex(
            model_name="exportrequest",
            index=models.Index(fields=["record_count", "id"], name="export_by_size"),
        ),
    ]
    operations = drawn_once(operations)
