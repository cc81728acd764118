"""Lists by name have an index of co-owners too, and each index of an owner says the other one.

With a million contacts and their share of other records it takes less than a minute.
"""

from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

from accounts.migrating import drawn_once

LIVE = Q(("deleted_at__isnull", True))
CO_OWNED = Q(("co_owner__isnull", False), ("deleted_at__isnull", True))


def _rebuilt(model, *titles):
    wanted = {
        "own_updated": (["owner", "updated_at", "id", "co_owner"], LIVE),
        "own_title": (["owner", *titles, "id", "co_owner"], LIVE),
        "co_updated": (["co_owner", "updated_at", "id", "owner"], CO_OWNED),
        "co_title": (["co_owner", *titles, "id", "owner"], CO_OWNED),
    }
    for name, (fields, condition) in wanted.items():
        if name != "co_title":
            yield migrations.RemoveIndex(model, f"{model}_{name}")
        index = models.Index(fields=fields, name=f"{model}_{name}", condition=condition)
        yield migrations.AddIndex(model, index)


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0020_numbers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        *_rebuilt("company", "name"),
        *_rebuilt("contact", "last_name", "first_name"),
        *_rebuilt("deal", "name"),
        *_rebuilt("ticket", "subject"),
    ]
    operations = drawn_once(operations)
