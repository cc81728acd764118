"""Nobody moves the gate for a minute, for themselves or for accounts that are theirs (B7, Q6)."""

from __future__ import annotations

from accounts import operations as people
from accounts.models import User
from exports import operations, policy
from exports.models import ExportRequest
from tests.company import TinyCompany
from tests.doors import DAY, HOUR, change, let_pass, rules
from tests.exports_kit import ask
from tests.test_four_eyes_http import POLICY, Browser
from tests.test_same_hands import password_set

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
