"""Transactions that wait for each other by a name, where no row is there to be locked."""

from __future__ import annotations

from django.db import connection


def take_turns(name: str) -> None:
    """Wait until no other transaction that asked by this name is open; asked before reading.

    SQLite's transactions wait for each other by themselves. On PostgreSQL nothing else waits.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
