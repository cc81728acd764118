"""Flag the one field that is sensitive from the start: a contact's phone number (R113)."""

from django.db import migrations


def flag(apps, schema_editor):
    apps.get_model("records", "Property").objects.get_or_create(
        object="contact", name="phone", defaults={"sensitive": True}
    )


def unflag(apps, schema_editor):
    apps.get_model("records", "Property").objects.filter(object="contact", name="phone").delete()


class Migration(migrations.Migration):
    dependencies = [("records", "0001_initial")]
    operations = [migrations.RunPython(flag, unflag)]
