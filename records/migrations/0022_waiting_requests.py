"""Whether any request for access waits is found without reading those that were decided."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("records", "0021_co_owners_by_name")]

    operations = [
        migrations.AddIndex(
            "accessrequest",
            models.Index(
                condition=models.Q(("status", "waiting")),
                fields=["created_at"],
                name="access_request_waiting",
            ),
        ),
    ]
