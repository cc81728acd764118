"""A request's digest stands in its frozen rows alone."""

from django.db import migrations
from django.db.models import OuterRef, Subquery


def put_back(apps, schema_editor):
    frozen = apps.get_model("exports", "FrozenRequest").objects
    exports = apps.get_model("exports", "ExportRequest").objects
    last = frozen.filter(export=OuterRef("pk")).order_by("-id").values("digest")[:1]
    exports.filter(frozen__isnull=False).update(manifest_sha256=Subquery(last))


class Migration(migrations.Migration):
    dependencies = [("exports", "0007_lay_down_frozen")]

    operations = [
        migrations.RunPython(migrations.RunPython.noop, put_back),
        migrations.RemoveField(model_name="exportrequest", name="manifest_sha256"),
    ]
