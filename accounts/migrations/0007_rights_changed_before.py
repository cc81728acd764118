"""What the log knows of the last 60 days of changed accounts and rights, taken over once.

Whose set was edited is worked out backwards, from the sets that people have now. Whoever got a set
after an edit is taken to have got what the edit gave: one row too many only has somebody else
decide.
"""

from collections import defaultdict
from datetime import timedelta

from django.db import migrations
from django.utils import timezone

TOOLS = {"crm.export_approver", "crm.export_without_approval"}
DOORS = {
    "person.create": "created",
    "person.change": "email",
    "person.set_password": "password",
    "person.assign_set": "set_assigned",
    "person.make_super_admin": "made_super_admin",
    "person.remove_super_admin": "removed_super_admin",
    "person.deactivate": "deactivated",
    "person.reactivate": "reactivated",
    "set.create": "set_edited",
    "set.change": "set_edited",
}


def take_over(apps, schema_editor):
    people = apps.get_model("accounts", "User").objects
    has_set = dict(people.values_list("pk", "permission_set"))
    # Whoever is a super admin holds everything by that, whatever their set says.
    super_admins = set(people.filter(is_superuser=True).values_list("pk", flat=True))
    joined = defaultdict(set)
    events = apps.get_model("accounts", "AuditEvent").objects.filter(
        action__in=DOORS, result="done", at__gt=timezone.now() - timedelta(days=60)
    )
    change = apps.get_model("accounts", "RightsChange")
    rows = []
    # The newest first: each one tells how it was before.
    for event in events.order_by("-id").iterator():
        key, data = int(event.object_id), event.data
        if event.action == "person.change" and "email" not in data.get("fields", ()):
            continue
        tools = [
            (tool, gave)
            for name, gave in (("tools_added", True), ("tools_removed", False))
            for tool in data.get(name, ())
            if tool in TOOLS
        ]
        if event.action.startswith("set."):
            had = {p for p, set_key in has_set.items() if set_key == key} - super_admins
            whom = [{"set_key": key}, *({"person_id": person} for person in sorted(had))]
            later = sorted(joined[key] - had)
            whom += [{"person_id": person, "set_key": key} for person in later]
        else:
            whom, tools = [{"person_id": key}], [("", True), *tools]
        for each in whom:
            rows += [
                change(
                    at=event.at,
                    actor_id=event.actor_id,
                    system=event.system,
                    door=DOORS[event.action],
                    tool=tool,
                    gave=gave,
                    **each,
                )
                for tool, gave in tools
            ]
        if event.action in ("person.create", "person.remove_super_admin"):
            joined[data.get("permission_set")].add(key)
        if event.action == "person.assign_set":
            joined[data.get("to")].add(key)
            has_set[key] = data.get("from")
        elif event.action == "person.make_super_admin":
            super_admins.discard(key)
        elif event.action == "person.remove_super_admin":
            super_admins.add(key)
    change.objects.bulk_create(reversed(rows), batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_rights_change")]

    operations = [migrations.RunPython(take_over, migrations.RunPython.noop)]
