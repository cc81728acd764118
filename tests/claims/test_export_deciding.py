"""Deciding in full: conditions, the risk card, who stands in, reminders, stale screens, the log."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import operations as people
from accounts.models import AuditEvent, Notice, Outbox, User
from exports import jobs, operations, upkeep, worker
from exports.models import Delegation, ExportPolicy, ExportRequest
from exports.operations import Conditions, InvalidRequest, NotAllowed, WrongState
from exports.screens import risk
from exports.screens.panel import panel, told
from records.models import Contact, Deal, Property
from tests.claims.test_budgets import BUDGETS
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    approved,
    ask,
    completed,
    delivered_ids,
    events,
    frozen_ids,
    ids_in,
    pending,
    refusals,
    set_policy,
    table_of,
    take_tool,
)
from tests.support.factories import DealFactory

LOG = "/admin/exports/exportrequest/"
DAY = timedelta(days=1)
# A Wednesday, a quarter past two in the afternoon.
WORKDAY = datetime(2026, 3, 4, 14, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def root(tmp_path: Any, settings: Any) -> None:
    settings.EXPORT_ROOT = tmp_path


def logged_in(c: TinyCompany, name: str) -> Client:
    client = Client()
    client.force_login(c.people[name])
    return client


def write(export: ExportRequest, **values: Any) -> ExportRequest:
    """Write columns past the operations, as time or an earlier version would have left them."""
    ExportRequest.objects.filter(pk=export.pk).update(**values)
    export.refresh_from_db()
    return export


def less(export: ExportRequest, actor: User, **conditions: Any) -> ExportRequest:
    """Approve less than was asked."""
    operations.approve(
        export, actor=actor, version=export.version, conditions=Conditions(**conditions)
    )
    return export


def notices(user: User) -> list[str]:
    return list(Notice.objects.filter(user=user).order_by("id").values_list("text", flat=True))


# --- Conditions -----------------------------------------------------------------------------------


def test_less_leaves_than_was_asked(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel, query="o=name", columns=["id", "name", "amount", "owner"])
    less(
        export,
        c.axel,
        columns_dropped=("amount", "owner"),
        most_records=3,
        file_days=2,
        most_downloads=1,
    )
    assert worker.run_once() == 1
    export.refresh_from_db()
    frozen = frozen_ids(export)
    assert len(frozen) == export.record_count == 9
    assert table_of(export)[0] == ["ID", "Name"]
    assert ids_in(export) == frozen[:3]
    assert delivered_ids(export) == set(frozen[:3])
    assert (export.status, export.delivered_count, export.rows_written) == ("completed", 3, 3)
    assert export.most_downloads == 1
    assert export.expires_at is not None
    assert DAY < export.expires_at - timezone.now() <= 2 * DAY
    event = AuditEvent.objects.get(action="export.approve")
    assert event.data == {
        "to": "approved",
        "object": "deal",
        "columns_dropped": ["amount", "owner"],
        "most_records": 3,
        "file_days": 2,
        "most_downloads": 1,
    }
    assert notices(c.rita)[0] == (
        "Axel approved your export “All deals” with less than you asked for: without 2 of 4 "
        "columns; only the first 3 records; the file stays for 2 days; at most 1 download. It runs "
        "now."
    )
    text = logged_in(c, "rita").get(f"{LOG}?review={export.pk}").text
    assert "Without Amount, Owner." in text
    # Who reads the audit log and may not see a field does not learn its name there either.
    Property.objects.create(object="deal", name="amount", access="super_admins")
    page = f"/admin/accounts/auditevent/{event.pk}/change/"
    assert "amount" in logged_in(c, "sam").get(page).text
    text = logged_in(c, "otto").get(page).text
    assert "and 1 restricted field" in text
    assert "amount" not in text
    text = logged_in(c, "rita").get(f"{LOG}?review={export.pk}").text
    assert "Without Restricted field, Owner." in text
    assert "Only the first 3 of 9 records." in text


def test_sensitive_data_that_conditions_take_out_is_not_told_as_delivered(c: TinyCompany) -> None:
    Property.objects.create(object="deal", name="amount", sensitive=True)
    wish: dict[str, Any] = {"columns": ["id", "amount"]}
    cut = less(pending(c.rita, c.axel, **wish), c.axel, columns_dropped=("amount",), most_records=3)
    asked_by_it = pending(c.rita, c.axel, query="o=amount", **wish)
    less(asked_by_it, c.axel, columns_dropped=("amount",))
    whole, waits = approved(c.rita, c.axel, **wish), pending(c.rita, c.axel, **wish)
    while worker.run_once():
        pass
    otto = logged_in(c, "otto")

    def listed(answer: str, **more: Any) -> set[int]:
        rows = otto.get(LOG, {"sensitive": answer, **more}).context["cl"].result_list
        return {row.pk for row in rows}

    assert listed("yes") == {asked_by_it.pk, whole.pk, waits.pk}
    assert listed("no") == {cut.pk}
    done = ["completed", "expired"]
    [chart] = [
        each for each in otto.get("/admin/").context["charts"] if "Sensitive data" in each.title
    ]
    records = sum(each.most_leaving for each in (asked_by_it, whole))
    assert chart.total == records
    assert listed("yes", status=done) == {asked_by_it.pk, whole.pk}
    for export, is_told in ((cut, False), (whole, True)):
        page = otto.get(f"{LOG}?review={export.pk}").text
        assert ("Sensitive data</span>" in page) is is_told
    assert "3 of 9 deals, as CSV" in otto.get(f"{LOG}?review={cut.pk}").text
    assert ">3 of 9<" in re.sub(r">\s+|\s+<", lambda m: m[0].strip(), otto.get(LOG).text)


def test_without_conditions_everything_asked_for_leaves(c: TinyCompany) -> None:
    export = approved(c.rita, c.axel, columns=["id", "name"])
    assert export.conditions == {}
    assert [column["name"] for column in export.leaving_columns] == ["id", "name"]
    assert export.most_leaving == export.record_count == 9
    worker.run_once()
    export.refresh_from_db()
    assert export.delivered_count == 9
    assert export.most_downloads == ExportPolicy.objects.get().most_downloads


def test_chunks_end_with_the_cap(c: TinyCompany, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exports.writers.manifest.CHUNK", 2)
    export = less(pending(c.rita, c.axel), c.axel, most_records=5)
    worker.run_once()
    export.refresh_from_db()
    assert ids_in(export) == frozen_ids(export)[:5]


def test_record_lost_on_the_way_is_not_made_up_for(c: TinyCompany) -> None:
    export = less(pending(c.rita, c.axel), c.axel, most_records=3)
    first = frozen_ids(export)[0]
    Deal.objects.filter(pk=first).update(deleted_at=timezone.now())
    worker.run_once()
    export.refresh_from_db()
    assert ids_in(export) == frozen_ids(export)[1:3]
    assert export.delivered_count == 2


def test_conditions_are_never_more_than_was_asked(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel, columns=["id", "name"])
    assert export.record_count == 9
    wrong: list[dict[str, Any]] = [
        {"columns_dropped": ("phone",)},
        {"columns_dropped": ("id", "name")},
        {"columns_dropped": ("id", None)},
        {"columns_dropped": "nam"},
        {"columns_dropped": {"id": 1}},
        {"most_records": 0},
        {"most_records": 10},
        {"most_records": "3"},
        {"most_records": True},
        {"file_days": 8},
        {"file_days": 0},
        {"most_downloads": 11},
        {"most_downloads": 2.0},
        {"rows": 3},
        {"": 3},
    ]
    for conditions in wrong:
        with pytest.raises(InvalidRequest) as refused:
            operations.approve(export, actor=c.axel, version=export.version, conditions=conditions)
        assert str(refused.value).endswith("."), conditions
        export.refresh_from_db()
        assert (export.status, export.conditions) == ("pending", {}), conditions
    most = {"columns_dropped": ["id"], "most_records": 9, "file_days": 7, "most_downloads": 10}
    operations.approve(export, actor=c.axel, version=export.version, conditions=most)
    assert export.conditions == {"columns_dropped": ["id"], "file_days": 7, "most_downloads": 10}


@pytest.mark.parametrize("later", [{"file_days": 1, "most_downloads": 4}, {"file_days": 30}])
def test_what_was_on_the_screen_holds_when_the_file_is_there(
    c: TinyCompany, later: dict[str, int]
) -> None:
    export = less(pending(c.rita, c.axel), c.axel, file_days=6, most_downloads=9)
    as_asked = approved(c.rita, c.axel)
    ExportPolicy.objects.update(**later)
    worker.run_once()
    for file, days, downloads in ((export, 6, 9), (as_asked, 7, 10)):
        file.refresh_from_db()
        assert file.most_downloads == downloads
        assert file.expires_at is not None
        assert days * DAY - timedelta(minutes=5) < file.expires_at - timezone.now() <= days * DAY


def test_dialog_and_conditions_go_by_what_held_at_the_request(c: TinyCompany) -> None:
    ExportPolicy.objects.update(file_days=3, most_downloads=2)
    export = pending(c.rita, c.axel)
    ExportPolicy.objects.update(file_days=30, most_downloads=100)
    page = logged_in(c, "axel").get(f"{LOG}?review={export.pk}").text
    assert 'name="file_days" min="1" max="3" placeholder="3"' in page
    assert 'name="most_downloads" min="1" max="2" placeholder="2"' in page
    for more in ({"file_days": 4}, {"most_downloads": 3}):
        with pytest.raises(InvalidRequest, match="from 1 to"):
            operations.approve(export, actor=c.axel, version=export.version, conditions=more)
    event = AuditEvent.objects.get(action="export.request", object_id=str(export.pk))
    assert [event.data[n] for n in ("lapse_days", "file_days", "most_downloads")] == [14, 3, 2]


def test_dropped_column_does_not_close_the_file_and_a_kept_one_does(c: TinyCompany) -> None:
    exports = [
        less(pending(c.rita, c.axel), c.axel, columns_dropped=dropped)
        for dropped in (("amount",), ("product",))
    ]
    worker.run_once()
    Property.objects.create(object="deal", name="amount", access="super_admins")
    operations.open_download(exports[0], actor=c.fresh("rita")).close()
    with pytest.raises(NotAllowed):
        operations.open_download(exports[1], actor=c.fresh("rita"))


def test_dropped_column_holds_nothing_up_when_it_becomes_sensitive_or_restricted(
    c: TinyCompany,
) -> None:
    export = less(pending(c.rita, c.axel), c.axel, columns_dropped=("amount",))
    Property.objects.create(object="deal", name="amount", access="super_admins", sensitive=True)
    worker.run_once()
    export.refresh_from_db()
    assert export.status == "completed"


def test_order_by_a_field_stays_sensitive_though_its_column_is_dropped(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel, query="o=amount")
    less(export, c.axel, columns_dropped=("amount",))
    Property.objects.create(object="deal", name="amount", sensitive=True)
    worker.run_once()
    export.refresh_from_db()
    assert (export.status, export.sensitive_fields) == ("pending", ["amount"])


def test_conditions_are_gone_when_it_waits_again_and_it_says_why(c: TinyCompany) -> None:
    export = less(pending(c.rita, c.axel), c.axel, most_records=2, columns_dropped=("amount",))
    take_tool(c.sets["approver"], "crm.export_approver")
    worker.run_once()
    export.refresh_from_db()
    assert (export.status, export.conditions) == ("pending", {})
    assert export.waits_again_because == "The approver, Axel, may not approve any more."
    assert export.waits_again_because in notices(c.rita)[-1]
    assert export.most_leaving == 9
    for page in (LOG, f"{LOG}?review={export.pk}"):
        assert export.waits_again_because in logged_in(c, "sam").get(page).text
    operations.approve(export, actor=c.sam, version=export.version)
    worker.run_once()
    export.refresh_from_db()
    assert export.delivered_count == 9


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"sensitive": True}, "A column became sensitive since it was approved."),
        ({"access": "super_admins"}, "A column was restricted since it was approved."),
    ],
    ids=["sensitive", "restricted"],
)
def test_decision_undone_says_what_changed(
    c: TinyCompany, change: dict[str, Any], because: str
) -> None:
    export = approved(c.rita, c.axel)
    Property.objects.create(object="deal", name="amount", **change)
    worker.run_once()
    export.refresh_from_db()
    assert (export.status, export.waits_again_because) == ("pending", because)


# --- Conditions over HTTP -------------------------------------------------------------------------


def post(client: Client, export: ExportRequest, step: str, **values: Any) -> str:
    posted = {"version": export.version, **values}
    return client.post(f"{LOG}{export.pk}/{step}/", posted, follow=True).text


def test_approver_sets_conditions_in_the_dialog(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel, columns=["id", "name", "amount"])
    page = logged_in(c, "axel").get(f"{LOG}?review={export.pk}").text
    assert 'name="drop" value="2"' in page
    assert 'name="file_days" min="1" max="7"' in page
    page = post(logged_in(c, "axel"), export, "approve", drop=["2"], most_records=" 4 ")
    assert "Approved." in page
    export.refresh_from_db()
    assert export.conditions == {"columns_dropped": ["amount"], "most_records": 4}


def test_refused_conditions_lose_nothing_that_was_typed(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel, columns=["id", "name", "amount"])
    axel = logged_in(c, "axel")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"drop": ["3"]}, "not in this export"),
        ({"drop": ["-1"]}, "not in this export"),
        ({"drop": ["amount"]}, "not in this export"),
        ({"drop": ["0", "1", "2"]}, "at least one column"),
        ({"most_records": "many"}, "a whole number from 1 to 9"),
        ({"most_records": "9" * 40}, "a whole number from 1 to 9"),
        ({"file_days": "-1"}, "a whole number from 1 to 7"),
    ]
    for values, said in wrong:
        page = post(axel, export, "approve", note="Kept words", most_downloads="3", **values)
        assert said in page, values
        assert "Kept words</textarea>" in page, values
        assert 'value="3"' in page, values
        assert re.search(r'<dialog id="confirm-approve"[^>]* data-open-now=""', page), values
        # A field that is wrong says so itself.
        marked = re.findall(r'name="(\w+)"[^>]* aria-invalid="true"[^>]*>(.*?)</label>', page)
        assert [name for name, _ in marked] == [name for name in values if name != "drop"]
        assert all(said in error for _, error in marked)
    assert "Kept words" not in axel.get(f"{LOG}?review={export.pk}").text  # once
    export.refresh_from_db()
    assert export.status == "pending"


def test_restricted_column_can_be_left_out_and_its_name_is_not_on_the_page(c: TinyCompany) -> None:
    # Chosen people: Rita sees it, and who approves does not.
    secret = Property.objects.create(object="deal", name="product", access="chosen", sensitive=True)
    secret.grants.create(user=c.rita, level="view")
    export = pending(c.rita, c.axel, columns=["id", "name", "product"])
    axel = logged_in(c, "axel")
    page = axel.get(f"{LOG}?review={export.pk}").text
    assert "product" not in page.lower().replace("the product", "")
    assert page.count("Restricted field") == 3  # card, columns, what to leave out
    post(axel, export, "approve", drop=["2"])
    export.refresh_from_db()
    assert export.conditions == {"columns_dropped": ["product"]}
    page = axel.get(f"{LOG}?review={export.pk}").text
    assert "Without Restricted field." in page
    assert "Without Product." in logged_in(c, "rita").get(f"{LOG}?review={export.pk}").text


# --- The risk card --------------------------------------------------------------------------------


def card(export: ExportRequest, reader: User) -> dict[str, tuple[str, bool]]:
    """Return the card as {figure: (value, unusual)}."""
    fresh = ExportRequest.objects.get(pk=export.pk)
    found = risk.figures(fresh, User.objects.get(pk=reader.pk))
    return {figure.code: (figure.value, figure.unusual) for figure in found}


def links(export: ExportRequest, reader: User) -> dict[str, str]:
    fresh = ExportRequest.objects.get(pk=export.pk)
    return {f.code: f.url for f in risk.figures(fresh, User.objects.get(pk=reader.pk))}


def earlier(
    c: TinyCompany, who: str, status: str, records: int, ago: timedelta, **more: Any
) -> None:
    """Lay down an export of the past."""
    decided = {"decided_by": c.sue, "decided_at": WORKDAY, "decision_note": "x"}
    if status in risk.DELIVERED:
        decided["delivered_count"] = records
    elif status in ("rejected", "recalled"):
        decided["approval_needed"] = True
    ExportRequest.objects.create(
        requester=c.people[who],
        status=status,
        record_count=records,
        requested_at=WORKDAY - ago,
        file_name="f",
        sha256="0" * 64,
        **{"object": "deal", "name": "All deals", **decided, **more},
    )


def test_card_of_somebody_without_history(c: TinyCompany) -> None:
    export = write(pending(c.rita, c.axel), requested_at=WORKDAY)
    assert card(export, c.axel) == {
        "usual": ("No history", False),
        "reach": ("100 %", True),
        "sensitive": ("None", False),
        "book": ("5 of 9", True),
        "earlier": ("None", False),
        "time": ("Wednesday 14:15", False),
    }


def test_card_compares_with_the_median_of_their_own_finished_exports(c: TinyCompany) -> None:
    for status, records, days in [
        ("completed", 1, 3),
        ("expired", 2, 89),
        ("completed", 3, 40),
        ("expired", 4, 50),
    ]:
        earlier(c, "rita", status, records, days * DAY)
    # None of these counts: too long ago, another kind, another person, never finished, later.
    earlier(c, "rita", "completed", 900, 92 * DAY)
    earlier(c, "rita", "completed", 900, 5 * DAY, object="contact")
    earlier(c, "nora", "completed", 900, 5 * DAY)
    earlier(c, "rita", "cancelled", 900, 5 * DAY)
    earlier(c, "rita", "completed", 900, -5 * DAY)
    export = write(pending(c.rita, c.axel), requested_at=WORKDAY)
    assert card(export, c.axel)["usual"] == ("3.6 times", True)  # 9 against 2.5
    earlier(c, "rita", "completed", 3, 6 * DAY)
    assert card(export, c.axel)["usual"] == ("3 times", False)  # 9 against 3: not more than 3 times
    assert card(export, c.axel)["earlier"] == ("7", False)


def test_usual_is_what_was_delivered(c: TinyCompany) -> None:
    earlier(c, "rita", "completed", 900, 3 * DAY, delivered_count=3)
    export = write(pending(c.rita, c.axel), requested_at=WORKDAY)
    assert card(export, c.axel)["usual"] == ("3 times", False)
    ExportRequest.objects.filter(status="completed").update(delivered_count=0)
    assert card(export, c.axel)["usual"] == ("Above nothing", True)


@pytest.mark.parametrize("name", ["axel", "sam"])
def test_number_on_the_card_is_the_number_in_its_list(c: TinyCompany, name: str) -> None:
    for days, needed in [(0, True), (3, True), (40, False)]:
        earlier(c, "rita", "completed", 3, days * DAY, approval_needed=needed)
    # None of these counts: this one, one of later the same day, and one of long ago.
    export = write(pending(c.rita, c.axel), requested_at=WORKDAY)
    earlier(c, "rita", "completed", 3, -timedelta(hours=1), approval_needed=True)
    earlier(c, "rita", "completed", 3, 92 * DAY, approval_needed=True)
    reader = c.fresh(name)
    fresh = ExportRequest.objects.get(pk=export.pk)
    found = {figure.code: figure for figure in risk.figures(fresh, reader)}
    hidden = {"axel": 1, "sam": 0}[name]
    note = "1 of them needed no approval, so your log does not show it."
    assert found["earlier"].value == "3"
    for code in ("earlier", "usual"):
        assert len(listed(logged_in(c, name), found[code].url.removeprefix(LOG))) == 3 - hidden
        assert (note in found[code].detail) == bool(hidden)


def test_earlier_than_one_out_of_reach_is_as_earlier_than_none(c: TinyCompany) -> None:
    own, other = pending(c.rita, c.axel), pending(c.nora, c.axel)
    rita = logged_in(c, "rita")
    assert listed(logged_in(c, "sam"), f"?earlier_than={other.pk}") == {own.pk}
    assert listed(rita, f"?earlier_than={other.pk}") == set()
    assert listed(rita, "?earlier_than=999999") == set()
    for wrong in ("0", "-1", "x", "9" * 30):
        assert rita.get(f"{LOG}?earlier_than={wrong}").status_code == 400, wrong


def test_card_counts_what_was_turned_down(c: TinyCompany) -> None:
    earlier(c, "rita", "recalled", 5, 2 * DAY)
    export = write(pending(c.rita, c.axel), requested_at=WORKDAY)
    assert card(export, c.axel)["earlier"] == ("1", False)
    earlier(c, "rita", "rejected", 5, 3 * DAY, object="contact")
    write(pending(c.rita, c.axel), requested_at=WORKDAY - 4 * DAY)
    fresh = ExportRequest.objects.get(pk=export.pk)
    found = {figure.code: figure for figure in risk.figures(fresh, c.fresh("axel"))}["earlier"]
    assert (found.value, found.unusual) == ("3", True)
    assert found.detail == "In the 90 days before: 1 still waiting, 1 rejected, 1 recalled."


def test_card_divides_by_what_they_may_export_now(c: TinyCompany) -> None:
    own = sorted(c.deals[name].pk for name in ("ritas", "chosen", "vault"))
    export = pending(c.rita, c.axel, ids=own)
    assert card(export, c.axel)["reach"] == ("33 %", False)
    assert card(export, c.axel)["book"] == ("0 of 3", False)
    DealFactory.create_batch(291, owner=c.rita, stage=c.stages["open"])
    assert card(export, c.axel)["reach"] == ("1 %", False)
    DealFactory.create_batch(1, owner=c.rita, stage=c.stages["open"])
    assert card(export, c.axel)["reach"] == ("under 1 %", False)
    # A co-owner owns; a record that went to somebody else is outside.
    Deal.objects.filter(pk=own[0]).update(owner=c.nora, co_owner=c.rita)
    Deal.objects.filter(pk=own[1]).update(owner=c.nora, co_owner=None)
    assert card(export, c.axel)["book"] == ("1 of 3", False)
    User.objects.filter(pk=c.rita.pk).update(is_active=False)
    assert card(export, c.axel)["reach"] == ("More than all", True)


def test_card_marks_what_was_asked_out_of_hours(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    for at, value, unusual in [
        (WORKDAY.replace(hour=7, minute=0), "Wednesday 07:00", False),
        (WORKDAY.replace(hour=6, minute=59), "Wednesday 06:59", True),
        (WORKDAY.replace(hour=18, minute=59), "Wednesday 18:59", False),
        (WORKDAY.replace(hour=19, minute=0), "Wednesday 19:00", True),
        (WORKDAY + 3 * DAY, "Saturday 14:15", True),
        (WORKDAY + 4 * DAY, "Sunday 14:15", True),
    ]:
        write(export, requested_at=at)
        assert card(export, c.axel)["time"] == (value, unusual)


def test_hours_are_those_of_the_account(c: TinyCompany, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    export = write(pending(c.rita, c.axel), requested_at=WORKDAY)
    with timezone.override("Asia/Tokyo"):
        assert card(export, c.axel)["time"] == ("Wednesday 23:15", True)


def test_times_are_shown_with_their_zone(c: TinyCompany, settings: Any) -> None:
    export = write(pending(c.rita, c.axel), requested_at=WORKDAY)
    client = logged_in(c, "axel")
    for zone, clock in [
        ("UTC", "4 Mar 2026, 14:15 UTC"),
        ("Europe/Berlin", "4 Mar 2026, 15:15 CET"),
        ("Asia/Tokyo", "4 Mar 2026, 23:15 JST"),
    ]:
        settings.TIME_ZONE = zone
        panel_and_log = client.get(f"{LOG}?review={export.pk}").text
        assert panel_and_log.count(clock) == 2
        assert f"({zone})." in panel_and_log
    write(export, requested_at=datetime(2026, 7, 4, 14, 15, tzinfo=UTC))
    settings.TIME_ZONE = "Europe/Berlin"
    assert "4 Jul 2026, 16:15 CEST" in client.get(LOG).text


def test_card_names_sensitive_fields_in_columns_filters_and_order(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel, model=Contact, columns=["id", "last_name"], query="o=phone")
    assert card(export, c.axel)["sensitive"] == ("Phone", True)
    Property.objects.filter(object="contact", name="phone").update(access="super_admins")
    assert card(export, c.axel)["sensitive"] == ("Restricted field", True)
    assert card(export, c.sam)["sensitive"] == ("Phone", True)


def test_figures_lead_to_lists_that_the_reader_may_open(c: TinyCompany) -> None:
    earlier(c, "rita", "completed", 3, 3 * DAY, approval_needed=True)
    earlier(c, "rita", "rejected", 3, 4 * DAY, approval_needed=True)
    export = write(pending(c.rita, c.axel), requested_at=WORKDAY)
    # Axel has no View on deals: figures without a link to records.
    assert (links(export, c.axel)["reach"], links(export, c.axel)["book"]) == ("", "")
    for name in ("axel", "mona", "sam"):
        client, found = logged_in(c, name), links(export, c.people[name])
        page = client.get(f"{LOG}?review={export.pk}").text
        assert found["sensitive"] == ""  # there is none
        assert found["time"] == "#review-facts"
        for code in ("usual", "reach", "book", "earlier"):
            if found[code]:
                assert client.get(found[code]).status_code == 200, (name, code)
                assert found[code].replace("&", "&amp;") in page
        listed = client.get(found["usual"]).text
        assert re.findall(r"review=(\d+)", listed) == [
            str(pk)
            for pk in ExportRequest.objects.filter(status="completed").values_list("pk", flat=True)
        ]
    # No list shows what they may export, nor what is frozen here and not theirs: no link.
    for name in ("mona", "sam"):
        found = links(export, c.people[name])
        assert (found["reach"], found["book"]) == ("", "")


def test_only_who_may_decide_reads_the_card(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    for name, reads in {"axel": True, "sam": True, "rita": False, "otto": False}.items():
        text = logged_in(c, name).get(f"{LOG}?review={export.pk}").text
        assert ("Before you decide" in text) == reads, name
    operations.approve(export, actor=c.sue, version=export.version)
    assert "Before you decide" not in logged_in(c, "axel").get(f"{LOG}?review={export.pk}").text


def test_card_says_nothing_of_the_data(c: TinyCompany) -> None:
    Deal.objects.filter(pk=c.deals["ritas"].pk).update(name="Zanzibar", product="Canary")
    export = pending(c.rita, c.axel)
    text = logged_in(c, "axel").get(f"{LOG}?review={export.pk}").text
    assert not [word for word in ("Zanzibar", "Canary") if word in text]


@pytest.mark.parametrize("name", ["axel", "sam"])
def test_panel_costs_the_same_for_3_and_for_30(c: TinyCompany, name: str) -> None:
    client = logged_in(c, name)

    def cost(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    few = pending(c.rita, c.axel, ids=[c.deals["ritas"].pk])
    first = cost(f"{LOG}?review={few.pk}")
    DealFactory.create_batch(30, owner=c.rita, stage=c.stages["open"])
    for days in range(1, 30):
        earlier(c, "rita", "completed", 3, days * DAY)
        Delegation.objects.create(
            approver=c.sue,
            delegate=c.mona,
            first_day=WORKDAY.date() + days * DAY,
            last_day=WORKDAY.date() + days * DAY,
        )
    many = pending(c.rita, c.axel)
    many.notified.set([c.axel, c.sue, c.mona, c.sam])
    assert cost(f"{LOG}?review={many.pk}") == first
    assert first - cost(LOG) <= BUDGETS["review"]


# --- Stale screens --------------------------------------------------------------------------------


def test_second_approver_reads_who_decided_and_sees_the_panel_as_it_is(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    sam = logged_in(c, "sam")
    assert "confirm-approve" in sam.get(f"{LOG}?review={export.pk}").text
    operations.approve(
        ExportRequest.objects.get(pk=export.pk), actor=c.axel, version=export.version, note="Fine"
    )
    page = post(sam, export, "reject", note="No.")
    assert "Nothing was changed" in page
    assert re.search(r"Axel approved it on \d+ \w+ \d{4}, \d\d:\d\d UTC\.", page)
    assert "confirm-approve" not in page
    assert "Approved by Axel" in page
    export.refresh_from_db()
    assert (export.status, export.decided_by) == ("approved", c.axel)


def test_decision_on_what_was_changed_outside_the_product_runs_nothing(c: TinyCompany) -> None:
    export, control = pending(c.rita, c.axel), pending(c.rita, c.axel)
    axel = logged_in(c, "axel")
    for each in (export, control):
        page = axel.get(f"{LOG}?review={each.pk}").text
        assert f'name="version" value="{each.version}"' in page
        assert not re.search("[0-9a-f]{64}", page.partition("<dialog")[2])
    write(export, query="o=-name")
    for each in (export, control):
        assert "Approved." in post(axel, each, "approve")
    worker.run_once()
    for each, status in ((export, "failed"), (control, "completed")):
        each.refresh_from_db()
        assert each.status == status


def test_stale_decision_says_that_columns_became_sensitive(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel, columns=["id", "name", "amount"])
    old = export.version
    operations.approve(export, actor=c.sue, version=old)
    Property.objects.create(object="deal", name="amount", sensitive=True)
    worker.run_once()
    export.refresh_from_db()
    page = (
        logged_in(c, "axel")
        .post(f"{LOG}{export.pk}/approve/", {"version": old, "note": ""}, follow=True)
        .text
    )
    assert "An earlier decision was undone: A column became sensitive" in page
    assert "It has 3 columns now, sensitive among them: Amount." in page
    export.refresh_from_db()
    assert export.status == "pending"


def test_stale_decision_says_that_columns_were_taken_out_without_naming_them(
    c: TinyCompany,
) -> None:
    export = pending(c.rita, c.axel, columns=["id", "name", "amount"])
    old = export.version
    operations.approve(export, actor=c.sue, version=old)
    Property.objects.create(object="deal", name="amount", access="super_admins")
    worker.run_once()
    with pytest.raises(WrongState) as refused:
        operations.approve(export, actor=c.axel, version=old)
    said = str(refused.value)
    assert "A column was restricted since it was approved. It has 2 columns now" in said
    assert "amount" not in said.lower()


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda c, e: operations.recall(e, actor=c.rita), "Rita recalled it on "),
        (lambda c, e: operations.cancel(e, actor=c.sam), "Sam cancelled it."),
        (
            lambda c, e: people.deactivate(c.rita, actor=c.sam),
            "The requester was deactivated.",
        ),
    ],
)
def test_who_comes_second_reads_who_ended_it_and_not_who_approved(
    c: TinyCompany, end: Any, said: str
) -> None:
    for make in (pending, approved):
        export = make(c.rita, c.axel)
        version = export.version
        end(c, export)
        with pytest.raises(WrongState) as refused:
            operations.approve(export, actor=c.sue, version=version)
        assert said in str(refused.value)
        assert "approved it" not in str(refused.value)
        assert "Reload" not in str(refused.value)
        User.objects.filter(pk=c.rita.pk).update(is_active=True)


@pytest.mark.parametrize(
    ("end", "said", "actor"),
    [
        (
            lambda c, e: operations.approve(e, actor=c.axel, version=e.version),
            "Axel approved the request “",
            "axel",
        ),
        (
            lambda c, e: operations.reject(e, actor=c.sue, version=e.version, note="No."),
            "Sue rejected the request “",
            "sue",
        ),
        (lambda c, e: operations.recall(e, actor=c.rita), "Rita recalled the request “", ""),
        (lambda c, e: operations.cancel(e, actor=c.sam), "Sam cancelled the request “", ""),
        (lambda c, e: people.deactivate(c.rita, actor=c.sue), "was deactivated", "sue"),
        (
            lambda c, e: (aged(e, 15 * DAY), upkeep.lapse_overdue()),
            "Nobody decided in time on the request “",
            "",
        ),
    ],
)
def test_who_was_asked_reads_that_it_is_over_and_gets_no_mail(
    c: TinyCompany, settings: Any, end: Any, said: str, actor: str
) -> None:
    set_policy()
    export = ask(c.rita, approvers=[c.axel, c.sue, c.mona])
    take_tool(c.sets["manager"], "crm.export_approver")  # Mona does not decide any more
    settings.MAIL_ENABLED = True
    end(c, export)
    for name in ("axel", "sue"):
        assert sum(said in text for text in notices(c.people[name])) == (name != actor), name
    assert not [text for text in notices(c.mona) if said in text]
    assert not [text for text in notices(c.sam) if said in text]
    assert not Outbox.objects.exclude(notice__user=c.rita).exists()


def test_end_of_what_did_not_wait_is_told_to_no_approver(c: TinyCompany) -> None:
    export = approved(c.rita, c.axel)
    before = Notice.objects.exclude(user=c.rita).count()
    operations.recall(export, actor=c.rita)
    assert Notice.objects.exclude(user=c.rita).count() == before


# --- Standing in ----------------------------------------------------------------------------------


def today() -> Any:
    return timezone.localdate()


def away(c: TinyCompany, approver: str, delegate: str, first: int = 0, last: int = 3) -> Delegation:
    return operations.arrange_delegate(
        actor=c.people[approver],
        delegate=c.people[delegate],
        first_day=today() + first * DAY,
        last_day=today() + last * DAY,
    )


def test_who_stands_in_is_told_as_well(c: TinyCompany) -> None:
    made = away(c, "axel", "mona")
    export = pending(c.rita, c.axel)
    assert set(export.notified.all()) == {c.axel, c.mona}
    assert len(notices(c.axel)) == 1
    assert notices(c.mona)[0].startswith("Axel is away from ")
    assert notices(c.mona)[1].startswith("Rita requests approval")
    assert told(export) == ["Axel (away; Mona stands in)", "Mona"]
    text = logged_in(c, "sam").get(f"{LOG}?review={export.pk}").text
    assert "Notified: Axel (away; Mona stands in), Mona. Any approver can decide." in text
    event = AuditEvent.objects.get(action="delegation.arrange")
    assert (event.actor, event.object_id) == (c.axel, str(made.pk))
    assert event.data["delegate"] == c.mona.pk
    operations.approve(export, actor=c.mona, version=export.version)


@pytest.mark.parametrize(
    ("first", "last", "stands_in"), [(-2, 0, True), (0, 0, True), (1, 2, False)]
)
def test_first_and_last_day_are_included(
    c: TinyCompany, first: int, last: int, stands_in: bool
) -> None:
    away(c, "axel", "mona", first, last)
    export = pending(c.rita, c.axel)
    assert (c.mona in export.notified.all()) == stands_in


def test_day_before_it_ended_is_over(c: TinyCompany) -> None:
    made = away(c, "axel", "mona")
    Delegation.objects.filter(pk=made.pk).update(
        first_day=today() - 3 * DAY, last_day=today() - DAY
    )
    assert set(pending(c.rita, c.axel).notified.all()) == {c.axel}


def test_requester_never_stands_in_for_their_own_approver(c: TinyCompany) -> None:
    away(c, "axel", "mona")
    export = pending(c.mona, c.axel)
    assert set(export.notified.all()) == {c.axel}
    assert told(export) == ["Axel (away)"]


def test_delegate_who_lost_the_permission_is_not_told(c: TinyCompany) -> None:
    away(c, "axel", "mona")
    take_tool(c.sets["manager"], "crm.export_approver")
    assert set(pending(c.rita, c.axel).notified.all()) == {c.axel}


def test_delegate_gets_no_right_from_it(c: TinyCompany) -> None:
    away(c, "axel", "mona")
    export = pending(c.rita, c.axel)
    take_tool(c.sets["manager"], "crm.export_approver")
    with pytest.raises(NotAllowed):
        operations.approve(export, actor=c.mona, version=export.version)


def test_ended_arrangement_has_no_effect_and_frees_its_days(c: TinyCompany) -> None:
    made = away(c, "axel", "mona")
    operations.end_delegate(made, actor=c.axel)
    assert notices(c.mona)[-1] == "You no longer stand in for Axel."
    assert set(pending(c.rita, c.axel).notified.all()) == {c.axel}
    with pytest.raises(WrongState):
        operations.end_delegate(made, actor=c.axel)
    away(c, "axel", "sue")
    actions = AuditEvent.objects.filter(object="delegation").order_by("id")
    assert [event.action for event in actions] == [
        "delegation.arrange",
        "delegation.end",
        "delegation.arrange",
    ]


def test_delegate_is_told_of_what_waits_already(c: TinyCompany) -> None:
    waiting = pending(c.rita, c.axel)
    pending(c.rita, c.sue)  # not Axel's
    pending(c.mona, c.axel)  # her own
    approved(c.rita, c.axel)
    away(c, "axel", "mona")
    assert notices(c.mona)[-1].endswith(
        "you are told of requests meanwhile, as well. 1 request of before waits for a decision."
    )
    assert told(waiting) == ["Axel (away; Mona stands in)", "Mona"]
    link = Notice.objects.filter(user=c.mona).latest("id").link
    assert waiting.pk in listed(logged_in(c, "mona"), link.removeprefix(LOG))
    event = AuditEvent.objects.get(action="delegation.arrange")
    assert event.data["told_of"] == [waiting.pk]
    count = Notice.objects.count()
    worker.do_upkeep()
    assert Notice.objects.count() == count


def test_delegate_of_later_is_told_on_the_first_day_once(c: TinyCompany) -> None:
    waiting = pending(c.rita, c.axel)
    made = away(c, "axel", "mona", 1, 3)
    worker.do_upkeep()
    assert len(notices(c.mona)) == 1
    assert "of before" not in notices(c.mona)[0]
    pending(c.rob, c.axel)  # meanwhile
    Delegation.objects.filter(pk=made.pk).update(first_day=today())
    for _ in range(2):
        worker.do_upkeep()
    assert notices(c.mona)[1:] == [
        "You stand in for Axel from today. 2 requests of before wait for a decision."
    ]
    assert c.mona in waiting.notified.all()
    assert c.mona not in waiting.chosen.all()
    assert AuditEvent.objects.filter(action="delegation.begin").count() == 1


def test_arrangement_that_ended_before_its_first_day_tells_nothing(c: TinyCompany) -> None:
    pending(c.rita, c.axel)
    made = away(c, "axel", "mona", 1, 3)
    operations.end_delegate(made, actor=c.axel)
    Delegation.objects.filter(pk=made.pk).update(first_day=today())
    worker.do_upkeep()
    assert notices(c.mona)[1:] == ["You no longer stand in for Axel."]


def test_who_stood_in_once_is_not_reminded_after_it(c: TinyCompany) -> None:
    made = away(c, "axel", "mona")
    export = pending(c.rita, c.axel)
    operations.end_delegate(made, actor=c.axel)
    aged(export, 2 * DAY)
    upkeep.remind()
    assert "still waits" in notices(c.axel)[-1]
    assert notices(c.mona)[-1] == "You no longer stand in for Axel."
    assert set(export.chosen.all()) == {c.axel}


def test_arrangement_that_makes_no_sense_is_refused(c: TinyCompany) -> None:
    away(c, "axel", "sue", 7, 8)
    for delegate, first, last in [
        ("axel", 0, 1),  # oneself
        ("rita", 0, 1),  # may not decide
        ("fred", 0, 1),  # is not active
        ("mona", 2, 1),  # ends before it begins
        ("mona", -3, -1),  # is over
        ("mona", 5, 9),  # overlaps what is there: 7 to 8
        ("mona", 8, 8),
    ]:
        with pytest.raises(InvalidRequest):
            away(c, "axel", delegate, first, last)
    assert Delegation.objects.count() == 1
    away(c, "axel", "mona", 1, 6)
    away(c, "sam", "mona", 7, 8)  # of others nothing is asked


def test_only_who_decides_goes_away(c: TinyCompany) -> None:
    refused = ["rita", "otto", "nils", "fred"]
    for who in refused:
        with pytest.raises(NotAllowed):
            away(c, who, "sue")
    found = [(f"{who}@example.com", "not_allowed") for who in refused]
    assert refusals("delegation.arrange") == found
    away(c, "mona", "sue")


def test_nobody_ends_what_somebody_else_arranged(c: TinyCompany) -> None:
    made = away(c, "axel", "mona")
    for who in ("mona", "sam", "rita"):
        with pytest.raises(NotAllowed):
            operations.end_delegate(made, actor=c.people[who])
        client = logged_in(c, who)
        hidden = client.post(f"{LOG}away/{made.pk}/end/")
        absent = client.post(f"{LOG}away/999999/end/")
        assert (hidden.status_code, hidden.content) == (404, absent.content)
    made.refresh_from_db()
    assert made.ended_at is None


def test_page_of_being_away(c: TinyCompany) -> None:
    axel, page = logged_in(c, "axel"), f"{LOG}away/"
    assert f'href="{page}"' in axel.get(LOG).text
    assert f'href="{page}"' not in logged_in(c, "rita").get(LOG).text
    assert logged_in(c, "rita").get(page).status_code == 403
    text = axel.get(page).text
    offered = set(map(int, re.findall(r'<option value="(\d+)"', text)))
    assert offered == {c.sam.pk, c.sue.pk, c.mona.pk}
    posted = {"delegate": c.mona.pk, "first_day": str(today()), "last_day": str(today() + DAY)}
    for wrong in ({"delegate": c.rita.pk}, {"delegate": 999_999}, {"last_day": "soon"}):
        assert axel.post(page, {**posted, **wrong}).status_code == 200
    refused = axel.post(page, {**posted, "last_day": str(today() - DAY)})
    assert "The last day is before the first." in refused.text
    assert not Delegation.objects.exists()
    assert "Mona is told of requests" in axel.post(page, posted, follow=True).text
    text = axel.get(page).text
    assert "Mona stands in for you" in text
    assert "Mona stands in" not in logged_in(c, "sam").get(page).text  # own rows only
    end = f"{page}{Delegation.objects.get().pk}/end/"
    assert axel.get(end).status_code == 405
    assert "Ended." in axel.post(end, follow=True).text
    assert "Mona stands in" not in axel.get(page).text


def test_finding_who_stands_in_is_one_query(c: TinyCompany, django_assert_num_queries: Any) -> None:
    away(c, "axel", "mona")
    away(c, "sam", "sue")
    with django_assert_num_queries(1):
        people = operations.with_delegates([c.axel, c.sam], operations.approvers_for(c.rita))
    assert people[:2] == [c.axel, c.sam]
    assert set(people[2:]) == {c.mona, c.sue}


# --- Reminders ------------------------------------------------------------------------------------


def aged(export: ExportRequest, age: timedelta) -> ExportRequest:
    return write(export, requested_at=timezone.now() - age)


def reminded(export: ExportRequest) -> list[int]:
    found = AuditEvent.objects.filter(action="export.remind", object_id=str(export.pk))
    return [event.data["reminder"] for event in found.order_by("id")]


def test_approvers_are_reminded_after_a_day_and_a_day_before_the_end(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    Notice.objects.all().delete()
    version = export.version
    minute = timedelta(minutes=1)
    for age, so_far in [
        (DAY - minute, []),
        (DAY + minute, [1]),
        (13 * DAY - minute, [1]),
        (13 * DAY + minute, [1, 2]),
        (14 * DAY - minute, [1, 2]),
    ]:
        aged(export, age)
        for _ in range(2):  # as by a second worker
            worker.do_upkeep()
            assert reminded(export) == so_far, age
    assert len(notices(c.axel)) == 2
    assert notices(c.axel)[0].startswith(
        "Rita still waits for a decision on “All deals”, 9 records."
    )
    assert not notices(c.mona)
    export.refresh_from_db()
    assert (export.status, export.version) == ("pending", version)  # an open panel stays good
    aged(export, 14 * DAY + minute)
    worker.do_upkeep()
    export.refresh_from_db()
    assert (export.status, reminded(export)) == ("lapsed", [1, 2])


def test_what_was_missed_is_caught_up_once(c: TinyCompany) -> None:
    export = aged(pending(c.rita, c.axel), 13.5 * DAY)
    upkeep.remind()
    upkeep.remind()
    assert reminded(export) == [2]


@pytest.mark.parametrize(("days", "hours"), [(1, 12), (2, 24)])
def test_short_life_has_one_reminder(c: TinyCompany, days: int, hours: int) -> None:
    ExportPolicy.objects.update(lapse_days=days)
    export = pending(c.rita, c.axel)
    for age, so_far in [(hours - 1, []), (hours + 1, [1]), (24 * days - 0.1, [1])]:
        aged(export, timedelta(hours=age))
        worker.do_upkeep()
        assert reminded(export) == so_far, age


def test_two_workers_remind_once(c: TinyCompany) -> None:
    export = aged(pending(c.rita, c.axel), 2 * DAY)
    # Both read the row before either wrote: the UPDATE decides, not what was read.
    upkeep._remind(export, 1)
    upkeep._remind(ExportRequest(pk=export.pk, requester=c.rita), 1)
    assert reminded(export) == [1]


def test_what_is_decided_is_not_reminded(c: TinyCompany) -> None:
    exports = [aged(pending(c.rita, c.axel), 2 * DAY) for _ in range(2)]
    operations.reject(exports[0], actor=c.axel, version=exports[0].version, note="No.")
    # Decided between the worker's look and its write.
    upkeep._remind(exports[0], 1)
    upkeep.remind()
    assert (reminded(exports[0]), reminded(exports[1])) == ([], [1])


def test_reminder_reaches_who_stands_in_by_then_and_nobody_who_lost_the_right(
    c: TinyCompany,
) -> None:
    export = aged(pending(c.rita, c.axel), 2 * DAY)
    away(c, "axel", "sue")
    upkeep.remind()
    # Sue was told before that she stands in, Axel of the request.
    assert "still waits" in notices(c.sue)[-1]
    assert "still waits" in notices(c.axel)[-1]
    assert c.sue in export.notified.all()
    write(export, reminders=0)
    take_tool(c.sets["approver"], "crm.export_approver")
    upkeep.remind()
    assert len(notices(c.axel)) == 2
    assert len(notices(c.sue)) == 3


# --- The log --------------------------------------------------------------------------------------


def listed(client: Client, query: str = "") -> set[int]:
    answer = client.get(f"{LOG}{query}")
    assert answer.status_code == 200, query
    return set(map(int, re.findall(r"review=(\d+)\"", answer.text)))


def test_columns_of_the_log(c: TinyCompany) -> None:
    write(pending(c.rita, c.axel), requested_at=WORKDAY)
    text = logged_in(c, "axel").get(LOG).text
    for heading in ("Name", "Source", "Records", "User", "Date"):
        assert re.search(rf">\s*{heading}\s*<", text), heading
    for cell in ("All deals #", "Pending approval", "Deals", "Rita", "4 Mar 2026, 14:15"):
        assert cell in text, cell


def test_log_is_narrowed_by_every_filter(c: TinyCompany) -> None:
    set_policy(on=False)
    first = write(ask(c.rita), requested_at=WORKDAY)
    second = write(ask(c.nora, Contact), requested_at=WORKDAY + DAY)
    third = write(pending(c.rita, c.axel, query="q=rita"), requested_at=WORKDAY + 2 * DAY)
    sam = logged_in(c, "sam")
    a, b, d = first.pk, second.pk, third.pk
    for query, found in {
        "": {a, b, d},
        "?status=approved": {a, b},
        "?status=approved&status=pending": {a, b, d},
        "?status=failed": set(),
        "?source=contact": {b},
        f"?requester={c.rita.pk}": {a, d},
        f"?requester={c.rita.pk}&status=pending&source=deal": {d},
        f"?requester={c.ruth.pk}": set(),
        "?waiting=yes": {d},
        "?requested_after=2026-03-05": {b, d},
        "?requested_before=2026-03-05": {a, b},
        "?requested_after=2026-03-05&requested_before=2026-03-05": {b},
        "?q=filtered": {d},
        "?status=&source=&requester=&waiting=&requested_after=": {a, b, d},
        f"?requester={c.rita.pk}&review={d}": {a, d},
    }.items():
        assert listed(sam, query) == found, query
    assert listed(logged_in(c, "axel"), "?waiting=yes") == {d}
    assert listed(logged_in(c, "rita"), "?waiting=yes") == set()  # never one's own
    assert listed(logged_in(c, "rita"), f"?requester={c.nora.pk}") == set()
    assert listed(logged_in(c, "rita"), f"?requester={c.rita.pk}") == {a, d}


def test_query_string_asks_nothing_that_is_not_offered(c: TinyCompany) -> None:
    pending(c.rita, c.axel)
    axel = logged_in(c, "axel")
    for query in [
        "requester=999999",
        "requester=0",
        "requester=-1",
        "requester=abc",
        f"requester={'9' * 40}",
        "requester=1%00",
        "requester=1&requester__password__startswith=p",
        "requester__email__startswith=r",
        "requester__exact=1",
        "decided_by__is_superuser__exact=1",
        "status=nonsense",
        "status=pending&status=nonsense",
        "status__exact=pending",
        "status__in=pending",
        "source=custom",
        "source=Deal",
        "waiting=no",
        "waiting=1",
        "message__icontains=secret",
        "records__record_id=1",
        "file_name__startswith=a",
        "sha256=0",
        "pop=1",
    ]:
        assert axel.get(f"{LOG}?{query}").status_code == 400, query


def test_mistyped_day_is_a_message_and_no_rows(c: TinyCompany) -> None:
    pending(c.rita, c.axel)
    axel = logged_in(c, "axel")
    for value in ("soon", "2026-13-01", "0001-01-01", "9999-12-31", "1%00"):
        for name in ("requested_after", "requested_before"):
            answer = axel.get(f"{LOG}?{name}={value}")
            assert answer.status_code == 200
            is_far = value in ("0001-01-01", "9999-12-31")
            assert ("Choose a day from" if is_far else "Write the day as") in answer.text
            assert "review=" not in answer.text


def test_hidden_export_and_absent_one_are_the_same_in_the_log(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    nora = logged_in(c, "nora")
    hidden, absent = (nora.get(f"{LOG}?review={pk}") for pk in (export.pk, 999_999))
    assert (hidden.status_code, hidden.content) == (404, absent.content)


def test_picker_of_people_shows_names_and_nothing_else(c: TinyCompany) -> None:
    client = logged_in(c, "axel")
    asked = {"app_label": "exports", "model_name": "exportrequest", "field_name": "requester"}
    answer = client.get("/admin/autocomplete/", {**asked, "term": "rita"})
    assert answer.json()["results"] == [{"id": str(c.rita.pk), "text": "Rita"}]
    assert client.get("/admin/autocomplete/", {**asked, "term": "@example"}).json()["results"] == []


def test_panel_keeps_the_filters_of_the_list(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    text = logged_in(c, "axel").get(f"{LOG}?status=pending&review={export.pk}").text
    assert f'data-open-now="{LOG}?status=pending"' in text
    assert f'href="?status=pending&amp;review={export.pk}"' in text


def test_empty_log_says_how_to_begin(c: TinyCompany) -> None:
    rita = logged_in(c, "rita")
    assert "No exports yet" in rita.get(LOG).text
    assert "No export matches" in rita.get(f"{LOG}?status=failed").text


def test_processing_shows_progress_and_super_admin_cancels(c: TinyCompany) -> None:
    export = approved(c.rita, c.axel)
    assert jobs.claim("a worker", timedelta(minutes=1)) is not None
    write(export, rows_written=4)
    sam = logged_in(c, "sam")
    for page in (LOG, f"{LOG}?review={export.pk}"):
        assert "Processing" in sam.get(page).text
        assert "4 of 9 records" in sam.get(page).text
    assert "Cancel export" in sam.get(f"{LOG}?review={export.pk}").text
    rita = logged_in(c, "rita").get(f"{LOG}?review={export.pk}").text
    assert "Recall request" in rita
    assert "Cancel export" not in rita
    assert "Cancelled." in post(sam, export, "cancel")
    assert events(export)[-1] == "export.cancel"


def test_steps_of_the_panel_are_those_of_the_reader(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    steps = {"axel": {"approve", "reject"}, "rita": {"recall"}, "otto": set()}
    steps["sam"] = {"approve", "reject", "cancel"}
    for name, offered in steps.items():
        text = logged_in(c, name).get(f"{LOG}?review={export.pk}").text
        found = set(re.findall(rf"/{export.pk}/(\w+)/", text))
        assert found == offered, name
    done = completed(c.rita)
    text = logged_in(c, "rita").get(f"{LOG}?review={done.pk}").text
    assert set(re.findall(rf"/{done.pk}/(\w+)/", text)) == {"download"}


def test_panel_says_why_who_changed_the_gate_may_not_decide(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel)
    assert panel(export, c.sam)["may_decide"]
    policy = ExportPolicy.objects.get()
    operations.change_policy(
        actor=c.sam,
        require_approval=True,
        threshold=5,
        lapse_days=14,
        file_days=7,
        version=policy.version,
    )
    text = logged_in(c, "sam").get(f"{LOG}?review={export.pk}").text
    assert "You changed the rules for exports" in text
    assert "confirm-approve" not in text
