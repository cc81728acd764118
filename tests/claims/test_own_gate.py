"""Nobody opens the gate for themselves, and consent that hangs on one person is warned of (B7)."""

from __future__ import annotations

from typing import Any

import pytest

from accounts import operations as people
from accounts.models import User
from exports import left_to_decide, operations, policy
from tests.support.company import EVERYTHING, TinyCompany
from tests.support.doors import (
    DAY,
    EXEMPT_TOOLS,
    HOUR,
    change,
    edit,
    let_pass,
    rules,
)
from tests.support.exports_kit import ask


def answer(person: User, count: int, sensitive: bool = False) -> str:
    fresh = User.objects.get(pk=person.pk)
    needed, because = policy.approval(fresh, count, ["phone"] if sensitive else [])
    assert needed == (because in {"rules_changed", "above_threshold", "sensitive", "second_person"})
    return because


# (rules before, what Sam changes, records, sensitive, then)
OPENED: list[tuple[dict[str, Any], dict[str, Any], int, bool, str]] = [
    ({"threshold": 10}, {"require_approval": False}, 11, False, "rules_changed"),
    ({"threshold": 10}, {"require_approval": False}, 1, True, "rules_changed"),
    ({"threshold": 10}, {"require_approval": False}, 10, False, "policy_off"),
    ({"threshold": 10}, {"threshold": 10_000}, 11, False, "rules_changed"),
    ({"threshold": 10}, {"threshold": 10_000}, 10, False, "within_threshold"),
    ({"threshold": 10}, {"threshold": 5}, 6, False, "rules_changed"),
    ({"threshold": 10}, {"second_person_above": 50}, 11, False, "rules_changed"),
    ({"threshold": 10}, {"second_person_above": 50}, 51, False, "second_person"),
    (
        {"threshold": 10, "second_person_above": 5},
        {"second_person_above": None},
        11,
        False,
        "rules_changed",
    ),
    (
        {"threshold": 10, "daily_records": 5, "weekly_records": 5},
        {"daily_records": None, "weekly_records": None},
        6,
        False,
        "rules_changed",
    ),
    ({"threshold": 10}, {"lapse_days": 3, "file_days": 3}, 9_999, True, "exempt"),
    ({"require_approval": False}, {"require_approval": True}, 101, False, "rules_changed"),
    ({"require_approval": False, "threshold": 100}, {"threshold": 9}, 99, True, "policy_off"),
]


@pytest.mark.parametrize(("stood", "wanted", "count", "sensitive", "because"), OPENED)
def test_who_changed_the_rules_is_asked_like_anybody_for_a_day(
    c: TinyCompany,
    stood: dict[str, Any],
    wanted: dict[str, Any],
    count: int,
    sensitive: bool,
    because: str,
) -> None:
    rules(**{"threshold": 100, **stood})
    at_rest = answer(c.sue, count, sensitive)
    change(c.sam, **wanted)
    assert answer(c.sam, count, sensitive) == because
    by_others = answer(c.sue, count, sensitive)
    let_pass(DAY - HOUR)
    assert answer(c.sam, count, sensitive) == because
    let_pass(2 * HOUR)
    assert answer(c.sam, count, sensitive) == by_others
    assert at_rest in {"exempt", "policy_off", "second_person"}


def test_lifting_the_rule_for_a_minute_frees_nobody_who_lifts_it(c: TinyCompany) -> None:
    rules()
    change(c.sam, require_approval=False)
    export = ask(c.sam, approvers=[c.axel])
    assert (export.status, export.because) == ("pending", "rules_changed")
    assert ask(c.sue).status == "approved"
    change(c.sam, require_approval=True)
    assert ask(c.sam, approvers=[c.axel]).because == "rules_changed"
    assert ask(c.sue).because == "exempt"
    with pytest.raises(operations.ApproversNeeded):
        ask(c.sam)
    operations.approve(export, actor=c.axel, version=export.version)


def test_who_lifted_the_rule_through_a_puppet_is_not_free_either(c: TinyCompany) -> None:
    rules()
    puppet = people.create_person(actor=c.sam, email="puppet@example.com", is_superuser=True)
    change(puppet, require_approval=False)
    assert answer(c.sam, 1) == "rules_changed"
    assert answer(puppet, 1) == "rules_changed"
    assert answer(c.sue, 1) == "policy_off"


def test_who_exempted_themselves_is_not_exempt_for_a_day(c: TinyCompany) -> None:
    """Only super admins change sets today: one demoted into the set that they made exempt."""
    rules(threshold=10)
    people.assign_set(c.sam, actor=c.sue, permission_set=c.sets["reader"])
    edit(c, "reader", c.sam, EXEMPT_TOOLS, deal={"view": EVERYTHING})
    edit(c, "exempt", c.sue, EXEMPT_TOOLS, deal={"view": EVERYTHING})
    people.remove_super_admin(c.sam, actor=c.sue, permission_set=c.sets["exempt"])
    assert answer(c.sam, 11) == "exempt"  # made so by Sue alone
    people.assign_set(c.sam, actor=c.sue, permission_set=c.sets["rep"])
    people.assign_set(c.sam, actor=c.sue, permission_set=c.sets["reader"])
    assert answer(c.sam, 11) == "rules_changed"
    assert answer(c.xena, 11) == "exempt"
    let_pass(DAY + HOUR)
    assert answer(c.sam, 11) == "exempt"


def test_requester_reads_why_consent_is_needed(c: TinyCompany, client: Any) -> None:
    rules()
    change(c.sam, threshold=1_000)
    client.force_login(c.sam)
    page = client.post(
        "/admin/exports/exportrequest/new/deal/",
        {"step": "columns", "which": "chosen", "columns": ["id"], "format": "csv"},
    ).text
    assert "In the last 24 hours you changed the rules for exports" in page
    assert "Axel" in page
    export = ask(c.sam, approvers=[c.axel])
    shown = client.get(f"/admin/exports/exportrequest/?review={export.pk}").text
    assert "Required: the requester changed the rules" in shown


# --- Warnings -------------------------------------------------------------------------------------


def test_single_approver_is_warned_of_and_not_refused(c: TinyCompany, client: Any) -> None:
    rules()
    gone = ("sue@example.com", "mona@example.com")
    User.objects.filter(email__in=gone).update(is_active=False)
    client.force_login(c.sam)
    warning = "Sam is the only person who may approve exports"
    for address in ("/admin/", "/admin/exports/exportpolicy/"):
        assert warning not in client.get(address).text
    # Saving what leads there says so at once.
    page = client.post(f"/admin/accounts/user/{c.axel.pk}/deactivate/", {}, follow=True)
    assert not c.fresh("axel").is_active
    assert warning in page.text
    for address in ("/admin/", "/admin/exports/exportpolicy/"):
        assert warning in client.get(address).text
    rules(require_approval=False)
    assert warning not in client.get("/admin/").text
    rules()
    for name in ("rita", "xena"):
        client.force_login(c.people[name])
        assert warning not in client.get("/admin/").text


def test_who_changed_every_approver_reads_that_nobody_may_decide(
    c: TinyCompany, client: Any
) -> None:
    rules(second_person_above=0)
    User.objects.filter(email__in=["sue@example.com", "mona@example.com"]).update(is_active=False)
    client.force_login(c.sam)
    warning = "Nobody can decide on your exports now"
    assert warning not in client.get("/admin/").text
    page = client.post(
        f"/admin/accounts/user/{c.axel.pk}/password/",
        {"password": "another long password"},
        follow=True,
    )
    assert "Axel has a new password." in page.text
    assert warning in page.text
    assert warning in client.get("/admin/").text
    assert left_to_decide.without_approver() == c.sam
    assert left_to_decide.without_approver(forgiving=c.sam) is None
    asked = client.post(
        "/admin/exports/exportrequest/new/deal/",
        {"step": "columns", "which": "chosen", "columns": ["id"], "format": "csv"},
    ).text
    assert warning in asked
    # It is nobody else's trouble, and stands in the way of no further change.
    people.assign_set(c.axel, actor=c.sam, permission_set=c.sets["manager"])
    people.create_person(actor=c.sam, email="n@example.com", permission_set=c.sets["approver"])
    let_pass(31 * DAY)
    assert warning not in client.get("/admin/").text
