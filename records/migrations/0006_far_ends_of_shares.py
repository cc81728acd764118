"""Bring ends of shares that lie after the year 2999 to its end.

The form took any day until now. On PostgreSQL an end in the year 10000 is kept and breaks every
page that reads it.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import migrations

LATEST = datetime(3000, 1, 1, tzinfo=UTC)
SHARES = ("contact", "company", "deal", "ticket")


def bring_near(apps: Any, schema_editor: Any) -> None:
    for kind in SHARES:
        for receiver in ("user", "team"):
            model = apps.get_model("records", f"{kind}{receiver}share")
            model.objects.filter(until__gt=LATEST).update(until=LATEST)


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0005_letters"),
    ]

    operations = [
        migrations.RunPython(bring_near, migrations.RunPython.noop),
    ]
