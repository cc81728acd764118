"""Workers: real processes, each with the fault it is told to have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

CHUNK = 25
LEASE = 1


def work() -> None:
    """Run the worker's command, in small chunks, with the fault that CHAOS names."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from exports import worker
    from exports.writers import manifest

    manifest.CHUNK = CHUNK
    worker.UPKEEP_EVERY = 0.5
    fault = os.environ.get("CHAOS", "")
    if fault == "clock":
        right = timezone.now
        timezone.now = lambda: right() + timedelta(days=365)
    if fault == "deploy":
        worker.process = lambda *arguments: os._exit(137)
    call_command("export_worker", "--lease", str(LEASE))


class Worker:
    """A real process that works; killed with whoever started it is not: the bench ends it."""

    def __init__(self, fault: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.chaos", "work"],
            env=os.environ | {"CHAOS": fault},
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


@contextmanager
def workers(*faults: str) -> Iterator[list[Worker]]:
    """Start one worker for each fault, empty for none, and leave none behind."""
    started = [Worker(fault) for fault in faults]
    try:
        yield started
    finally:
        for each in started:
            each.kill()
