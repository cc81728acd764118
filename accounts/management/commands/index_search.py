"""`manage.py index_search`: lay down what search is quick by, where it is not in place."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from accounts import trigrams


class Command(BaseCommand):
    """Run it once a server has pg_trgm, or when `manage.py check` says that an index is gone."""

    help = "Lay down the indexes that search uses, where they are not in place."

    def handle(self, **options: Any) -> None:
        for model in trigrams.indexed:
            table, plural = model._meta.db_table, model._meta.verbose_name_plural
            if not all(
                trigrams.lay_down(connection, table, *each) for each in trigrams.indexes_of(model)
            ):
                raise CommandError(
                    f"Search of {plural} has no index: this database cannot make it. On PostgreSQL "
                    "install postgresql-contrib and let its owner CREATE EXTENSION pg_trgm."
                )
            self.stdout.write(f"Search of {plural} has its index.")
        self.stdout.write("Restart web processes and workers: they look for it when they start.")
