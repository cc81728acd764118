"""`make bench`: every goal of speed, on one database, for companies of several sizes.

SIZES says which, in contacts: by default 10,000, 100,000 and 1,000,000. Each is made and measured
by `python -m bench.one` in a process of its own; what it found is kept as JSON under var/bench, and
`python -m bench.report` writes one report of all that lies there.
"""

import os
import subprocess
import sys
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from bench import report

SIZES = [int(size) for size in os.environ.get("SIZES", "10000 100000 1000000").split()]


def database_for(url: str, size: int) -> str:
    """Return the address of a database of this size on the same server, made where it is not."""
    name = f"bench{size}"
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        if found.rowcount == 0:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def main() -> int:
    for size in SIZES:
        given = {"CONTACTS": str(size)}
        if url := os.environ.get("DATABASE_URL"):
            given["DATABASE_URL"] = database_for(url, size)
        subprocess.run([sys.executable, "-m", "bench.one"], env=os.environ | given, check=True)
    return report.main()


if __name__ == "__main__":
    sys.exit(main())
