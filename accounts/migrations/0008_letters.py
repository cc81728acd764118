"""Lists go by letters, not by codes of characters; and PostgreSQL learns to compare without case."""

from django.db import migrations

from accounts import fields
from accounts.letters import ORDER
from accounts.migrating import AlterFields, lay_down_letters, take_away_letters, to_one_form

TEXTS = [
    ("accounts_user", "first_name"),
    ("accounts_user", "last_name"),
    ("accounts_permissionset", "name"),
    ("accounts_permissionset", "description"),
    ("auth_group", "name"),
]


def lay_down(apps, schema_editor):
    lay_down_letters(schema_editor)


def take_away(apps, schema_editor):
    take_away_letters(schema_editor)


def _collate_group(collation):
    """Return what gives names of teams their order; they stand in a table of Django's."""

    def alter(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(
                f'ALTER TABLE auth_group ALTER name TYPE varchar(150) COLLATE "{collation}"'
            )
            return
        group = apps.get_model("auth", "Group")
        old = group._meta.get_field("name")
        new = old.clone()
        new.db_collation = None if collation == "default" else collation
        new.set_attributes_from_name("name")
        schema_editor._remake_table(group, alter_fields=[(old, new)])

    return alter


def normalize(apps, schema_editor):
    for table, column in TEXTS:
        to_one_form(schema_editor.connection, table, column)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_rights_changed_before"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunPython(lay_down, take_away),
        migrations.RunPython(_collate_group(ORDER), _collate_group("default")),
        AlterFields(
            "user",
            {
                "email": fields.LogIn(
                    db_collation="crm_order",
                    help_text="The log-in. Stored in lower case; one person per address.",
                    max_length=254,
                    unique=True,
                    verbose_name="e-mail",
                ),
                "first_name": fields.Line(blank=True, db_collation="crm_order", max_length=100),
                "last_name": fields.Line(blank=True, db_collation="crm_order", max_length=100),
            },
        ),
        AlterFields(
            "permissionset",
            {
                "name": fields.Line(db_collation="crm_order", max_length=100, unique=True),
                "description": fields.Line(blank=True, db_collation="crm_order", max_length=300),
            },
        ),
        migrations.RunPython(normalize, migrations.RunPython.noop),
    ]
