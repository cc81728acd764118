"""The decision table and the state machine of R111–R124, cell by cell: who, from where, to where.

Every cell is tried. What is not in the table is refused, and then nothing at all has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts import catalogue
from accounts.models import AuditEvent, User
from exports import jobs, operations, tables, upkeep
from exports.models import ExportRecord, ExportRequest
from exports.operations import NotAllowed, SelfApproval, WrongState
from exports.steps import SYSTEM
from exports.writers import files
from records.models import Contact
from tests.support.company import TinyCompany
from tests.support.exports_kit import LONG_AGO, pending, seen_by, set_policy
from tests.support.factories import UserFactory

STATES = tuple(ExportRequest.Status.values)
RUNNING = ("pending", "approved", "processing")
MINUTE = timedelta(minutes=1)

# --- The decision table ---------------------------------------------------------------------------

# What R114 covers → the objects it is exported as. A row is filled in with the tool that makes it;
# until then nothing can be exported under its name.
COVERED = {
    "records": ("contact", "company", "deal", "ticket"),
    "segments": (),
    "property history": (),
}

# who → (may export, needs no consent)
PEOPLE = {
    "rita": (True, False),
    "mona": (True, False),  # an approver is not exempt (R116)
    "xena": (True, True),
    "sam": (True, True),
    "ruth": (False, False),
    "axel": (False, False),
}


def expected(who: str, on: bool, above: bool, sensitive: bool) -> tuple[bool, str]:
    """Return (needs consent, why) as the table of R111–R124 has it."""
    exempt = PEOPLE[who][1]
    table = {
        # on, exempt, sensitive, above
        (False, None, None, None): (False, "policy_off"),
        (True, True, None, None): (False, "exempt"),
        (True, False, True, None): (True, "sensitive"),
        (True, False, False, True): (True, "above_threshold"),
        (True, False, False, False): (False, "within_threshold"),
    }
    cell = (on, exempt, sensitive, above)
    found = [
        answer
        for row, answer in table.items()
        if all(want is None or want == got for want, got in zip(row, cell, strict=True))
    ]
    assert len(found) == 1
    return found[0]


def test_every_exportable_object_is_covered() -> None:
    covered = {key for keys in COVERED.values() for key in keys}
    assert {kind.key for kind in catalogue.objects()} == covered
    for name in (name for name, keys in COVERED.items() if not keys):
        with pytest.raises(KeyError):
            tables.model_of(name)


@pytest.mark.parametrize("who", PEOPLE)
def test_decision_table(c: TinyCompany, who: str) -> None:
    c.sets["exempt"].scopes.create(object="contact", view=3)
    for on, above, sensitive in product((False, True), repeat=3):
        count = len(seen_by(c.people[who], Contact))
        set_policy(on=on, threshold=count - 1 if above and count else count)
        wish: dict[str, Any] = {"columns": ["id", "phone"] if sensitive else ["id", "last_name"]}
        asked = {"actor": c.fresh(who), "model": Contact, **wish}
        if not PEOPLE[who][0]:
            with pytest.raises(NotAllowed):
                operations.preview(**asked)
            continue
        preview = operations.preview(**asked)
        cell = expected(who, on, above, sensitive)
        assert (preview.approval_needed, preview.because) == cell, (on, above, sensitive)
        with taken_back():
            export = operations.request_export(approvers=[c.sue], **asked)
            assert export.status == ("pending" if cell[0] else "approved")
            assert (export.approval_needed, export.because) == cell
            assert export.decided_by is None


# --- The state machine: steps of people -----------------------------------------------------------

# Mona, who is an approver too, asks. (step, who) → {from: to}; everything else is refused.
ALLOWED: dict[tuple[str, str], dict[str, str]] = {
    **{("approve", who): {"pending": "approved"} for who in ("axel", "sam", "sue")},
    **{("reject", who): {"pending": "rejected"} for who in ("axel", "sam", "sue")},
    ("recall", "mona"): dict.fromkeys(RUNNING, "recalled"),
    **{("cancel", who): dict.fromkeys(RUNNING, "cancelled") for who in ("sam", "sue")},
}
# Refused in every state: the right is asked before the state, so that nobody learns of it.
REFUSED: dict[tuple[str, str], type[Exception]] = {
    ("approve", "mona"): SelfApproval,
    ("reject", "mona"): SelfApproval,
    ("cancel", "mona"): NotAllowed,
    **{("recall", who): NotAllowed for who in ("axel", "sam", "sue")},
    ("cancel", "axel"): NotAllowed,
    **{
        (step, who): NotAllowed
        for step in ("approve", "reject", "recall", "cancel")
        for who in ("otto", "nora", "nils", "fred", "tina")
    },
}
WHO = ("mona", "axel", "sam", "sue", "otto", "nora", "nils", "fred", "tina")
STEPS: dict[str, Callable[..., None]] = {
    "approve": lambda export, who: operations.approve(export, actor=who, version=export.version),
    "reject": lambda export, who: operations.reject(
        export, actor=who, version=export.version, note="Because."
    ),
    "recall": lambda export, who: operations.recall(export, actor=who),
    "cancel": lambda export, who: operations.cancel(export, actor=who),
}


def put(export: ExportRequest, status: str) -> ExportRequest:
    """Write a state as an earlier step would have left it."""
    decided = {"decided_by": User.objects.get(email="sue@example.com"), "decision_note": "no"}
    ExportRequest.objects.filter(pk=export.pk).update(
        status=status,
        file_name=f"{'0' * 48}.csv",
        sha256="0" * 64,
        **({} if status == "pending" else decided),
    )
    export.refresh_from_db()
    return export


def dump(export: ExportRequest) -> tuple[Any, ...]:
    """Return everything that is kept of an export, to compare before and after."""
    row = ExportRequest.objects.filter(pk=export.pk).values().get()
    records = ExportRecord.objects.filter(export=export).order_by("position")
    told = export.notified.order_by("pk").values_list("pk", flat=True)
    done = AuditEvent.objects.filter(object="exportrequest", result="done").count()
    return row, list(records.values_list()), list(told), done


@contextmanager
def taken_back() -> Iterator[None]:
    """Undo what is done inside, so that the next cell starts from the same company."""
    with transaction.atomic():
        point = transaction.savepoint()
        yield
        transaction.savepoint_rollback(point)


@pytest.fixture
def tina(c: TinyCompany) -> User:
    """Somebody who holds Export approver and was deactivated."""
    c.people["tina"] = UserFactory(
        email="tina@example.com", permission_set=c.sets["approver"], is_active=False
    )
    return c.people["tina"]


@pytest.mark.parametrize("step", STEPS)
def test_every_state_step_and_person(c: TinyCompany, tina: User, step: str) -> None:
    waiting = pending(c.mona, c.axel)
    for state, who in product(STATES, WHO):
        with taken_back():
            export, actor = put(waiting, state), c.fresh(who)
            before = dump(export)
            to = ALLOWED.get((step, who), {}).get(state)
            cell = (state, step, who)
            if to is not None:
                STEPS[step](export, actor)
                assert export.status == to, cell
                assert ExportRequest.objects.get(pk=export.pk).status == to, cell
                assert dump(export)[3] == before[3] + 1, cell  # one event, no more
                continue
            error = REFUSED.get((step, who), WrongState)
            with pytest.raises(error) as refused:
                STEPS[step](export, actor)
            assert type(refused.value) is error, cell
            assert dump(export) == before, cell
        waiting.refresh_from_db()


def test_table_names_every_person_for_every_step() -> None:
    assert {*ALLOWED, *REFUSED} == set(product(STEPS, WHO))
    assert not ALLOWED.keys() & REFUSED.keys()


# --- The state machine: steps of the worker and of time -------------------------------------------


def overdue(export: ExportRequest) -> None:
    ExportRequest.objects.filter(pk=export.pk).update(requested_at=LONG_AGO)
    upkeep.lapse_overdue()


def file_is_over(export: ExportRequest) -> None:
    ExportRequest.objects.filter(pk=export.pk).update(expires_at=LONG_AGO)
    upkeep.expire_files()


def claim(export: ExportRequest) -> None:
    jobs.claim("a worker", MINUTE)


def claim_after_lease(export: ExportRequest) -> None:
    ExportRequest.objects.filter(pk=export.pk).update(lease_until=LONG_AGO)
    jobs.claim("a worker", MINUTE)


def claim_at_the_sixth(export: ExportRequest) -> None:
    ExportRequest.objects.filter(pk=export.pk).update(lease_until=LONG_AGO, tries=5)
    jobs.claim("a worker", MINUTE)


def claim_without_approver(export: ExportRequest) -> None:
    User.objects.filter(email="sue@example.com").update(is_active=False)
    jobs.claim("a worker", MINUTE)


def claim_without_requester(export: ExportRequest) -> None:
    User.objects.filter(pk=export.requester_id).update(is_active=False)
    jobs.claim("a worker", MINUTE)


def finish(export: ExportRequest) -> None:
    part = files.Part(files.new_name("csv"))
    try:
        jobs.finish(export, part, [])  # type: ignore[arg-type]  # an empty array
    except WrongState:
        pass
    finally:
        part.discard()


def requester_leaves(export: ExportRequest) -> None:
    operations.end_with_requester(export.requester, SYSTEM)


def requester_lost_right(export: ExportRequest) -> None:
    User.objects.filter(pk=export.requester_id).update(is_active=False)
    upkeep.cancel_waiting_of_revoked()


# (what happens, {from: to}); in every other state nothing changes.
BY_ITSELF: list[tuple[Callable[[ExportRequest], None], dict[str, str]]] = [
    (overdue, {"pending": "lapsed"}),
    (file_is_over, {"completed": "expired"}),
    (claim, {"approved": "processing"}),
    (claim_after_lease, {"approved": "processing", "processing": "processing"}),
    (claim_at_the_sixth, {"approved": "failed", "processing": "failed"}),
    (claim_without_approver, {"approved": "pending"}),
    (claim_without_requester, {"approved": "cancelled"}),
    (finish, {"processing": "completed"}),
    (requester_leaves, dict.fromkeys(RUNNING, "cancelled")),
    (requester_lost_right, {"pending": "cancelled"}),
]


@pytest.mark.parametrize(
    ("happens", "table"), BY_ITSELF, ids=[happens.__name__ for happens, _ in BY_ITSELF]
)
def test_every_state_and_what_happens_by_itself(
    c: TinyCompany,
    happens: Callable[[ExportRequest], None],
    table: dict[str, str],
    settings: Any,
    tmp_path: Any,
) -> None:
    settings.EXPORT_ROOT = tmp_path
    waiting = pending(c.mona, c.axel)
    for state in STATES:
        with taken_back():
            export = put(waiting, state)
            ExportRequest.objects.filter(pk=export.pk).update(
                lease_until=timezone.now() + MINUTE, expires_at=timezone.now() + MINUTE
            )
            before = dump(export)[3]
            happens(export)
            export.refresh_from_db()
            assert export.status == table.get(state, state), state
            assert (dump(export)[3] > before) == (state in table), state
        waiting.refresh_from_db()


def test_labels_are_those_people_know() -> None:
    labels = {
        "pending": "Pending approval",
        "approved": "Approved",
        "processing": "Processing",
        "completed": "Completed",
        "rejected": "Rejected",
        "recalled": "Cancelled: recalled",
        "cancelled": "Cancelled",
        "lapsed": "Cancelled: not decided in time",
        "expired": "File expired",
        "failed": "Failed",
    }
    assert dict(ExportRequest.Status.choices) == labels
