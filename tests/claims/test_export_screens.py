"""Exports over HTTP: the request dialog, the log and its panel, consent, and who is refused."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.access import permitted
from accounts.models import AuditEvent, Notice, ToolGrant, User
from exports import operations, worker
from exports.models import Download, ExportPolicy, ExportRequest
from records.models import Deal, Property
from tests.claims.test_budgets import BUDGETS
from tests.support.company import TinyCompany
from tests.support.exports_kit import approved, completed
from tests.support.factories import DealFactory

LOG = "/admin/exports/exportrequest/"
NEW = f"{LOG}new/deal/"
COLUMNS = ["id", "name", "owner"]


@pytest.fixture(autouse=True)
def approvals(c: TinyCompany, tmp_path, settings) -> None:  # type: ignore[no-untyped-def]  # fixtures of pytest
    """Approvals are on from more than three records."""
    settings.EXPORT_ROOT = tmp_path
    policy = ExportPolicy.objects.get()
    operations.change_policy(
        actor=c.sam,
        require_approval=True,
        threshold=3,
        lapse_days=14,
        file_days=7,
        version=policy.version,
    )


def requested(client: Client, query: str = "", **values: object) -> ExportRequest:
    """Ask for an export as a browser does, and return it."""
    posted = {"step": "request", "columns": COLUMNS, **values}
    answer = client.post(f"{NEW}{query}", posted)
    assert answer.status_code == 302, answer.text[:2000]
    return ExportRequest.objects.latest("id")


def step(client: Client, export: ExportRequest, name: str, **values: object) -> str:
    """Post one step of the panel and return the page it leads to."""
    export.refresh_from_db()
    posted = {"version": export.version, **values}
    return client.post(f"{LOG}{export.pk}/{name}/", posted, follow=True).text


def logged_in(c: TinyCompany, name: str) -> Client:
    client = Client()
    client.force_login(c.people[name])
    return client


def test_export_button_keeps_the_filter_of_the_list(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    text = client.get("/admin/records/deal/?q=Rita&o=-3").text
    assert 'href="/admin/exports/exportrequest/new/deal/?q=Rita&amp;o=-3"' in text
    dialog = client.get(f"{NEW}?q=Rita&o=-3").text
    assert "1 deal" in dialog
    client.force_login(c.eve)  # everything but Export
    assert "exportrequest/new" not in client.get("/admin/records/deal/").text
    assert client.get(NEW).status_code == 403


def test_small_export_runs_at_once_and_only_its_requester_downloads(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    export = requested(rita, "?q=Rita")
    assert (export.status, export.approval_needed, export.decided_by) == ("approved", False, None)
    worker.run_once()
    export.refresh_from_db()
    assert export.status == "completed"
    answer = rita.post(f"{LOG}{export.pk}/download/")
    rows = list(csv.reader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert rows == [["ID", "Name", "Owner"], [str(c.deals["ritas"].pk), "Rita's", "Rita"]]
    assert Download.objects.get().user == c.rita
    assert rita.get(f"{LOG}{export.pk}/download/").status_code == 405  # never by a mere link
    for other in ("nora", "rob"):
        assert logged_in(c, other).post(f"{LOG}{export.pk}/download/").status_code == 404
    assert "Only who asked" in step(logged_in(c, "sam"), export, "download")
    assert Download.objects.count() == 1


def test_large_export_asks_for_approvers_then_waits_then_is_delivered(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    first = rita.post(NEW, {"step": "columns", "columns": COLUMNS})
    assert first.status_code == 200
    assert "This export needs approval" in first.text
    assert "more records than may be exported without approval" in first.text
    assert ExportRequest.objects.count() == 0
    nobody = rita.post(NEW, {"step": "request", "columns": COLUMNS, "message": "Kept words"})
    assert "Choose at least one approver" in nobody.text
    assert "Kept words" in nobody.text
    export = requested(rita, approvers=[c.axel.pk, c.mona.pk], message="For the quarter.")
    assert export.status == "pending"
    about_it = Notice.objects.filter(link__contains=f"/{export.pk}/")
    assert set(about_it.values_list("user", flat=True)) == {c.axel.pk, c.mona.pk}
    panel = logged_in(c, "axel").get(f"{LOG}?review={export.pk}").text
    assert "For the quarter." in panel
    assert "Approve" in panel
    assert "Rita&#x27;s" not in panel  # an approver sees what is asked, not the data (Q7)
    page = step(logged_in(c, "axel"), export, "approve", note="Fine.")
    assert "Approved." in page
    worker.run_once()
    answer = rita.post(f"{LOG}{export.pk}/download/")
    rows = list(csv.reader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert len(rows) == 1 + export.record_count
    assert {int(row[0]) for row in rows[1:]} == set(
        permitted(Deal.objects.all(), c.rita, "view").values_list("pk", flat=True)
    )
    actions = AuditEvent.objects.filter(object="exportrequest").order_by("id")
    assert list(actions.values_list("action", "actor__email")) == [
        ("export.request", "rita@example.com"),
        ("export.approve", "axel@example.com"),
        ("export.claim", None),
        ("export.finish", None),
        ("export.download", "rita@example.com"),
    ]


def test_nobody_decides_on_their_own_request_super_admins_included(c: TinyCompany) -> None:
    sam = logged_in(c, "sam")
    ToolGrant.objects.create(permission_set=c.sets["rep"], key="crm.export_approver")
    rita = logged_in(c, "rita")
    export = requested(rita, approvers=[c.axel.pk])
    panel = rita.get(f"{LOG}?review={export.pk}").text
    assert "Nobody decides on their own export" in panel
    assert "/approve/" not in panel
    assert "Nobody decides on their own export" in step(rita, export, "approve")
    export.refresh_from_db()
    assert (export.status, export.decided_by) == ("pending", None)
    # A super admin's own waiting request: made by hand, since super admins are exempt.
    ExportRequest.objects.filter(pk=export.pk).update(requester=c.sam)
    assert "Nobody decides on their own export" in step(sam, export, "approve")
    export.refresh_from_db()
    assert export.status == "pending"
    assert AuditEvent.objects.filter(result="refused", action="export.approve").count() == 2


def test_super_admin_rejects_with_a_reason_that_the_requester_reads(c: TinyCompany) -> None:
    rita, sam = logged_in(c, "rita"), logged_in(c, "sam")
    export = requested(rita, approvers=[c.sue.pk])
    assert "needs a reason" in step(sam, export, "reject", note="   ")
    assert "Rejected." in step(sam, export, "reject", note="Too many, too late.")
    text = rita.get(f"{LOG}?review={export.pk}").text
    assert "Too many, too late." in text
    assert '<span class="chip is-rejected">Rejected</span>' in text
    assert "Rejected by Sam" in text


def test_requester_recalls_and_nobody_else_does(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    export = requested(rita, approvers=[c.axel.pk])
    assert "Only who asked" in step(logged_in(c, "axel"), export, "recall")
    assert logged_in(c, "nora").post(f"{LOG}{export.pk}/recall/").status_code == 404
    assert "Recalled." in step(rita, export, "recall")
    assert "Cancelled: recalled" in rita.get(LOG).text
    axel = logged_in(c, "axel")
    page = step(axel, export, "approve")
    assert "Approved." not in page
    export.refresh_from_db()
    assert export.status == "recalled"


def test_second_of_two_approvers_reads_who_decided(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    export = requested(rita, approvers=[c.axel.pk])
    version = export.version
    step(logged_in(c, "axel"), export, "approve")
    mona = logged_in(c, "mona")
    answer = mona.post(
        f"{LOG}{export.pk}/reject/", {"version": version, "note": "No."}, follow=True
    )
    assert "Axel" in answer.text
    export.refresh_from_db()
    assert (export.status, export.decided_by) == ("approved", c.axel)


def test_log_shows_everybody_only_what_concerns_them(c: TinyCompany) -> None:
    needing = requested(logged_in(c, "rita"), approvers=[c.axel.pk])
    small = requested(logged_in(c, "rob"), "?q=Rob")
    expected = {
        "rita": {needing.pk},
        "rob": {small.pk},
        "nora": set(),
        "axel": {needing.pk},
        "otto": {needing.pk, small.pk},
        "sam": {needing.pk, small.pk},
    }
    for name, visible in expected.items():
        client = logged_in(c, name)
        text = client.get(LOG).text
        for export in (needing, small):
            assert (f"?review={export.pk}" in text) == (export.pk in visible), (name, export)
            status = client.get(f"{LOG}?review={export.pk}").status_code
            assert status == (200 if export.pk in visible else 404), (name, export)
    panel = logged_in(c, "otto").get(f"{LOG}?review={needing.pk}").text
    for word in ("/approve/", "/reject/", "/recall/", "/cancel/", "/download/"):
        assert word not in panel, word


def test_sensitive_column_needs_consent_whatever_the_count(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    contacts = f"{LOG}new/contact/"
    text = rita.get(contacts).text
    assert "Phone (sensitive)" in text
    answer = rita.post(contacts, {"step": "columns", "columns": ["id", "phone"]})
    assert "It contains sensitive data" in answer.text
    plain = rita.post(contacts, {"step": "columns", "columns": ["id", "city"]})
    assert plain.status_code == 302


def test_ticked_rows_are_narrowed_to_what_may_be_seen(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    ids = f"{c.deals['ritas'].pk},{c.deals['robs'].pk},999999"
    export = requested(rita, f"?ids={ids}")
    assert list(export.records.values_list("record_id", flat=True)) == [c.deals["ritas"].pk]
    ticked = {"action": "export_ticked", "_selected_action": [c.deals["ritas"].pk], "index": "0"}
    answer = rita.post("/admin/records/deal/?q=Rita", {**ticked, "select_across": "0"})
    assert answer["Location"] == f"{NEW}?q=Rita&ids={c.deals['ritas'].pk}"
    for bad in ("?ids=a", "?ids=1;2", "?ids=-1", f"?ids={'9' * 30}"):
        assert rita.get(f"{NEW}{bad}").status_code == 400, bad


def test_exports_that_contained_a_record_stand_on_its_page(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    export = requested(rita, "?q=Rita")
    worker.run_once()
    page = f"/admin/records/deal/{c.deals['ritas'].pk}/change/"
    assert f"?review={export.pk}" in rita.get(page).text
    assert f"?review={export.pk}" not in logged_in(c, "nora").get(page).text
    assert f"?review={export.pk}" in logged_in(c, "sam").get(page).text


@pytest.mark.parametrize("name", ["approve", "reject", "recall", "cancel", "download"])
def test_steps_are_posts_and_hidden_exports_are_absent(c: TinyCompany, name: str) -> None:
    export = requested(logged_in(c, "rita"), approvers=[c.axel.pk])
    nora = logged_in(c, "nora")
    assert logged_in(c, "axel").get(f"{LOG}{export.pk}/{name}/").status_code == 405
    hidden = nora.post(f"{LOG}{export.pk}/{name}/")
    absent = nora.post(f"{LOG}999999/{name}/")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.content == absent.content


def test_number_of_queries_of_log_and_panel_stays(c: TinyCompany) -> None:
    for _ in range(5):
        DealFactory(owner=c.rita, stage=c.stages["open"])
    rita = logged_in(c, "rita")
    axel = logged_in(c, "axel")
    requested(rita, approvers=[c.axel.pk])
    with CaptureQueriesContext(connection) as alone:
        assert axel.get(LOG).status_code == 200
    for _ in range(5):
        export = requested(rita, approvers=[c.axel.pk])
    costs = []
    for address in (LOG, f"{LOG}?review={export.pk}"):
        with CaptureQueriesContext(connection) as captured:
            assert axel.get(address).text.count("Review approval request") == 6
        costs.append(len(captured))
    # On which of the rows the reader may decide is one statement, not one of each.
    assert costs[0] == len(alone)
    assert costs[0] <= BUDGETS["list"]
    assert costs[1] - costs[0] <= BUDGETS["review"]


def test_all_columns_stand_by_label_with_the_id_first_and_related_ones_last(
    c: TinyCompany,
) -> None:
    rita = logged_in(c, "rita")
    posted = {"which": "all", "columns": ["name", "company.domain"]}
    export = requested(rita, "?q=Rita", **posted)
    labels = [column["label"] for column in export.columns]
    assert labels[0] == "ID"
    assert labels[-1] == "Company: Domain"
    assert labels[1:-1] == sorted(labels[1:-1], key=str.casefold)
    assert len(labels) > 10


def test_page_follows_what_is_under_way_and_nothing_else(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    export = requested(rita, "?q=Rita")
    name, body = f'id="log-name-{export.pk}" data-live', 'id="review-body" data-live'
    for status, follows in [
        ("approved", True),
        ("processing", True),
        ("pending", False),
        ("failed", False),
    ]:
        ExportRequest.objects.filter(pk=export.pk).update(status=status)
        text = rita.get(f"{LOG}?review={export.pk}").text
        assert (f"{name} data-follow" in text) == follows
        assert (f"{body} data-follow" in text) == follows
        assert name in text
        assert body in text


@pytest.mark.parametrize("records", [1, 2])
def test_requester_and_log_say_how_much_less_it_is_than_asked(c: TinyCompany, records: int) -> None:
    ExportPolicy.objects.update(require_approval=False)
    rita = logged_in(c, "rita")
    export = requested(rita, columns=["id", "name", "amount", "product"])
    for name in ("amount", "product")[:records]:
        Property.objects.create(object="deal", name=name, access="super_admins")
    gone = [c.deals[name].pk for name in ("ritas", "chosen")[:records]]
    Deal.objects.filter(pk__in=gone).update(deleted_at=timezone.now())
    worker.run_once()
    export.refresh_from_db()
    assert export.delivered_count == export.record_count - records
    said = Notice.objects.filter(user=c.rita).latest("id").text
    were = {1: "1 record was", 2: "2 records were"}[records]
    columns = {1: "1 column was", 2: "2 columns were"}[records]
    assert f"{were} left out: out of your reach by now." in said
    assert f"{columns} left out: you may not see all of them any more." in said
    page = rita.get(f"{LOG}?review={export.pk}").text
    assert f"{were} out of the requester’s reach by then." in page
    restricted = {1: "1 restricted column", 2: "2 restricted columns"}[records]
    assert f"Without {restricted}, which the requester could not see any more." in page
    assert "Amount" not in page + said  # a hidden field has no name (B6)
    # Who sees the fields reads their names.
    names = {1: "Amount", 2: "Amount, Product"}[records]
    assert f"Without {names}, which" in logged_in(c, "sam").get(f"{LOG}?review={export.pk}").text


def test_whole_file_says_nothing_of_less(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    export = requested(rita, "?q=Rita")
    worker.run_once()
    assert "Less than was asked for" not in rita.get(f"{LOG}?review={export.pk}").text
    assert Notice.objects.get(user=c.rita).text.endswith("is ready: 1 record.")


def test_notices_stay_new_until_they_are_marked_as_read(c: TinyCompany) -> None:
    rita, axel = logged_in(c, "rita"), logged_in(c, "axel")
    requested(rita, approvers=[c.axel.pk], message="For the quarter.")
    for _ in range(2):
        page = axel.get("/admin/").text
        assert "1 new" in page
        assert "requests approval to export" in page
    assert axel.get("/admin/inbox/read/").status_code == 405
    assert rita.post("/admin/inbox/read/").status_code == 302  # one's own only
    assert "1 new" in axel.get("/admin/").text
    axel.post("/admin/inbox/read/")
    assert "1 new" not in axel.get("/admin/").text


def panel_of(export: ExportRequest, person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.get(f"/admin/exports/exportrequest/?review={export.pk}").text


@pytest.mark.parametrize(
    ("ago", "rows", "said"),
    [
        (55, 1, "1 of 4 records · about 3 minutes left"),
        (30, 3, "3 of 4 records · less than a minute left"),
        (60, 0, "0 of 4 records<"),
        (-60, 2, "2 of 4 records · less than a minute left"),
    ],
)
def test_export_that_is_written_shows_how_far_it_is(
    c: TinyCompany, ago: int, rows: int, said: str
) -> None:
    export = approved(c.rita, c.mona)
    ExportRequest.objects.filter(pk=export.pk).update(
        status="processing",
        record_count=4,
        rows_written=rows,
        claimed_at=timezone.now() - timedelta(seconds=ago),
        worker="w",
        lease_until=timezone.now() + timedelta(minutes=5),
    )
    page = panel_of(export, c.rita)
    assert said in page
    assert f'<progress max="4" value="{rows}"' in page


def test_download_is_said_to_have_started_with_how_many_are_used(c: TinyCompany) -> None:
    export = completed(c.rita)
    assert 'data-started="The download has started: 1 of 10 used."' in panel_of(export, c.rita)
    operations.open_download(export, actor=c.rita).close()
    assert 'data-started="The download has started: 2 of 10 used."' in panel_of(export, c.rita)
