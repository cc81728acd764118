"""Of a frozen record is kept that the finished file lacks it, and no more that it is in there.

Every finished export wrote to each of its rows anew, a third of what a file cost. Those of an
export that did not finish have no mark now: nothing left, as its row tells.
"""

import django.db.models.deletion
from django.db import migrations, models


def of_finished(apps):
    """Return the records of requests that came to a file."""
    finished = apps.get_model("exports", "ExportRequest").objects.filter(
        delivered_count__isnull=False
    )
    return apps.get_model("exports", "ExportRecord").objects.filter(export__in=finished)


def mark(apps, schema_editor):
    of_finished(apps).filter(delivered=False).update(left_out=True)


def mark_delivered(apps, schema_editor):
    of_finished(apps).filter(left_out=False).update(delivered=True)


class Migration(migrations.Migration):
    dependencies = [("exports", "0020_plain_words")]

    operations = [
        migrations.AlterField(
            model_name="exportrecord",
            name="export",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="records",
                to="exports.exportrequest",
            ),
        ),
        migrations.AlterField(
            model_name="exportrelated",
            name="export",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="related",
                to="exports.exportrequest",
            ),
        ),
        migrations.AddField(
            model_name="exportrecord",
            name="left_out",
            field=models.BooleanField(
                default=False,
                help_text="Out of reach when the file was written, or not consented to.",
            ),
        ),
        migrations.RunPython(mark, mark_delivered),
        migrations.RemoveField(model_name="exportrecord", name="delivered"),
    ]
