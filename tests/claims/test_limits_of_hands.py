"""A limit per person is one for all accounts that one person could log in to (Q4, B8).

Dora governs the team North: she exports like anybody else, and sets passwords.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import operations as people
from accounts.audit import System
from accounts.models import User
from exports import operations, policy
from exports.models import ExportRequest
from exports.screens.panel import reasons_in_words
from records.models import Property
from tests.claims.test_export_policy import MINUTE, took_out
from tests.claims.test_four_eyes_http import LOG, NEW_PASSWORD, Browser
from tests.claims.test_same_hands import OWNED
from tests.support.company import EVERYTHING, TEAM, TinyCompany
from tests.support.doors import DAY, HOUR, let_pass, rules
from tests.support.exports_kit import ask
from tests.support.exports_process import racers
from tests.support.factories import SetFactory, UserFactory

SAYS = "Accounts in one pair of hands share the limits of one person"


@pytest.fixture
def c(c: TinyCompany) -> TinyCompany:
    c.sets["delegate"] = SetFactory(
        name="Delegate",
        scopes={
            "deal": {
                "add": True,
                "view": EVERYTHING,
                "change": EVERYTHING,
                "delete": EVERYTHING,
                "communicate": TEAM,
                "merge": EVERYTHING,
            },
            "contact": {"add": True, "view": EVERYTHING, "change": EVERYTHING},
            "company": {"view": EVERYTHING},
        },
        tools=["account.access", "account.edit_users", "account.user_table", "crm.export"],
    )
    c.people["dora"] = UserFactory(
        email="dora@example.com", permission_set=c.sets["delegate"], team=c.teams["north"]
    )
    # It names Rita: whoever is not named opens no log-in of hers.
    c.rule.users.clear()
    return c


def opens(c: TinyCompany, who: str, by: str = "dora") -> None:
    people.set_password(c.people[who], actor=c.people[by], password=NEW_PASSWORD)


def because(person: User, count: int = 1) -> str:
    return policy.approval(User.objects.get(pk=person.pk), count, [])[1]


@pytest.mark.parametrize(
    ("limit", "beyond"), [("daily_records", "above_daily"), ("weekly_records", "above_weekly")]
)
def test_who_used_their_limit_up_has_none_left_by_another_account(
    c: TinyCompany, limit: str, beyond: str
) -> None:
    rules(threshold=100, **{limit: 10})
    took_out(c.dora, 8)
    for name in ("rita", "nora"):
        opens(c, name)
        assert because(c.people[name], 2) == "within_threshold"  # 10 of 10
        assert because(c.people[name], 3) == "same_hands"
    # What left by one account is gone for the other, and for the one who holds both.
    took_out(c.rita, 2)
    assert because(c.nora) == because(c.rita) == "same_hands"
    assert because(c.dora) == "same_hands"
    assert because(c.dora, 3) == beyond
    # Whom nobody let themselves into has a limit of their own.
    assert because(c.rob, 10) == because(c.lena, 10) == "within_threshold"


def test_what_was_theirs_before_counts_for_nobody_else(c: TinyCompany) -> None:
    rules(threshold=100, daily_records=10)
    took_out(c.rita, 9, ago=MINUTE)
    took_out(c.nora, 9, ago=MINUTE)
    opens(c, "rita")
    opens(c, "nora")
    assert because(c.dora, 10) == "within_threshold"
    assert (because(c.rita), because(c.rita, 2)) == ("within_threshold", "above_daily")
    took_out(c.rita, 1)
    assert because(c.dora, 10) == "same_hands"
    assert because(c.dora, 9) == "within_threshold"


def test_hands_are_forgotten_after_a_week(c: TinyCompany) -> None:
    rules(threshold=100, daily_records=10)
    took_out(c.dora, 10)
    opens(c, "rita")
    let_pass(7 * DAY - HOUR)
    assert because(c.rita) == "same_hands"
    let_pass(HOUR)
    assert because(c.rita, 10) == "within_threshold"


def test_own_passwords_and_a_system_bind_nobody(c: TinyCompany) -> None:
    rules(threshold=100, daily_records=10)
    took_out(c.dora, 10)
    people.change_own_password(actor=c.rita, password=NEW_PASSWORD)
    people.set_password(c.nora, actor=System("test"), password=NEW_PASSWORD)
    # Rights are changed without a way in.
    people.set_teams(c.rob, actor=c.sam, main_team=c.teams["north"])
    assert {because(c.people[name], 10) for name in ("rita", "nora", "rob")} == {"within_threshold"}


def test_hands_reach_through_a_puppet(c: TinyCompany) -> None:
    rules(threshold=100, daily_records=10)
    opens(c, "nora")
    people.assign_set(c.nora, actor=c.sue, permission_set=c.sets["delegate"])
    opens(c, "rita", by="nora")
    took_out(c.dora, 10)
    assert because(c.rita) == "same_hands"


def test_what_an_exempt_person_takes_out_is_within_nobodys_limit(c: TinyCompany) -> None:
    """Or else everybody whose password a super admin set would need consent for a week."""
    rules(threshold=100, daily_records=10)
    assert ask(c.sam).because == "exempt"
    took_out(c.sam, 500, because="exempt")
    opens(c, "rita", by="sam")
    opens(c, "nora", by="sam")
    assert because(c.rita, 10) == "within_threshold"
    # What they take out by accounts that are not exempt is.
    took_out(c.nora, 8)
    assert (because(c.rita, 2), because(c.rita, 3)) == ("within_threshold", "same_hands")


def test_second_person_is_needed_however_many_accounts_one_has(c: TinyCompany) -> None:
    rules(second_person_above=10)
    took_out(c.sam, 9, because="exempt")
    opens(c, "xena", by="sam")
    assert (because(c.xena), because(c.xena, 2)) == ("exempt", "same_hands")
    assert because(c.xena, 11) == "second_person"
    assert because(c.sue, 10) == "exempt"
    Property.objects.create(object="deal", name="amount", sensitive=True)
    ids = [c.deals["ritas"].pk, c.deals["robs"].pk]
    asked = ask(c.xena, ids=ids, columns=["id", "amount"], approvers=[c.sue])
    assert (asked.status, asked.because) == ("pending", "same_hands")
    # The exempt take sensitive data out alone: it is no reason.
    assert len(reasons_in_words(asked)) == 1


@pytest.mark.parametrize("own", OWNED, ids=lambda own: own.__name__)
def test_by_http_a_puppet_has_no_limit_of_its_own(
    c: TinyCompany, own: Callable[[TinyCompany, Browser], Browser]
) -> None:
    """Each way in; the page says why, and not what anybody else took out."""
    rules(threshold=100, daily_records=11)
    sam = Browser("sam@example.com")
    took_out(c.sam, 11, because="within_threshold")  # before Sam was a super admin
    puppet = own(c, sam)
    shown = puppet.page(f"{LOG}new/deal/")
    assert SAYS in shown
    assert "0 of 11 records used" in shown
    asked = puppet.ask([c.sue])
    assert (asked.status, asked.because) == ("pending", "same_hands")
    panel = Browser("sue@example.com").page(f"{LOG}?review={asked.pk}")
    assert "together with accounts in the same hands" in panel
    operations.approve(asked, actor=c.sue, version=asked.version)
    asked.refresh_from_db()
    assert asked.status == "approved"


def test_what_failed_is_tried_again_only_within_the_limit_of_all_hands(c: TinyCompany) -> None:
    rules(threshold=100, daily_records=10)
    opens(c, "rita")
    asked = ask(c.rita, ids=[c.deals["ritas"].pk])
    ExportRequest.objects.filter(pk=asked.pk).update(
        status="failed", ended_at=asked.requested_at, ended_because="of an error (x)"
    )
    took_out(c.dora, 10)
    with pytest.raises(operations.WrongState, match="By now this export needs approval"):
        operations.try_again(asked, actor=c.rita)


def test_counting_costs_two_statements_more_where_hands_are_shared(c: TinyCompany) -> None:
    def cost(person: User, **now: Any) -> int:
        rules(threshold=100, **now)
        person = User.objects.get(pk=person.pk)
        assert person.grants
        with CaptureQueriesContext(connection) as captured:
            policy.approval(person, 1, [])
        return len(captured)

    limit = {"daily_records": 10}
    without = cost(c.rita, **limit)
    assert cost(c.rita, daily_records=None) == without - 1
    for number in range(5):
        made = UserFactory(email=f"{number}@example.com", team=c.teams["north"])
        c.people[str(number)] = made
        opens(c, str(number), by="sam")
        took_out(made, 1)
    opens(c, "rita", by="sam")
    assert cost(c.rita, **limit) == without + 2
    assert cost(c.nora, **limit) == without


@pytest.mark.django_db(transaction=True)
def test_two_accounts_in_the_same_hands_do_not_pass_the_limit_at_once(c: TinyCompany) -> None:
    rules(threshold=100, daily_records=3)
    for name in ("rita", "nora"):
        opens(c, name, by="sam")
    ids = ",".join(str(c.deals[name].pk) for name in ("ritas", "noras"))
    each = [("click", f"{name}@example.com", "sue@example.com", ids) for name in ("rita", "nora")]
    with racers(*each * 2) as all_four:
        for racer in all_four:
            racer.go()
        said = sorted(racer.says() for racer in all_four)
        assert said.count("within_threshold") == 1
        assert "same_hands" in said
        # Negative control: without the lock each is told that it alone is within the limit.
        # SQLite lets one transaction write at a time, and stays within it even so.
        ExportRequest.objects.update(
            requested_at=timezone.now() - 8 * DAY,
            approval_needed=True,
            decided_by=c.sue,
        )
        for racer in all_four:
            racer.go()
        if connection.vendor == "postgresql":
            assert [racer.says() for racer in all_four] == ["counted"] * 4
            for racer in all_four:
                racer.go()
        said = [racer.says() for racer in all_four]
    assert said.count("within_threshold") == (4 if connection.vendor == "postgresql" else 1)
