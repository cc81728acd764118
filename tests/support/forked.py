"""Real processes of ours, without the time that each takes to load Django.

The first process that a run of pytest asks for starts a parent that loads everything once; it forks
every process from then on. Where the environment is another one, as settings read it when they are
loaded, a process is started from nothing.
"""

import array
import atexit
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Protocol

OWN = ("EXPORT_ROOT", "PYTEST_CURRENT_TEST")
"""What may differ between two processes of one parent."""


class Process(Protocol):
    """What tests use of `subprocess.Popen`."""

    stdin: IO[str] | None
    stdout: IO[str] | None

    def send_signal(self, number: int) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


def start(module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Process:
    """Let a process call `main(arguments)` of a module, its standard input and output being pipes.

    The module reads `arguments` as `python -m module …` would.
    """
    parent = Parent.of(environment)
    if parent is not None:
        return Forked(parent, module, arguments, environment)
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class Parent:
    """The process that forks, from the test's side."""

    _only: "Parent | None" = None

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        ours, its = socket.socketpair()
        with its:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forked", str(its.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
            )
        self.socket = ours
        self.answers = ours.makefile("r")
        atexit.register(self.end)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Parent | None":
        """Return the parent of processes in this environment, None where there is none."""
        wanted = {name: value for name, value in environment.items() if name not in OWN}
        if cls._only is None:
            cls._only = cls(wanted)
        return cls._only if cls._only.environment == wanted else None

    def ask(self, question: dict[str, object], *files: int, timeout: float | None = None) -> int:
        """Send a question, and files with it; return the number that it answers."""
        self.socket.settimeout(timeout)
        line = json.dumps(question).encode() + b"\n"
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        self.socket.sendmsg([line], rights if files else [])
        return int(self.answers.readline())

    def end(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.process.wait()


class Forked:
    """A process that was forked, from the test's side; it is its parent that buries it."""

    def __init__(
        self,
        parent: Parent,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
    ) -> None:
        self.parent, self.code = parent, None
        its_input, our_output = os.pipe()
        our_input, its_output = os.pipe()
        own = {name: environment[name] for name in OWN if name in environment}
        what: dict[str, object] = {"module": module, "arguments": list(arguments), "own": own}
        self.pid = parent.ask(what, its_input, its_output, 2)
        os.close(its_input)
        os.close(its_output)
        self.stdin: IO[str] | None = os.fdopen(our_output, "w")
        self.stdout: IO[str] | None = os.fdopen(our_input)

    code: int | None

    def send_signal(self, number: int) -> None:
        if self.code is None:  # until it is buried, nobody else has its number
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code, or less than 0: the signal it died of."""
        if self.code is None:
            self.code = self.parent.ask({"wait": self.pid}, timeout=timeout)
        return self.code


# --- From here on inside the parent, and the processes it forks -----------------------------------


def serve(listening: socket.socket) -> None:
    """Fork what is asked for, bury what is waited for, and end when nobody asks any more."""
    while True:
        line, files, _, _ = socket.recv_fds(listening, 65536, 3)
        if not line:
            return
        question = json.loads(line)
        if "wait" in question:
            _, status = os.waitpid(question["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        elif (answer := os.fork()) == 0:
            listening.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            become(**question)
            return
        for file in files:
            os.close(file)
        listening.sendall(f"{answer}\n".encode())


def become(module: str, arguments: list[str], own: dict[str, str]) -> None:
    """Do what the process is there for."""
    from pathlib import Path

    from django.conf import settings

    for name in OWN:
        os.environ.pop(name, None)
    os.environ.update(own)
    settings.EXPORT_ROOT = Path(own["EXPORT_ROOT"])
    importlib.import_module(module).main(arguments)


def load() -> None:
    """Load Django and what the processes need of it, once."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    django.setup()

    from django.test import Client  # noqa: F401
    from django.urls import reverse

    import exports.management.commands.export_worker  # noqa: F401
    from exports import operations, worker  # noqa: F401
    from exports.writers import WRITERS, writer_of
    from records import operations as of_records  # noqa: F401

    for format in WRITERS:
        writer_of(format)
    reverse("admin:index")


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        load()
        serve(listening)
