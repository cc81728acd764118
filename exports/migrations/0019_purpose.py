"""A purpose can be required of exports; nothing requires one until a super admin says so."""

from django.db import migrations, models

from accounts.protection import ProtectTable, protect

PURPOSE = models.CharField(
    choices=[
        ("never", "Never"),
        ("approval", "For exports that need approval"),
        ("always", "For every export"),
    ],
    default="never",
    help_text="Of which exports the requester has to say what the file is for.",
    max_length=10,
    verbose_name="a purpose is required",
)


def protect_again(apps, schema_editor):
    """Leave the table protected on the way back too: without it no command goes forward again."""
    protect(schema_editor.connection, apps.get_model("exports", "GateChange")._meta.db_table)


class Migration(migrations.Migration):
    dependencies = [
        ("exports", "0018_names_in_every_language"),
    ]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, protect_again),
        migrations.AddField(
            model_name="exportpolicy", name="purpose_required", field=PURPOSE.clone()
        ),
        migrations.AddConstraint(
            model_name="exportpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(purpose_required__in=["never", "approval", "always"]),
                name="purpose_is_one_of_three",
            ),
        ),
        migrations.AddField(
            model_name="gatechange", name="purpose_required", field=PURPOSE.clone()
        ),
        ProtectTable(model="GateChange"),
    ]
