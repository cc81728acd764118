"""A purpose can be required of exports: every way to one asks for it, nobody lifts that alone."""

from __future__ import annotations

import pytest
from django.db.models.functions import Now
from django.test import Client

from accounts.models import AuditEvent
from exports import operations, policy, purpose
from exports.models import ExportPolicy, ExportRequest, GateChange
from exports.operations import InvalidSetting, PurposeNeeded, WrongState
from tests.support.company import TinyCompany
from tests.support.doors import DAY, HOUR, change, let_pass, rules
from tests.support.exports_kit import approved, ask, pending

POLICY = "/admin/exports/exportpolicy/1/change/"
WHY = "For the trade fair"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("", False),
        (" \n\t ", False),
        (".", False),
        (". . . . . . . . . .", False),
        ("x", False),
        ("xXxXxXxXxX", False),
        ("Tax 2026", False),
        ("Taxes 2026", True),
        ("給与計算用の一覧", True),
        ("May – June, 2026", True),
        ("Messe Hannover", True),
    ],
)
def test_what_counts_as_a_purpose(text: str, is_one: bool) -> None:
    assert (purpose.trouble(text) == "") == is_one


@pytest.mark.parametrize(
    ("setting", "above", "plain"),
    [("never", False, False), ("approval", True, False), ("always", True, True)],
)
def test_setting_says_of_which_exports(
    c: TinyCompany, setting: str, above: bool, plain: bool
) -> None:
    for threshold, needed in ((0, above), (1_000, plain)):
        rules(threshold=threshold, purpose_required=setting)
        approvers = [] if threshold else [c.axel]
        for text in ("", " . ", "xxxxxxxxxxxx"):
            if not needed:
                assert ask(c.rita, approvers=approvers, message=text).pk
                continue
            with pytest.raises(PurposeNeeded, match="at least 8 letters or digits"):
                ask(c.rita, approvers=approvers, message=text)
        assert ask(c.rita, approvers=approvers, message=WHY).message == WHY
    kept = set(ExportRequest.objects.values_list("message", flat=True))
    assert (kept == {WHY}) == (above and plain)
    asked = AuditEvent.objects.filter(action="export.request")
    assert asked.count() == ExportRequest.objects.count()  # of what was refused nothing is left


def test_page_sent_again_is_asked_for_no_purpose_a_second_time(c: TinyCompany) -> None:
    rules(threshold=1_000)
    token = "7f1f4c66-6a7f-4f57-9a0a-0b6a4f2b8d11"
    first = ask(c.rita, token=token)
    rules(threshold=1_000, purpose_required="always")
    assert ask(c.rita, token=token) == first


def test_export_tried_again_needs_the_purpose_of_now(c: TinyCompany) -> None:
    made = [approved(c.rita, c.axel), approved(c.rita, c.axel, message=WHY)]
    ExportRequest.objects.update(status="failed", ended_at=Now())
    rules(threshold=0, purpose_required="approval")
    for export in made:
        export.refresh_from_db()
    for actor in (c.rita, c.sam):
        with pytest.raises(WrongState, match="needs a purpose, and this one has none"):
            operations.try_again(made[0], actor=actor)
    operations.try_again(made[1], actor=c.rita)
    assert (made[0].status, made[1].status) == ("failed", "approved")


def test_setting_is_a_rule_of_the_gate_logged_and_told(c: TinyCompany) -> None:
    rules(threshold=0, purpose_required="always")
    waits = pending(c.rita, c.sue, message=WHY)
    change(c.sam, purpose_required="never")
    kept = GateChange.objects.get(actor=c.sam)
    assert kept.purpose_required == "always"
    event = AuditEvent.objects.filter(action="export_policy.change").latest("id")
    assert event.data["changed"] == {"purpose_required": {"from": "always", "to": "never"}}
    assert "changed the rules" in operations.why_not_decide(waits, actor=c.sam)
    told = c.sue.notices.latest("id").text
    assert "a purpose is required, For every export before, Never now" in told
    for wrong in ("", "Always", None, True, 1):
        with pytest.raises(InvalidSetting, match="never, approval or always"):
            change(c.sam, purpose_required=wrong)
    with pytest.raises(operations.NotAllowed):
        change(c.rita, purpose_required="always")


def test_who_lifts_it_is_still_asked_for_a_day(c: TinyCompany) -> None:
    rules(threshold=1_000, purpose_required="always")
    change(c.sam, purpose_required="never")
    assert not policy.Gate(c.fresh("sue")).wants_purpose(approval_needed=True)
    with pytest.raises(PurposeNeeded):
        ask(c.sam)
    assert ask(c.rita).status == "approved"
    let_pass(DAY + HOUR)
    assert ask(c.sam).message == ""


def test_super_admin_sets_it_on_the_page_and_an_older_page_leaves_it(c: TinyCompany) -> None:
    sam = Client()
    sam.force_login(c.sam)
    now = ExportPolicy.objects.get()
    posted = {
        **{name: getattr(now, name) for name in ("threshold", "lapse_days", "file_days")},
        "most_downloads": now.most_downloads,
        "record_version": now.version,
    }
    page = sam.post(POLICY, {**posted, "purpose_required": "approval"}, follow=True).text
    assert "Required for every export that needs approval." in page
    assert sam.post(POLICY, {**posted, "record_version": now.version + 1}).status_code == 302
    assert ExportPolicy.objects.get().purpose_required == "approval"
    wrong = sam.post(POLICY, {**posted, "purpose_required": "sometimes"}).text
    assert "sometimes is not one of the available choices" in wrong
