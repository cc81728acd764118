"""Mistakes found at start-up instead of in the middle of the night."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from accounts.letters import knows_all_letters
from accounts.protection import is_protected, protected_tables


@register(Tags.database)
def append_only_tables_are_protected(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """The triggers of the log, and of its like, are in place wherever the table is (B12)."""
    errors: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        present = set(connection.introspection.table_names())
        errors += [
            Error(
                f"The table {table} is not protected against changes.",
                hint="A migration rebuilt the table: end it with ProtectTable.",
                id="accounts.E001",
            )
            for table in protected_tables()
            if table in present and not is_protected(connection, table)
        ]
    return errors


@register(Tags.database)
def letters_of_all_scripts_are_known(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Search and order know every letter: PostgreSQL without ICU knows those of its locale."""
    return [
        Warning(
            "This PostgreSQL was built without ICU.",
            hint="Search finds letters beyond a-z in one case only where the server's locale knows "
            "them, and lists put Z before a. Use a server with ICU, as Debian's is, and load a "
            "dump of the data into a database migrated there.",
            id="accounts.W003",
        )
        for alias in databases or ()
        if not knows_all_letters(connections[alias])
    ]


@register()
def site_has_an_address(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Links in e-mails can be opened: the address they begin with is a whole one."""
    if not settings.SITE_URL or settings.SITE_URL.startswith(("http://", "https://")):
        return []
    return [
        Error(
            f"SITE_URL is “{settings.SITE_URL}”, which no e-mail program opens.",
            hint="Begin it with https:// or http://, or leave it empty.",
            id="accounts.E002",
        )
    ]
