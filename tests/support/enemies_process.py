"""Eight real processes that attack the same exports at the same moment.

Started as `python -m tests.support.enemies_process`, it reads its plan from standard input, forks
the
eight once Django is loaded, lets them go block by block, and prints what each was answered. Nobody
sleeps: a barrier in front of every block makes them start together.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from tests.support.exports_process import PATIENCE, environment

ENEMIES = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What each process does: `steps[process][block]` is a list of (verb, export's key)."""

    actors: list[str]
    """By process: the e-mail of who acts; empty for a worker."""
    steps: list[list[list[tuple[str, int]]]]
    naive: bool = False
    """Decide as somebody might write it instead of as the product does."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one process got for one step: `done`, or the name of the error."""

    actor: str
    verb: str
    export: int
    outcome: str = field(compare=False)


def attack(plan: Plan) -> list[Answer]:
    """Let the processes go, and return what all of them were answered."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.enemies_process"],
        env=environment(),
        input=json.dumps(asdict(plan)),
        stdout=subprocess.PIPE,
        text=True,
        timeout=4 * PATIENCE,
        check=True,
    )
    return [Answer(*each) for each in json.loads(ended.stdout)]


# --- From here on inside the processes ------------------------------------------------------------


def lead(plan: Plan) -> list[list[Any]]:
    """Fork one process per actor and collect their answers."""
    # What every step needs is loaded before the fork: once, and not by eight at a time.
    from django.urls import reverse

    from exports import operations, worker  # noqa: F401

    reverse("admin:index")
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(len(plan.actors))
    pipes = [fork.Pipe(duplex=False) for _ in plan.actors]
    started = [
        fork.Process(target=be_enemy, args=(plan, number, barrier, send), daemon=True)
        for number, (_, send) in enumerate(pipes)
    ]
    for process in started:
        process.start()
    for _, send in pipes:
        send.close()
    answers = [each for receive, _ in pipes for each in receive.recv()]
    for process in started:
        process.join(PATIENCE)
    return answers


def be_enemy(plan: Plan, number: int, barrier: Any, send: Any) -> None:
    """Take every step of one process, block by block."""
    from accounts.models import User

    email = plan.actors[number]
    actor = User.objects.get(email=email) if email else None
    step = _naive if plan.naive else _step
    answers = []
    for block in plan.steps[number]:
        _age([key for verb, key in block if verb == "lapse"])
        barrier.wait(PATIENCE)
        done = set()
        for verb, key in block:
            if verb in ("lapse", "claim"):  # the worker does not choose: once a block
                if verb not in done:
                    _work(verb)
                    done.add(verb)
            else:
                assert actor is not None
                outcome = _outcome(lambda k=key, v=verb: step(k, v, actor))
                answers.append([email, verb, key, outcome])
    send.send(answers)


def _outcome(act: Callable[[], object]) -> str:
    from exports.operations import ExportError

    try:
        act()
    except ExportError as refusal:
        return type(refusal).__name__
    return "done"


def _step(key: int, verb: str, actor: Any) -> None:
    """Call the product's operation, by the row as it is read a moment before."""
    from exports import operations
    from exports.models import ExportRequest

    more: dict[str, Any] = {}
    if verb in ("approve", "reject"):
        more = {"version": 1, "note": "No." if verb == "reject" else ""}
    getattr(operations, verb)(ExportRequest.objects.get(pk=key), actor=actor, **more)


def _naive(key: int, verb: str, actor: Any) -> None:
    """Read the state, compare it in Python, save: the negative control."""
    from django.db import transaction

    from accounts import audit
    from exports.models import ExportRequest
    from exports.operations import SelfApproval, WrongState

    to = {"approve": "approved", "reject": "rejected", "recall": "recalled", "cancel": "cancelled"}
    export = ExportRequest.objects.get(pk=key)
    if verb in ("approve", "reject") and actor.pk == export.requester_id:
        raise SelfApproval
    if export.status != "pending":
        raise WrongState
    export.status = to[verb]
    export.version += 1
    if verb in ("approve", "reject"):
        export.decided_by, export.decision_note = actor, "No."
    with transaction.atomic():
        export.save()
        audit.record(f"export.{verb}", actor=actor, on=export, data={"to": export.status})


def _age(keys: list[int]) -> None:
    """Let these be overdue, if they still wait."""
    from exports.models import ExportRequest
    from tests.support.exports_kit import LONG_AGO

    if keys:
        ExportRequest.objects.filter(pk__in=keys).update(requested_at=LONG_AGO)


def _work(verb: str) -> None:
    """Do one duty of the worker: end what is overdue, or claim what was approved and write some."""
    from exports import jobs, upkeep, worker

    if verb == "lapse":
        upkeep.lapse_overdue()
        return
    lease, stop = timedelta(seconds=60), worker.Stop()
    while (export := jobs.claim(f"worker {os.getpid()}", lease)) is not None:
        if export.pk % 20 == 0:  # the others stay in processing, to be recalled and cancelled
            worker.process(export, lease, stop)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    django.setup()
    print(json.dumps(lead(Plan(**json.loads(sys.stdin.read())))))
