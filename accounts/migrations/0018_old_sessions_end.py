"""Sessions are kept in a table of our own: those in Django's are read by nobody any more."""

from django.db import migrations


def end(apps, schema_editor):
    apps.get_model("sessions", "Session").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0017_session"), ("sessions", "0001_initial")]

    operations = [migrations.RunPython(end, migrations.RunPython.noop)]
