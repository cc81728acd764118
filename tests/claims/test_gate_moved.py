"""Nobody moves the gate for a minute, for themselves or for accounts that are theirs (B7, Q6)."""

from __future__ import annotations

from typing import Any

import pytest

from accounts import operations as people
from accounts.audit import System
from accounts.models import Notice, User
from exports import consent, operations, policy
from exports.models import ExportRequest
from records.models import FlagLifted
from records.models.properties import sensitive_keys
from records.operations import flag_property, restrict_property
from tests.claims.test_four_eyes_http import LOG, POLICY, Browser
from tests.claims.test_same_hands import password_set
from tests.support.company import TinyCompany
from tests.support.doors import DAY, HOUR, change, let_pass, rules
from tests.support.exports_kit import ask
from tests.support.exports_process import racers

# --- The gate, moved for oneself or for a puppet --------------------------------------------------


def test_lifting_the_second_person_frees_nobody_who_lifts_it(c: TinyCompany) -> None:
    """By raw HTTP: the export is within every other limit, so nobody else would be asked."""
    rules(threshold=100, second_person_above=0)
    sam, sue = Browser("sam@example.com"), Browser("sue@example.com")
    rule = {"require_approval": "on", "threshold": "100"}
    sam.save(POLICY, **rule, second_person_above="")
    asked = sam.ask([c.axel])
    assert (asked.status, asked.because) == ("pending", "rules_changed")
    assert sue.ask([c.axel]).because == "exempt"  # who did not lift it
    sam.save(POLICY, **rule, second_person_above="0")
    assert sam.ask([c.axel]).because == "second_person"
    let_pass(DAY + DAY)
    change(c.sue, second_person_above=None)
    assert sam.ask([c.axel]).because == "exempt"


def test_rules_lifted_for_a_puppet_hold_for_it(c: TinyCompany) -> None:
    rules()
    sam, sue = Browser("sam@example.com"), Browser("sue@example.com")
    puppet = password_set(c, sam)
    sam.save(POLICY, require_approval="", threshold="0")
    asked = puppet.ask([c.sue])
    assert (asked.status, asked.because) == ("pending", "rules_changed")
    # Whose account Sam did not touch goes by the rules of now, and so does she a day later.
    assert Browser("nora@example.com").ask([]).because == "policy_off"
    assert sue.ask([]).because == "policy_off"
    let_pass(DAY + HOUR)
    assert puppet.ask([]).because == "policy_off"


def test_puppet_exempted_by_its_owner_is_not_exempt_for_a_day(c: TinyCompany) -> None:
    rules()
    puppet = people.create_person(
        actor=c.sam, email="p@example.com", permission_set=c.sets["exempt"]
    )
    people.set_password(c.nora, actor=c.sam, password="another long password")
    for person, by in ((c.rita, c.sam), (c.nora, c.sue), (c.rob, c.sam)):
        people.assign_set(person, actor=by, permission_set=c.sets["exempt"])
    people.set_password(c.rob, actor=c.sam, password="another long password")

    def because(person: User) -> str:
        return policy.approval(User.objects.get(pk=person.pk), 1, [])[1]

    assert because(puppet) == because(c.rob) == "rules_changed"
    # Given by somebody who could not log in as them.
    assert because(c.rita) == because(c.nora) == "exempt"
    let_pass(DAY + HOUR)
    assert because(puppet) == because(c.rob) == "exempt"


# --- Flags are part of the gate -------------------------------------------------------------------


def flag(by: Browser, field: Any, **said: Any) -> None:
    by.save(f"/admin/records/property/{field.pk}/change/", **said)


def test_flag_taken_away_for_a_minute_holds_on_for_who_took_it_and_for_their_puppets(
    c: TinyCompany,
) -> None:
    rules(threshold=100)
    phone = flag_property(actor=System("test"), object="deal", name="name", sensitive=True)
    sam = Browser("sam@example.com")
    puppet = password_set(c, sam)
    assert puppet.ask([c.sue]).because == "sensitive"
    waiting = ask(c.nora, approvers=[c.sue])
    flag(sam, phone, sensitive="")
    asked = puppet.ask([c.sue])
    assert (asked.status, asked.because, asked.has_sensitive) == ("pending", "sensitive", True)
    assert asked.sensitive_fields == ["name"]
    page = puppet.post(
        f"{LOG}new/deal/", step="columns", which="chosen", columns=["name"], format="csv"
    ).text
    assert "the flag was taken away in the last 24 hours" in page
    assert "deal.name" in sensitive_keys(c.sam)
    # For everybody else it is not sensitive, and a file that runs already is written.
    free = ask(c.nora)
    assert (free.because, sensitive_keys(c.nora) & {"deal.name"}) == ("within_threshold", set())
    assert consent.consent_needed_since(free, c.fresh("nora")) is None
    assert waiting.because == "sensitive"
    # When the file is written it is asked again.
    people.set_password(c.nora, actor=c.sam, password="another long password")
    needed = consent.consent_needed_since(free, c.fresh("nora"))
    assert needed is not None
    assert needed[0] == "became_sensitive"
    let_pass(DAY + HOUR)
    assert puppet.ask([]).because == "within_threshold"
    assert consent.consent_needed_since(free, c.fresh("nora")) is None


def test_flags_are_written_down_and_the_other_super_admins_are_told(c: TinyCompany) -> None:
    puppet = people.create_person(
        actor=c.sam, email="p@example.com", first_name="Pia", is_superuser=True
    )
    Notice.objects.all().delete()
    said: dict[str, Any] = {"object": "deal", "name": "amount"}

    def told() -> list[str]:
        return [each.text for each in Notice.objects.filter(user=c.sue).order_by("id")]

    restrict_property(actor=puppet, **said, access="everyone_view")
    assert told() == []
    restrict_property(actor=puppet, **said, highly_sensitive=True)
    assert FlagLifted.objects.count() == 0
    restrict_property(actor=puppet, **said, sensitive=True)
    assert FlagLifted.objects.count() == 0
    flag_property(actor=puppet, **said, sensitive=False)
    assert told() == [
        "Pia changed the field “amount” of deals: sensitive now, highly sensitive now.",
        "Pia changed the field “amount” of deals: highly sensitive no more.",
        "Pia changed the field “amount” of deals: sensitive no more.",
    ]
    rows = FlagLifted.objects.values_list("actor", "through", "object", "name")
    assert set(rows) == {
        (puppet.pk, None, "deal", "amount"),
        (c.sam.pk, puppet.pk, "deal", "amount"),
    }
    flag_property(actor=System("test"), **said, sensitive=True)
    flag_property(actor=System("test"), **said, sensitive=False)
    assert (FlagLifted.objects.count(), len(told())) == (2, 3)
    assert Notice.objects.filter(user=puppet).count() == 0


# --- A second person, in 24 hours -----------------------------------------------------------------


def test_second_person_counts_what_left_in_24_hours(c: TinyCompany) -> None:
    rules(second_person_above=2)
    one, two, three = (c.deals[name].pk for name in ("ritas", "robs", "noras"))
    assert ask(c.xena, ids=[one, two]).because == "exempt"
    for _ in range(2):
        more = ask(c.xena, ids=[three], approvers=[c.sue])
        assert (more.status, more.because) == ("pending", "second_person")
    assert ask(c.sam, ids=[three]).because == "exempt"  # each person by themselves
    left = ExportRequest.objects.filter(requester=c.xena, status="approved")
    operations.recall(left.get(), actor=c.xena)
    assert ask(c.xena, ids=[three]).because == "exempt"


@pytest.mark.django_db(transaction=True)
def test_asking_at_once_does_not_pass_the_second_person(c: TinyCompany) -> None:
    rules(second_person_above=6)
    ids = ",".join(str(c.deals[name].pk) for name in ("ritas", "robs", "noras"))
    click = ("click", "xena@example.com", "sue@example.com", ids)
    with racers(*[click] * 4) as all_four:
        for racer in all_four:
            racer.go()
        said = sorted(racer.says() for racer in all_four)
    assert said == ["exempt"] * 2 + ["second_person"] * 2
