"""Why, why not, what would be enough, and who else: on records, for admins, on the terminal."""

from __future__ import annotations

import json
import re
from collections import Counter
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from accounts.access import (
    ACTIONS,
    CODES,
    LEVELS,
    Loaded,
    allows,
    explain,
    permitted,
    rules_for,
    who_can,
)
from accounts.models import Membership, ObjectScope, Rank, Team, User
from records import kinds, operations
from records.models import Deal, Ticket
from records.operations import restrict_property, sharing
from records.reasons import rule_name
from records.why import MORE_THAN_ONE, ONLY_A_TEAM, suggest, why
from tests.support.company import TEAM, TinyCompany
from tests.support.factories import DealFactory, SetFactory, TeamFactory, TicketFactory, UserFactory
from tests.support.steps import TESTING, check, flips

# --- On the terminal -----------------------------------------------------------------------------


def told(command: str, *words: object) -> Any:
    """Return what a command writes to standard output, and nothing else, as JSON."""
    out, err = StringIO(), StringIO()
    call_command(command, *map(str, words), "--json", stdout=out, stderr=err)
    assert err.getvalue() == ""
    return json.loads(out.getvalue())


@pytest.mark.parametrize("action", ["change", "export"])
def test_explain_access_tells_the_verdict_and_every_finding(c: TinyCompany, action: str) -> None:
    verdicts = set()
    for user in (c.rita, c.ella, c.nils, c.sam, c.fred):
        for deal in Deal._base_manager.all():
            answer = told("explain_access", user.email, action, "deal", deal.pk)
            expected = explain(user, action, deal)
            assert set(answer) == {"allowed", "findings", "way_out", "reasons", "fields"}
            assert bool(answer["way_out"]) is not expected.allowed
            assert bool(answer["reasons"]) is not expected.allowed
            assert answer["allowed"] is expected.allowed
            assert answer["findings"] == [
                {"code": f.code, "allows": f.allows, "holds": f.holds, "because": f.because}
                for f in expected.findings
            ]
            assert {f["code"] for f in answer["findings"]} <= CODES
            assert answer["findings"]
            verdicts.add(answer["allowed"])
    assert verdicts == {True, False}


def test_denying_findings_are_those_that_hold_and_take_away(c: TinyCompany) -> None:
    for name, deal, codes in (
        ("nora", "chosen", {"stage"}),
        ("rita", "chosen", set()),  # its rule names her: the rule is found, and does not hold
        ("fred", "chosen", {"stage", "inactive", "unseen"}),
        ("nora", "robs", {"unseen"}),
    ):
        found = explain(c.fresh(name), "change", c.deals[deal])
        assert found.denying_codes == codes, name
        assert found.allowed is (not codes)
        assert [f.code for f in found.denying] == [f.code for f in found.decisive if codes]


def test_explain_access_of_an_absent_record_is_refused_without_an_error(c: TinyCompany) -> None:
    for email in ("rita@example.com", "sam@example.com"):
        for number in (10**9, 0, 10**30):
            answer = told("explain_access", email, "view", "deal", number)
            assert answer["allowed"] is False
            assert [f["code"] for f in answer["findings"]] == ["no_scope"]
            assert (answer["way_out"], answer["fields"]) == (None, [])


def test_access_tells_of_every_field_that_has_a_rule(c: TinyCompany, client: Client) -> None:
    about: dict[str, dict[str, Any]] = {
        "amount": {"access": "super_admins"},
        "product": {"access": "everyone_view"},
        "external_id": {"access": "chosen", "editors": [c.rita]},
        "source": {"highly_sensitive": True},
    }
    for name, rule in about.items():
        restrict_property(actor=c.sam, object="deal", name=name, **rule)
    expected = {
        "amount": "hidden, name included",
        "external_id": "read and edit",
        "product": "read",
        "source": "read and edit, one value at a time, and logged",
    }
    answer = told("explain_access", "rita@example.com", "view", "deal", c.deals["ritas"].pk)
    assert {f["name"]: f["answer"] for f in answer["fields"]} == expected
    # Who may not view the record reads no field of it either.
    answer = told("explain_access", "rita@example.com", "view", "deal", c.deals["robs"].pk)
    assert (answer["allowed"], answer["fields"]) == (False, [])
    # Who may not change the record edits no field of it.
    answer = told("explain_access", "rita@example.com", "view", "deal", c.deals["noras"].pk)
    assert {f["name"]: f["answer"] for f in answer["fields"]} == {
        **expected,
        "external_id": "read",
        "source": "read, one value at a time, and logged",
    }
    client.force_login(c.sam)
    page = client.get(f"/admin/records/deal/{c.deals['noras'].pk}/access/?user={c.rita.pk}").text
    assert "read and edit" not in page
    page = client.get(f"/admin/records/deal/{c.deals['ritas'].pk}/access/?user={c.rita.pk}").text
    for words in (*expected.values(), "Private to super admins", "Chosen people and teams"):
        assert words in page
    page = client.get(f"/admin/records/deal/{c.deals['robs'].pk}/access/?user={c.rita.pk}").text
    assert "Fields with a rule" not in page


def test_access_leaves_out_fields_that_are_hidden_from_who_asks(
    c: TinyCompany, client: Client
) -> None:
    """A delegate may ask about people, and learns of no field that does not exist for them."""
    delegate = UserFactory(
        permission_set=SetFactory(
            scopes={"deal": {"view": TEAM, "change": TEAM}},
            tools=["account.access", "account.edit_users", "account.user_table"],
        ),
        team=c.teams["north"],
    )
    rules: dict[str, dict[str, Any]] = {
        "amount": {"access": "super_admins"},
        "external_id": {"access": "chosen", "editors": [c.rita]},
        "product": {"access": "chosen", "editors": [delegate]},
        "source": {"access": "everyone_view"},
    }
    for name, rule in rules.items():
        restrict_property(actor=c.sam, object="deal", name=name, **rule)
    address = f"/admin/records/deal/{c.deals['ritas'].pk}/access/?user={c.rita.pk}"
    listed = {}
    for asker in (c.sam, delegate):
        client.force_login(asker)
        listed[asker] = [field.name for field in client.get(address).context["fields"]]
    assert listed == {c.sam: sorted(rules), delegate: ["product", "source"]}


def test_explain_access_tells_who_may_create_without_a_record(c: TinyCompany) -> None:
    answer = told("explain_access", "rita@example.com", "add", "deal")
    assert (answer["allowed"], answer["way_out"]) == (True, None)
    assert [f["code"] for f in answer["findings"] if f["holds"]] == ["everything"]
    answer = told("explain_access", "ruth@example.com", "add", "deal")
    assert answer["allowed"] is False
    assert answer["reasons"] == ["Ruth’s permission set does not let them create deals."]
    assert answer["way_out"] == "It would be enough if a super admin let Ruth create deals."
    answer = told("explain_access", "rita@example.com", "add", "ticket")
    assert answer["way_out"] == MORE_THAN_ONE  # not even View
    answer = told("explain_access", "sam@example.com", "add", "ticket")
    assert answer["allowed"] is True
    answer = told("explain_access", "fred@example.com", "add", "deal")
    assert (answer["allowed"], answer["reasons"]) == (
        False,
        ["Refused: the account is deactivated."],
    )
    for number in (0, c.deals["robs"].pk):
        with pytest.raises(CommandError, match="Leave ID out"):
            told("explain_access", "rita@example.com", "add", "deal", number)


def test_somebody_without_a_permission_set_is_said_to_have_none(
    c: TinyCompany, client: Client
) -> None:
    way = "Nils has no permission set. A super admin can give them one."
    for words in (("view", "deal", c.deals["robs"].pk), ("add", "deal")):
        answer = told("explain_access", "nils@example.com", *words)
        assert answer["way_out"] == way
        assert answer["reasons"][0].startswith("No permission set lets Nils ")
    client.force_login(c.sam)
    assert way in client.get(f"{page(c.deals['robs'], 'access')}?user={c.nils.pk}").text


def test_nothing_is_said_to_help_in_the_recycle_bin(c: TinyCompany) -> None:
    for name in ("sam", "rita", "nils"):
        answer = told(
            "explain_access", f"{name}@example.com", "view", "deal", c.deals["deleted"].pk
        )
        assert answer["way_out"] == "Nothing helps while it is in the recycle bin."


def test_explain_access_of_an_inactive_person_says_so(c: TinyCompany) -> None:
    answer = told("explain_access", "FRED@example.com", "view", "deal", c.deals["freds"].pk)
    assert answer["allowed"] is False
    held = [f["code"] for f in answer["findings"] if f["holds"] and not f["allows"]]
    assert held == ["inactive"]


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_who_can_names_exactly_those_whom_explain_allows_and_why(
    c: TinyCompany, action: str
) -> None:
    found = 0
    for name in ("noras", "unassigned", "co_owned", "chosen", "vault", "deleted"):
        deal = c.deals[name]
        answer = told("who_can", action, "deal", deal.pk)
        expected = []
        for user in User.objects.filter(is_active=True):
            explanation = explain(user, action, deal)
            if explanation.allowed:
                codes = [f.code for f in explanation.findings if f.allows and f.holds]
                expected.append({"user": user.email, "reasons": codes})
        assert answer == sorted(expected, key=lambda entry: entry["user"])
        found += len(answer)
    assert found > (2 if action == "restore" else 10)  # one of them lies in the bin


def test_who_can_includes_super_admins_and_leaves_out_the_inactive(c: TinyCompany) -> None:
    answer = told("who_can", "view", "deal", c.deals["freds"].pk)
    reasons = {entry["user"]: entry["reasons"] for entry in answer}
    assert reasons["sam@example.com"] == ["superuser"]
    assert reasons["nora@example.com"] == ["team"]
    assert "fred@example.com" not in reasons
    assert told("who_can", "view", "deal", 10**9) == []
    assert told("who_can", "view", "deal", c.deals["deleted"].pk) == []


@pytest.mark.parametrize(
    ("command", "words", "sentence"),
    [
        ("explain_access", ("nobody@example.com", "view", "deal", "1"), "Nobody logs in as"),
        ("explain_access", ("rita@example.com", "fly", "deal", "1"), "no action “fly”"),
        ("explain_access", ("rita@example.com", "view", "user", "1"), "no kind of record “user”"),
        ("explain_access", ("rita@example.com", "view", "deal", "one"), "is not a record's number"),
        ("explain_access", ("rita@example.com", "view", "deal"), "required"),
        ("who_can", ("fly", "deal", "1"), "no action “fly”"),
        ("who_can", ("view", "permissionset", "1"), "no kind of record “permissionset”"),
        ("who_can", ("view", "deal", "1.5"), "is not a record's number"),
    ],
)
def test_unknown_words_are_an_error_in_a_sentence(
    c: TinyCompany, command: str, words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command(command, *words, "--json")


def test_without_json_people_read_sentences(c: TinyCompany) -> None:
    out = StringIO()
    call_command(
        "explain_access", "rita@example.com", "change", "deal", str(c.deals["vault"].pk), stdout=out
    )
    assert out.getvalue().startswith("No: change for rita@example.com")
    assert "holds  takes away  stage" in out.getvalue()
    assert "It would be enough if" in out.getvalue()
    out = StringIO()
    call_command("who_can", "change", "deal", str(c.deals["vault"].pk), stdout=out)
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["sam@example.com", "superuser"],
        ["sue@example.com", "superuser"],
    ]


# --- Who can ------------------------------------------------------------------------------------


def test_who_can_is_one_query_and_brings_reasons_and_level(c: TinyCompany) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            for person in who_can("view", c.deals["ritas"]):
                assert person.reasons
                assert "view" in person.level
        return len(captured)

    assert statements() == 1
    for number in range(20):
        UserFactory(email=f"more{number}@example.com", permission_set=c.sets["everything"])
    assert statements() == 1


def test_level_of_everybody_is_what_the_check_says(c: TinyCompany) -> None:
    seen = set()
    for action in ("view", "change", "communicate"):
        for deal in Deal._base_manager.all():
            for person in who_can(action, deal):
                fresh = User.objects.get(pk=person.pk)
                assert person.level == tuple(a for a in LEVELS if allows(fresh, a, deal))
                seen.add(person.level)
    assert seen == {("view",), ("view", "change"), ("view", "change", "delete")}


# --- What would be enough -------------------------------------------------------------------------


def test_every_suggestion_applied_flips_the_verdict(c: TinyCompany) -> None:
    verified: Counter[str] = Counter()
    # A set that lets nobody see anything of it, and one that lets people see and do no more.
    UserFactory(permission_set=SetFactory(scopes={"deal": {}}), team=c.teams["north_a"])
    boxed = {"view": Rank.TEAM, "view_unassigned": True}
    UserFactory(permission_set=SetFactory(scopes={"deal": boxed}), team=c.teams["north_a"])
    locked_out(c)
    for user in User.objects.all():
        for deal in Deal._base_manager.all():
            rest = ("communicate", "merge", "export", "add") if deal == c.deals["robs"] else ()
            for action in ("view", "change", "delete", *rest):
                step = suggest(user, action, deal)
                if step is not None:
                    assert not allows(user, action, deal)
                    assert flips(step, user, action, deal), (user, action, deal, step)
                    verified[step.kind] += 1
    print(f"suggestions verified: {dict(verified)}")
    every = {*("box", "scope", "create", "tool", "team", "stage", "exception", "share", "owner")}
    assert set(verified) == every
    assert sum(verified.values()) > 200


def locked_out(c: TinyCompany) -> User:
    """A person of South for whom joining North alone opens Rita's and Nora's deals, locked."""
    c.rule.users.clear()
    c.rule.teams.set([c.teams["north"]])
    return UserFactory(
        email="una@example.com", permission_set=c.sets["manager"], team=c.teams["south"]
    )


@pytest.mark.parametrize("name", ["rita", "mona", "lena", "ruth"])
def test_no_single_step_opens_less_and_none_is_enough_where_none_is_suggested(
    c: TinyCompany, name: str
) -> None:
    """Try in the database every rank, box, team, share, rule, owner that there is (B2)."""
    user, compared = c.fresh(name), 0
    for deal in (c.deals["unassigned"], c.deals["chosen_n"], c.deals["robs"]):
        for action in ("view", "change", "delete"):
            if not allows(user, action, deal):
                step = suggest(user, action, deal)
                assert check(step, user, action, deal) == "", (user, action, deal)
                compared += 1
    assert compared


def test_joining_a_team_above_the_owners_is_found_where_nothing_else_would_do(
    c: TinyCompany,
) -> None:
    una = locked_out(c)
    step = suggest(una, "change", c.deals["chosen"])
    assert step is not None
    assert step.sentence("Una") == (
        "It would be enough if a super admin put Una into the team North."
    )
    assert check(step, una, "change", c.deals["chosen"]) == ""
    # Of two teams that would do, the one that opens less; whichever comes first by name.
    for first, second in (("A", "B"), ("Z", "Y")):
        Team.objects.filter(pk=c.teams["north"].pk).update(name=first)
        Team.objects.filter(pk=c.teams["north_a"].pk).update(name=second)
        c.rule.teams.set([c.teams["north"], c.teams["north_a"]])
        DealFactory(owner=c.mona, stage=c.stages["open"])
        step = suggest(una, "change", Deal.objects.get(pk=c.deals["chosen"].pk))
        assert step is not None
        assert step.team == c.teams["north_a"]


def test_a_team_with_which_it_is_shared_is_found_as_main_team(c: TinyCompany) -> None:
    lena = c.fresh("lena")
    sharing.share(c.deals["chosen_n"], actor=TESTING, team=c.teams["south"], level="edit")
    step = suggest(lena, "change", c.deals["chosen_n"])
    assert step is not None
    assert step.sentence("Lena") == (
        "It would be enough if a super admin made South Lena’s main team."
    )
    assert check(step, lena, "change", c.deals["chosen_n"]) == ""


def test_another_main_team_says_what_it_takes_away_and_comes_last(c: TinyCompany) -> None:
    """It ends what is shared with the main team that it replaces, and opens no less for that."""
    una, deal, south = locked_out(c), c.deals["chosen"], c.teams["south"]
    step = suggest(una, "change", deal)
    assert step is not None
    assert (step.kind, step.team) == ("team", c.teams["north"])
    # As main team, North would let Una change one deal fewer than as an extra one.
    held = DealFactory(owner=c.otto, stage=c.stages["open"])
    sharing.share(held, actor=TESTING, team=south, level="edit")
    una = User.objects.get(pk=una.pk)
    assert allows(una, "change", held)
    assert suggest(una, "change", deal) == step
    assert check(step, una, "change", deal) == ""
    # Only as main team would another team do: it is said what ends, and that South is to stay.
    other = TeamFactory(name="Other {name}")
    c.rule.teams.set([other])
    sharing.share(deal, actor=TESTING, team=other, level="edit")
    deal = Deal.objects.get(pk=deal.pk)
    step = suggest(una, "change", deal)
    assert step is not None
    assert step.sentence("Una") == (
        "It would be enough if a super admin made Other {name} Una’s main team and kept South as "
        "an extra one, though shares with South would then not reach Una any more."
    )
    assert flips(step, una, "change", deal)


def test_smaller_steps_come_first(c: TinyCompany) -> None:
    def found(name: str, action: str, deal: str) -> str:
        step = suggest(c.fresh(name), action, c.deals[deal])
        return step.sentence() if step else ""

    shared = "It would be enough if somebody who may change it shared it with you"
    assert found("rita", "view", "robs") == f"{shared}."
    assert found("rita", "change", "unassigned") == f"{shared} for editing."
    assert found("rita", "change", "noras") == f"{shared} for editing."
    assert found("mona", "change", "robs") == f"{shared} for editing."
    assert found("mona", "delete", "noras") == "It would be enough if you became an owner of it."
    excepted = "let you edit it for a time though its stage is locked"
    assert found("rita", "change", "vault") == f"It would be enough if a super admin {excepted}."
    # One's own record: nothing but the scope is missing, and the narrowest does.
    owned = "set your Delete scope for deals to Owned only"
    assert found("rita", "delete", "ritas") == (f"It would be enough if a super admin {owned}.")
    reach = "set your Delete scope for deals to Team only"
    assert found("rita", "delete", "noras") == (f"It would be enough if a super admin {reach}.")
    box = "set your Delete scope for deals to Owned only and ticked Unassigned beside it"
    assert found("rita", "delete", "unassigned") == (f"It would be enough if a super admin {box}.")
    assert found("rita", "delete", "vault") == ""  # no scope, and a locked stage
    assert found("rita", "view", "ritas") == ""  # nothing is missing


def test_a_set_of_ones_own_is_not_said_to_be_shared(c: TinyCompany) -> None:
    UserFactory(permission_set=c.sets["reader"], is_active=False)
    step = suggest(c.fresh("ruth"), "change", c.deals["robs"])
    assert step is not None
    assert step.sentence("Ruth") == (
        "It would be enough if a super admin set Ruth’s Edit scope for deals to Everything."
    )
    UserFactory(permission_set=c.sets["reader"])
    step = suggest(c.fresh("ruth"), "change", c.deals["robs"])
    assert step is not None
    assert step.sentence("Ruth").endswith(", in Ruth’s permission set, which 2 people have.")
    assert "people have" not in step.sentence()  # what others hold is not told to Ruth


def test_names_with_braces_are_only_names(c: TinyCompany) -> None:
    una = locked_out(c)
    Team.objects.filter(pk=c.teams["north"].pk).update(name="{who} {0} {")
    step = suggest(una, "change", c.deals["chosen"])
    assert step is not None
    assert step.sentence() == (
        "It would be enough if a super admin put you into the team {who} {0} {."
    )


def test_nothing_is_suggested_to_the_inactive_or_for_the_bin(c: TinyCompany) -> None:
    for action in ("view", "change"):
        assert suggest(c.fresh("fred"), action, c.deals["ritas"]) is None
        assert suggest(c.fresh("rita"), action, c.deals["deleted"]) is None
        assert suggest(c.fresh("sam"), action, c.deals["deleted"]) is None


def test_suggesting_writes_nothing_and_costs_the_same_for_many_rows(c: TinyCompany) -> None:
    def statements() -> list[str]:
        user = c.fresh("rita")
        with CaptureQueriesContext(connection) as captured:
            suggest(user, "change", c.deals["noras"])
        return [query["sql"] for query in captured]

    few = statements()
    # PostgreSQL is asked two tables at once in brackets, and how rights are read is kept there.
    assert all(sql.lstrip("(").startswith(("SELECT", "EXECUTE rights_")) for sql in few)
    for _ in range(20):
        DealFactory(owner=c.nora, stage=c.stages["open"])
    assert len(statements()) == len(few)


# --- What cannot be evaluated ---------------------------------------------------------------------


def test_unknown_scope_no_team_and_a_new_object_mean_no_rows(c: TinyCompany) -> None:
    ticket = TicketFactory(owner=c.rita)
    assert not ObjectScope.objects.filter(object="ticket", permission_set=c.sets["rep"]).exists()
    for name, model, row in (("rita", Ticket, ticket), ("nils", Deal, c.deals["ritas"])):
        user = c.fresh(name)
        assert not permitted(model._base_manager.all(), user, "view").exists()
        codes = [f.code for f in explain(user, "view", row).decisive]
        assert codes == ["no_scope"]
        assert user.pk not in {person.pk for person in who_can("view", row)}
    # Without a team, Team only is Owned only.
    lena = c.fresh("lena")
    seen = set(permitted(Deal.objects.all(), lena, "view").values_list("name", flat=True))
    assert seen == {"Only co-owned", "Nobody's"}


# --- On the record --------------------------------------------------------------------------------


def test_why_says_each_reason_once_for_all_it_takes_away(c: TinyCompany) -> None:
    ObjectScope.objects.filter(permission_set=c.sets["rep"], object="deal").update(delete=1)
    said = why(c.fresh("rita"), c.deals["vault"])
    assert said["sentences"] == [
        "It is owned by you.",
        "You can see it: you are an owner.",
        "You cannot change or delete it. It is in the locked stage “Vault” of Renewals: there, "
        "only super admins may edit it or move it on.",
    ]
    assert said["ways"] == [
        "To change it: it would be enough if a super admin let you edit it for a time though its "
        "stage is locked.",
        "To delete it: it would be enough if a super admin named you in the rule on editing in "
        "Renewals.",
    ]


def test_why_tells_apart_what_is_missing_for_which_action(c: TinyCompany) -> None:
    said = why(c.fresh("rita"), c.deals["noras"])
    assert said["sentences"][2:] == [
        "You cannot change it. Your permission set lets you change only deals that you own.",
        "You cannot delete it. Your permission set does not let you delete deals.",
    ]
    assert said["ways"] == [
        "To change it: it would be enough if somebody who may change it shared it with you for "
        "editing.",
        "To delete it: it would be enough if a super admin set your Delete scope for deals to "
        "Team only.",
    ]
    assert why(c.fresh("rita"), c.deals["vault"])["ways"][1] == (
        f"To delete it: {MORE_THAN_ONE[0].lower()}{MORE_THAN_ONE[1:]}"
    )


def test_missing_reach_is_said_beside_a_locked_stage(c: TinyCompany, client: Client) -> None:
    ObjectScope.objects.filter(permission_set=c.sets["rep"], object="deal").update(
        change_unassigned=True
    )
    Deal.objects.filter(pk=c.deals["noras"].pk).update(stage=c.stages["vault"])
    deal = Deal.objects.get(pk=c.deals["noras"].pk)
    locked = (
        "It is in the locked stage “Vault” of Renewals: there, only super admins may edit it "
        "or move it on."
    )
    said = why(c.fresh("rita"), deal)
    assert said["sentences"][2:4] == [
        f"You cannot change or delete it. {locked}",
        "You cannot change it. Your permission set lets you change only deals that you own, and "
        "unassigned ones.",
    ]
    assert " ".join(said["sentences"]).count(locked) == 1
    reach = "Rita’s permission set lets them change only deals that they own, and unassigned ones."
    answer = told("explain_access", "rita@example.com", "change", "deal", deal.pk)
    assert answer["reasons"] == [locked, reach]
    assert answer["way_out"] == MORE_THAN_ONE
    client.force_login(c.sam)
    text = client.get(f"{page(deal, 'access')}?user={c.rita.pk}&action=change").text
    assert escape(reach) in text
    assert locked in text
    # Where a rule grants, only the stage is in the way.
    answer = told("explain_access", "rita@example.com", "change", "deal", c.deals["vault"].pk)
    assert answer["reasons"] == [locked]


def test_a_record_only_shared_for_viewing_says_that_a_share_for_editing_would_do(
    c: TinyCompany,
) -> None:
    sharing.share(c.deals["robs"], actor=c.rob, user=c.rita, level="view")
    said = why(c.fresh("rita"), c.deals["robs"])
    assert said["sentences"][1] == "You can see it: it is shared with you."
    assert said["ways"][0] == (
        "To change it: it would be enough if somebody who may change it shared it with you for "
        "editing."
    )


def test_deactivated_people_are_not_said_to_edit_in_a_locked_stage(c: TinyCompany) -> None:
    c.rule.users.set([c.fred, c.rita])
    c.rule.teams.clear()
    said = operations.stage_sentence(Deal.objects.get(pk=c.deals["chosen"].pk))
    assert "there, super admins and Rita may edit it" in said


def test_nobody_is_told_who_is_in_which_team(c: TinyCompany, client: Client) -> None:
    """Whether a team that may edit reaches the record or not, the reader is told alike."""
    una = locked_out(c)
    for name in ("chosen", "chosen_n"):
        sharing.share(c.deals[name], actor=TESTING, user=una, level="view")
    client.force_login(una)
    c.rule.teams.set([c.teams["north"]])
    said = why(User.objects.get(pk=una.pk), c.deals["chosen"])["ways"]
    assert suggest(una, "change", c.deals["chosen"]) is not None
    assert said == [ONLY_A_TEAM]
    other = TeamFactory(name="Nowhere near")
    c.rule.teams.set([other])
    deal = Deal.objects.get(pk=c.deals["chosen"].pk)
    assert suggest(una, "change", deal) is None
    assert why(User.objects.get(pk=una.pk), deal)["ways"] == said
    # Where no team may edit at all, none is spoken of.
    c.rule.teams.clear()
    deal = Deal.objects.get(pk=c.deals["chosen"].pk)
    ways = why(User.objects.get(pk=una.pk), deal)["ways"]
    assert "team" not in " ".join(ways)


def test_record_page_shows_why_and_the_way_out(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    text = client.get(page(c.deals["noras"], "change")).text
    assert "shared it with you for editing" in text
    assert page(c.deals["noras"], "access") not in text
    assert "Who can see this" not in text
    client.force_login(c.sam)
    text = client.get(page(c.deals["noras"], "change")).text
    assert page(c.deals["noras"], "access") in text
    assert page(c.deals["noras"], "who") in text


# --- For super admins ---------------------------------------------------------------------------


def page(deal: Any, name: str) -> str:
    return f"/admin/records/deal/{deal.pk}/{name}/"


def test_every_rule_on_records_is_called_by_a_name(c: TinyCompany) -> None:
    for kind in kinds.every():
        for action in ACTIONS:
            for rule in rules_for(Loaded(c.rita), action, kind.model):
                assert rule_name(rule.code) != rule.code, (kind.key, action)
    assert rule_name("seat") == "seat"  # of people, whose pages do not ask


def test_access_page_gives_the_verdict_and_every_finding(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = page(c.deals["vault"], "access")
    answer = client.get(f"{address}?user={c.rita.pk}&action=change")
    assert answer.status_code == 200
    assert answer.context["explanation"] == explain(c.rita, "change", c.deals["vault"])
    assert "Rita may not edit this." in answer.text
    assert "It would be enough if a super admin let Rita edit it for a time" in answer.text
    for finding in answer.context["explanation"].findings:
        assert escape(finding.because) in answer.text
        assert f'data-code="{finding.code}"' in answer.text  # programs read the code, people a name
        assert f'<th scope="row">{finding.code}</th>' not in answer.text
    answer = client.get(f"{address}?user={c.rita.pk}&action=view")
    assert "Rita may view this." in answer.text
    assert "It would be enough" not in answer.text
    answer = client.get(f"{address}?user={c.fred.pk}&action=view")
    assert "Nothing helps while the account is deactivated" in answer.text
    assert client.get(address).status_code == 200  # nobody is chosen yet


def test_who_page_names_the_team_where_it_is_not_the_main_one(
    c: TinyCompany, client: Client
) -> None:
    """Lena belongs to the owner's team in the second place; Mona's main team is above it."""
    client.force_login(c.sam)
    lena = c.lena
    Membership.objects.filter(user=lena).delete()
    Membership.objects.create(user=lena, team=c.teams["south"], is_main=True)
    Membership.objects.create(user=lena, team=c.nora.memberships.get(is_main=True).team)
    rows = client.get(page(c.deals["noras"], "who")).context["rows"]
    why = {str(row["person"]): (row["team"], row["reasons"]) for row in rows}
    assert why["Lena"] == ("South", ["owner is in their team North A"])
    assert why["Mona"][1] == ["owner is in their team"]


def test_who_page_lists_everybody_with_level_and_reasons(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = page(c.deals["noras"], "who")

    def listed(query: str = "") -> dict[str, tuple[list[str], list[str]]]:
        answer = client.get(f"{address}{query}")
        assert answer.status_code == 200
        return {str(r["person"]): (r["level"], r["reasons"]) for r in answer.context["rows"]}

    people = listed()
    assert people["Sam"] == (["View", "Edit", "Delete"], ["super admin"])
    assert people["Mona"] == (["View", "Edit"], ["owner is in their team"])
    assert people["Nora"] == (["View", "Edit"], ["owner is in their team", "owner"])
    assert people["Ruth"] == (["View"], ["can see everything"])
    assert set(people) == {str(p) for p in who_can("view", c.deals["noras"])}
    assert set(listed("?action=change")) == {str(p) for p in who_can("change", c.deals["noras"])}
    assert set(listed("?q=mon")) == {"Mona"}
    assert set(listed("?q=example.com")) == set()  # by names only
    assert "Rob" not in people


def test_who_page_is_narrowed_by_team_and_level_together(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    north_a, address = c.teams["north_a"].pk, page(c.deals["noras"], "who")

    def listed(query: str = "") -> dict[str, str | None]:
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(f"{address}{query}")
        assert answer.status_code == 200
        over_people = [q for q in captured if "by_0_superuser" in q["sql"]]
        assert len(over_people) == 1
        return {str(r["person"]): r["team"] for r in answer.context["rows"]}

    teams = listed()
    assert (teams["Mona"], teams["Nora"], teams["Ruth"]) == ("North", "North A", None)
    assert (teams["Ella"], len(teams)) == ("South", len(who_can("view", c.deals["noras"])))
    assert set(listed(f"?team={north_a}")) == {"Rita", "Nora", "Ella"}  # extra members too
    assert set(listed(f"?team={north_a}&level=change")) == {"Nora"}
    assert set(listed(f"?team={north_a}&level=view&q=rit")) == {"Rita"}
    assert set(listed(f"?team={north_a}&level=delete")) == set()
    assert set(listed("?level=delete")) == {"Sam", "Sue", "Eve"}
    assert set(listed("?level=view&action=change")) == set()
    by_level = [set(listed(f"?level={level}")) for level in LEVELS]
    assert set.union(*by_level) == set(teams)
    assert sum(map(len, by_level)) == len(teams)
    text = client.get(f"{address}?team={north_a}&level=view").text
    assert "among those in North A, at most: view only" in text


def test_who_page_turns_pages_with_one_query_over_people(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = page(c.deals["ritas"], "who")

    def statements(query: str = "") -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address + query).status_code == 200
        return len(captured)

    few = statements()
    for number in range(60):
        UserFactory(email=f"more{number}@example.com", permission_set=c.sets["everything"])
    assert statements() == few
    total = len(who_can("view", c.deals["ritas"]))
    assert f"{total} people may view this" in client.get(address).text
    first = client.get(f"{address}?page=1").context["rows"]
    second = client.get(f"{address}?page=2&action=view").context["rows"]
    assert (len(first), len(second)) == (50, total - 50)
    assert "page=1" in client.get(f"{address}?page=2&action=view").text


@pytest.mark.parametrize("name", ["access", "who"])
def test_below_super_admin_both_pages_are_refused_alike_for_every_record(
    c: TinyCompany, client: Client, name: str
) -> None:
    for person in ("rita", "mona", "eve", "otto"):
        client.force_login(c.people[person])
        answers = [
            client.get(page(deal, name))
            for deal in (c.deals["ritas"], c.deals["robs"], Deal(pk=10**9))
        ]
        assert {answer.status_code for answer in answers} == {403}
        assert len({answer.content for answer in answers}) == 1
    client.force_login(c.sam)
    assert client.get(page(c.deals["robs"], name)).status_code == 200


@pytest.mark.parametrize("name", ["access", "who"])
def test_deleted_and_absent_records_answer_the_same(
    c: TinyCompany, client: Client, name: str
) -> None:
    client.force_login(c.sam)
    deleted = client.get(page(c.deals["deleted"], name))
    absent = client.get(page(Deal(pk=10**9), name))
    assert deleted.status_code == absent.status_code == 404
    assert deleted.content == absent.content


def test_access_can_be_asked_about_a_deactivated_person_too(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    text = client.get(page(c.deals["freds"], "access")).text
    offers = re.search(r'data-ajax--url="([^"]+)"', text)
    assert offers is not None
    assert offers[1] == "/admin/autocomplete/"
    asked = f"{offers[1]}?app_label=records&model_name=deal&field_name=owner&term="
    found = client.get(f"{asked}Fred").json()["results"]
    assert found == [{"id": str(c.fred.pk), "text": "Fred (deactivated)"}]
    assert [each["text"] for each in client.get(f"{asked}Rob").json()["results"]] == ["Rob"]
    answer = client.get(page(c.deals["freds"], f"access/?user={c.fred.pk}").removesuffix("/")).text
    assert "Fred (deactivated)" in answer
    words = r'<th scope="row">Deactivated</th>\s*<td [^>]*>takes away</td>\s*<td [^>]*><span'
    assert re.search(rf'data-code="inactive">\s*{words}', answer)
    # To choose, active people are offered alone.
    choosing = asked.replace("autocomplete/", "autocomplete/choose/")
    assert client.get(f"{choosing}Fred").json()["results"] == []


@pytest.mark.parametrize(
    "query",
    [
        "access/?nonsense=1",
        "access/?user=999999&action=view",
        "access/?user=x&action=view",
        "access/?action=fly",
        "access/?user=%00",
        "who/?nonsense=1",
        "who/?action=add",
        "who/?action=fly",
        "who/?level=fly",
        "who/?level=add",
        "who/?team=999999",
        "who/?team=x",
        "who/?page=x",
        "who/?page=-1",
        "who/?q=%00",
        f"who/?q={'x' * 81}",
    ],
)
def test_unknown_questions_are_a_400(c: TinyCompany, client: Client, query: str) -> None:
    client.force_login(c.sam)
    assert client.get(page(c.deals["ritas"], query).removesuffix("/")).status_code == 400
