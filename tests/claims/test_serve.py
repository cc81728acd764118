"""`make run` as a person meets it: a real supervisor with real children, on an empty database."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from django.db import connection

COMES_UP_WITHIN = 120
ENDS_WITHIN = 3  # the promise of `make run`
LAST_LINE = "Logs are in"


@dataclass
class Run:
    """A supervisor in a process group of its own, and its screen so far."""

    process: subprocess.Popen[bytes]
    screen: str = ""

    def read_until(self, words: str) -> None:
        """Read the screen until it shows the words; fail when it ends or takes too long."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + COMES_UP_WITHIN
        while words not in self.screen:
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            piece = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert piece, f"{words!r} never came; the screen was:\n{self.screen}"
            self.screen += piece.decode()

    @property
    def address(self) -> str:
        return next(word for word in self.screen.split() if word.startswith("http://"))

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def send_to_group(self, number: signal.Signals) -> list[psutil.Process]:
        """Signal the group as Ctrl-C does; return what outlived the promised time."""
        everyone = self.descendants()
        os.killpg(self.process.pid, number)
        try:
            self.process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            return [psutil.Process(self.process.pid), *outliving(everyone)]
        return outliving(everyone)


def outliving(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run after the promised time; one that nobody has buried does not run."""
    _, alive = psutil.wait_procs(processes, timeout=ENDS_WITHIN)
    return [each for each in alive if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    """An empty database of the kind the suite runs on."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'serve.sqlite3'}"
        return
    server = os.environ["DATABASE_URL"]
    name = f"serve_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name}")
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def serve(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Run]]:
    """Start supervisors; whatever of them is left at the end of the test is killed."""
    runs: list[Run] = []

    def start(port: int = 0, command: tuple[str, ...] = (), **more: str) -> Run:
        given = {
            "DATABASE_URL": database_url,
            "EXPORT_ROOT": str(tmp_path / "exports"),
            "PORT": str(port),
            "SECRET_KEY": "for-tests-only",
        }
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "crmperms.serve"],
            env=os.environ | given | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        runs.append(Run(process))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            for process in [*run.descendants(), run.process]:
                process.kill()
            run.process.wait()
        assert run.process.stdout is not None
        run.process.stdout.close()


def test_product_comes_up_on_one_screen_and_ends_with_a_signal(
    serve: Callable[..., Run],
) -> None:
    # A script's background job: SIGINT is ignored when the supervisor is started.
    first = serve(command=("sh", "-c", 'trap "" INT; exec "$@"', "sh"))
    first.read_until(LAST_LINE)
    assert len(first.screen.splitlines()) <= 40, "more than a screen"
    assert "@" in first.screen, "no e-mail to log in with"
    assert "New permissions" not in first.screen, "a new installation has nothing newer"
    with urllib.request.urlopen(first.address) as page:
        assert page.status == 200
        assert "login" in page.url
    assert len(first.descendants()) >= 3  # gunicorn and its two, the worker
    assert first.send_to_group(signal.SIGINT) == []
    assert first.process.returncode == 0

    again = serve()  # the database is migrated and seeded by now
    again.read_until(LAST_LINE)
    assert again.address != ""
    everyone = again.descendants()
    again.process.kill()  # without a chance to say anything to its children
    assert outliving(everyone) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_the_database_is_prepared_ends_everything(
    serve: Callable[..., Run], number: signal.Signals
) -> None:
    run = serve()
    run.read_until("Preparing")
    assert run.send_to_group(number) == []
    assert run.process.returncode == 0


def test_taken_port_is_one_sentence(serve: Callable[..., Run]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        run = serve(port)
        screen, _ = run.process.communicate(timeout=COMES_UP_WITHIN)
    assert run.process.returncode == 1
    assert screen.decode().startswith(f"Port {port} is taken by another program;")
    assert len(screen.decode().splitlines()) == 1


@pytest.mark.parametrize("zone", ["Nowhere", "../etc/passwd"])
def test_time_zone_that_is_none_is_said_at_the_start(serve: Callable[..., Run], zone: str) -> None:
    run = serve(TIME_ZONE=zone)
    screen, _ = run.process.communicate(timeout=COMES_UP_WITHIN)
    assert run.process.returncode == 1
    said = f"TIME_ZONE is {zone!r}, which is no time zone. Name one as Europe/Berlin or UTC."
    assert said in screen.decode()
    assert "Traceback" not in screen.decode()
