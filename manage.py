#!/usr/bin/env python
"""Django's command line for crmperms."""

import os
import sys


def main() -> None:
    """Run one management command; where the database has no tables yet, say so and what to do."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    from django.core.management import execute_from_command_line
    from django.db import DatabaseError

    try:
        execute_from_command_line(sys.argv)
    except DatabaseError:
        from django.db import connection

        if "django_migrations" in connection.introspection.table_names():
            raise
        sys.exit("The database has no tables yet. Run manage.py migrate first.")


if __name__ == "__main__":
    main()
