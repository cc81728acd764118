"""Lists of records go by letters, not by codes of characters."""

from django.db import migrations

from accounts import fields
from accounts.migrating import AlterFields, to_one_form


def _line(longest, **options):
    return fields.Line(db_collation="crm_order", max_length=longest, **options)


def _optional(longest, **options):
    return _line(longest, blank=True, **options)


def normalize(apps, schema_editor):
    for operation in Migration.operations[:-1]:
        for name in operation.fields:
            to_one_form(schema_editor.connection, f"records_{operation.model_name}", name)


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0004_screen_limit"),
        ("accounts", "0008_letters"),
    ]

    operations = [
        AlterFields(
            "company",
            {
                "name": _line(200),
                "domain": _optional(200),
                "sector": _optional(100),
                "country": _optional(100),
            },
        ),
        AlterFields(
            "contact",
            {
                "first_name": _optional(100),
                "last_name": _line(100),
                "email": fields.Email(
                    blank=True, db_collation="crm_order", max_length=254, verbose_name="e-mail"
                ),
                "phone": _optional(50),
                "job_title": _optional(100),
                "city": _optional(100),
            },
        ),
        AlterFields(
            "deal",
            {
                "name": _line(200),
                "product": _optional(100),
                "source": _optional(60, editable=False),
                "external_id": _optional(60, editable=False),
            },
        ),
        AlterFields("ticket", {"subject": _line(200)}),
        AlterFields("pipeline", {"name": _line(100)}),
        AlterFields("stage", {"name": _line(100)}),
        migrations.RunPython(normalize, migrations.RunPython.noop),
    ]
