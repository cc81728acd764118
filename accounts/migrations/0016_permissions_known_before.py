"""What an installation that is upgraded has known: the permissions of every version that landed.

All versions before this table had the same five tools, and the same actions on the same kinds of
record. A new installation has nobody yet, and knows what `receive_permissions` finds first.
"""

from django.db import migrations

TOOLS = (
    "crm.export",
    "crm.export_approver",
    "crm.export_without_approval",
    "audit.view",
    "audit.view_exports",
)
KINDS = ("contact", "company", "deal", "ticket")
ACTIONS = ("view", "add", "change", "delete", "communicate", "merge")


def lay_down(apps, schema_editor):
    get = lambda name: apps.get_model("accounts", name).objects  # noqa: E731 - a migration is read as one step
    if not (get("User").exists() or get("PermissionSet").exists()):
        return
    known = apps.get_model("accounts", "KnownPermission")
    scopes = {f"crm.{kind}.{action}": f"crm.{kind}" for kind in KINDS for action in ACTIONS}
    names = {**scopes, **{tool: tool for tool in TOOLS}}
    # What is there already, where this step was taken back by itself, stays as it is.
    rows = [known(key=key, subject=names[key]) for key in names]
    known.objects.bulk_create(rows, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0015_known_permission")]

    operations = [migrations.RunPython(lay_down, migrations.RunPython.noop)]
