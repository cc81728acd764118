"""Why, why not, what would be enough, and who else: on records, for admins, on the terminal."""

from __future__ import annotations

import json
from collections import Counter
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from accounts.access import ACTIONS, CODES, LEVELS, allows, explain, permitted, who_can
from accounts.audit import System
from accounts.models import Membership, ObjectScope, Rank, Team, ToolGrant, User
from accounts.operations import clamped, set_teams
from accounts.suppose import Suggestion
from records import operations, sharing
from records.models import Deal, StageRule, Ticket
from records.operations import restrict_property
from records.why import MORE_THAN_ONE, suggest, why
from tests.company import TinyCompany
from tests.factories import DealFactory, TicketFactory, UserFactory

TESTING = System("test")


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
            assert set(answer) == {"allowed", "findings", "way_out", "fields"}
            assert bool(answer["way_out"]) is not expected.allowed
            assert answer["allowed"] is expected.allowed
            assert answer["findings"] == [
                {"code": f.code, "allows": f.allows, "holds": f.holds, "because": f.because}
                for f in expected.findings
            ]
            assert {f["code"] for f in answer["findings"]} <= CODES
            assert answer["findings"]
            verdicts.add(answer["allowed"])
    assert verdicts == {True, False}


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
    client.force_login(c.sam)
    page = client.get(f"/admin/records/deal/{c.deals['ritas'].pk}/access/?user={c.rita.pk}").text
    for words in (*expected.values(), "Private to super admins", "Chosen people and teams"):
        assert words in page
    page = client.get(f"/admin/records/deal/{c.deals['robs'].pk}/access/?user={c.rita.pk}").text
    assert "Fields with a rule" not in page


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


class Undone(Exception):
    pass


def apply(c: TinyCompany, step: Suggestion, user: User, deal: Any) -> None:
    """Carry a suggestion out in the database, as the product would."""
    if step.kind in ("box", "scope", "create"):
        assert user.permission_set is not None
        widen(user, step)
    elif step.kind == "tool":
        ToolGrant.objects.create(permission_set=user.permission_set, key="crm.export")
    elif step.kind == "team":
        assert step.team is not None
        join(c, user, step.team)
    elif step.kind == "stage":
        name_in_rule(c, user, deal)
    elif step.kind == "share":
        level = "edit" if step.action == "change" else "view"
        sharing.share(deal, actor=TESTING, user=user, level=level)
    else:
        assert step.kind == "owner"
        operations.change(deal, actor=TESTING, values={"owner": user}, version=deal.version)


def widen(user: User, step: Suggestion) -> None:
    row: dict[str, Any] = {"add": False}
    row.update(clamped({}))
    held = ObjectScope.objects.filter(permission_set=user.permission_set_id, object=step.object)
    row.update(held.values(*row).first() or {})
    if step.kind == "box":
        row[f"{step.action}_unassigned"] = True
    elif step.kind == "create":
        row["add"] = True
    else:
        assert step.rank is not None
        row[step.action] = step.rank
        if step.rank == Rank.EVERYTHING:
            row[f"{step.action}_unassigned"] = False
    # The table's own constraints say whether a set can hold this.
    held.update_or_create(permission_set=user.permission_set, object=step.object, defaults=row)


def join(c: TinyCompany, user: User, team: Team) -> None:
    of_person = list(Membership.objects.filter(user=user).select_related("team"))
    main = next((m.team for m in of_person if m.is_main), None)
    extra = [m.team for m in of_person if not m.is_main]
    set_teams(user, actor=c.sam, main_team=main, extra_teams=[*extra, team])


def name_in_rule(c: TinyCompany, user: User, deal: Any) -> None:
    rule = StageRule.objects.get(pipeline=deal.stage.pipeline)
    operations.set_stage_rule(
        rule.pipeline,
        actor=c.sam,
        enabled=rule.enabled,
        stages=rule.stages.all(),
        editors=StageRule.Editors.CHOSEN,
        users=[*rule.users.all(), user],
        teams=rule.teams.all(),
    )


def flips(c: TinyCompany, step: Suggestion, user: User, action: str, deal: Any) -> bool:
    """Tell whether the verdict differs once the step is taken; afterwards nothing is changed."""
    verdict = None
    try:
        with transaction.atomic():
            apply(c, step, user, type(deal)._base_manager.get(pk=deal.pk))
            verdict = allows(User.objects.get(pk=user.pk), action, deal)
            raise Undone
    except Undone:
        assert not allows(User.objects.get(pk=user.pk), action, deal)
    assert verdict is not None
    return verdict


def test_every_suggestion_applied_flips_the_verdict(c: TinyCompany) -> None:
    verified: Counter[str] = Counter()
    for user in User.objects.all():
        for deal in Deal._base_manager.all():
            rest = ("communicate", "merge", "export", "add") if deal == c.deals["robs"] else ()
            for action in ("view", "change", "delete", *rest):
                step = suggest(user, action, deal)
                if step is not None:
                    assert not allows(user, action, deal)
                    assert flips(c, step, user, action, deal), (user, action, deal, step)
                    verified[step.kind] += 1
    print(f"suggestions verified: {dict(verified)}")
    assert set(verified) == {*("box", "scope", "create", "tool", "team", "stage", "share", "owner")}
    assert sum(verified.values()) > 200


def test_where_nothing_is_suggested_no_single_step_is_enough(c: TinyCompany) -> None:
    """Try in the database what the supposition did not find: every rank, box, team, rule, owner."""
    tried = 0
    for name, action in (("rita", "delete"), ("lena", "change"), ("nora", "change")):
        user = c.fresh(name)
        for deal in Deal._base_manager.filter(deleted_at=None):
            if allows(user, action, deal) or suggest(user, action, deal) is not None:
                continue
            steps = [Suggestion("team", "", team=team) for team in Team.objects.all()]
            steps = [s for s in steps if s.team and s.team.pk not in user.grants.teams]
            if user.grants.scopes["deal"].view > Rank.NONE:
                steps.append(Suggestion("owner", ""))
            if StageRule.objects.filter(pipeline=deal.stage.pipeline).exists():
                steps.append(Suggestion("stage", ""))
            for rank in (Rank.OWNED, Rank.TEAM):  # as far as the View scope of a rep lets it
                steps.append(Suggestion("scope", "", "deal", action, rank))
            for step in steps:
                assert not flips(c, step, user, action, deal), (user, action, deal, step)
                tried += 1
    assert tried > 20


def test_smaller_steps_come_first(c: TinyCompany) -> None:
    rita = c.fresh("rita")

    def found(action: str, name: str, user: User = rita) -> str:
        step = suggest(user, action, c.deals[name])
        return step.sentence() if step else ""

    box = "ticked Unassigned beside your Edit scope for deals"
    assert found("change", "unassigned") == f"It would be enough if a super admin {box}."
    scope = "set your Edit scope for deals to Team only"
    assert found("change", "noras") == f"It would be enough if a super admin {scope}."
    named = "named you in the rule on editing in Renewals"
    assert found("change", "vault") == f"It would be enough if a super admin {named}."
    team = "put you into the team South"
    assert found("change", "robs", c.fresh("mona")) == (
        f"It would be enough if a super admin {team}."
    )
    shared = "somebody who may change it shared it with you"
    assert found("change", "robs", c.fresh("lena")) == f"It would be enough if {shared}."
    assert found("delete", "vault") == ""  # no scope, and a locked stage
    assert found("view", "ritas") == ""  # nothing is missing


def test_suggestion_about_another_person_names_them(c: TinyCompany) -> None:
    step = suggest(c.fresh("rita"), "change", c.deals["noras"])
    assert step is not None
    assert step.sentence("Rita") == (
        "It would be enough if a super admin set Rita’s Edit scope for deals to Team only."
    )


def test_names_with_braces_are_only_names(c: TinyCompany) -> None:
    Team.objects.filter(pk=c.teams["south"].pk).update(name="{who} {0} {")
    step = suggest(c.fresh("mona"), "change", c.deals["robs"])
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
    # PostgreSQL is asked two tables at once in brackets.
    assert all(sql.lstrip("(").startswith("SELECT") for sql in few)
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
        "You cannot change or delete it. It stands in the locked stage “Vault” of Renewals: there, "
        "only super admins may edit it or move it on.",
    ]
    assert said["ways"] == [
        "It would be enough if a super admin named you in the rule on editing in Renewals."
    ]


def test_why_tells_apart_what_is_missing_for_which_action(c: TinyCompany) -> None:
    said = why(c.fresh("rita"), c.deals["noras"])
    assert said["sentences"][2:] == [
        "You cannot change it. Your permission set lets you change only deals that you own.",
        "You cannot delete it. Your permission set does not let you delete deals.",
    ]
    assert said["ways"] == [
        "To change it: it would be enough if a super admin set your Edit scope for deals to "
        "Team only.",
        "To delete it: it would be enough if a super admin set your Delete scope for deals to "
        "Team only.",
    ]
    assert why(c.fresh("rita"), c.deals["vault"])["ways"][1] == (
        f"To delete it: {MORE_THAN_ONE[0].lower()}{MORE_THAN_ONE[1:]}"
    )


def test_record_page_shows_why_and_the_way_out(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    text = client.get(page(c.deals["noras"], "change")).text
    assert "set your Edit scope for deals to Team only" in text
    assert "/access/" not in text
    assert "Who can see this" not in text
    client.force_login(c.sam)
    text = client.get(page(c.deals["noras"], "change")).text
    assert page(c.deals["noras"], "access") in text
    assert page(c.deals["noras"], "who") in text


# --- For super admins ---------------------------------------------------------------------------


def page(deal: Any, name: str) -> str:
    return f"/admin/records/deal/{deal.pk}/{name}/"


def test_access_page_gives_the_verdict_and_every_finding(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = page(c.deals["vault"], "access")
    answer = client.get(f"{address}?user={c.rita.pk}&action=change")
    assert answer.status_code == 200
    assert answer.context["explanation"] == explain(c.rita, "change", c.deals["vault"])
    assert "Rita may not edit this deal" in answer.text
    assert "It would be enough if a super admin named Rita in the rule on editing" in answer.text
    for finding in answer.context["explanation"].findings:
        assert escape(finding.because) in answer.text
    answer = client.get(f"{address}?user={c.rita.pk}&action=view")
    assert "Rita may view this deal" in answer.text
    assert "It would be enough" not in answer.text
    answer = client.get(f"{address}?user={c.fred.pk}&action=view")
    assert "Nothing helps while the account is deactivated" in answer.text
    assert client.get(address).status_code == 200  # nobody is chosen yet


def test_who_page_lists_everybody_with_level_and_reasons(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = page(c.deals["noras"], "who")

    def listed(query: str = "") -> dict[str, tuple[list[str], list[str]]]:
        answer = client.get(f"{address}{query}")
        assert answer.status_code == 200
        return {str(r["person"]): (r["level"], r["reasons"]) for r in answer.context["rows"]}

    people = listed()
    assert people["Sam"] == (["View", "Edit", "Delete"], ["super admin"])
    assert people["Mona"] == (["View", "Edit"], ["an owner is in a team in reach"])
    assert people["Nora"] == (["View", "Edit"], ["an owner is in a team in reach", "owner"])
    assert people["Ruth"] == (["View"], ["scope Everything"])
    assert set(people) == {str(p) for p in who_can("view", c.deals["noras"])}
    assert set(listed("?action=change")) == {str(p) for p in who_can("change", c.deals["noras"])}
    assert set(listed("?q=mon")) == {"Mona"}
    assert set(listed("?q=example.com")) == set()  # by names only
    assert "Rob" not in people


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
    assert f"{total} people may view this deal" in client.get(address).text
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
        "who/?page=x",
        "who/?page=-1",
        "who/?q=%00",
        f"who/?q={'x' * 81}",
    ],
)
def test_unknown_questions_are_a_400(c: TinyCompany, client: Client, query: str) -> None:
    client.force_login(c.sam)
    assert client.get(page(c.deals["ritas"], query).removesuffix("/")).status_code == 400
