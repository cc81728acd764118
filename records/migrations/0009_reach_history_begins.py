"""From which moment on it is kept what decided who reaches a record."""

from django.db import migrations


def begin(apps, schema_editor):
    change = apps.get_model("records", "ReachChange")
    change.objects.create(system="history began", object="", record=0, fact="began")


class Migration(migrations.Migration):
    dependencies = [("records", "0008_reach_change")]

    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
