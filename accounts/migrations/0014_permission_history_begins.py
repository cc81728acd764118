"""How every permission set, person and team stood when the permission history began."""

from django.db import migrations
from django.utils import timezone

LEVELS = {1: "owned", 2: "team", 3: "everything"}
ACTIONS = ("view", "change", "delete", "communicate", "merge")


def begin(apps, schema_editor):
    get = lambda name: apps.get_model("accounts", name).objects  # noqa: E731 - a migration is read as one step
    at = timezone.now()
    rows = []

    def say(permission, value, name="", **subject):
        change = apps.get_model("accounts", "PermissionChange")
        row = change(at=at, system="history began", permission=permission, after=value, name=name)
        for field, key in subject.items():
            setattr(row, field, key)
        rows.append(row)

    teams = dict(get("Team").values_list("pk", "name"))
    for team, parent in get("Team").order_by("pk").values_list("pk", "parent"):
        say("team", "yes", teams[team], team_key=team)
        if parent is not None:
            say("parent", f"{parent}: {teams[parent]}", teams[team], team_key=team)
    found = get("PermissionSet").order_by("pk").values_list("pk", "name")
    # Somebody’s own permissions have no name.
    sets = {key: name or "own permissions" for key, name in found}
    for key, name in sets.items():
        say("permission_set", "yes", name, set_key=key)
    for scope in get("ObjectScope").order_by("pk"):
        subject = {"name": sets[scope.permission_set_id], "set_key": scope.permission_set_id}
        if scope.add:
            say(f"crm.{scope.object}.add", "yes", **subject)
        for action in ACTIONS:
            if rank := getattr(scope, action):
                say(f"crm.{scope.object}.{action}", LEVELS[rank], **subject)
            if getattr(scope, f"{action}_unassigned"):
                say(f"crm.{scope.object}.{action}.unassigned", "yes", **subject)
    for grant in get("ToolGrant").order_by("pk"):
        subject = {"name": sets[grant.permission_set_id], "set_key": grant.permission_set_id}
        key = f"{grant.key}:{grant.option}" if grant.option else grant.key
        say(key, LEVELS.get(grant.rank, "yes"), **subject)
        if grant.unassigned:
            say(f"{key}.unassigned", "yes", **subject)
    for person in get("User").order_by("pk"):
        say("active", "yes" if person.is_active else "no", person_id=person.pk)
        if person.is_superuser:
            say("super_admin", "yes", person_id=person.pk)
        if key := person.permission_set_id:
            say("permission_set", f"{key}: {sets[key]}", person_id=person.pk)
    for each in get("Membership").order_by("pk"):
        value = "main" if each.is_main else "extra"
        say("team", value, teams[each.team_id], person_id=each.user_id, team_key=each.team_id)
    apps.get_model("accounts", "PermissionChange").objects.bulk_create(rows, batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_permission_change")]

    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
