"""What runs or waits already keeps the terms that held for it, and whom its requester chose."""

from django.db import migrations


def lay_down(apps, schema_editor):
    policy = apps.get_model("exports", "ExportPolicy").objects.filter(pk=1).first()
    if policy is not None:
        running = apps.get_model("exports", "ExportRequest").objects.filter(
            status__in=["pending", "approved", "processing"]
        )
        running.update(
            lapse_days=policy.lapse_days,
            file_days=policy.file_days,
            most_downloads=policy.most_downloads,
        )
        for export in running.filter(status="pending"):
            export.chosen.set(export.notified.all())


class Migration(migrations.Migration):
    dependencies = [("exports", "0004_related")]

    operations = [migrations.RunPython(lay_down, migrations.RunPython.noop)]
