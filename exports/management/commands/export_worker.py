"""`manage.py export_worker`: write the files of approved exports, until told to end."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from exports import worker


class Command(BaseCommand):
    """Work on exports; SIGTERM or SIGINT ends it after the chunk it is at."""

    help = (
        "Writes the files of approved exports, expires old ones and ends requests that nobody "
        "decided on. Run as many as you like. Ends on SIGTERM and SIGINT within two seconds; what "
        "it was at is taken over by another worker."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="one pass of everything, then end")
        parser.add_argument(
            "--lease",
            type=int,
            default=int(os.environ.get("EXPORT_LEASE") or worker.LEASE.total_seconds()),
            metavar="SECONDS",
            help="after so long without a sign of life another worker takes over (EXPORT_LEASE; "
            "default %(default)s)",
        )

    def handle(self, *args: Any, once: bool, lease: int, **options: Any) -> None:
        if lease < 1:
            self.stderr.write("--lease must be at least one second.")
            raise SystemExit(2)
        stop = worker.Stop()

        def ask(number: int, frame: FrameType | None) -> None:
            stop.asked = True

        # Set explicitly: a script in the background starts its children with SIGINT ignored.
        signal.signal(signal.SIGTERM, ask)
        signal.signal(signal.SIGINT, ask)
        worker.refresh_statistics()
        if once:
            worker.run_once(lease=timedelta(seconds=lease), stop=stop)
        else:
            worker.run_forever(stop, lease=timedelta(seconds=lease))
