"""The database in trouble: locked for a while, or restarted under those who use it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from bench.chaos.outcomes import until

_servers: list[subprocess.Popen[bytes]] = []


def lock_for(seconds: float) -> None:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE exports_exportpolicy SET id = id")
        time.sleep(seconds)


def restart() -> None:
    """Restart the PostgreSQL of tests/postgres.py as it was started."""
    from django.db import connection

    from tests import postgres

    connection.close()
    folder = Path(parse_qs(urlsplit(os.environ["DATABASE_URL"]).query)["host"][0])
    data = folder / "data"
    command = shlex.split((data / "postmaster.opts").read_text())
    number = int((data / "postmaster.pid").read_text().split()[0])
    os.kill(number, signal.SIGINT)
    pid_file = data / "postmaster.pid"
    until(lambda: not pid_file.exists())
    time.sleep(0.5)
    _servers.append(
        subprocess.Popen(
            command,
            cwd=folder,
            env=postgres.without_pg(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **postgres.as_owner(postgres.owner()),
        )
    )


def stop_restarted() -> None:
    """End the servers that were started here."""
    for server in _servers:
        server.send_signal(signal.SIGINT)
        server.wait()
