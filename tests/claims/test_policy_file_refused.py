"""What a policy file may not say, beside what it may, and the sentence that names its place."""

from __future__ import annotations

import pytest

from accounts import policy_file
from accounts.models import AuditEvent
from accounts.policy_file import BadPolicy
from tests.support.company import TinyCompany

SETS = "permission_sets"
# What is right, what is wrong, and the sentence about it.
REFUSED = [
    (
        "teams: {}",
        "team: {}",
        "Line 1, team: there is no section “team”. Did you mean “teams”?",
    ),
    ("{}", "", "This file is empty. A policy that says nothing at all is written {}."),
    ("{}", "[]", "Line 1: write names with their values here, not a list."),
    ("{}", "--- {}\n--- {}", "Line 2: this is not YAML: expected a single document"),
    ("teams: {}", "teams: {", "Line 1: this is not YAML: while parsing a flow node"),
    ("teams: {}", "teams:", "Line 1, teams: write names with their values here, not nothing."),
    (
        "teams:\n  A: {}",
        "teams:\n  A: {}\n  B: {}\n  A: {}",
        "Line 4, teams: “A” stands here twice, first in line 2. Keep one of them.",
    ),
    (
        "teams:\n  A: {}\nscreen_limit: {}",
        "teams: {}\nscreen_limit: {}\nteams: {}",
        "Line 3: “teams” stands here twice, first in line 1.",
    ),
    (
        "teams: {'no': {}}",
        "teams: {no: {}}",
        "Line 1, teams: “no” can be read in more than one way. Put it in quotes if it is a name;",
    ),
    (
        "teams: {'12': {}}",
        "teams: {12: {}}",
        "Line 1, teams: “12” is not read as text. Put the name in quotes.",
    ),
    (
        "teams: {'A': {}}",
        "teams: {'A ': {}}",
        "Line 1, teams → A : this name begins or ends with a space. Leave it out.",
    ),
    ("teams: {A: {}}", "teams: {? [A] : {}}", "Line 1, teams: a name must be a line of text."),
    ("teams: {A: {}}", "teams: {'': {}}", "Line 1, teams: a name is missing before the colon."),
    (
        "teams: {A: {}}",
        'teams: {"A\\u200b": {}}',
        "Line 1, teams: “A�” cannot be kept. There is a character in it that nobody sees (U+200B",
    ),
    (
        "teams: {A: {}}",
        f"teams: {{{'A' * 151}: {{}}}}",
        f"Line 1, teams → {'A' * 100}…: this name is longer than 150 characters. Shorten it.",
    ),
    (
        "teams:\n  A: {}\n  B: {below: A}",
        "teams:\n  Aal: {}\n  B: {below: Aali}",
        "Line 3, teams → B → below: there is no team in this section “Aali”. Did you mean “Aal”?",
    ),
    (
        "teams: {A: {}, B: {below: A}}",
        "teams: {A: {below: B}, B: {below: A}}",
        "Line 1, teams → A: these teams hang below each other in a circle: “A” below “B” below",
    ),
    (
        "teams: {A: {below: B}, B: {}}",
        "teams: {A: {above: B}, B: {}}",
        "Line 1, teams → A → above: there is no key “above”. There are “below”.",
    ),
    ("teams: {A: {}, B: {}}", "teams: {A: &a {}, B: *a}", "Line 1: references (& and *) are not"),
    ("teams: {A: {}}", "teams: {A: !!map {}}", "Line 1: tags (!) are not read. Leave them out."),
    ("{}", "[" * 13 + "]" * 13, "Line 1: this is nested too deep for a policy."),
    (
        f"{SETS}:\n  A:\n    grants:\n      crm.export: true",
        f"{SETS}:\n  A:\n    grants:\n      crm.exprot: true",
        f"Line 4, {SETS} → A → grants → crm.exprot: there is no permission “crm.exprot”. Did you "
        "mean “crm.export”",
    ),
    (
        f"{SETS}: {{A: {{grants: {{crm.export: false}}}}}}",
        f"{SETS}: {{A: {{grants: {{crm.export: 'true'}}}}}}",
        f"Line 1, {SETS} → A → grants → crm.export: write true or false here, not text.",
    ),
    (
        f"{SETS}: {{A: {{grants: {{crm.deal.view: none}}}}}}",
        f"{SETS}: {{A: {{grants: {{crm.deal.view: teem}}}}}}",
        f"Line 1, {SETS} → A → grants → crm.deal.view: there is no level “teem”. Did you mean "
        "“team”?",
    ),
    (
        f"{SETS}: {{A: {{grants: {{crm.deal.view: owned, crm.deal.change: owned}}}}}}",
        f"{SETS}: {{A: {{grants: {{crm.deal.view: owned, crm.deal.change: team}}}}}}",
        f"Line 1, {SETS} → A → grants: nothing reaches further than what caps it. This would be "
        "stored: Deals: Edit from Team only to Owned only, which is as wide as View. Write what",
    ),
    (
        f"{SETS}: {{A: {{grants: {{crm.deal.view: team, crm.deal.view.unassigned: true}}}}}}",
        f"{SETS}: {{A: {{grants: {{crm.deal.view: everything, crm.deal.view.unassigned: true}}}}}}",
        f"Line 1, {SETS} → A → grants: nothing reaches further than what caps it. This would be "
        "stored: deal: Everything covers unassigned ones without the box.",
    ),
    (
        f"{SETS}: {{A: {{grants: {{crm.workflows: [view, edit]}}}}}}",
        f"{SETS}: {{A: {{grants: {{crm.workflows: [edit]}}}}}}",
        f"Line 1, {SETS} → A → grants: what is left out would come along. Write it out: Workflows: "
        "View is ticked too.",
    ),
    (
        f"{SETS}: {{A: {{grants: {{crm.workflows: [view]}}}}}}",
        f"{SETS}: {{A: {{grants: {{crm.workflows: [veiw]}}}}}}",
        f"Line 1, {SETS} → A → grants → crm.workflows: there is no option of Workflows “veiw”. Did "
        "you mean “view” or “edit”?",
    ),
    (
        f"{SETS}: {{A: {{grants: {{crm.workflows: [view]}}}}}}",
        f"{SETS}: {{A: {{grants: {{crm.workflows: [view, view]}}}}}}",
        f"Line 1, {SETS} → A → grants → crm.workflows: “view” stands here twice. Write it once.",
    ),
    (
        f"{SETS}: {{A: {{grants: {{marketing.social: own}}}}}}",
        f"{SETS}: {{A: {{grants: {{marketing.social: [own]}}}}}}",
        f"Line 1, {SETS} → A → grants → marketing.social: write text here, not a list.",
    ),
    (
        f"{SETS}: {{A: {{grants: {{sales.forecast: {{view: team+unassigned}}}}}}}}",
        f"{SETS}: {{A: {{grants: {{sales.forecast: {{view: everything+unassigned}}}}}}}}",
        f"Line 1, {SETS} → A → grants → sales.forecast → view: there is no level "
        "“everything+unassigned”. Did you mean “",
    ),
    (
        f"{SETS}: {{A: {{description: B}}}}",
        f"{SETS}: {{A: {{descriptoin: B}}}}",
        f"Line 1, {SETS} → A → descriptoin: there is no key “descriptoin”. Did you mean",
    ),
    (
        f"{SETS}: {{A: {{description: B}}}}",
        f"{SETS}: {{A: {{description: 2026-01-02}}}}",
        f"Line 1, {SETS} → A → description: “2026-01-02” can be read in more than one way. Put it",
    ),
    (
        "stage_rules: {deal: {Sales: {stages: [Locked], people: [RITA@example.com]}}}",
        "stage_rules: {deal: {Sales: {stages: [Locked], people: [ritta@example.com]}}}",
        "Line 1, stage_rules → deal → Sales → people: there is no person “ritta@example.com”. Did "
        "you mean “rita@example.com”",
    ),
    (
        "stage_rules: {deal: {Sales: {people: [rita@example.com]}}}",
        "stage_rules: {deal: {Sales: {people: [rita@example.com, Rita@example.com]}}}",
        "Line 1, stage_rules → deal → Sales → people: “rita@example.com” stands here twice.",
    ),
    (
        "stage_rules: {deal: {Sales: {stages: [Locked]}}}",
        "stage_rules: {deal: {Sales: {stages: [Lokced]}}}",
        "Line 1, stage_rules → deal → Sales → stages: there is no stage of this pipeline “Lokced”. "
        "Did you mean “Locked”?",
    ),
    (
        "stage_rules: {deal: {Sales: {}}}",
        "stage_rules: {deal: {Slaes: {}}}",
        "Line 1, stage_rules → deal → Slaes: there is no pipeline “Slaes”. Did you mean “Sales”",
    ),
    (
        "stage_rules: {deal: {Sales: {}}}",
        "stage_rules: {contact: {Sales: {}}}",
        "Line 1, stage_rules → contact: there is no kind of record with pipelines “contact”. "
        "There are “deal”.",
    ),
    (
        "teams: {South: {}}\nstage_rules: {deal: {Sales: {teams: [South]}}}",
        "teams: {South: {}}\nstage_rules: {deal: {Sales: {teams: [North]}}}",
        "Line 2, stage_rules → deal → Sales → teams: there is no team “North”. Did you mean",
    ),
    (
        "fields: {contact: {phone: {access: super_admins}}}",
        "fields: {contact: {phon: {access: super_admins}}}",
        "Line 1, fields → contact → phon: there is no field “phon”. Did you mean “phone”?",
    ),
    (
        "fields: {contact: {phone: {access: super_admins}}}",
        "fields: {contact: {email: {access: super_admins}}}",
        "Line 1, fields → contact → email: “E-mail” is part of how a record is named, found and",
    ),
    (
        "fields: {contact: {phone: {access: chosen, viewers: {teams: [South]}}}}",
        "fields: {contact: {phone: {access: chosen}}}",
        "Line 1, fields → contact → phone: choose at least one team or person, as viewers or",
    ),
    (
        "fields: {contact: {phone: {access: chosen, viewers: {teams: [South]}}}}",
        "fields: {contact: {phone: {viewers: {teams: [South]}}}}",
        "Line 1, fields → contact → phone → viewers: these count only with access: chosen. Leave",
    ),
    (
        "fields: {deal: {amount: {access: chosen, editors: {teams: [South]}}}}",
        "fields: {deal: {amount: {access: chosen, editors: {teams: [South]}, "
        "viewers: {teams: [South]}}}}",
        "Line 1, fields → deal → amount: “South” is among viewers and editors. Keep it among",
    ),
    (
        "screen_limit: {values_a_day: 10}",
        "screen_limit: {values_a_day: 0}",
        "Line 1, screen_limit → values_a_day: Give a whole number from 1 to 1,000,000, or leave",
    ),
    (
        "screen_limit: {values_a_day: null}",
        "screen_limit: {values_a_day: 0x10}",
        "Line 1, screen_limit → values_a_day: “0x10” can be read in more than one way.",
    ),
    (
        "approvals: {daily_records: 10, weekly_records: 10}",
        "approvals: {daily_records: 10, weekly_records: 9}",
        "Line 1, approvals → weekly_records: The records per person in 7 days cannot be fewer",
    ),
    (
        "approvals: {threshold: 10}",
        "approvals: {threshold: null}",
        "Line 1, approvals → threshold: The record threshold must be a whole number from 0 to",
    ),
    (
        "approvals: {threshold: 10}",
        "approvals: {threshold: true}",
        "Line 1, approvals → threshold: write a whole number here, like 100, not true or false.",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "said"), REFUSED, ids=[row[1][:60] for row in REFUSED])
def test_what_a_file_may_not_say_is_refused_with_its_place(
    c: TinyCompany, right: str, wrong: str, said: str
) -> None:
    policy_file.plan(right)
    events = AuditEvent.objects.count()
    with pytest.raises(BadPolicy) as refusal:
        policy_file.plan(wrong)
    assert str(refusal.value).startswith(said)
    with pytest.raises(BadPolicy):
        policy_file.apply(wrong, actor=c.sam)
    assert AuditEvent.objects.count() == events


def test_bomb_is_refused_before_it_is_made(db: None) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(BadPolicy, match="references"):
        policy_file.plan(bomb)
