"""Lay down the one export policy; approvals are off in a new installation (R111)."""

from django.db import migrations


def lay_down(apps, schema_editor):
    apps.get_model("exports", "ExportPolicy").objects.get_or_create(pk=1)


def take_up(apps, schema_editor):
    apps.get_model("exports", "ExportPolicy").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("exports", "0001_initial")]
    operations = [migrations.RunPython(lay_down, take_up)]
