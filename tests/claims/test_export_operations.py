"""Asking, deciding, ending and fetching: every step beside its refusal (R111–R131)."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import operations as people
from accounts.access import permitted
from accounts.models import AuditEvent, AuditText, Notice, User
from exports import operations
from exports.models import Download, ExportPolicy, ExportRequest
from exports.operations import (
    ApproversNeeded,
    ExportError,
    InvalidRequest,
    NotAllowed,
    NothingToExport,
    SelfApproval,
    WrongState,
)
from exports.writers import files
from records import filters
from records.models import Contact, Deal, Property, Record
from records.models.properties import sensitive_fields
from tests.support.company import EVERYTHING, TinyCompany
from tests.support.exports_kit import (
    approved,
    ask,
    completed,
    events,
    frozen_ids,
    narrow,
    path_of,
    pending,
    refusals,
    seen_by,
    set_policy,
    take_tool,
)
from tests.support.factories import DealFactory, SetFactory, UserFactory

STATES = tuple(ExportRequest.Status.values)


def put(export: ExportRequest, status: str) -> ExportRequest:
    """Write a state as an earlier step would have left it."""
    decided = {"decided_by": User.objects.get(email="sue@example.com"), "decision_note": "no"}
    ExportRequest.objects.filter(pk=export.pk).update(
        status=status,
        file_name="f",
        sha256="0" * 64,
        **({} if status == "pending" else decided),
    )
    export.refresh_from_db()
    return export


# --- The decision table, R111–R119 ----------------------------------------------------------------

# (who, policy on, records above the threshold, sensitive column, expected state, reason)
TABLE = [
    ("rita", False, True, True, "approved", "policy_off"),
    ("rita", True, False, False, "approved", "within_threshold"),
    ("rita", True, True, False, "pending", "above_threshold"),
    ("rita", True, False, True, "pending", "sensitive"),
    ("rita", True, True, True, "pending", "sensitive"),
    ("mona", True, True, False, "pending", "above_threshold"),  # an approver is not exempt (R116)
    ("ida", True, True, True, "approved", "exempt"),
    ("sam", True, True, True, "approved", "exempt"),
]


@pytest.mark.parametrize(("who", "on", "above", "sensitive", "state", "because"), TABLE)
def test_decision_table(
    c: TinyCompany, who: str, on: bool, above: bool, sensitive: bool, state: str, because: str
) -> None:
    c.people["ida"] = UserFactory(
        permission_set=SetFactory(
            scopes={"contact": {"view": EVERYTHING}},
            tools=["crm.export", "crm.export_without_approval"],
        )
    )
    wish: dict[str, Any] = {"columns": ["id", "phone"] if sensitive else ["id", "last_name"]}
    count = len(seen_by(c.people[who], Contact))
    set_policy(on=on, threshold=count - 1 if above else count)
    preview = operations.preview(actor=c.people[who], model=Contact, **wish)
    export = ask(c.people[who], Contact, approvers=[c.sue], **wish)
    event = AuditEvent.objects.get(action="export.request")
    assert (export.status, event.data["because"]) == (state, because)
    assert (preview.count, preview.because) == (export.record_count, because)
    assert preview.approval_needed == export.approval_needed == (state == "pending")
    assert export.decided_by is None
    assert set(export.notified.all()) == ({c.sue} if state == "pending" else set())


@pytest.mark.parametrize("who", ["ruth", "axel", "nils", "otto", "fred"])
def test_without_export_and_view_there_is_no_request(c: TinyCompany, who: str) -> None:
    with pytest.raises(NotAllowed):
        ask(c.people[who])
    with pytest.raises(NotAllowed):
        operations.preview(actor=c.people[who], model=Deal)
    assert not ExportRequest.objects.exists()
    assert refusals("export.request") == [(f"{who}@example.com", "not_allowed")]


def test_exempt_without_export_is_inert(c: TinyCompany) -> None:
    take_tool(c.sets["exempt"], "crm.export")
    with pytest.raises(NotAllowed):
        ask(c.xena)


def test_threshold_is_more_than_n(c: TinyCompany) -> None:
    ids = sorted(seen_by(c.rita))[:3]
    set_policy(threshold=2)
    assert ask(c.rita, ids=ids[:2]).status == "approved"
    assert ask(c.rita, ids=ids, approvers=[c.sue]).status == "pending"


@pytest.mark.parametrize("query", ["o=phone", "o=-phone,last_name"])
def test_order_by_a_sensitive_field_needs_approval(c: TinyCompany, query: str) -> None:
    set_policy(threshold=1000)
    export = ask(c.rita, Contact, query=query, columns=["id"], approvers=[c.sue])
    assert (export.status, export.sensitive_fields) == ("pending", ["phone"])


def test_filter_on_a_sensitive_field_needs_approval(c: TinyCompany) -> None:
    set_policy(threshold=1000)
    query, wish = "amount_min=1", {"columns": ["id"]}
    Deal.objects.update(amount=5)
    assert ask(c.rita, query=query, **wish).status == "approved"
    Property.objects.create(object="deal", name="amount", sensitive=True)
    assert ask(c.rita, query=query, approvers=[c.sue], **wish).status == "pending"
    assert ask(c.rita, **wish).status == "approved"


# --- What is frozen -------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["rita", "mona", "lena", "ella", "xena", "sam"])
def test_manifest_is_exactly_what_the_requester_sees(c: TinyCompany, who: str) -> None:
    export = ask(c.people[who])
    assert set(frozen_ids(export)) == seen_by(c.people[who])
    assert export.record_count == len(frozen_ids(export)) > 0


@pytest.mark.parametrize(
    "order", ["", "name", "-name", "-created_at,name", "-id", "product,-name", "amount"]
)
@pytest.mark.parametrize("model", [Deal, Contact])
def test_manifest_keeps_the_order_of_the_list(
    c: TinyCompany, model: type[Record], order: str
) -> None:
    query = f"o={order}" if order and model is Deal else ""
    Deal.objects.filter(name__startswith="C").update(amount=4, product="B")
    listed = filters.narrowed(permitted(model.objects.all(), c.sam, "view"), query, user=c.sam)
    assert frozen_ids(ask(c.sam, model, query=query)) == [record.pk for record in listed]


def test_ticked_rows_are_narrowed_by_query_and_permission(c: TinyCompany) -> None:
    ticked = [c.deals[name].pk for name in ("ritas", "noras", "robs", "deleted")]
    export = ask(c.rita, ids=[*map(str, ticked), 999_999, 2**80], query="q=rita")
    assert frozen_ids(export) == [c.deals["ritas"].pk]
    assert export.name == "Deals: chosen"
    with pytest.raises(NothingToExport):
        ask(c.rita, ids=[c.deals["robs"].pk])
    with pytest.raises(NothingToExport):
        ask(c.rita, ids=[])


def test_names_say_what_was_asked(c: TinyCompany) -> None:
    assert ask(c.rita).name == "All deals"
    assert ask(c.rita, query="o=name").name == "All deals"
    assert ask(c.rita, query="q=rita").name == "Deals: filtered"


@pytest.mark.parametrize(
    "wish",
    [
        {"query": "phone=1"},
        {"query": "stage=999999"},
        {"query": "amount_min=lots"},
        {"columns": ["id", "password"]},
        {"columns": []},
        {"columns": ["id", "id"]},
        {"format": "xlsm"},
        {"ids": ["1; DROP TABLE"]},
        {"ids": range(10_001)},
        {"message": "x" * 2001},
    ],
    ids=str,
)
def test_nonsense_is_refused_and_leaves_nothing(c: TinyCompany, wish: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        ask(c.rita, **wish)
    assert not ExportRequest.objects.exists()


def test_hidden_company_in_a_filter_is_refused_like_an_absent_one(c: TinyCompany) -> None:
    said = []
    for key in (c.companies["bolt"].pk, 999_999):
        with pytest.raises(InvalidRequest) as refused:
            ask(c.rita, query=f"company={key}")
        said.append(str(refused.value))
    assert said[0] == said[1]
    c.deals["ritas"].company = c.companies["acme"]
    c.deals["ritas"].save()
    export = ask(c.rita, query=f"company={c.companies['acme'].pk}")
    assert frozen_ids(export) == [c.deals["ritas"].pk]


def test_freezing_takes_as_many_queries_for_few_as_for_many(c: TinyCompany) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            ask(c.rita)
        return len(queries)

    few = cost()
    DealFactory.create_batch(30, owner=c.rita, stage=c.stages["open"])
    assert cost() == few


# --- Approvers ------------------------------------------------------------------------------------


def test_approvers_are_all_who_may_decide_but_the_requester(
    c: TinyCompany, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert set(operations.approvers_for(c.rita)) == {c.sam, c.sue, c.mona, c.axel}
    assert set(operations.approvers_for(c.mona)) == {c.sam, c.sue, c.axel}
    User.objects.filter(pk=c.axel.pk).update(is_active=False)
    assert set(operations.approvers_for(c.sam)) == {c.sue, c.mona}


@pytest.mark.parametrize("chosen", [[], ["rita"], ["nora"], ["sue", "fred"], ["mona", "otto"]])
def test_somebody_who_may_decide_has_to_be_chosen(c: TinyCompany, chosen: list[str]) -> None:
    set_policy()
    with pytest.raises(ApproversNeeded):
        ask(c.rita, approvers=[c.people[name] for name in chosen])
    assert not ExportRequest.objects.exists()
    assert ask(c.rita, approvers=[c.sue, c.mona]).notified.count() == 2


# --- Deciding -------------------------------------------------------------------------------------


def test_any_approver_decides_chosen_or_not(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue, message="For the fair.")
    operations.approve(export, actor=c.axel, version=export.version, note="Fine.")
    assert (export.status, export.decided_by, export.decision_note) == ("approved", c.axel, "Fine.")
    assert events(export) == ["export.request", "export.approve"]


def test_reject_needs_a_reason(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    with pytest.raises(InvalidRequest):
        operations.reject(export, actor=c.sue, version=export.version, note=" \n")
    operations.reject(export, actor=c.sue, version=export.version, note="Too much.")
    assert (export.status, export.decision_note) == ("rejected", "Too much.")
    assert export.ended_at is not None


@pytest.mark.parametrize("super_admin", [False, True])
@pytest.mark.parametrize("step", ["approve", "reject"])
def test_nobody_decides_on_their_own(c: TinyCompany, step: str, super_admin: bool) -> None:
    export = pending(c.mona, c.sue)  # Mona is an approver herself
    User.objects.filter(pk=c.mona.pk).update(is_superuser=super_admin)
    # Neither a stale version nor a missing reason hides the refusal.
    with pytest.raises(SelfApproval):
        getattr(operations, step)(export, actor=c.fresh("mona"), version=-1, note="")
    assert refusals(f"export.{step}") == [("mona@example.com", "self_approval")]
    assert "own" in operations.why_not_decide(export, actor=c.fresh("mona"))
    export.refresh_from_db()
    assert export.status == "pending"
    getattr(operations, step)(export, actor=c.axel, version=export.version, note="why")


def test_database_refuses_self_approval_too(c: TinyCompany) -> None:
    export = pending(c.mona, c.sue)
    with pytest.raises(IntegrityError), transaction.atomic():
        ExportRequest.objects.filter(pk=export.pk).update(decided_by=c.mona)
    with pytest.raises(IntegrityError), transaction.atomic():
        ExportRequest.objects.filter(pk=export.pk).update(status="approved")


@pytest.mark.parametrize("who", ["nora", "ruth", "nils", "otto", "fred"])
@pytest.mark.parametrize("step", ["approve", "reject"])
def test_only_approvers_decide(c: TinyCompany, step: str, who: str) -> None:
    export = pending(c.rita, c.sue)
    with pytest.raises(NotAllowed) as refused:
        getattr(operations, step)(
            export, actor=c.people[who], version=export.version, note="because"
        )
    assert not isinstance(refused.value, SelfApproval)
    assert operations.why_not_decide(export, actor=c.people[who]) == str(refused.value)
    export.refresh_from_db()
    assert export.status == "pending"


def test_right_to_decide_is_asked_now_not_when_the_page_was_loaded(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    actor = c.fresh("axel")
    assert operations.why_not_decide(export, actor=actor) == ""  # loads and keeps the grants
    take_tool(c.sets["approver"], "crm.export_approver")
    with pytest.raises(NotAllowed):
        operations.approve(export, actor=actor, version=export.version)


def test_second_decision_says_who_was_first(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    version = export.version
    operations.approve(export, actor=c.sue, version=version)
    with pytest.raises(WrongState, match="Sue approved it on"):
        operations.reject(export, actor=c.axel, version=version, note="no")
    assert (export.status, export.decided_by) == ("approved", c.sue)


def test_decision_is_on_the_version_that_was_read(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    with pytest.raises(WrongState, match="Pending approval"):
        operations.approve(export, actor=c.sue, version=export.version - 1)
    operations.approve(export, actor=c.sue, version=export.version)


def test_unknown_conditions_are_not_ignored(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    with pytest.raises(InvalidRequest):
        operations.approve(
            export,
            actor=c.sue,
            version=export.version,
            conditions={"rows": 10},  # what a later version may send
        )
    export.refresh_from_db()
    assert (export.status, export.conditions) == ("pending", {})


def test_request_whose_requester_lost_the_right_cannot_be_approved(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    take_tool(c.sets["rep"], "crm.export")
    with pytest.raises(WrongState):
        operations.approve(export, actor=c.sue, version=export.version)


# --- Four eyes on the rules themselves (B7) -------------------------------------------------------


def change_threshold(actor: User, threshold: int) -> None:
    policy = ExportPolicy.objects.get()
    operations.change_policy(
        actor=actor,
        require_approval=policy.require_approval,
        threshold=threshold,
        lapse_days=policy.lapse_days,
        file_days=policy.file_days,
        version=policy.version,
    )


def test_who_changed_the_threshold_does_not_decide_on_what_waits(c: TinyCompany) -> None:
    change_threshold(c.sue, 5)
    export = pending(c.rita, c.sue)
    change_threshold(c.sam, 7)
    with pytest.raises(NotAllowed, match="changed the rules"):
        operations.approve(export, actor=c.sam, version=export.version)
    operations.approve(export, actor=c.sue, version=export.version)


def test_who_changed_only_the_days_may_decide(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    policy = ExportPolicy.objects.get()
    operations.change_policy(
        actor=c.sam,
        require_approval=True,
        threshold=0,
        lapse_days=3,
        file_days=2,
        version=policy.version,
    )
    operations.approve(export, actor=c.sam, version=export.version)


def test_who_changed_the_requesters_exemption_does_not_decide(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    exempt = SetFactory(
        scopes={"deal": {"view": EVERYTHING}}, tools=["crm.export", "crm.export_without_approval"]
    )
    people.assign_set(c.rita, actor=c.sam, permission_set=exempt)
    with pytest.raises(NotAllowed, match="changed the rules"):
        operations.approve(export, actor=c.sam, version=export.version)
    # They are exempt now, and the request waits all the same (Q9).
    export.refresh_from_db()
    assert export.status == "pending"
    operations.approve(export, actor=c.sue, version=export.version)


def test_change_that_leaves_nobody_to_decide_is_refused(c: TinyCompany) -> None:
    User.objects.filter(pk__in=[c.sue.pk, c.mona.pk, c.axel.pk]).update(is_active=False)
    export = pending(c.rita, c.sam)
    with pytest.raises(InvalidRequest, match="nobody could decide"):
        change_threshold(c.sam, 6)
    operations.recall(export, actor=c.rita)
    change_threshold(c.sam, 6)


# --- The policy -----------------------------------------------------------------------------------


def test_only_super_admins_change_the_policy(c: TinyCompany) -> None:
    with pytest.raises(NotAllowed):
        change_threshold(c.mona, 3)
    change_threshold(c.sam, 3)
    assert ExportPolicy.objects.get().threshold == 3
    assert refusals("export_policy.change") == [("mona@example.com", "not_allowed")]
    event = AuditEvent.objects.get(action="export_policy.change", result="done")
    assert event.data == {"changed": {"threshold": {"from": 100, "to": 3}}}


@pytest.mark.parametrize("threshold", [-1, True, None, 2.5, "3", 2**31])
def test_threshold_is_a_whole_number(c: TinyCompany, threshold: Any) -> None:
    with pytest.raises(InvalidRequest):
        change_threshold(c.sam, threshold)


@pytest.mark.parametrize(("lapse", "keep"), [(0, 7), (14, 0), (14, 31)])
def test_days_make_sense(c: TinyCompany, lapse: int, keep: int) -> None:
    with pytest.raises(InvalidRequest):
        operations.change_policy(
            actor=c.sam,
            require_approval=True,
            threshold=1,
            lapse_days=lapse,
            file_days=keep,
            version=1,
        )


def test_policy_is_not_overwritten_by_a_stale_form(c: TinyCompany) -> None:
    values: dict[str, Any] = {"require_approval": True, "lapse_days": 14, "file_days": 7}
    operations.change_policy(actor=c.sam, threshold=3, version=1, **values)
    with pytest.raises(WrongState):
        operations.change_policy(actor=c.sue, threshold=4, version=1, **values)
    assert ExportPolicy.objects.get().threshold == 3


def test_switching_off_releases_nothing(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    values: dict[str, Any] = {"threshold": 1000, "lapse_days": 14, "file_days": 7}
    operations.change_policy(actor=c.sam, require_approval=False, version=1, **values)
    export.refresh_from_db()
    assert export.status == "pending"
    assert ask(c.rita).status == "approved"


# --- Ending ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("step", "who", "to"), [("recall", "rita", "recalled"), ("cancel", "sam", "cancelled")]
)
def test_recall_and_cancel_end_what_is_not_over(
    c: TinyCompany, state: str, step: str, who: str, to: str
) -> None:
    export = put(pending(c.rita, c.sue), state)
    if state in {"pending", "approved", "processing"}:
        getattr(operations, step)(export, actor=c.people[who])
        assert export.status == to
        assert events(export)[-1] == f"export.{step}"
    else:
        with pytest.raises(WrongState):
            getattr(operations, step)(export, actor=c.people[who])
        assert export.status == state


@pytest.mark.parametrize("state", [s for s in STATES if s != "pending"])
@pytest.mark.parametrize("step", ["approve", "reject"])
def test_only_what_waits_can_be_decided(c: TinyCompany, state: str, step: str) -> None:
    export = put(pending(c.rita, c.sue), state)
    with pytest.raises(WrongState):
        getattr(operations, step)(export, actor=c.axel, version=export.version, note="late")
    assert export.status == state


@pytest.mark.parametrize("who", ["nora", "mona", "axel", "otto", "sam", "fred"])
def test_only_the_requester_recalls(c: TinyCompany, who: str) -> None:
    export = pending(c.rita, c.sue)
    with pytest.raises(NotAllowed):
        operations.recall(export, actor=c.people[who])
    operations.recall(export, actor=c.rita)


@pytest.mark.parametrize("who", ["rita", "nora", "mona", "axel", "otto", "fred"])
def test_only_super_admins_cancel(c: TinyCompany, who: str) -> None:
    export = pending(c.rita, c.sue)
    with pytest.raises(NotAllowed):
        operations.cancel(export, actor=c.people[who])
    operations.cancel(export, actor=c.sam)
    assert export.ended_because == "Sam cancelled it."


def test_out_of_reach_reads_like_absent(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    steps: list[tuple[str, dict[str, Any]]] = [
        ("approve", {"version": 1}),
        ("reject", {"version": 1, "note": "x"}),
        ("recall", {}),
        ("cancel", {}),
        ("open_download", {}),
    ]
    for step, more in steps:
        with pytest.raises(NotAllowed, match="no such export"):
            getattr(operations, step)(export, actor=c.nora, **more)


def test_deactivation_cancels_what_waits_or_runs(c: TinyCompany) -> None:
    waits, runs = pending(c.rita, c.sue), approved(c.rita, c.sue)
    others, done = pending(c.nora, c.sue), put(pending(c.rita, c.sue), "completed")
    people.deactivate(c.rita, actor=c.sam)
    for export in (waits, runs, others, done):
        export.refresh_from_db()
    assert [e.status for e in (waits, runs, others, done)] == [
        "cancelled",
        "cancelled",
        "pending",
        "completed",
    ]
    assert waits.ended_because == "The requester was deactivated."
    event = AuditEvent.objects.filter(action="export.cancel").latest("id")
    assert (event.system, event.data["after"]) == ("exports", c.sam.pk)


# --- What people are told, and what the log keeps -------------------------------------------------


def told(user: User) -> list[str]:
    return list(Notice.objects.filter(user=user).order_by("id").values_list("text", flat=True))


def test_people_are_told_what_concerns_them(c: TinyCompany) -> None:
    first = pending(c.rita, c.sue, message="For the fair.")
    second, third = pending(c.rita, c.sue), pending(c.rita, c.sue)
    asked = told(c.sue)
    assert len(asked) == 3
    assert asked[0].startswith("Rita requests approval to export “All deals”")
    assert "For the fair." in asked[0]
    assert not told(c.mona)  # not chosen (R131)
    operations.approve(first, actor=c.axel, version=first.version)
    operations.reject(second, actor=c.axel, version=second.version, note="Secret reason")
    operations.cancel(third, actor=c.sam)
    assert told(c.rita) == [
        "Axel approved your export “All deals”. It runs now.",
        "Axel rejected your export “All deals”. Open it to read the reason.",
        "Sam cancelled your export “All deals”.",
    ]
    link = Notice.objects.filter(user=c.rita).earliest("id").link
    assert link.endswith(f"/{first.pk}/change/")


def test_nobody_is_told_what_was_rolled_back(c: TinyCompany) -> None:
    with pytest.raises(ApproversNeeded):
        pending(c.rita, c.nora)
    assert not Notice.objects.exists()


def test_words_stand_in_the_erasable_text_only(c: TinyCompany) -> None:
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(name="Zanzibar")
    export = pending(c.rita, c.sue, query="q=zanzibar", message="Words of Ulrike")
    operations.reject(export, actor=c.sue, version=export.version, note="Answer of Bernd")
    logged = " ".join(str(event.data) for event in AuditEvent.objects.all()).lower()
    assert "query_fields" in logged
    assert not [word for word in ("ulrike", "bernd", "zanzibar") if word in logged]
    assert list(AuditText.objects.order_by("event_id").values_list("text", flat=True)) == [
        "Words of Ulrike",
        "Answer of Bernd",
    ]


# --- Fetching -------------------------------------------------------------------------------------


def test_requester_fetches_the_file_and_it_is_recorded(c: TinyCompany) -> None:
    export = completed(c.rita)
    for _ in range(2):
        with operations.open_download(export, actor=c.rita) as file:
            assert file.read() == path_of(export).read_bytes()
    assert Download.objects.filter(export=export, user=c.rita).count() == 2
    assert events(export)[-2:] == ["export.download", "export.download"]


@pytest.mark.parametrize("who", ["nora", "mona", "axel", "otto", "sam", "sue"])
def test_nobody_else_fetches_it(c: TinyCompany, who: str) -> None:
    export = completed(c.rita)
    with pytest.raises(NotAllowed):
        operations.open_download(export, actor=c.people[who])
    assert not Download.objects.exists()
    assert refusals("export.download") == [(f"{who}@example.com", "not_allowed")]


def lose_export(c: TinyCompany, export: ExportRequest) -> None:
    take_tool(c.sets["rep"], "crm.export")


def lose_view(c: TinyCompany, export: ExportRequest) -> None:
    narrow(c.sets["rep"], "deal", 0)


def lose_account(c: TinyCompany, export: ExportRequest) -> None:
    User.objects.filter(pk=c.rita.pk).update(is_active=False)


def expire(c: TinyCompany, export: ExportRequest) -> None:
    ExportRequest.objects.filter(pk=export.pk).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )


def lose_file(c: TinyCompany, export: ExportRequest) -> None:
    path_of(export).unlink()


@pytest.mark.parametrize(
    ("happens", "error"),
    [
        (lose_export, NotAllowed),
        (lose_view, NotAllowed),
        (lose_account, NotAllowed),
        (expire, WrongState),
        (lose_file, ExportError),
    ],
)
def test_right_to_fetch_is_asked_each_time(c: TinyCompany, happens: Any, error: Any) -> None:
    export = completed(c.rita)
    actor = c.fresh("rita")
    operations.open_download(export, actor=actor).close()
    happens(c, export)
    with pytest.raises(error):
        operations.open_download(export, actor=actor)
    assert Download.objects.count() == 1


def test_running_download_breaks_off(c: TinyCompany, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ASK_AGAIN_AFTER", 8)
    export = completed(c.rita)
    with operations.open_download(export, actor=c.rita) as file:
        assert len(file.read(8)) == 8
        assert len(file.read(8)) == 8
        lose_export(c, export)
        with pytest.raises(NotAllowed):
            file.read(8)


@pytest.mark.parametrize("state", [s for s in STATES if s != "completed"])
def test_there_is_no_file_in_any_other_state(c: TinyCompany, state: str) -> None:
    export = put(completed(c.rita), state)
    with pytest.raises(WrongState):
        operations.open_download(export, actor=c.rita)


def test_phone_is_sensitive_from_the_start(db: None) -> None:
    assert sensitive_fields("contact") == {"phone"}
