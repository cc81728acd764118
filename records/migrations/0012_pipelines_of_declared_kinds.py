"""Which kinds of record go through pipelines follows from their models: the database has no part."""

from __future__ import annotations

from django.db import migrations, models

import records.models.pipelines


class Migration(migrations.Migration):
    dependencies = [("records", "0011_stamps_without_index")]

    operations = [
        # Choices and default are asked by Python alone; altering the field would rebuild its table.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "pipeline",
                    "object",
                    models.CharField(
                        max_length=60,
                        choices=records.models.pipelines.staged_kinds,
                        default=records.models.pipelines.first_staged_kind,
                    ),
                )
            ]
        )
    ]
