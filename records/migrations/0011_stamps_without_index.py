"""Records are looked up by nobody who made, changed or deleted them: three indexes less to write.

The tables stay as they are; it takes no time.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from accounts.migrating import DropIndexes


def _stamp():
    return models.ForeignKey(
        db_index=False,
        editable=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


def _without(model):
    return DropIndexes(
        model, {name: _stamp() for name in ("created_by", "updated_by", "deleted_by")}
    )


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0010_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        _without("company"),
        _without("contact"),
        _without("deal"),
        _without("ticket"),
    ]
