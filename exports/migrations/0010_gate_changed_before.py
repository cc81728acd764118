"""What the log knows of the last 60 days of changed rules, taken over once.

How they stood before each change is worked out backwards, from how they stand now.
"""

from datetime import timedelta

from django.db import migrations
from django.utils import timezone

RULES = (
    *("require_approval", "threshold"),
    *("daily_records", "weekly_records", "second_person_above"),
)


def take_over(apps, schema_editor):
    policy = apps.get_model("exports", "ExportPolicy").objects.filter(pk=1).first()
    if policy is None:
        return
    stood = {name: getattr(policy, name) for name in RULES}
    events = apps.get_model("accounts", "AuditEvent").objects.filter(
        action="export_policy.change",
        result="done",
        actor__isnull=False,
        at__gt=timezone.now() - timedelta(days=60),
    )
    change = apps.get_model("exports", "GateChange")
    rows = []
    for event in events.order_by("-id"):
        before = {
            name: change_of["from"]
            for name, change_of in event.data.get("changed", {}).items()
            if name in RULES
        }
        if before:
            stood |= before
            rows.append(change(at=event.at, actor_id=event.actor_id, **stood))
    change.objects.bulk_create(reversed(rows), batch_size=500)


class Migration(migrations.Migration):
    dependencies = [
        ("exports", "0009_gate_change"),
        ("accounts", "0007_rights_changed_before"),
    ]

    operations = [migrations.RunPython(take_over, migrations.RunPython.noop)]
