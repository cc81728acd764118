"""export ⊆ manifest ∩ current rights, whatever happens in between and in whatever order (B5, B10).

A hypothesis machine walks through grants, losses, moves, decisions, passes of the worker and
downloads. A witness between the worker's chunks writes down what may leave at that very moment;
after every step all trails are paths of the state machine of the requirements. `EXPORT_WALKS=200`
walks further.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from django.db import transaction
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts import access
from accounts import operations as people
from accounts.models import ObjectScope, ToolGrant, User
from exports import jobs, operations, worker
from exports.models import ExportPolicy, ExportRecord, ExportRequest
from exports.operations import ExportError, NotAllowed, deciding, ending, fetching
from exports.writers import manifest
from records import filters
from records.models import Deal, Property
from records.models.properties import hidden_fields, sensitive_fields
from records.operations import sharing
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    LONG_AGO,
    delivered_ids,
    files,
    frozen_ids,
    ids_in,
    path_of,
    table_of,
)
from tests.support.replayed import steps_off, trails

WALKS = int(os.environ.get("EXPORT_WALKS") or 12)
STEPS = 12

REQUESTERS = ("rita", "nora", "mona")
APPROVERS = ("sue", "axel", "mona")
DEALS = ("ritas", "noras", "robs", "unassigned", "co_owned", "chosen", "monas", "vault")
COLUMNS = (None, ["id", "name"], ["id", "name", "owner"], ["id", "amount", "product"])
QUERIES = ("", "o=-amount,name", "amount_min=1", "amount_min=1", "unassigned=no", "q=o")
NUMBER = st.integers(0, 11)


# --- What changes meanwhile -----------------------------------------------------------------------

Change = Callable[["Walk", int, int], None]
CHANGES: list[Change] = []


def change(act: Change) -> Change:
    CHANGES.append(act)
    return act


@change
def tool(walk: Walk, which: int, whose: int) -> None:
    """Give a tool or take it: Export, Export approver, Export without approval."""
    key = ("crm.export", "crm.export_approver", "crm.export", "crm.export_without_approval")[
        which % 4
    ]
    permission_set = walk.c.sets["approver"] if whose % 4 == 3 else walk.whom(whose).permission_set
    held = ToolGrant.objects.filter(permission_set=permission_set, key=key)
    if not held.delete()[0]:
        ToolGrant.objects.create(permission_set=permission_set, key=key)


@change
def scope(walk: Walk, rank: int, box: int) -> None:
    """Widen or narrow what a person and their like see."""
    view = (1, 0, 3, 2)[rank % 4]
    held = walk.whom(box).permission_set
    ObjectScope.objects.filter(permission_set=held, object="deal").update(
        view=view, view_unassigned=box % 2 == 0 and 0 < view < 3, add=False,
        change=0, delete=0, communicate=0, merge=0, change_unassigned=False,
        delete_unassigned=False, communicate_unassigned=False, merge_unassigned=False,
    )  # fmt: skip


@change
def super_admin(walk: Walk, who: int, _: int) -> None:
    person = walk.fresh("axel") if who % 4 == 3 else walk.whom(who)
    User.objects.filter(pk=person.pk).update(is_superuser=not person.is_superuser)


@change
def team(walk: Walk, who: int, where: int) -> None:
    main = (None, walk.c.teams["south"], walk.c.teams["north_a"])[where % 3]
    people.set_teams(walk.whom(who), actor=walk.c.sam, main_team=main)


@change
def owner(walk: Walk, which: int, who: int) -> None:
    new = (walk.c.rob, walk.c.rita, walk.c.nora, None)[who % 4]
    Deal.objects.filter(pk=walk.target(which)).update(owner=new)


@change
def bin_(walk: Walk, which: int, back: int) -> None:
    """Delete a record, or bring it back."""
    gone = None if back % 3 == 0 else timezone.now()
    Deal.objects.filter(pk=walk.target(which)).update(deleted_at=gone)


@change
def share(walk: Walk, which: int, whom: int) -> None:
    deal = Deal._base_manager.get(pk=walk.target(which))
    receiver = walk.whom(whom)
    if deal.deleted_at is not None or not receiver.is_active:
        return
    if any(each.user_id == receiver.pk for each in walk.shares(deal)):
        sharing.unshare(deal, actor=walk.c.sam, user=receiver)
    else:
        sharing.share(deal, actor=walk.c.sam, level="view", user=receiver)


@change
def field_(walk: Walk, which: int, how: int) -> None:
    """Restrict a field, mostly; or flag it, or open it."""
    closed = ("super_admins", "everyone_edit", "chosen", "super_admins")[how % 4]
    Property.objects.update_or_create(
        object="deal",
        name=("amount", "amount", "product")[which % 3],
        defaults={"access": closed, "sensitive": how % 3 == 0},
    )


@change
def asked_by(walk: Walk, _: int, __: int) -> None:
    """Hide the field that was filtered and sorted by."""
    Property.objects.update_or_create(
        object="deal", name="amount", defaults={"access": "super_admins", "sensitive": False}
    )


@change
def consent(walk: Walk, how: int, _: int) -> None:
    """Whoever consented last is no approver any more."""
    decided = ExportRequest.objects.filter(decided_by__isnull=False).order_by("-pk").first()
    if decided is None or decided.decided_by_id in (walk.c.sam.pk, walk.c.sue.pk):
        return
    if how % 2:
        User.objects.filter(pk=decided.decided_by_id).update(is_active=False)
    else:
        User.objects.filter(pk=decided.decided_by_id).update(permission_set=walk.c.sets["rep"])


@change
def account(walk: Walk, who: int, how: int) -> None:
    """Deactivate with what belongs to it or, worse, without; or reactivate."""
    person = walk.c.fresh("axel") if who % 4 == 3 else walk.whom(who)
    if not person.is_active:
        people.reactivate(person, actor=walk.c.sam)
    elif how % 2:
        people.deactivate(person, actor=walk.c.sam)
    else:
        User.objects.filter(pk=person.pk).update(is_active=False)


@change
def policy(walk: Walk, on: int, threshold: int) -> None:
    ExportPolicy.objects.update(require_approval=on % 3 > 0, threshold=(0, 3, 1000)[threshold % 3])


Changed = tuple[Change, int, int]
CHANGED = st.tuples(st.sampled_from(CHANGES), NUMBER, NUMBER)
Wish = tuple[str, list[str] | None, str, set[int] | None, str]
WISH = st.tuples(
    st.sampled_from(REQUESTERS),
    st.sampled_from(COLUMNS),
    st.sampled_from(QUERIES),
    st.none() | st.none() | st.sets(NUMBER, min_size=3, max_size=8),
    st.sampled_from(["sue", "axel", "axel", ""]),
)
"""Who asks, for which columns, by which query, for which of the deals, with whose consent."""


# --- The walk -------------------------------------------------------------------------------------


@dataclass
class Witness:
    """What the rights of the moment allowed, asked chunk by chunk while a file was written."""

    ids: set[int] = field(default_factory=set)
    columns: set[str] | None = None
    consent: bool = False
    query: bool = False


class Walk(RuleBasedStateMachine):
    """One walk; everything it does is rolled back at its end."""

    c: ClassVar[TinyCompany]
    mutate: ClassVar[Callable[[pytest.MonkeyPatch], None] | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.frozen: dict[int, list[int]] = {}
        self.began: dict[int, str] = {}
        self.witnesses: dict[int, Witness] = {}
        self.meanwhile: Callable[[], None] | None = None
        self.world = transaction.atomic()
        self.world.__enter__()
        self.tools = {
            name: list(self.c.sets[name].tools.values_list("key", flat=True))
            for name in ("rep", "manager", "approver")
        }
        self.owners = {self.deal(n): self.c.deals[DEALS[n]].owner_id for n in range(len(DEALS))}
        ExportPolicy.objects.update(require_approval=True, threshold=3)
        Deal.objects.filter(pk__in=[self.deal(n) for n in range(0, 8, 2)]).update(amount=5)
        self.patch = pytest.MonkeyPatch()
        if self.mutate is not None:
            type(self).mutate(self.patch)
        chunks = manifest.chunks

        def watched(export: ExportRequest) -> Iterator[range]:
            witness = self.witnesses[export.pk] = Witness()
            for number, places in enumerate(chunks(export)):
                if number == 1 and self.meanwhile is not None:
                    self.meanwhile()
                ids = list(manifest.at(export, places).values_list("record_id", flat=True))
                self._witness(witness, export, ids, number)
                yield places

        self.patch.setattr(manifest, "CHUNK", 3)
        self.patch.setattr(manifest, "chunks", watched)

    def teardown(self) -> None:
        self.patch.undo()
        transaction.set_rollback(True)
        self.world.__exit__(None, None, None)
        for export in files():
            path_of(ExportRequest(file_name=export)).unlink()

    # What the rules ask

    def fresh(self, name: str) -> User:
        return self.c.fresh(name)

    def deal(self, number: int) -> int:
        return self.c.deals[DEALS[number % len(DEALS)]].pk

    def whom(self, number: int) -> User:
        """Return whom a change is about: mostly the last requester, so that it matters."""
        last = ExportRequest.objects.order_by("-pk").first()
        if last is None or number % 3 == 2:
            return self.fresh(REQUESTERS[number % 2])
        return User.objects.get(pk=last.requester_id)

    def target(self, number: int) -> int:
        """Return which record a change is about: mostly one that was asked for last."""
        last = max(self.frozen, default=None)
        if last is None or number % 3 == 2:
            return self.deal(number)
        return self.frozen[last][number % len(self.frozen[last])]

    def shares(self, deal: Deal) -> list[Any]:
        return [each for each in sharing.shares_of(deal) if hasattr(each, "user_id")]

    def export(self, number: int) -> ExportRequest:
        return ExportRequest.objects.get(pk=sorted(self.frozen)[-1 - number % len(self.frozen)])

    def mend(self) -> None:
        """Give everybody back what they began with, so that a walk does not end in a desert."""
        c = self.c
        people.set_teams(c.rita, actor=c.sam, main_team=c.teams["north_a"])
        people.set_teams(c.nora, actor=c.sam, main_team=c.teams["north_a"])
        people.set_teams(c.mona, actor=c.sam, main_team=c.teams["north"])
        User.objects.filter(pk__in=[c.people[n].pk for n in (*REQUESTERS, "axel")]).update(
            is_active=True, is_superuser=False
        )
        for name in ("mona", "axel"):
            permission_set = c.sets["manager" if name == "mona" else "approver"]
            User.objects.filter(pk=c.people[name].pk).update(permission_set=permission_set)
        for name, tools in self.tools.items():
            ToolGrant.objects.filter(permission_set=c.sets[name]).delete()
            ToolGrant.objects.bulk_create(
                ToolGrant(permission_set=c.sets[name], key=key) for key in tools
            )
        ObjectScope.objects.filter(
            permission_set__in=[c.sets["rep"], c.sets["manager"]], object="deal"
        ).update(view=2, view_unassigned=True)
        Property.objects.filter(object="deal").delete()
        Deal.objects.filter(pk__in=self.owners, deleted_at__isnull=False).update(deleted_at=None)
        for key, owner_id in self.owners.items():
            Deal.objects.filter(pk=key).exclude(owner=owner_id).update(owner=owner_id)

    @property
    def any_asked(self) -> bool:
        return bool(self.frozen)

    def _witness(
        self, witness: Witness, export: ExportRequest, ids: list[int], number: int
    ) -> None:
        """Ask the readers themselves what may leave now, beside what the worker asks."""
        requester = User.objects.get(pk=export.requester_id)
        rows = access.permitted(Deal.objects.filter(pk__in=ids), requester, access.EXPORT)
        witness.ids |= set(rows.values_list("pk", flat=True))
        names = {column["name"] for column in export.columns}
        seen = names - hidden_fields(requester, Deal)
        witness.columns = seen if witness.columns is None else witness.columns & seen
        if number == 0:
            decider = export.decided_by and User.objects.get(pk=export.decided_by_id)
            witness.consent = decider is not None and access.holds_tool(
                decider, "crm.export_approver"
            )
            try:
                witness.query = bool(
                    filters.canonical(Deal, export.query, user=requester) == export.query
                )
            except filters.BadQuery:
                witness.query = False

    # Rules

    @rule(change=CHANGED)
    def something_changes(self, change: Changed) -> None:
        act, first, second = change
        act(self, first, second)

    @rule(wish=WISH, mended=st.booleans())
    def ask(self, wish: Wish, mended: bool) -> None:
        """Ask for an export and, often, let somebody consent at once."""
        who, columns, query, ids, consent = wish
        if mended:
            self.mend()
        person = self.fresh(who)
        chosen = None if ids is None else [self.deal(number) for number in ids]
        try:
            export = operations.request_export(
                actor=person, model=Deal, query=query, ids=chosen, columns=columns,
                approvers=[self.c.sue],
            )  # fmt: skip
        except NotAllowed:
            assert not access.allows_any(person, access.EXPORT, Deal)
            return
        except ExportError:
            return  # nothing to export, or a column or filter that is hidden from them
        frozen = frozen_ids(export)
        may = access.permitted(Deal.objects.all(), person, access.EXPORT)
        assert set(frozen) <= set(may.values_list("pk", flat=True))
        assert chosen is None or set(frozen) <= set(chosen)
        assert not {column["name"] for column in export.columns} & hidden_fields(person, Deal)
        self.frozen[export.pk], self.began[export.pk] = frozen, export.status
        rules = ExportPolicy.objects.get()
        exempt = access.holds_tool(person, "crm.export_without_approval")
        secret = {column["name"] for column in export.columns} & sensitive_fields("deal")
        secret |= {name for name in ("amount",) if name in query} & sensitive_fields("deal")
        large = len(frozen) > rules.threshold
        needed = rules.require_approval and not exempt and (large or bool(secret))
        assert export.status == ("pending" if needed else "approved")
        if needed and consent and access.holds_tool(self.fresh(consent), "crm.export_approver"):
            operations.approve(export, actor=self.fresh(consent), version=export.version)

    @precondition(lambda self: self.any_asked)
    @rule(
        step=st.sampled_from(["approve", "approve", "approve", "reject", "recall", "cancel"]),
        who=st.sampled_from([*APPROVERS, "rita"]),
        which=NUMBER,
    )
    def decide(self, step: str, who: str, which: int) -> None:
        export = self.export(which)
        actor = self.fresh({"recall": "rita", "cancel": "sam"}.get(step, who))
        more: dict[str, Any] = {}
        if step in ("approve", "reject"):
            more = {"version": export.version, "note": "For a reason."}
        before = export.status
        try:
            getattr(operations, step)(export, actor=actor, **more)
        except ExportError:
            assert ExportRequest.objects.get(pk=export.pk).status == before
            return
        if step in ("approve", "reject"):
            assert access.holds_tool(actor, "crm.export_approver")
            assert actor.pk != export.requester_id

    @rule(
        wish=WISH,
        changes=st.lists(CHANGED, min_size=1, max_size=2),
        middle=st.none() | CHANGED,
        late=st.none() | CHANGED,
    )
    def life(
        self, wish: Wish, changes: list[Changed], middle: Changed | None, late: Changed | None
    ) -> None:
        """A whole life, where any moment may bring a change."""
        self.ask(wish, True)
        for change in changes:
            self.something_changes(change)
        self.process(middle, False)
        if late is not None:
            self.something_changes(late)
        if self.frozen:
            self.download(wish[0], 0)

    @rule(middle=st.none() | CHANGED, again=st.booleans())
    def process(self, middle: Changed | None, again: bool) -> None:
        """Let the worker do what waits, something changing in the middle of a file or not."""
        before = set(ExportRequest.objects.filter(status="completed").values_list("pk", flat=True))
        if middle is not None:
            self.meanwhile = lambda: self._once(middle)
        worker.run_once()
        self.meanwhile = None
        if again:
            ExportRequest.objects.filter(status="processing").update(lease_until=LONG_AGO)
            worker.run_once()
        for export in ExportRequest.objects.filter(status="completed").exclude(pk__in=before):
            self._check_file(export)
        with_file = ExportRequest.objects.filter(status="completed")
        assert files() == sorted(with_file.values_list("file_name", flat=True))

    def _once(self, middle: Changed) -> None:
        self.meanwhile = None
        self.something_changes(middle)

    @precondition(lambda self: self.any_asked)
    @rule(which=NUMBER, what=st.sampled_from(["lapse", "expire"]))
    def time_passes(self, which: int, what: str) -> None:
        export = ExportRequest.objects.filter(pk=self.export(which).pk)
        if what == "lapse":
            export.filter(status="pending").update(requested_at=LONG_AGO)
        else:
            export.filter(status="completed").update(expires_at=timezone.now())
        worker.do_upkeep()

    @precondition(lambda self: self.any_asked)
    @rule(who=st.sampled_from([*REQUESTERS, *REQUESTERS, "sam", "axel"]), which=NUMBER)
    def download(self, who: str, which: int) -> None:
        export, person = self.export(which), self.fresh(who)
        expected = self._may_download(export, person)
        try:
            with operations.open_download(export, actor=person) as file:
                data = file.read()
        except ExportError:
            assert not expected
        else:
            assert expected
            assert hashlib.sha256(data).hexdigest() == export.sha256

    def _may_download(self, export: ExportRequest, person: User) -> bool:
        """Say it from the requirements: the requester, with rights to all of it, of a live file."""
        rows = Deal.objects.filter(pk__in=delivered_ids(export))
        may = access.permitted(rows, person, access.EXPORT).count()
        names = {column["name"] for column in export.columns}
        return (
            person.pk == export.requester_id
            and export.status == "completed"
            and export.expires_at is not None
            and export.expires_at > timezone.now()
            and access.allows_any(person, access.EXPORT, Deal)
            and not names & hidden_fields(person, Deal)
            and may == len(delivered_ids(export))
            and export.downloads.count() < (export.most_downloads or 100)
        )

    # What always holds

    def _check_file(self, export: ExportRequest) -> None:
        witness, ids = self.witnesses[export.pk], ids_in(export)
        assert ids == [key for key in self.frozen[export.pk] if key in witness.ids]
        assert delivered_ids(export) == set(ids)
        assert export.delivered_count == len(ids)
        header = table_of(export)[0]
        assert header == [column["label"] for column in export.columns]
        assert {column["name"] for column in export.columns} == witness.columns
        assert witness.query
        assert witness.consent or not export.approval_needed
        assert export.decided_by_id != export.requester_id
        assert hashlib.sha256(path_of(export).read_bytes()).hexdigest() == export.sha256

    @invariant()
    def every_trail_is_a_path_and_manifests_stay(self) -> None:
        written = trails()
        rows: dict[int, list[int]] = {key: [] for key in self.frozen}
        manifests = ExportRecord.objects.filter(export__in=self.frozen).order_by("position")
        for key, record in manifests.values_list("export", "record_id"):
            rows[key].append(record)
        delivered = set(manifests.delivered().values_list("export", flat=True))
        assert rows == self.frozen
        for export in ExportRequest.objects.filter(pk__in=self.frozen):
            assert steps_off(export, written.get(export.pk, []), self.began[export.pk]) == []
            assert export.pk not in delivered or export.status in ("completed", "expired")


def walk(c: TinyCompany, walks: int, mutate: Any = None, number: int = 4) -> None:
    """Walk so many times; raises what the first wrong step raises."""

    @seed(number)
    class OfThisTest(Walk):
        pass

    OfThisTest.c, OfThisTest.mutate = c, mutate
    phases = [Phase.generate] if mutate else [Phase.generate, Phase.shrink]
    run_state_machine_as_test(
        OfThisTest,
        settings=settings(
            max_examples=walks,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        ),
    )


def test_no_file_is_more_than_manifest_and_rights(c: TinyCompany) -> None:
    walk(c, WALKS)


# --- Negative controls ----------------------------------------------------------------------------

Patch = pytest.MonkeyPatch
WRONG: list[Callable[[Patch], None]] = []


def wrong(put: Callable[[Patch], None]) -> Callable[[Patch], None]:
    WRONG.append(put)
    return put


@wrong
def rows_by_the_rights_of_the_request(patch: Patch) -> None:
    """Whoever was allowed to ask gets the frozen rows, whatever happened since."""
    rows_of = worker.rows_of

    def as_super_admin(export: Any, requester: User, places: Any) -> Any:
        return rows_of(export, User.objects.get(email="sam@example.com"), places)

    patch.setattr(worker, "rows_of", as_super_admin)


@wrong
def rows_that_came_into_reach_since(patch: Patch) -> None:
    """The filter is run again instead of the manifest."""

    def at(export: ExportRequest, places: range) -> Any:
        rows = Deal.objects.annotate(record_id=F("pk"), position=Window(RowNumber(), order_by="pk"))
        return rows if places.start == 1 else rows.none()

    patch.setattr(manifest, "at", at)


@wrong
def consent_not_looked_at_again(patch: Patch) -> None:
    patch.setattr(jobs, "may_proceed", operations.still_valid)


@wrong
def dropped_rows_ticked_off(patch: Patch) -> None:
    mark = manifest.mark_left_out
    patch.setattr(manifest, "mark_left_out", lambda export, dropped: mark(export, []))


def file_handed_to_whoever_asked_for_it(patch: Patch) -> None:
    """The right to the file is not asked again at the download."""

    def check(export: ExportRequest, person: User) -> None:
        if person.pk != export.requester_id or export.status != "completed":
            raise NotAllowed

    patch.setattr(fetching, "_check_download", check)
    patch.setattr(fetching, "_check_records", check)


@wrong
def steps_from_any_state(patch: Patch) -> None:
    """The state is not part of the UPDATE."""
    transition = deciding.transition

    def anyhow(export: ExportRequest, *, from_: Any, **more: Any) -> None:
        transition(export, from_=list(ExportRequest.Status.values), **more)

    patch.setattr(deciding, "transition", anyhow)
    patch.setattr(ending, "transition", anyhow)


WITHIN = 60
"""In so many walks at most a wrong variant is caught; most are in the first few."""


@pytest.mark.parametrize("mutate", WRONG, ids=lambda put: put.__name__)
def test_wrong_variant_is_caught(c: TinyCompany, mutate: Callable[[Patch], None]) -> None:
    with pytest.raises(AssertionError):
        walk(c, WITHIN, mutate)


@pytest.mark.parametrize("right", [True, False])
def test_filter_that_is_hidden_now_is_caught_on_a_path_walked_by_hand(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    """A worker that does not look at the request again; too rare a path to wait for by chance."""

    class ByHand(Walk):
        pass

    ByHand.c = c
    if not right:
        monkeypatch.setattr("exports.consent.still_valid", lambda export: True)
    steps = ByHand()
    try:
        steps.ask(("rita", ["id", "name"], "amount_min=1", None, "sue"), True)
        asked_by(steps, 0, 0)
        if right:
            steps.process(None, False)
            assert steps.export(0).status == "cancelled"
        else:
            with pytest.raises(AssertionError):
                steps.process(None, False)
    finally:
        steps.teardown()


@pytest.mark.parametrize("right", [True, False])
def test_file_with_a_hidden_column_is_caught_on_a_path_walked_by_hand(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    """A download that does not ask for the rights again."""

    class ByHand(Walk):
        pass

    ByHand.c = c
    if not right:
        file_handed_to_whoever_asked_for_it(monkeypatch)
    steps = ByHand()
    try:
        steps.ask(("rita", ["id", "amount"], "", None, "sue"), True)
        steps.process(None, False)
        steps.download("rita", 0)
        asked_by(steps, 0, 0)
        if right:
            steps.download("rita", 0)
        else:
            with pytest.raises(AssertionError):
                steps.download("rita", 0)
    finally:
        steps.teardown()
