"""`manage.py export_worker`: write the files of approved exports, until told to end."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from exports import folder, worker
from exports.writers.files import FolderError


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
            "--use-folder",
            action="store_true",
            help="make EXPORT_ROOT, as it is now, the folder for files of this database, and end: "
            "for who replaced the folder on purpose",
        )
        parser.add_argument(
            "--lease",
            type=int,
            default=int(os.environ.get("EXPORT_LEASE") or worker.LEASE.total_seconds()),
            metavar="SECONDS",
            help="after so long without a sign of life another worker takes over (EXPORT_LEASE; "
            "default %(default)s)",
        )

    def handle(self, *args: Any, once: bool, lease: int, use_folder: bool, **options: Any) -> None:
        if lease < 1:
            self.stderr.write("--lease must be at least one second.")
            raise SystemExit(2)
        if use_folder:
            try:
                folder.use()
            except FolderError as error:
                self.stderr.write(f"EXPORT_ROOT ({settings.EXPORT_ROOT}) cannot be used: {error}.")
                raise SystemExit(2) from None
            self.stdout.write(f"Files are written to {settings.EXPORT_ROOT} from now on.")
            return
        stop = worker.Stop()

        def ask(number: int, frame: FrameType | None) -> None:
            stop.asked = True

        # Set explicitly: a script in the background starts its children with SIGINT ignored.
        signal.signal(signal.SIGTERM, ask)
        signal.signal(signal.SIGINT, ask)
        if once:
            worker.refresh_statistics()
            worker.run_once(lease=timedelta(seconds=lease), stop=stop)
        else:
            worker.run_forever(stop, lease=timedelta(seconds=lease))
