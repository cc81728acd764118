"""A person's newest notices are found by an index, which serves whatever asks for theirs alone."""

from django.conf import settings
from django.db import migrations, models

from accounts.migrating import DropIndexes


class Migration(migrations.Migration):
    dependencies = [("accounts", "0021_history_by_name")]

    operations = [
        migrations.AddIndex(
            model_name="notice",
            index=models.Index(fields=["user", "-created_at", "-id"], name="notice_newest"),
        ),
        DropIndexes(
            "notice",
            {
                "user": models.ForeignKey(
                    settings.AUTH_USER_MODEL,
                    models.CASCADE,
                    db_index=False,
                    related_name="notices",
                )
            },
        ),
    ]
