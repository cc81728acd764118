"""Real processes that race in tests; what they do is said by their arguments.

A process prints `ready` when it could start and begins when it reads a line, so that a test lets
several go at the same moment and nobody has to sleep. Run as `python -m
tests.support.exports_process`.
"""

import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.support import forked

PATIENCE = 60


class Racer:
    """A process of ours, from the test's side."""

    def __init__(self, *arguments: object) -> None:
        self.process = forked.start(
            "tests.support.exports_process", [*map(str, arguments)], environment()
        )

    def says(self) -> str:
        """Return its next line; empty when it ended."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def has_said(self) -> bool:
        """Tell whether it has said something that nobody has read yet, or has ended."""
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def end(self) -> int:
        """Wait for it to end by itself."""
        return self.process.wait(PATIENCE)


@contextmanager
def racers(*each: Sequence[object]) -> Iterator[list[Racer]]:
    """Start processes, wait until all are ready, and leave none behind."""
    started = [Racer(*arguments) for arguments in each]
    try:
        for racer in started:
            assert racer.says() == "ready"
        yield started
    finally:
        for racer in started:
            racer.process.kill()
            racer.process.wait(PATIENCE)
            for stream in (racer.process.stdin, racer.process.stdout):
                if stream is not None:
                    stream.close()


def environment() -> dict[str, str]:
    """Return an environment in which a process works on the test's database and folder."""
    from django.conf import settings
    from django.db import connection

    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        url = f"sqlite:///{name}"
    else:
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    return os.environ | {
        "DATABASE_URL": url,
        "EXPORT_ROOT": str(settings.EXPORT_ROOT),
        "SECRET_KEY": "for-tests-only",
    }


# --- From here on inside the process --------------------------------------------------------------


def say(line: str) -> None:
    print(line, flush=True)


def wait_for_go() -> None:
    sys.stdin.readline()


def decide(step: str, export_id: str, email: str, version: str, hold: str = "") -> None:
    """Approve or reject, and say how it went.

    With `hold`, stop in the transaction, when everything was looked at, until let go once more.
    """
    from accounts.models import User
    from exports import operations
    from exports.models import ExportRequest
    from exports.operations import deciding

    move = deciding.transition

    def held(*arguments: Any, **more: Any) -> None:
        say("looked")
        wait_for_go()
        move(*arguments, **more)

    if hold == "hold":
        deciding.transition = held

    export = ExportRequest.objects.get(pk=export_id)
    actor = User.objects.get(email=email)
    more: dict[str, Any] = {"note": "no"} if step == "reject" else {}
    say("ready")
    wait_for_go()
    try:
        getattr(operations, step)(export, actor=actor, version=int(version), **more)
    except operations.ExportError as refusal:
        say(f"{type(refusal).__name__}: {refusal}")
    else:
        say("done")


def decide_from_list(step: str, export_id: str, email: str) -> None:
    """Open the page that the notifications lead to, and send its form once it is let go.

    Say where it leads, and with what refusal. As `recall` it is the requester's button.
    """
    import re

    from django.test import Client

    from accounts.models import User

    log = "/admin/exports/exportrequest/"
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(email=email))
    posted = {}
    if step != "recall":
        page = client.get(f"{log}{export_id}/decide/?step={step}").text
        found = re.search(r'name="version" value="(\d+)"', page)
        assert found, "the page asks nothing"
        posted = {"back": "list", "version": found[1], "note": "no"}
    say("ready")
    wait_for_go()
    answer = client.post(f"{log}{export_id}/{step}/", posted, follow=True)
    refused = re.search(r"Nothing was changed:[^<]*", answer.text)
    say(" ".join([answer.redirect_chain[-1][0], *([refused[0].strip()] if refused else [])]))


def download(export_id: str, email: str) -> None:
    """Fetch a file, and say how it went."""
    from accounts.models import User
    from exports import operations
    from exports.models import ExportRequest

    export = ExportRequest.objects.get(pk=export_id)
    actor = User.objects.get(email=email)
    say("ready")
    wait_for_go()
    try:
        with operations.open_download(export, actor=actor) as file:
            say(f"{len(file.read())} bytes")
    except operations.ExportError as refusal:
        say(f"{type(refusal).__name__}: {refusal}")


def hold(export_id: str, email: str) -> None:
    """Begin to fetch a file, and say how it went; keep it open until it is let go once more."""
    from accounts.models import User
    from exports import operations
    from exports.models import ExportRequest

    export, person = ExportRequest.objects.get(pk=export_id), User.objects.get(email=email)
    say("ready")
    wait_for_go()
    try:
        file = operations.open_download(export, actor=person)
    except operations.ExportError as refusal:
        say(type(refusal).__name__)
        return
    say("held")
    wait_for_go()
    file.close()


def ask(email: str, token: str) -> None:
    """Ask for all deals with a token, or without one where it is “none”, and say which export."""
    from uuid import UUID

    from accounts.models import User
    from exports import operations
    from records.models import Deal

    actor = User.objects.get(email=email)
    wish: dict[str, Any] = {} if token == "none" else {"token": UUID(token)}
    say("ready")
    wait_for_go()
    say(str(operations.request_export(actor=actor, model=Deal, **wish).pk))


def work(*arguments: str) -> None:
    """Run the worker's command; with `--hold` wait for a go after an export's first chunk.

    With `--dies` end as soon as an export is claimed, as a killed one does; with
    `--full-disk` let the disk be full; with `--year-ahead` let the machine's clock be wrong.
    """
    from datetime import timedelta

    from django.core.management import call_command
    from django.utils import timezone

    from exports import worker
    from exports.writers import files, manifest

    chunks = manifest.chunks

    def held(export: Any) -> Iterator[range]:
        for number, places in enumerate(chunks(export)):
            if number == 1:
                say(f"holding {export.pk}")
                wait_for_go()
            yield places

    manifest.CHUNK = 1
    if "--hold" in arguments:
        manifest.chunks = held
    if "--dies" in arguments:
        worker.process = lambda *claimed: os.kill(os.getpid(), signal.SIGKILL)
    if "--full-disk" in arguments:
        # The kernel's own full disk, for the files of exports alone: SQLite is to go on.
        opened = os.open

        def on_a_full_disk(path: Any, flags: int, mode: int = 0o777) -> int:
            if str(path).endswith(files.PART):
                return opened("/dev/full", os.O_WRONLY)
            return opened(path, flags, mode)

        os.open = on_a_full_disk
    if "--year-ahead" in arguments:
        right = timezone.now
        timezone.now = lambda: right() + timedelta(days=365)
    say("ready")
    wait_for_go()
    ours = ("--hold", "--dies", "--full-disk", "--year-ahead")
    call_command("export_worker", *(a for a in arguments if a not in ours))
    say("ended")


def click(email: str, approver: str, ids: str) -> None:
    """Ask for an export of these deals, as often as it is let go, and say what became of it.

    The first time as the product does; the second time without its lock, and on PostgreSQL held
    between counting and writing until it is let go once more.
    """
    from django.db import connection

    from accounts.models import User
    from exports.operations import asking
    from records.models import Deal

    actor, sue = User.objects.get(email=email), User.objects.get(email=approver)

    def ask() -> None:
        keys = ids.split(",")
        export = asking.request_export(
            actor=actor, model=Deal, ids=keys, columns=["id"], approvers=[sue]
        )
        say(export.because)

    say("ready")
    wait_for_go()
    ask()
    count = asking._judged

    def held(*arguments: Any) -> Any:
        answer = count(*arguments)
        if connection.vendor == "postgresql":
            say("counted")
            wait_for_go()
        return answer

    asking._judged = held
    asking.one_at_a_time = lambda person: None
    wait_for_go()
    ask()


def leave(email: str, by: str) -> None:
    """Deactivate a person, and say how it went."""
    from accounts import operations
    from accounts.models import User

    person, actor = User.objects.get(email=email), User.objects.get(email=by)
    say("ready")
    wait_for_go()
    try:
        operations.deactivate(person, actor=actor)
    except operations.AccountsError as refusal:
        say(f"{type(refusal).__name__}: {refusal}")
    else:
        say("done")


def change_rights(what: str, by: str, hold: str = "") -> None:
    """Set Axel's or Rita's password, make Rita more, exempt everybody with the set Rep, or lift the
    rule.

    Say how it went. With `hold`, stop in the transaction, when everything is written, until let go
    once more.
    """
    from accounts import audit, operations
    from accounts.models import PermissionSet, User
    from exports.models import ExportPolicy
    from exports.operations import change_policy

    actor = User.objects.get(email=by)
    record = audit.record

    def held(*arguments: Any, **more: Any) -> Any:
        event = record(*arguments, **more)
        say("written")
        wait_for_go()
        return event

    if hold == "hold":
        audit.record = held
    say("ready")
    wait_for_go()
    if what in ("password", "puppet"):
        email = {"password": "axel@example.com", "puppet": "rita@example.com"}[what]
        person = User.objects.get(email=email)
        operations.set_password(person, actor=actor, password="another long password")
    elif what == "super admin":
        operations.make_super_admin(User.objects.get(email="rita@example.com"), actor=actor)
    elif what == "demotion":
        sue = User.objects.get(email="sue@example.com")
        rep = PermissionSet.objects.get(name="Rep")
        operations.remove_super_admin(sue, actor=actor, permission_set=rep)
    elif what == "wider":
        wide = PermissionSet.objects.get(name="Wide")
        rita = User.objects.get(email="rita@example.com")
        operations.assign_set(rita, actor=actor, permission_set=wide)
    elif what == "set":
        rep = PermissionSet.objects.get(name="Rep")
        tools = ["crm.export", "crm.export_without_approval"]
        operations.change_set(rep, actor=actor, name="Rep", description="", scopes={}, tools=tools)
    else:
        version = ExportPolicy.objects.get().version
        change_policy(actor=actor, version=version, require_approval=False)
    say("done")


def move(team_id: str, parent_id: str, email: str, hold: str) -> None:
    """Hang a team below another one, or at the top for “none”, and say how it went.

    With `hold`, stop in the transaction, when everything is written, until it is let go once more.
    """
    from accounts import operations
    from accounts.models import Team, User
    from accounts.operations import teams

    team, actor = Team.objects.get(pk=team_id), User.objects.get(email=email)
    parent = None if parent_id == "none" else Team.objects.get(pk=parent_id)
    rewrite = teams.rewrite_reach

    def held() -> None:
        rewrite()
        say("moved")
        wait_for_go()

    if hold == "hold":
        teams.rewrite_reach = held
    say("ready")
    wait_for_go()
    try:
        operations.change_team(team, actor=actor, name=team.name, parent=parent)
    except operations.AccountsError as refusal:
        say(f"{type(refusal).__name__}: {refusal}")
    else:
        say("done")


def receive(hold: str = "") -> None:
    """Let permissions arrive that an upgrade brought, and say how many did.

    With `hold`, stop in the transaction, when the first event is written, until let go once more.
    """
    from accounts import audit, operations

    record = audit.record

    def held(*arguments: Any, **more: Any) -> Any:
        audit.record = record
        event = record(*arguments, **more)
        say("written")
        wait_for_go()
        return event

    if hold == "hold":
        audit.record = held
    say("ready")
    wait_for_go()
    say(f"{len(operations.receive_permissions(actor=audit.System('test')))} arrived")


def apply_policy(path: str, email: str, hold: str) -> None:
    """Apply a policy file, and say how many steps it took.

    With `hold`, stop in the transaction, when the first event is written, until let go once more.
    """
    from pathlib import Path

    from accounts import audit, policy_file
    from accounts.models import User

    actor, record = User.objects.get(email=email), audit.record

    def held(*arguments: Any, **more: Any) -> Any:
        event = record(*arguments, **more)
        say("written")
        wait_for_go()
        return event

    if hold == "hold":
        audit.record = held
    say("ready")
    wait_for_go()
    planned = policy_file.apply(Path(path).read_text(), actor=actor)
    say(f"{sum(len(steps) for _, steps in planned)} steps")


def guess(email: str, number: str) -> None:
    """Type so many wrong passwords at the same time, and say how each was answered."""
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection
    from django.test import Client

    def knock(password: str) -> int:
        posted = {"username": email, "password": password}
        answer = Client(SERVER_NAME="localhost").post("/admin/login/", posted)
        connection.close()
        return answer.status_code

    say("ready")
    wait_for_go()
    with ThreadPoolExecutor(int(number)) as threads:
        say(
            " ".join(map(str, threads.map(knock, [f"wrong {each}" for each in range(int(number))])))
        )


def main(arguments: list[str]) -> None:
    from tests.support.asked_process import change_many, decide_access

    steps = {
        "change_many": change_many,
        "decide_access": decide_access,
        "ask": ask,
        "decide": decide,
        "decide_from_list": decide_from_list,
        "work": work,
        "download": download,
        "guess": guess,
        "hold": hold,
        "click": click,
        "leave": leave,
        "change_rights": change_rights,
        "move": move,
        "apply_policy": apply_policy,
        "receive": receive,
    }
    steps[arguments[0]](*arguments[1:])


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    django.setup()
    main(sys.argv[1:])
