"""Every address of the admin refuses what the engine refuses, and serves what it allows."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib import admin
from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts import audit
from accounts.access import allows, allows_any, explain, permitted
from accounts.modeladmin import AccessInline, AccessModelAdmin
from accounts.models import AuditEvent, ObjectScope, User
from accounts.operations import create_team, deactivate, reactivate
from records import filters
from records.models import Company, Contact, Deal, Stage, Ticket
from records.models.rules import with_locks
from records.operations import set_stage_rule
from tests.support.company import TEAM, TinyCompany
from tests.support.factories import PASSWORD, DealFactory
from tests.support.forms_as_shown import forms_of

LIST = "/admin/records/deal/"


def page(deal: Deal, name: str = "change") -> str:
    return f"{LIST}{deal.pk}/{name}/"


def yes(asked: HttpResponse) -> dict[str, str]:
    """Return what “yes” to the question on a page sends beside the form."""
    found = re.search(r'name="_confirm_hand_over"[^>]* value="([^"]+)"', asked.text)
    assert found, asked.text
    return {"_confirm_hand_over": found[1]}


def form_of(deal: Deal, **changes: object) -> dict[str, object]:
    """Return what a browser would post for this deal."""
    values = {
        "name": deal.name,
        "amount": "" if deal.amount is None else deal.amount,
        "stage": deal.stage_id,
        "product": deal.product,
        "company": deal.company_id or "",
        "contact": deal.contact_id or "",
        "opened": "",
        "closed": "",
        "owner": deal.owner_id or "",
        "co_owner": deal.co_owner_id or "",
        "record_version": deal.version,
    }
    return {**values, **changes}


PEOPLE = ("sam", "mona", "rita", "ella", "lena", "eve", "ruth", "otto", "nils")


@pytest.mark.parametrize("name", PEOPLE)
def test_list_and_pages_serve_exactly_what_the_engine_permits(
    c: TinyCompany, client: Client, name: str
) -> None:
    user = c.fresh(name)
    client.force_login(user)
    permitted_ids = set(permitted(Deal.objects.all(), user, "view").values_list("pk", flat=True))
    answer = client.get(LIST)
    if allows_any(user, "view", Deal):
        shown = set(map(int, re.findall(r"/admin/records/deal/(\d+)/change/", answer.text)))
        assert shown == permitted_ids
    else:
        assert answer.status_code == 403
    for deal in Deal._base_manager.all():
        status = client.get(page(deal)).status_code
        assert status == (200 if deal.pk in permitted_ids else 404), deal
        posted = client.post(page(deal), form_of(deal, name=f"{deal.name}!"))
        deal_after = Deal._base_manager.get(pk=deal.pk)
        if allows(user, "change", deal):
            assert (posted.status_code, deal_after.name) == (302, f"{deal.name}!"), deal
        else:
            expected = 403 if deal.pk in permitted_ids else 404
            assert (posted.status_code, deal_after.name) == (expected, deal.name), deal


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("view", ["change", "delete", "history"])
def test_hidden_and_absent_records_answer_the_same_to_the_byte(
    c: TinyCompany, client: Client, method: str, view: str
) -> None:
    client.force_login(c.rita)
    hidden = c.deals["robs"]
    ask = getattr(client, method)
    one = ask(page(hidden, view))
    other = ask(page(Deal(pk=10**9), view))
    assert one.status_code == other.status_code == 404
    assert one.content == other.content
    assert dict(one.headers) == dict(other.headers)


def test_refused_save_names_the_stage_and_who_may_act_and_is_logged(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    answer = client.post(page(c.deals["vault"]), form_of(c.deals["vault"], name="Mine now"))
    assert answer.status_code == 403
    assert "locked stage “Vault”" in answer.text
    assert "only super admins may edit it" in answer.text
    assert "Mine now" in answer.text  # what was typed is not lost
    event = AuditEvent.objects.get(result="refused")
    assert (event.action, event.actor, event.data) == ("deal.change", c.rita, {"code": "stage"})


def test_reason_names_chosen_people_and_teams(c: TinyCompany, client: Client) -> None:
    client.force_login(c.nora)
    answer = client.get(page(c.deals["chosen_n"]))
    assert answer.status_code == 200
    assert "super admins, South and Rita may edit it" in answer.text


def test_locking_a_stage_holds_for_the_form_that_is_already_open(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    deal = c.deals["ritas"]
    assert client.get(page(deal)).status_code == 200
    rule = {"enabled": True, "stages": [c.stages["open"]]}
    set_stage_rule(c.pipeline, actor=c.sam, **rule)
    assert client.post(page(deal), form_of(deal, name="Too late")).status_code == 403
    set_stage_rule(c.pipeline, actor=c.sam, enabled=False)
    assert client.post(page(deal), form_of(deal, name="In time")).status_code == 302


def test_stage_is_taken_from_the_stored_row_not_from_the_form(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    deal = c.deals["vault"]
    moved_out = form_of(deal, stage=c.stages["open"].pk, name="Free")
    assert client.post(page(deal), moved_out).status_code == 403
    deal.refresh_from_db()
    assert deal.stage == c.stages["vault"]


def test_moving_into_a_locked_stage_is_allowed_and_says_so(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    deal = c.deals["ritas"]
    moved = form_of(deal, stage=c.stages["vault"].pk, name="Typed")
    answer = client.post(page(deal), moved)
    assert answer.status_code == 200
    assert "You will not be able to edit it any more" in answer.text
    assert "In the locked stage “Vault” of Renewals, only super admins may edit it" in answer.text
    # A question, and no mistake of whoever filled it in.
    assert "Move to “Vault”? You will not be able to edit it any more." in answer.text
    assert "Move and lock" in answer.text
    assert "errornote" not in answer.text
    assert "Please correct" not in answer.text
    # “Yes” and “Cancel” both send all that was typed: without a script, too.
    question, form = (each for _, each in forms_of(answer.text) if "record_version" in each)
    assert question["name"] == form["name"] == ["Typed"]
    back = client.post(page(deal), {**question, "again": "1"})
    assert "You will not be able to edit it any more" not in back.text
    assert 'value="Typed"' in back.text
    deal.refresh_from_db()
    assert deal.stage == c.stages["open"]
    answer = client.post(page(deal), {**question, **yes(answer)}, follow=True)
    deal.refresh_from_db()
    assert (deal.stage, deal.name) == (c.stages["vault"], "Typed")
    assert "You cannot edit it any more" in answer.text


@pytest.mark.parametrize("name", ["sam", "rita", "rob", "nora", "ruth"])
def test_stages_bear_a_padlock_for_whom_they_lock_out(c: TinyCompany, name: str) -> None:
    """Parity: what the choice says of a stage is what the rule says of a record in it."""
    stages = with_locks(Stage.objects.all(), c.fresh(name))
    deal = DealFactory(owner=c.people[name], stage=c.stages["open"])
    for stage in stages:
        Deal.objects.filter(pk=deal.pk).update(stage=stage)
        findings = explain(c.fresh(name), "change", deal).findings
        told = [each.holds for each in findings if each.code == "stage"]
        assert told == [stage.is_locked], stage
    assert any(stage.is_locked for stage in stages) == (name != "sam")
    client = Client()
    client.force_login(c.people[name])
    text = client.get(f"{LIST}add/").text
    if name != "ruth":  # who creates none
        assert ("Vault 🔒 locked for you" in text) == (name != "sam")


def test_continuing_after_a_move_into_a_locked_stage_shows_the_record_to_read(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    deal = c.deals["ritas"]
    moved = form_of(deal, stage=c.stages["vault"].pk, _continue="1")
    asked = client.post(page(deal), moved)
    answer = client.post(page(deal), {**moved, **yes(asked)}, follow=True)
    assert answer.redirect_chain == [(page(deal), 302)]
    assert "Saved. You cannot edit it any more." in answer.text
    assert "You may edit it again" not in answer.text
    edited = form_of(c.deals["chosen"], name="Renamed", _continue="1")
    answer = client.post(page(c.deals["chosen"]), edited, follow=True)
    assert "You may edit it again" in answer.text


def test_creating_in_a_locked_stage_asks_first_and_says_so_afterwards(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    new = Deal(name="Born locked", stage=c.stages["vault"], owner=c.rita)
    answer = client.post(f"{LIST}add/", form_of(new))
    assert answer.status_code == 200
    assert "You will not be able to edit it any more" in answer.text
    assert 'value="Born locked"' in answer.text
    assert not Deal.objects.filter(name="Born locked").exists()
    answer = client.post(f"{LIST}add/", form_of(new, **yes(answer)), follow=True)
    assert Deal.objects.get(name="Born locked").stage == c.stages["vault"]
    assert "You cannot edit it any more" in answer.text
    # Whom the rule names is neither asked nor warned.
    chosen = form_of(new, name="Born chosen", stage=c.stages["chosen"].pk)
    answer = client.post(f"{LIST}add/", chosen, follow=True)
    assert Deal.objects.get(name="Born chosen").stage == c.stages["chosen"]
    assert "any more" not in answer.text


def test_giving_away_into_a_locked_stage_is_one_question_about_both(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    deal = c.deals["ritas"]
    both = form_of(deal, owner=c.nora.pk, stage=c.stages["vault"].pk)
    answer = client.post(page(deal), both)
    assert "Move to “Vault” and hand over?" in answer.text
    assert "In the locked stage “Vault”" in answer.text
    assert answer.text.count("_confirm_hand_over") == 1
    assert client.post(page(deal), {**both, **yes(answer)}).status_code == 302


def test_yes_to_another_question_is_no_answer(c: TinyCompany, client: Client) -> None:
    """What was confirmed is what was read: where that became something else, it is asked anew."""
    client.force_login(c.rita)
    deal = c.deals["ritas"]

    def move(record: Deal, stage: str, **more: object) -> dict[str, object]:
        return form_of(record, stage=c.stages[stage].pk, **more)

    to_vault = client.post(page(deal), move(deal, "vault"))
    assert "Move to “Vault”?" in to_vault.text
    # Another stage was locked meanwhile, and it is that into which the form moves the record now.
    set_stage_rule(c.pipeline, actor=c.sam, enabled=True, stages=[c.stages["locked"]])
    asked = client.post(page(deal), {**move(deal, "locked"), **yes(to_vault)})
    assert "Move to “Locked”?" in asked.text
    assert asked.text.count("_confirm_hand_over") == 1
    # So for another owner, and for “yes” that names no question.
    given = client.post(page(deal), form_of(deal, owner=c.rob.pk))
    for form, answer in (
        (form_of(deal, owner=c.people["ella"].pk), yes(given)),
        (move(deal, "vault", owner=c.rob.pk), yes(given)),
        (move(deal, "vault"), {"_confirm_hand_over": "yes"}),
        (form_of(deal, owner=c.rob.pk), yes(asked)),
    ):
        assert "any more" in client.post(page(deal), {**form, **answer}).text
    deal.refresh_from_db()
    assert (deal.stage, deal.owner, deal.version) == (c.stages["open"], c.rita, 1)
    # The same for a new record.
    new = Deal(name="Born locked", stage=c.stages["vault"], owner=c.rita)
    created = client.post(f"{LIST}add/", form_of(new, **yes(to_vault)))
    assert "Create it in “Vault”?" in created.text
    assert not Deal.objects.filter(name="Born locked").exists()
    assert client.post(page(deal), {**move(deal, "locked"), **yes(asked)}).status_code == 302
    deal.refresh_from_db()
    assert deal.stage == c.stages["locked"]


def test_stale_form_is_refused_and_keeps_what_was_typed(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    deal = c.deals["ritas"]
    assert client.post(page(deal), form_of(deal, name="First")).status_code == 302
    answer = client.post(page(deal), form_of(deal, name="Second", product="Kept"))
    assert answer.status_code == 200
    assert "Somebody else saved this record" in answer.text
    assert 'value="Second"' in answer.text
    assert 'value="Kept"' in answer.text
    deal.refresh_from_db()
    assert (deal.name, deal.version) == ("First", 2)


def test_after_a_mistake_one_script_alone_moves_the_focus(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    to_the_first_field = "admin/js/change_form.js"
    assert to_the_first_field in client.get(f"{LIST}add/").text
    new = Deal(name="", stage=c.stages["open"], owner=c.rita)
    answer = client.post(f"{LIST}add/", form_of(new))
    assert (answer.status_code, 'aria-invalid="true"' in answer.text) == (200, True)
    assert to_the_first_field not in answer.text


def test_giving_a_record_away_asks_first_and_leads_back_to_the_list(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    deal = c.deals["ritas"]
    given = form_of(deal, owner=c.rob.pk)
    answer = client.post(page(deal), given)
    assert answer.status_code == 200
    assert "_confirm_hand_over" in answer.text
    deal.refresh_from_db()
    assert deal.owner == c.rita
    answer = client.post(page(deal), {**given, **yes(answer)})
    assert (answer.status_code, answer["Location"]) == (302, LIST)
    deal.refresh_from_db()
    assert deal.owner == c.rob


def test_new_owner_must_be_able_to_view_the_kind_of_record(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    deal = c.deals["ritas"]
    answer = client.post(page(deal), form_of(deal, owner=c.axel.pk))
    assert answer.status_code == 200
    assert "Axel cannot own deals" in answer.text


def test_hidden_relation_is_masked_kept_and_cannot_be_set(c: TinyCompany, client: Client) -> None:
    deal = DealFactory(owner=c.rita, stage=c.stages["open"], company=c.companies["bolt"])
    client.force_login(c.rita)
    for address in (LIST, page(deal)):
        text = client.get(address).text
        assert "Bolt" not in text
        assert "restricted record" in text
        assert f"/company/{c.companies['bolt'].pk}/" not in text
    # Naming another company by its key, hidden or absent, changes nothing.
    for key in (c.companies["free"].pk, 10**9):
        client.post(page(deal), form_of(deal, company=key, name=f"Saved {key}"))
        deal.refresh_from_db()
        assert deal.company == c.companies["bolt"]


@pytest.mark.parametrize("key", ["hidden", "absent"])
def test_linking_to_a_hidden_company_is_refused_like_an_absent_one(
    c: TinyCompany, client: Client, key: str
) -> None:
    client.force_login(c.rita)
    deal = c.deals["ritas"]
    company = c.companies["bolt"].pk if key == "hidden" else 10**9
    answer = client.post(page(deal), form_of(deal, company=company))
    assert answer.status_code == 200
    assert "Select a valid choice" in answer.text
    assert "Bolt" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "amount__gt=5",
        "owner__password__startswith=a",
        "owner__email__contains=r",
        "company__name=Bolt",
        "contact__isnull=1",
        "_facets=True",
        "_popup=1",
        "_to_field=name",
        "nonsense=1",
        "q=%00",
    ],
)
def test_unknown_parameters_of_a_list_are_a_400(c: TinyCompany, client: Client, query: str) -> None:
    client.force_login(c.rita)
    assert client.get(f"{LIST}?{query}").status_code == 400
    assert client.get(f"/admin/exports/exportrequest/new/deal/?{query}").status_code == 400


def test_filtering_by_a_hidden_company_is_the_same_400_as_by_an_absent_one(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    hidden = client.get(f"{LIST}?company={c.companies['bolt'].pk}")
    absent = client.get(f"{LIST}?company=999999")
    assert hidden.status_code == absent.status_code == 400
    assert hidden.content == absent.content
    assert client.get(f"{LIST}?company={c.companies['acme'].pk}").status_code == 200


def test_mistyped_value_shows_a_message_and_no_rows(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    answer = client.get(f"{LIST}?amount_min=abc")
    assert answer.status_code == 200
    assert "Amount: Enter a number." in answer.text
    assert not re.findall(r"/admin/records/deal/\d+/change/", answer.text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("unassigned=yes", {"unassigned"}),
        ("owner={rita}", {"ritas", "co_owned", "chosen", "vault"}),
        (
            "team={north_a}",
            {"ritas", "noras", "co_owned", "chosen", "chosen_n", "vault", "off", "freds"},
        ),
        ("stage={chosen}", {"chosen", "chosen_n"}),
        ("q=rita", {"ritas"}),
        ("q=Rob", set()),
    ],
)
def test_filters_narrow_within_reach(
    c: TinyCompany, client: Client, query: str, expected: set[str]
) -> None:
    client.force_login(c.rita)
    keys = {"rita": c.rita.pk, "north_a": c.teams["north_a"].pk, "chosen": c.stages["chosen"].pk}
    text = client.get(f"{LIST}?{query.format(**keys)}").text
    shown = set(map(int, re.findall(r"/admin/records/deal/(\d+)/change/", text)))
    assert shown == {c.deals[name].pk for name in expected}


def test_filter_by_team_offers_teams_in_reach_and_no_other(c: TinyCompany, client: Client) -> None:
    """Which records a team owns tells who is in it: names of teams are public, members are not."""
    every = {"north", "north_a", "south"}
    expected = {
        "rita": {"north_a"},
        "mona": {"north", "north_a"},
        "ella": {"south", "north_a"},
        "lena": set(),
        "ruth": every,
        "eve": every,
        "sam": every,
    }
    dialog = "/admin/exports/exportrequest/new/deal/"
    for name, teams in expected.items():
        user = c.fresh(name)
        client.force_login(user)
        form = filters.bound(Deal, QueryDict(), Deal.objects.none(), user=user).form
        offered = {team for team in c.teams if c.teams[team] in form.fields["team"].queryset}
        assert offered == teams, name
        absent = client.get(f"{LIST}?team=999999")
        asked = client.get(f"{dialog}?team=999999")
        for team in every:
            answer = client.get(f"{LIST}?team={c.teams[team].pk}")
            same = client.get(f"{dialog}?team={c.teams[team].pk}")
            if team in teams:
                assert answer.status_code == 200
                continue
            assert (answer.status_code, answer.content) == (400, absent.content)
            assert (same.status_code, same.content) == (asked.status_code, asked.content)
    # For one kind of record only: she views every contact, and deals of her team.
    for model, teams in ((Contact, every), (Deal, {"north_a"})):
        query = f"team={c.teams['south'].pk}"
        if teams == every:
            assert filters.canonical(model, query, user=c.fresh("rita")) == query
        else:
            with pytest.raises(filters.BadQuery):
                filters.canonical(model, query, user=c.fresh("rita"))


def test_search_and_palette_and_picker_find_only_what_is_in_reach(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    palette = client.get("/admin/search/?s=o&extended=1").text
    assert "Bolt" not in palette
    palette = client.get("/admin/search/?s=Acme&extended=1").text
    assert "Acme" in palette
    picker = "/admin/autocomplete/choose/?app_label=records&model_name=deal&field_name="
    names = [r["text"] for r in client.get(f"{picker}company").json()["results"]]
    assert names == ["Acme"]
    people = [r["text"] for r in client.get(f"{picker}owner&term=Rob").json()["results"]]
    assert people == ["Rob"]
    # By names only: an e-mail address is not something a picker may be asked about.
    assert client.get(f"{picker}owner&term=example.com").json()["results"] == []
    assert client.get(f"{picker}owner&term=Fred").json()["results"] == []  # deactivated


def test_palette_finds_people_teams_and_sets_for_who_reads_their_lists(
    c: TinyCompany, client: Client
) -> None:
    def found(who: User, term: str) -> list[str]:
        client.force_login(who)
        results = client.get("/admin/search/", {"s": term, "extended": "1"}).context["results"]
        return [f"{hit.description}: {hit.title}" for hit in results]

    assert found(c.sam, "Rita")[-1] == "User: Rita"
    assert found(c.sam, "north") == ["Team: North", "Team: North A"]
    assert found(c.sam, "manager") == ["Permission set: Manager"]
    # Records come before them, and nobody else learns who works here.
    kinds = [hit.partition(":")[0] for hit in found(c.sam, "o")]
    assert kinds.index("User") > max(kinds.index(kind) for kind in ("Contact", "Deal"))
    assert [found(c.rita, term) for term in ("Rob", "north", "manager")] == [[], [], []]


def test_add_page_takes_no_values_from_its_address(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    text = client.get(f"{LIST}add/?company={c.companies['bolt'].pk}&name=Injected").text
    assert "Bolt" not in text
    assert "Injected" not in text


def test_sorting_by_an_undeclared_column_changes_nothing(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    plain = re.findall(r"/deal/(\d+)/change/", client.get(LIST).text)
    for column in range(12):
        answer = client.get(f"{LIST}?o={column}")
        assert answer.status_code == 200
        assert sorted(re.findall(r"/deal/(\d+)/change/", answer.text)) == sorted(plain)


def test_revoked_right_ends_on_the_very_next_request(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    assert client.get(page(c.deals["noras"])).status_code == 200
    ObjectScope.objects.filter(permission_set=c.sets["rep"], object="deal").update(
        view=1, view_unassigned=False, communicate=1
    )
    assert client.get(page(c.deals["noras"])).status_code == 404
    ObjectScope.objects.filter(permission_set=c.sets["rep"], object="deal").update(view=TEAM)
    assert client.get(page(c.deals["noras"])).status_code == 200


def test_deactivated_person_is_out_at_once_and_stays_out_after_reactivation(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    assert client.get(LIST).status_code == 200
    deactivate(c.rita, actor=c.sam)
    assert client.get(LIST).status_code == 302
    reactivate(c.rita, actor=c.sam)
    assert client.get(LIST).status_code == 302  # the old session does not come back to life


def test_below_super_admin_nobody_reaches_people_teams_sets_and_rules(
    c: TinyCompany, client: Client
) -> None:
    pages = [
        "/admin/accounts/user/",
        "/admin/accounts/user/add/",
        f"/admin/accounts/user/{c.rob.pk}/change/",
        f"/admin/accounts/user/{c.rob.pk}/password/",
        f"/admin/accounts/user/{c.rob.pk}/promote/",
        "/admin/accounts/team/",
        "/admin/accounts/permissionset/",
        f"/admin/accounts/permissionset/{c.sets['rep'].pk}/change/",
        "/admin/records/pipeline/",
        f"/admin/records/pipeline/{c.pipeline.pk}/rule/",
        "/admin/records/property/",
        "/admin/records/screenlimit/",
        "/admin/exports/exportpolicy/1/change/",
    ]
    client.force_login(c.mona)
    for address in pages:
        for ask in (client.get, client.post):
            assert ask(address).status_code in (403, 404), address
    client.force_login(c.sam)
    for address in pages:
        assert client.get(address).status_code == 200, address


def test_person_with_only_the_audit_log_reads_the_trail_and_nothing_else(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.otto)
    assert client.get("/admin/accounts/auditevent/").status_code == 200
    for model in admin.site._registry:
        name = model._meta.model_name
        if name in ("auditevent", "exportrequest"):
            continue
        address = reverse(f"admin:{model._meta.app_label}_{name}_changelist")
        assert client.get(address).status_code == 403, address


def test_audit_log_cannot_be_written_through_the_admin(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    event = AuditEvent.objects.latest("id")
    address = f"/admin/accounts/auditevent/{event.pk}/"
    assert client.get(f"{address}change/").status_code == 200
    assert client.post(f"{address}change/", {"action": "forged"}).status_code == 403
    assert client.post(f"{address}delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/accounts/auditevent/add/").status_code == 403


def test_every_filter_link_of_every_list_leads_somewhere(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    followed = 0
    for model in admin.site._registry:
        options = model._meta
        address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
        text = client.get(address, follow=True).text
        for query in set(re.findall(r'href="(\?[^"]*)"', text)):
            answer = client.get(address + html.unescape(query), follow=True)
            assert answer.status_code == 200, (address, query)
            followed += 1
    assert followed > 20


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"team.create", "deal.change"}),
        ("?about=team", {"team.create"}),
        ("?result=refused", {"deal.change"}),
        ("?actor={rita}", {"deal.change"}),
        ("?actor={sam}&about=team&result=done", {"team.create"}),
        ("?at_before=2001-01-01", set()),
        ("?at_after=2001-01-01", {"team.create", "deal.change"}),
        ("?at_after=tomorrow", set()),  # with a message that says how to write a day
        ("?q=team.", {"team.create"}),
    ],
)
def test_audit_log_is_narrowed(c: TinyCompany, client: Client, query: str, found: set[str]) -> None:
    create_team(actor=c.sam, name="West")
    audit.record_refusal("deal.change", actor=c.rita, code="stage", on=c.deals["vault"])
    client.force_login(c.otto)
    address = f"/admin/accounts/auditevent/{query.format(rita=c.rita.pk, sam=c.sam.pk)}"
    text = client.get(address).text
    codes = set(re.findall(r'<span class="code">([^<]+)</span>', text))
    assert codes - {"session.login"} == found
    assert ("Write the day as" in text) == ("tomorrow" in query)
    for bad in ("?about=nothing", "?result=maybe", "?actor=x", "?result__exact=done"):
        assert client.get(f"/admin/accounts/auditevent/{bad}").status_code == 400, bad


def test_event_reads_as_people_read_it(c: TinyCompany, client: Client) -> None:
    with transaction.atomic():
        event = audit.record(
            "export.finish",
            actor=audit.System("exports"),
            on=c.deals["ritas"],
            data={
                "one": 1,
                "none": 0,
                "true": True,
                "false": False,
                "nothing": None,
                "owner": {"from": c.rita.pk, "to": None},
                "approvers": [c.axel.pk, 0, True],
            },
        )
    client.force_login(c.otto)
    text = client.get(f"/admin/accounts/auditevent/{event.pk}/change/").text
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]*)</dd>", text))
    assert facts == {
        "One": "1",
        "None": "0",
        "True": "yes",
        "False": "no",
        "Nothing": "–",
        "Owner": "Rita → –",
        "Approvers": "Axel, #0, yes",
    }
    assert "Export: finished" in text
    assert f"Deal #{c.deals['ritas'].pk}" in text
    assert "the system (exports)" in text


def test_refusal_names_what_was_refused(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    deleting = client.get(page(c.deals["ritas"], "delete"))
    changing = client.post(page(c.deals["noras"]), form_of(c.deals["noras"]))
    assert (deleting.status_code, changing.status_code) == (403, 403)
    assert "You may not delete “Rita&#x27;s”" in deleting.text
    assert "You may not change “Nora&#x27;s”" in changing.text


def test_help_on_filling_a_field_in_is_for_who_may(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    said = "Leave empty for unassigned."
    assert said in client.get(page(c.deals["ritas"])).text
    assert said not in client.get(page(c.deals["noras"])).text


def test_empty_list_says_what_its_reader_can_do(c: TinyCompany, client: Client) -> None:
    Ticket._base_manager.all().delete()
    client.force_login(c.eve)  # may add tickets
    assert "Add the first ticket" in client.get("/admin/records/ticket/").text
    text = client.get(f"{LIST}?q=nothing-like-it").text
    assert text.casefold().count("show everything") == 1
    assert text.count("Nothing that you can see matches the search and the filters.") == 1
    assert not re.search(r"\b0\s+(found|deals)", text)
    client.force_login(c.ruth)  # reads deals, and nothing else
    Deal._base_manager.all().update(deleted_at=timezone.now())
    text = client.get(LIST).text
    assert "There is no deal you can see" in text
    assert "Add the first" not in text


def test_nobody_is_offered_a_step_that_always_refuses(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    own = client.get(f"/admin/accounts/user/{c.sam.pk}/change/").text
    other = client.get(f"/admin/accounts/user/{c.sue.pk}/change/").text
    for step in ("demote", "deactivate"):
        assert f"/{step}/" not in own
        assert f"/{step}/" in other


REQUIREMENT = re.compile(r"(?<![\w.])(?:R|Q|L|E|B|S)\d{1,3}\b|R-§")


def test_no_text_for_people_names_a_requirement() -> None:
    """Docstrings and comments do; what stands in a string may be read on a screen."""
    found = set()
    for floor in ("accounts", "records", "exports", "crmperms"):
        for source in Path(floor).rglob("*.py"):
            tree = ast.parse(source.read_text())
            spoken = {id(text) for text in _docstrings(tree)}
            for node in ast.walk(tree):
                text = getattr(node, "value", None)
                if (
                    isinstance(node, ast.Constant)
                    and isinstance(text, str)
                    and id(node) not in spoken
                ):
                    found |= {(str(source), text)} if REQUIREMENT.search(text) else set()
    for template in Path("templates").rglob("*.html"):
        shown = re.sub(r"{#.*?#}|{% comment.*?endcomment %}", "", template.read_text(), flags=re.S)
        found |= {(str(template), t) for t in REQUIREMENT.findall(shown)}
    assert found == set()
    assert REQUIREMENT.search("Always needs approval (R113).")


def _docstrings(tree: ast.AST) -> Iterator[ast.expr]:
    """Return every string that stands as a statement of its own."""
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))


def test_deleting_puts_into_the_bin_and_follows_its_own_scope(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.mona)
    assert client.post(page(c.deals["monas"], "delete"), {"post": "yes"}).status_code == 302
    assert client.get(page(c.deals["monas"])).status_code == 404
    refused = client.post(page(c.deals["ritas"], "delete"), {"post": "yes"})
    assert refused.status_code == 403
    assert Deal.objects.get(pk=c.deals["ritas"].pk).deleted_at is None
    assert Deal._base_manager.get(pk=c.deals["monas"].pk).deleted_by == c.mona


def test_forged_buttons_are_refused(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    before = Deal._base_manager.count()
    for forged in ("_saveasnew", "dataset", "_popup"):
        posted = form_of(c.deals["ritas"], **{forged: "1"})
        assert client.post(page(c.deals["ritas"]), posted).status_code == 400
    many = {"action": "delete_selected", "_selected_action": [c.deals["ritas"].pk], "post": "yes"}
    client.post(LIST, many)
    assert Deal._base_manager.count() == before
    assert Deal.objects.get(pk=c.deals["ritas"].pk).deleted_at is None


FOR_EVERYBODY = {
    *("/admin/login/", "/admin/jsi18n/"),
    # An invited person cannot log in yet; without a link that works these pages say nothing.
    *("/admin/invitation/done/", "/admin/invitation/1/1/"),
}


def test_anonymous_visitors_reach_the_login_page_only(c: TinyCompany, client: Client) -> None:
    for address in every_address():
        answer = client.get(address)
        if answer.status_code == 200:
            assert address in FOR_EVERYBODY, address
        else:
            assert answer.status_code in (302, 404, 405), (address, answer.status_code)


# --- The house's own promises --------------------------------------------------------------------


def every_address() -> Iterator[str]:
    """Return every address the resolver knows, with 1 for each argument."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
        for entry in patterns:
            route = prefix + str(entry.pattern)
            if isinstance(entry, URLResolver):
                yield from walk(entry.url_patterns, route)
            else:
                plain = re.sub(r"<[^>]+>", "1", route)
                yield "/" + plain.replace("^", "").replace("$", "").replace("\\", "")

    for address in walk(get_resolver().url_patterns, ""):
        if "(?P" not in address:
            yield address


def test_every_screen_derives_from_the_guarded_bases() -> None:
    for model, model_admin in admin.site._registry.items():
        assert isinstance(model_admin, AccessModelAdmin), model
        assert not model_admin.list_editable, model
        assert not model_admin.raw_id_fields, model
        assert not model_admin.date_hierarchy, model
        # Our rows leave out what no screen of ours has.
        assert not model_admin.actions_row, model
        assert not model_admin.ordering_field, model
        assert all(issubclass(inline, AccessInline) for inline in model_admin.inlines), model
        always = set(model.always_visible)
        assert set(model_admin.search_fields) <= always, model
        assert {name.lstrip("-") for name in model._meta.ordering} <= {
            *always,
            "id",
            "user",
            "at",
            "requested_at",
            "created_at",
            "position",
        }, model


def test_redirect_by_content_type_does_not_exist(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    assert client.get(f"/admin/r/1/{c.rita.pk}/").status_code == 404


def test_str_of_records_names_always_visible_fields_only(c: TinyCompany) -> None:
    deal = Deal(name="A name", amount=4711, product="canary")
    assert str(deal) == "A name"
    assert str(Company(name="Co", sector="canary")) == "Co"


def test_answers_to_people_are_not_kept_by_anybody(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    assert client.get(LIST)["Cache-Control"] == "private, no-store"


def test_log_in_by_email_in_any_case(c: TinyCompany, client: Client) -> None:
    answer = client.post("/admin/login/", {"username": " RITA@Example.com ", "password": PASSWORD})
    assert answer.status_code == 302
    assert AuditEvent.objects.filter(action="session.login", actor=c.rita).count() == 1
    assert User.objects.get(pk=c.rita.pk).last_login is not None
