"""`make run`: one supervisor over a web server and one export worker.

It loads no Django: everything it needs done, it asks `manage.py` and gunicorn for, as
children in sessions of their own, so that a signal to its process group reaches it alone.
"""

import ctypes
import errno
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Never

from crmperms.secret import private_folder, secret_key

BASE = Path(__file__).resolve().parent.parent
VAR = BASE / "var"
HOST = "127.0.0.1"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 2.0  # seconds between asking a child to end and ending it
WEB_STARTS_WITHIN = 60.0
WORKER_RESTARTS = 3  # within WORKER_IS_WELL_AFTER seconds of each other
WORKER_IS_WELL_AFTER = 60.0
PR_SET_PDEATHSIG = 1


class ServeError(Exception):
    """The supervisor cannot go on; the message is a sentence for the person at the screen."""


class PortTaken(ServeError):
    """Something else listens where the web server should."""


class StopAsked(Exception):
    """Somebody sent one of STOP_SIGNALS."""


class Bell:
    """Rings on every stop signal and on every ended child, so that waiting needs no polling.

    Installs its own handlers, whatever the parent had set: a script that starts us in the
    background hands down an ignored SIGINT.
    """

    def __init__(self) -> None:
        self.stop_asked = False
        self._ear, self._clapper = socket.socketpair()
        self._ear.setblocking(False)
        self._clapper.setblocking(False)
        signal.set_wakeup_fd(self._clapper.fileno(), warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, self._remember)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.stop_asked = True

    def wait(self, seconds: float | None, *others: socket.socket) -> None:
        """Return when the bell rings, one of `others` can be read, or the time is over."""
        select.select([self._ear, *others], [], [], seconds)
        try:
            while self._ear.recv(4096):
                pass
        except BlockingIOError:
            pass

    def raise_if_stop_asked(self) -> None:
        """Raise StopAsked once a stop signal has come."""
        if self.stop_asked:
            raise StopAsked


@dataclass
class Child:
    """A process of ours, the leader of its own session."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Signal the child's whole session, and nobody when it has ended."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def why_it_ended(self) -> str:
        """Say in a sentence or two how the child ended, with its last words."""
        code = self.process.returncode
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        sentence = f"{self.name} ended unexpectedly ({how})."
        if words := last_words(self.log):
            sentence += f" Its last words: {words}"
        return f"{sentence}\nThe whole story is in {shown(self.log)}."


@dataclass
class Supervisor:
    """Brings the product up, keeps it up, and leaves nothing behind."""

    bell: Bell
    listener: socket.socket
    environment: dict[str, str]
    children: list[Child] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def bring_up(self) -> None:
        """Migrate, set up the demo company, start both children; show the card when / answers."""
        say("Preparing the database and the demo company …")
        self.manage("migrate", "--noinput", "--verbosity", "0")
        if arrived := self.manage("receive_permissions", "--verbosity", "0").strip():
            say(f"New permissions came with this version (Settings, New permissions):\n{arrived}")
        try:
            self.manage("seed_demo", "--once")
        except ServeError as refusal:
            say(f"Going on without the demo company. {refusal}")
        port = self.port
        self.start_web()
        self.start_worker()
        self.wait_for_web(port)
        say(f"\ncrmperms answers on http://{HOST}:{port}/\n")
        self.show_card()
        say("\nCtrl-C stops the web server and the worker; running it again keeps the data.")
        say(f"Logs are in {shown(log_folder())}.")

    def manage(self, *arguments: str) -> str:
        """Run one management command to its end and return what it printed.

        Raises ServeError where it fails, StopAsked where it was not allowed to end.
        """
        self.bell.raise_if_stop_asked()
        with tempfile.TemporaryFile() as printed:
            child = self.start(
                f"manage.py {arguments[0]}",
                [sys.executable, str(BASE / "manage.py"), *arguments],
                log=log_folder() / f"{arguments[0]}-{self.environment['PORT']}.log",
                stdout=printed,
            )
            while child.is_running:
                self.bell.wait(1)
                self.bell.raise_if_stop_asked()
            self.children.remove(child)
            printed.seek(0)
            output = printed.read().decode(errors="replace")
        if child.process.returncode != 0:
            raise ServeError(child.why_it_ended().replace(" ended unexpectedly", " failed"))
        return output

    def start_web(self) -> None:
        """Hand our listening socket to gunicorn, so that nobody can take the port in between."""
        number = self.listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "crmperms.wsgi", "--bind", f"fd://{number}"]
        # The rest is in gunicorn.conf.py, as for everybody; this one ends as fast as it promises.
        command += ["--graceful-timeout", "1", "--log-level", "warning"]
        log = log_folder() / f"web-{self.environment['PORT']}.log"
        self.start("The web server", command, log=log, keep=[number])
        self.listener.close()

    def start_worker(self) -> Child:
        command = [sys.executable, str(BASE / "manage.py"), "export_worker"]
        log = log_folder() / f"worker-{self.environment['PORT']}.log"
        return self.start("The export worker", command, log=log)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        stdout: IO[bytes] | None = None,
        keep: Sequence[int] = (),
    ) -> Child:
        """Start a child that ends with us, even where we are killed (on Linux)."""
        with log.open("wb") as written:
            process = subprocess.Popen(
                command,
                cwd=BASE,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout or written,
                stderr=written,
                start_new_session=True,
                pass_fds=keep,
                preexec_fn=END_WITH_PARENT,  # noqa: PLW1509 - we have no threads
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def wait_for_web(self, port: int) -> None:
        """Return once the web server answers a request without an error of its own."""
        deadline = time.monotonic() + WEB_STARTS_WITHIN
        while (status := self.ask_web(port)) is None or status >= 500:
            web = self.children[0]
            if not web.is_running:
                raise ServeError(web.why_it_ended())
            if time.monotonic() > deadline:
                what = f"answers with status {status}" if status else "does not answer"
                raise ServeError(f"The web server {what}; see {shown(web.log)}.")
            self.bell.wait(0.1)
            self.bell.raise_if_stop_asked()

    def ask_web(self, port: int) -> int | None:
        """Return the HTTP status of /, or None where there is no answer (yet)."""
        try:
            with socket.create_connection((HOST, port), timeout=1) as connection:
                connection.sendall(f"GET / HTTP/1.0\r\nHost: {HOST}:{port}\r\n\r\n".encode())
                self.bell.wait(10, connection)
                self.bell.raise_if_stop_asked()
                connection.setblocking(False)
                return int(connection.recv(64).split()[1])
        except (OSError, IndexError, ValueError):
            return None

    def show_card(self) -> None:
        """Print who can log in and what to try as whom, where there is a demo company."""
        try:
            say(self.manage("seed_demo", "--card").strip("\n"))
        except ServeError as refusal:
            say(f"There is no card of demo people to show. {refusal}")

    def keep_up(self) -> Never:
        """Watch the children for ever: raises StopAsked, or ServeError when one cannot be kept.

        The worker is restarted a few times, after longer and longer pauses; the web server never.
        """
        web, worker = self.children
        restarts = 0
        while True:
            self.bell.raise_if_stop_asked()
            if not web.is_running:
                raise ServeError(web.why_it_ended())
            if worker.is_running:
                self.bell.wait(60)
                continue
            if time.monotonic() - worker.started > WORKER_IS_WELL_AFTER:
                restarts = 0
            if restarts == WORKER_RESTARTS:
                raise ServeError(worker.why_it_ended())
            restarts += 1
            say(f"{worker.why_it_ended()}\nIt is started again ({restarts} of {WORKER_RESTARTS}).")
            self.children.remove(worker)
            self.pause(2.0 ** (restarts - 1), web)
            worker = self.start_worker()

    def pause(self, seconds: float, web: Child) -> None:
        """Let the time go by, unless a stop is asked for or the web server ends."""
        end = time.monotonic() + seconds
        while web.is_running and (left := end - time.monotonic()) > 0:
            self.bell.wait(left)
            self.bell.raise_if_stop_asked()

    def shut_down(self) -> None:
        """End every child: asked first, made to after GRACE seconds, with all they started."""
        for child in self.children:
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while any(child.is_running for child in self.children) and time.monotonic() < deadline:
            self.bell.wait(max(0, deadline - time.monotonic()))
        for child in self.children:
            child.send(signal.SIGKILL)
            child.process.wait()


def say(text: str) -> None:
    """Show a text at once; a screen that has gone away is nothing to fail on."""
    try:
        print(text, flush=True)
    except OSError:
        pass


def shown(path: Path) -> str:
    """The path as a person in the project's folder would write it."""
    return str(path.relative_to(BASE))


def last_words(log: Path) -> str:
    """The last line of a log that says something, without Django's prefix for expected errors."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    spoken = [line for line in lines if line]
    return spoken[-1].removeprefix("CommandError: ")[:300] if spoken else ""


def log_folder() -> Path:
    return private_folder(private_folder(VAR) / "log")


def end_with_parent() -> Callable[[], None] | None:
    """What a new child runs so that the kernel ends it when we die without a word (Linux only)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask_the_kernel() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_the_kernel


END_WITH_PARENT = end_with_parent()


def listen(text: str) -> socket.socket:
    """Take the port, or raise a ServeError that says what stands against it."""
    if not text.isdecimal() or int(text) > 65535:
        raise ServeError(f"PORT must be a number from 0 to 65535, not {text!r}.")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, int(text)))
        listener.listen(64)
    except PermissionError:
        raise ServeError(
            f"Port {text} may only be used by root; choose one with PORT=8001."
        ) from None
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        other = 8001 if text != "8001" else 8002
        raise PortTaken(
            f"Port {text} is taken by another program; stop that one, or choose another port "
            f"with PORT={other}."
        ) from None
    return listener


def environment_of_children(given: Mapping[str, str], port: int) -> dict[str, str]:
    """What was given, with DEBUG off and a secret key that stays the same from run to run."""
    return {
        "ALLOWED_HOSTS": f"{HOST},localhost",
        **given,
        "DEBUG": "0",
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        "SECRET_KEY": given.get("SECRET_KEY") or secret_key(VAR),
    }


def serve(bell: Bell) -> int:
    """Run until a stop signal and return 0, or return 1 after a sentence that says why not."""
    try:
        listener = listen(os.environ.get("PORT") or "8000")
        port = listener.getsockname()[1]
        supervisor = Supervisor(bell, listener, environment_of_children(os.environ, port))
    except ServeError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        supervisor.bring_up()
        supervisor.keep_up()
    except ServeError as error:
        print(error, file=sys.stderr)
        return 1
    except StopAsked:
        say("\nStopping …")
        return 0
    finally:
        supervisor.shut_down()


def main() -> int:
    """The whole life of `make run`; returns its exit code."""
    try:
        return serve(Bell())
    except OSError as error:  # no room, no right to write var/, no process to be had
        print(f"The system refused: {error}.", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
