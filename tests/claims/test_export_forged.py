"""What a rep can send with a session of their own: forged, doubled, stale, somebody else's.

A table each. The export of somebody else and one that never was answer the same to the byte; a
request that could not be made by clicking makes none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts import operations as people
from accounts.models import AuditEvent
from exports import operations
from exports.models import Download, ExportRequest
from tests.support.company import TinyCompany
from tests.support.exports_kit import completed, files, frozen_ids, pending, seen_by, set_policy

LOG = "/admin/exports/exportrequest/"
NEW = f"{LOG}new/deal/"
STEPS = ("approve", "reject", "recall", "cancel", "download")
NEVER_WAS = 987_654_321
METHODS = ("get", "head", "options", "put", "patch", "delete", "post")


def logged_in(c: TinyCompany, name: str, **more: Any) -> Client:
    client = Client(**more)
    client.force_login(c.people[name])
    return client


def said(answer: Any, key: int) -> tuple[int, str, dict[str, str]]:
    """Return all that an answer tells, without what is drawn anew for every page.

    That is the key that was asked for, the time of day, and the tokens of its forms.
    """

    def masked(text: str) -> str:
        return re.sub(rf"(/|ids=|company=|review=){key}\b", r"\1KEY", text)

    tokens = r'name="(csrfmiddlewaretoken|token)" value="[\w-]+"'
    body = re.sub(tokens, "", answer.content.decode())
    headers = {name: masked(value) for name, value in answer.items()}
    for name in ("Expires", "Content-Length"):  # the key is in the body, and its digits count
        headers.pop(name, None)
    return answer.status_code, masked(body), headers


def row(export: ExportRequest) -> dict[str, Any]:
    return ExportRequest.objects.filter(pk=export.pk).values().get()


# --- Somebody else's export -----------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_somebody_elses_export_answers_like_one_that_never_was(c: TinyCompany, method: str) -> None:
    exports = [pending(c.rita, c.sue), completed(c.rita)]
    nora, before = logged_in(c, "nora"), [row(export) for export in exports]
    addresses = [*(f"{LOG}%d/{step}/" for step in STEPS), f"{LOG}?review=%d"]
    addresses += [f"{LOG}%d/{page}/" for page in ("change", "delete", "history")]
    for address in addresses:
        absent = said(getattr(nora, method)(address % NEVER_WAS), NEVER_WAS)
        for export in exports:
            answer = getattr(nora, method)(address % export.pk)
            assert said(answer, export.pk) == absent, address
    assert [row(export) for export in exports] == before
    assert not Download.objects.exists()


@pytest.mark.parametrize("method", [m for m in METHODS if m != "post"])
def test_steps_are_taken_by_post_alone(c: TinyCompany, method: str) -> None:
    waits, done = pending(c.rita, c.sue), completed(c.rita)
    before = row(waits), row(done)
    for who, steps in (("axel", ("approve", "reject")), ("rita", ("recall", "download"))):
        client = logged_in(c, who)
        for step in steps:
            export = done if step == "download" else waits
            assert getattr(client, method)(f"{LOG}{export.pk}/{step}/").status_code == 405
    assert (row(waits), row(done)) == before
    assert not Download.objects.exists()


@pytest.mark.parametrize(
    "key",
    ["0", "-1", "1.0", "1e3", "0x1", "١", "9" * 19, "9" * 400, "1%00", "1%0a", "1;2", "%2e%2e"],
)
def test_key_that_is_none_is_not_found(c: TinyCompany, key: str) -> None:
    rita, nora = logged_in(c, "rita"), logged_in(c, "nora")
    export = pending(c.rita, c.sue)
    before = row(export)
    for step in STEPS:
        assert rita.post(f"{LOG}{key}/{step}/", follow=True).status_code == 404
    assert nora.get(f"{LOG}?review={key}").status_code in (400, 404)
    assert row(export) == before


# --- Replayed, and in two tabs --------------------------------------------------------------------


def test_second_tab_and_replayed_posts_change_nothing(c: TinyCompany) -> None:
    rita, axel = logged_in(c, "rita"), logged_in(c, "axel")
    export = pending(c.rita, c.sue)
    approve = {"version": export.version, "note": "First."}
    reject = {"version": export.version, "note": "From the other tab."}
    axel.post(f"{LOG}{export.pk}/approve/", approve)
    once = row(export)
    assert (once["status"], once["decision_note"]) == ("approved", "First.")
    for step, posted in (("approve", approve), ("reject", reject), ("approve", approve)):
        axel.post(f"{LOG}{export.pk}/{step}/", posted)
    assert row(export) == once
    rita.post(f"{LOG}{export.pk}/recall/")
    recalled = row(export)
    assert recalled["status"] == "recalled"
    rita.post(f"{LOG}{export.pk}/recall/")
    axel.post(f"{LOG}{export.pk}/approve/", {"version": recalled["version"]})
    assert row(export) == recalled
    done = AuditEvent.objects.filter(object="exportrequest", result="done").order_by("id")
    assert list(done.values_list("action", flat=True)) == [
        "export.request",
        "export.approve",
        "export.recall",
    ]


@pytest.mark.parametrize(
    "version", ["", "0", "-1", "2", "1.0", " 1", "9" * 19, "9" * 5000, "\x00", "1\x00", None]
)
def test_forged_version_decides_nothing(c: TinyCompany, version: str | None) -> None:
    export = pending(c.rita, c.sue)
    before, axel = row(export), logged_in(c, "axel")
    posted = {"note": "No."} if version is None else {"version": version, "note": "No."}
    for step in ("approve", "reject"):
        assert axel.post(f"{LOG}{export.pk}/{step}/", posted).status_code == 302
    assert row(export) == before


@pytest.mark.parametrize("note", ["x" * 2001, "x" * 2_000_000, "\x00", "a\x00b"])
def test_reason_that_cannot_be_kept_is_refused(c: TinyCompany, note: str) -> None:
    export = pending(c.rita, c.sue)
    before, axel = row(export), logged_in(c, "axel")
    posted = {"version": export.version, "note": note}
    answer = axel.post(f"{LOG}{export.pk}/reject/", posted)
    assert answer.status_code in (302, 400)
    assert row(export) == before


# --- Asking for more than one may -----------------------------------------------------------------

Smuggled = Callable[[TinyCompany], str]
REFUSED: dict[str, Smuggled] = {
    "unknown filter": lambda c: "?salary=1",
    "lookup": lambda c: "?owner__email__startswith=a",
    "unknown and known": lambda c: "?q=Rita&is_superuser=1",
    "hidden company": lambda c: f"?company={c.companies['bolt'].pk}",
    "absent company": lambda c: f"?company={NEVER_WAS}",
    "NUL in search": lambda c: "?q=a%00b",
    "NUL in filter": lambda c: "?company=1%00",
    "over-long search": lambda c: f"?q={'x' * 300}",
    "ids that are none": lambda c: "?ids=a",
    "negative ids": lambda c: "?ids=-1",
    "ids with NUL": lambda c: "?ids=1%00",
    "too many digits": lambda c: f"?ids={'9' * 40}",
    "no ids": lambda c: "?ids=",
    "statement": lambda c: "?ids=1)%20OR%20(1=1",
    "only what is hidden": lambda c: f"?ids={c.deals['robs'].pk}",
    "only what is absent": lambda c: f"?ids={NEVER_WAS}",
    "only what is deleted": lambda c: f"?ids={c.deals['deleted'].pk}",
}


@pytest.mark.parametrize("query", REFUSED.values(), ids=REFUSED)
def test_query_that_no_list_makes_makes_no_request(c: TinyCompany, query: Smuggled) -> None:
    rita, address = logged_in(c, "rita"), f"{NEW}{query(c)}"
    posted = {"step": "request", "columns": ["id", "name"], "approvers": [c.axel.pk]}
    for answer in (rita.get(address), rita.post(address, posted)):
        # Back to the list, refused, or a dialog that has nothing to export.
        assert answer.status_code in (200, 302, 400)
        if answer.status_code == 302:
            assert answer["Location"] == "/admin/records/deal/"
    assert not ExportRequest.objects.exists()


def test_hidden_and_absent_values_answer_the_same(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    pairs = [
        ("?company=%d", c.companies["bolt"].pk),
        ("?ids=%d", c.deals["robs"].pk),
        ("?ids=%d", c.deals["deleted"].pk),
    ]
    for address, hidden in pairs:
        answers = []
        for key in (hidden, NEVER_WAS):
            answer = rita.get(f"{NEW}{address % key}", follow=True)
            answers.append((answer.status_code, said(answer, key)[1], answer.redirect_chain))
        assert answers[0] == answers[1], address


# What narrows never widens: doubled and mixed parameters bring at most what the person sees.
NARROWED: dict[str, Smuggled] = {
    "ids of hidden ones among one's own": lambda c: (
        "?ids=" + ",".join(str(deal.pk) for deal in c.deals.values())
    ),
    "ids twice": lambda c: f"?ids={c.deals['ritas'].pk}&ids={c.deals['robs'].pk}",
    "ids in other digits": lambda c: (
        "?ids="
        + str(c.deals["robs"].pk).translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"))
        + f",{c.deals['ritas'].pk}"
    ),
    "search twice": lambda c: "?q=Rita&q=",
    "owner somebody else": lambda c: f"?owner={c.rob.pk}",
    "team somebody else's": lambda c: f"?team={c.teams['south'].pk}",
}


@pytest.mark.parametrize("query", NARROWED.values(), ids=NARROWED)
def test_query_narrows_and_never_widens(c: TinyCompany, query: Smuggled) -> None:
    set_policy(on=False)
    posted = {"step": "request", "columns": ["id"]}
    answer = logged_in(c, "rita").post(f"{NEW}{query(c)}", posted)
    assert answer.status_code in (200, 302, 400)
    for export in ExportRequest.objects.all():
        assert set(frozen_ids(export)) <= seen_by(c.rita)


def hide_amount(c: TinyCompany) -> None:
    from records.operations import restrict_property

    restrict_property(actor=c.sam, object="deal", name="amount", access="super_admins")


@pytest.mark.parametrize(
    "columns",
    [["id", "amount"], ["id", "deleted_at"], ["id", "owner__password"], ["amount"], ["id", "\x00"]],
    ids=str,
)
def test_hidden_and_absent_columns_answer_the_same(c: TinyCompany, columns: list[str]) -> None:
    hide_amount(c)
    rita = logged_in(c, "rita")
    posted = {"step": "request", "approvers": [c.axel.pk]}
    answer = rita.post(NEW, {**posted, "columns": columns})
    absent = rita.post(NEW, {**posted, "columns": [n if n == "id" else "nowhere" for n in columns]})
    wrong = columns[-1]
    assert (answer.status_code, absent.status_code) == (200, 200)
    same = said(answer, NEVER_WAS)[1].replace(wrong, "nowhere")
    assert same == said(absent, NEVER_WAS)[1]
    assert not ExportRequest.objects.exists()


def test_columns_twice_and_none_at_all(c: TinyCompany) -> None:
    set_policy(on=False)
    rita = logged_in(c, "rita")
    for columns in ([], [""], ["id", "id"]):
        answer = rita.post(NEW, {"step": "request", "columns": columns})
        assert answer.status_code == (302 if "id" in columns else 200)
    for export in ExportRequest.objects.all():
        names = [column["name"] for column in export.columns]
        assert len(names) == len(set(names)) > 0


@pytest.mark.parametrize(
    "chosen",
    [
        lambda c: [c.rita.pk],
        lambda c: [c.nora.pk],
        lambda c: [c.fred.pk],
        lambda c: [c.axel.pk, c.rita.pk],
        lambda c: [c.axel.pk, NEVER_WAS],
        lambda c: ["1 OR 1=1"],
        lambda c: ["9" * 40],
        lambda c: ["\x00"],
        lambda c: [],
    ],
    ids=[
        "oneself",
        "no approver",
        "inactive",
        "also oneself",
        "absent",
        "SQL",
        "huge",
        "NUL",
        "none",
    ],
)
def test_approvers_that_are_none_are_refused(c: TinyCompany, chosen: Any) -> None:
    set_policy(on=True, threshold=0)
    posted = {"step": "request", "columns": ["id"], "approvers": chosen(c), "message": "Kept."}
    answer = logged_in(c, "rita").post(NEW, posted)
    assert answer.status_code == 200
    assert "Kept." in answer.text
    assert not ExportRequest.objects.exists()


def test_posted_fields_that_no_form_has_are_ignored(c: TinyCompany) -> None:
    set_policy(on=True, threshold=0)
    posted = {
        "step": "request", "columns": ["id"], "approvers": [c.axel.pk],
        "requester": c.sam.pk, "actor": c.sam.pk, "status": "approved", "decided_by": c.sam.pk,
        "approval_needed": "", "query": "", "ids": str(c.deals["robs"].pk), "version": 99,
    }  # fmt: skip
    assert logged_in(c, "rita").post(NEW, posted).status_code == 302
    export = ExportRequest.objects.get()
    assert (export.requester, export.status, export.decided_by) == (c.rita, "pending", None)
    assert set(frozen_ids(export)) == seen_by(c.rita)


def test_huge_posts_are_refused(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    many = {"step": "request", "columns": ["id"] * 20_000}
    long = {"step": "request", "columns": ["id"], "message": "x" * 3_000_000}
    assert rita.post(NEW, many).status_code == 400
    assert rita.post(NEW, long).status_code == 413
    assert not ExportRequest.objects.exists()


# --- Whose session it is --------------------------------------------------------------------------


def test_stale_session_gets_nothing(c: TinyCompany) -> None:
    waits, done = pending(c.rita, c.sue), completed(c.rita)
    rita, axel = logged_in(c, "rita"), logged_in(c, "axel")
    people.deactivate(c.rita, actor=c.sam)
    people.deactivate(c.axel, actor=c.sam)
    before = row(waits), row(done)
    posts = [
        (rita, f"{LOG}{done.pk}/download/"),
        (rita, f"{LOG}{waits.pk}/recall/"),
        (rita, NEW),
        (axel, f"{LOG}{waits.pk}/approve/"),
    ]
    for client, address in posts:
        answer = client.post(address, {"version": waits.version, "columns": ["id"]})
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")
    assert (row(waits), row(done)) == before
    assert not Download.objects.exists()


def test_without_the_token_of_the_page_nothing_is_done(c: TinyCompany) -> None:
    waits, done = pending(c.rita, c.sue), completed(c.rita)
    before = row(waits), row(done)
    rita = logged_in(c, "rita", enforce_csrf_checks=True)
    axel = logged_in(c, "axel", enforce_csrf_checks=True)
    posted = {"version": waits.version, "note": "No.", "columns": ["id"], "step": "request"}
    posts = [
        *((axel, f"{LOG}{waits.pk}/{step}/") for step in ("approve", "reject")),
        *((rita, f"{LOG}{waits.pk}/{step}/") for step in ("recall", "cancel")),
        (rita, f"{LOG}{done.pk}/download/"),
        (rita, NEW),
    ]
    for client, address in posts:
        for token in ({}, {"csrfmiddlewaretoken": "x" * 64}):
            assert client.post(address, {**posted, **token}).status_code == 403, address
    assert (row(waits), row(done)) == before
    assert (ExportRequest.objects.count(), Download.objects.count()) == (2, 0)
    # With it, the same post does it.
    axel.get(f"{LOG}?review={waits.pk}")
    token = {"csrfmiddlewaretoken": axel.cookies["csrftoken"].value}
    axel.post(f"{LOG}{waits.pk}/approve/", {**posted, **token})
    assert row(waits)["status"] == "approved"


def test_nobody_without_a_session_learns_anything(c: TinyCompany) -> None:
    export, anonymous = completed(c.rita), Client()
    for step in STEPS:
        for key in (export.pk, NEVER_WAS):
            answer = anonymous.post(f"{LOG}{key}/{step}/")
            assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")
    assert files() == [export.file_name]
    with pytest.raises(operations.NotAllowed):
        operations.open_download(export, actor=c.nora)
