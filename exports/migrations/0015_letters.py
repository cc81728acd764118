"""Profiles are listed by letters, not by codes of characters."""

from django.db import migrations

from accounts import fields
from accounts.migrating import AlterFields, to_one_form


def normalize(apps, schema_editor):
    to_one_form(schema_editor.connection, "exports_exportprofile", "name")


class Migration(migrations.Migration):
    dependencies = [
        ("exports", "0014_running_downloads"),
        ("accounts", "0008_letters"),
    ]

    operations = [
        AlterFields(
            "exportprofile", {"name": fields.Line(db_collation="crm_order", max_length=80)}
        ),
        migrations.RunPython(normalize, migrations.RunPython.noop),
    ]
