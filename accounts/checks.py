"""Mistakes found at start-up instead of in the middle of the night."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib import admin
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DEFAULT_DB_ALIAS, connections

from accounts import access, arrivals, catalogue, trigrams
from accounts.letters import knows_all_letters
from accounts.models import KnownPermission
from accounts.ordering import is_served
from accounts.places import places
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


@register(Tags.models)
def what_lists_sort_by_is_indexed(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """A list that may grow long offers no column to sort by that no index serves."""
    return [
        Error(
            f"The list of {screen.opts.verbose_name_plural} can be sorted by “{name}”, which no "
            "index serves.",
            hint="Take it out of `sortable_by`, or give the model an index that begins with it.",
            id="accounts.E004",
        )
        for screen, name, column in lists_sorted_by()
        if not is_served(screen.model, column)
    ]


def lists_sorted_by() -> Iterator[tuple[Any, str, str]]:
    """Yield screen, column and what it is ordered by, of all lists that may grow long."""
    for screen in admin.site._registry.values():
        if not getattr(screen, "few_rows", False):
            for name in screen.sortable_by or ():
                column = getattr(screen, str(name), None)
                yield screen, str(name), getattr(column, "admin_order_field", str(name))


@register(Tags.database)
def search_has_its_indexes(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Search of large tables is quick: without an index it finds the same, row by row."""
    return [
        Warning(
            f"Search has no index of {', '.join(missing)}.",
            hint="It finds all there is, and is slow in large tables. Run manage.py index_search. "
            "PostgreSQL needs the extension pg_trgm, which is part of postgresql-contrib, and "
            "SQLite version 3.34 with FTS5.",
            id="accounts.W004",
        )
        for alias in databases or ()
        if (missing := trigrams.missing(connections[alias]))
    ]


@register(Tags.database)
def new_permissions_are_received(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """What an upgrade brought has arrived: until then nobody is asked who gets it (Q25)."""
    table = KnownPermission._meta.db_table
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    if table not in connections[DEFAULT_DB_ALIAS].introspection.table_names():
        return []  # not migrated yet, and told of that elsewhere
    new = arrivals.unknown_names()
    if not new:
        return []
    return [
        Warning(
            f"Permissions of this version have not arrived here yet: {len(new)}.",
            hint="Run manage.py receive_permissions, after each manage.py migrate.",
            id="accounts.W005",
        )
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


# What ends in .example is the address of nobody (RFC 2606).
_KEY = re.compile(
    r"""["']((?:{0})\.(?!example["'])[a-z0-9_.]+(?::[a-z_]*)?(?:=[a-z]+(?:\+unassigned)?)?)["']"""
    r"""|\bperms\.((?:{0})\.[a-z0-9_]+)""".format("|".join(sorted(catalogue.NAMESPACES)))
)


@register()
def keys_in_our_code_are_permissions(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Every text in our own code and templates that looks like a permission is one (R42).

    So that a mistyped key is found before somebody is refused by it. Old migrations may name what
    is no more.
    """
    ours = [Path(app.path) for app in apps.get_app_configs()]
    packages = [path for path in ours if path.parent == settings.BASE_DIR]
    sources = [source for path in packages for source in path.rglob("*.py")]
    sources += (settings.BASE_DIR / "templates").rglob("*.html")
    return [
        Error(
            f"{place}, line {line}: {wrong}",
            hint="Write a key that `manage.py permission_catalogue` lists.",
            id="accounts.E003",
        )
        for source in sources
        if "migrations" not in source.parts
        for line, wrong in _unknown_keys(source.read_text(encoding="utf-8"))
        for place in [source.relative_to(settings.BASE_DIR)]
    ]


def _unknown_keys(text: str) -> Iterator[tuple[int, catalogue.UnknownPermission]]:
    """Yield what looks like a key and is none, with its line."""
    changed_by = places()
    for match in _KEY.finditer(text):
        asked = match[1] or match[2]
        try:
            if asked in changed_by:
                continue  # as a change of permissions names it, with a box of its own
            if "=" in asked:
                catalogue.parse(asked)
            elif asked.count(".") == 1:
                catalogue.find(asked)
            elif access.asked(asked) is None:
                raise catalogue.UnknownPermission(asked)
        except catalogue.UnknownPermission as wrong:
            yield text.count("\n", 0, match.start()) + 1, wrong
