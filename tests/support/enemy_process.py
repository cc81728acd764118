"""Three real processes for the new-enemy test: one takes a right, one writes, one reads by HTTP.

Each does what a line on its standard input says and answers with one line of JSON.
Run as `python -m tests.support.enemy_process`.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support import forked
from tests.support.exports_process import PATIENCE, environment


class Process:
    """One of the three, from the test's side."""

    def __init__(self) -> None:
        self.process = forked.start("tests.support.enemy_process", [], environment())

    def tell(self, *words: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def says(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ask(self, *words: object) -> Any:
        self.tell(*words)
        return self.says()


@contextmanager
def processes(number: int) -> Iterator[list[Process]]:
    """Start them, wait until all can answer, and leave none behind."""
    started = [Process() for _ in range(number)]
    try:
        for each in started:
            assert each.says() == "ready"
        yield started
    finally:
        for each in started:
            each.process.kill()
            each.process.wait(PATIENCE)
            for stream in (each.process.stdin, each.process.stdout):
                if stream is not None:
                    stream.close()


# --- From here on inside the process --------------------------------------------------------------


def main(arguments: list[str]) -> None:
    from django.contrib.auth import SESSION_KEY
    from django.test import Client
    from django.urls import reverse

    from accounts import access, operations
    from accounts.models import PermissionSet, User
    from records import operations as records
    from records.models import Deal

    clients: dict[int, Client] = {}
    load_grants, holding = access.load_grants, False

    def listen() -> list[Any]:
        line = sys.stdin.readline()
        return list(json.loads(line)) if line else ["end"]

    def say(answer: Any) -> None:
        print(json.dumps(answer), flush=True)

    def held(user: User) -> access.Grants:
        """The barrier in the middle of a request: the rights are loaded, no record is read yet."""
        nonlocal holding
        grants = load_grants(user)
        if holding:
            holding = False
            say("held")
            assert listen() == ["go"]
        return grants

    access.load_grants = held
    actor = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
    say("ready")
    while (words := listen())[0] != "end":
        match words:
            case ["login", person]:
                client = clients[person] = Client(headers={"host": "127.0.0.1"})
                client.force_login(User.objects.get(pk=person))
                say(SESSION_KEY in client.session)
            case ["read", person, deal, hold]:
                holding = hold
                answer = clients[person].get(reverse("admin:records_deal_change", args=[deal]))
                say([answer.status_code, "Secret" in answer.content.decode(), not holding])
            case ["take", person, permission_set]:
                operations.assign_set(
                    User.objects.get(pk=person),
                    actor=actor[0],
                    permission_set=PermissionSet.objects.get(pk=permission_set),
                )
                say("done")
            case ["phones", person, times]:
                reader = Client(headers={"host": "127.0.0.1"})
                reader.force_login(User.objects.get(pk=person))
                pages = [reader.get("/admin/records/contact/") for _ in range(times)]
                say(sum(page.content.decode().count("+49 30 7") for page in pages))
            case ["write", deal]:
                row = Deal.objects.get(pk=deal)
                records.change(row, actor=actor[0], values={"name": "Secret"}, version=row.version)
                say("done")


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    django.setup()
    main(sys.argv[1:])
