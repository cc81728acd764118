"""Every change of rights is shown before it is made, and exactly what was shown is made (B4)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from accounts import operations
from accounts.audit import REFUSALS_PER_MINUTE
from accounts.models import (
    AuditEvent,
    Membership,
    ObjectScope,
    PermissionSet,
    RightsChange,
    Team,
    ToolGrant,
    User,
)
from accounts.people import BY_NAME
from accounts.review import CHANGED
from tests.support.company import EVERYTHING, OWNED, TEAM, TinyCompany
from tests.support.factories import PASSWORD, DealFactory, SetFactory, UserFactory
from tests.support.forms_as_shown import form_with
from tests.support.reviewed import confirmed, is_review, review

pytestmark = pytest.mark.django_db

PEOPLE, SETS, TEAMS = (f"/admin/accounts/{name}/" for name in ("user", "permissionset", "team"))
UNDO = f"{PEOPLE}permissions/undo/"
Sent = tuple[str, dict[str, Any]]


@pytest.fixture
def c(c: TinyCompany) -> TinyCompany:
    lead = SetFactory(
        name="Lead",
        scopes={"deal": {"view": TEAM, "change": OWNED}, "contact": {"view": EVERYTHING}},
        tools=["account.access", "account.edit_users", "account.user_table", "crm.export"],
    )
    small = SetFactory(name="Small", scopes={"deal": {"view": OWNED}})
    c.sets |= {"lead": lead, "small": small}
    c.people["dora"] = UserFactory(
        email="dora@example.com", permission_set=lead, team=c.teams["north"]
    )
    c.people["weak"] = UserFactory(
        email="weak@example.com", permission_set=small, team=c.teams["north_a"]
    )
    c.rule.teams.clear()
    return c


def everything() -> list[list[Any]]:
    """Return all that says who may do what."""
    scopes = ObjectScope.objects.order_by("permission_set", "object")
    return [
        list(User.objects.order_by("pk").values_list("pk", "is_superuser", "permission_set")),
        list(Membership.objects.order_by("user", "team").values_list("user", "team", "is_main")),
        list(Team.objects.order_by("pk").values_list("name", "parent")),
        list(PermissionSet.objects.order_by("pk").values_list("pk", "name", "based_on")),
        [row for row in scopes.values_list("permission_set", *COLUMNS) if any(row[2:])],
        list(
            ToolGrant.objects.order_by("permission_set", "key", "option").values_list(
                "permission_set", "key", "option", "rank", "unassigned"
            )
        ),
    ]


# --- The doors ------------------------------------------------------------------------------------


def _form(client: Client, address: str, has: str, /, **changed: Any) -> Sent:
    """Return what the form of a page sends with some fields filled in otherwise."""
    _, fields = form_with(client.get(address).text, has)
    return address, {**fields, **changed}


def _many(step: str, *names: str, **values: Any) -> Callable[[TinyCompany, Client], Sent]:
    def door(c: TinyCompany, client: Client) -> Sent:
        keys = [c.people[name].pk for name in names]
        people = list(User.objects.filter(pk__in=keys).order_by(*BY_NAME))
        sent = {
            "people": ",".join(str(each.pk) for each in people),
            "as_opened": operations.many_as_they_stand(people),
        }
        return f"{PEOPLE}many/{step}/", sent | {name: of(c).pk for name, of in values.items()}

    return door


def _set(name: str) -> Callable[[TinyCompany], PermissionSet]:
    return lambda c: c.sets[name]


def _team(name: str) -> Callable[[TinyCompany], Team]:
    return lambda c: c.teams[name]


def person_form(c: TinyCompany, client: Client) -> Sent:
    address = f"{PEOPLE}{c.rita.pk}/change/"
    teams = {"main_team": c.teams["south"].pk, "extra_teams": [c.teams["north"].pk]}
    return _form(client, address, "first_name", permission_set=c.sets["reader"].pk, **teams)


def given_on_the_sets_page(c: TinyCompany, client: Client) -> Sent:
    return f"{SETS}{c.sets['reader'].pk}/give/", {"people": [c.rita.pk, c.lena.pk]}


def set_form(c: TinyCompany, client: Client) -> Sent:
    changed = {"scopes-deal-view": "3"}
    return _form(client, f"{SETS}{c.sets['rep'].pk}/change/", "scopes-deal-view", **changed)


def new_set(c: TinyCompany, client: Client) -> Sent:
    address = f"{SETS}add/?begin=set-{c.sets['reader'].pk}"
    return _form(client, address, "scopes-deal-view", name="Newly", people=[c.rita.pk, c.nils.pk])


def set_deleted(c: TinyCompany, client: Client) -> Sent:
    sent = {"post": "yes", "replacement": c.sets["reader"].pk}
    return f"{SETS}{c.sets['rep'].pk}/delete/", sent


def promoted(c: TinyCompany, client: Client) -> Sent:
    return f"{PEOPLE}{c.rita.pk}/promote/", {}


def demoted(c: TinyCompany, client: Client) -> Sent:
    return f"{PEOPLE}{c.sue.pk}/demote/", {"permission_set": c.sets["rep"].pk}


def members_added(c: TinyCompany, client: Client) -> Sent:
    people = [c.rita.pk, c.nora.pk]
    return f"{TEAMS}{c.teams['south'].pk}/add_members/", {"people": people, "how": "extra"}


def main_members_added(c: TinyCompany, client: Client) -> Sent:
    people = [c.rita.pk, c.nora.pk]
    return f"{TEAMS}{c.teams['south'].pk}/add_members/", {"people": people, "how": "main"}


def member_removed(c: TinyCompany, client: Client) -> Sent:
    return f"{TEAMS}{c.teams['north_a'].pk}/remove_member/", {"person": c.nora.pk}


def team_moved(c: TinyCompany, client: Client) -> Sent:
    address = f"{TEAMS}{c.teams['north_a'].pk}/change/"
    return _form(client, address, "parent", parent=c.teams["south"].pk)


def team_merged(c: TinyCompany, client: Client) -> Sent:
    return f"{TEAMS}{c.teams['north_a'].pk}/merge/", {"into": c.teams["south"].pk}


for_many = _many("assign_set", "rita", "lena", permission_set=_set("reader"))
main_team = _many("set_main_team", "rita", "nora", team=_team("south"))
joined = _many("add_to_team", "rita", "nora", team=_team("south"))
all_promoted = _many("promote", "rita", "lena")

DOORS: dict[str, Callable[[TinyCompany, Client], Sent]] = {
    "a person's form": person_form,
    "a set for many": for_many,
    "a set, on its page": given_on_the_sets_page,
    "a set's form": set_form,
    "a new set": new_set,
    "a set deleted": set_deleted,
    "super admin": promoted,
    "super admins": all_promoted,
    "super admin no more": demoted,
    "main team for many": main_team,
    "team for many": joined,
    "members": members_added,
    "main members": main_members_added,
    "member removed": member_removed,
    "team moved": team_moved,
    "teams merged": team_merged,
}
FOR_GOOD = {"a new set", "a set deleted", "teams merged"}
"""What no click takes back: the set or the team is gone, or there is a new one."""
COLUMNS = [
    each.name for each in ObjectScope._meta.fields if each.name not in ("id", "permission_set")
]
every_door = pytest.mark.parametrize("door", DOORS.values(), ids=list(DOORS))


def says(page: HttpResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html.unescape(page.text)))


# --- Stories --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(DOORS))
def test_what_follows_is_shown_and_then_done_and_taken_back(
    c: TinyCompany, client: Client, name: str
) -> None:
    client.force_login(c.sam)
    address, sent = DOORS[name](c, client)
    before, events = everything(), AuditEvent.objects.count()
    page = client.post(address, sent)
    assert is_review(page)
    for part in ("What follows", "It takes effect at once", "For each of them"):
        assert part in says(page)
    assert re.search(r"\d+ (more|fewer) deals?", says(page))
    assert (everything(), AuditEvent.objects.count()) == (before, events)
    action, fields = form_with(page.text, "reviewed")
    done = client.post(action, {**fields, "save": "1"}, follow=True)
    after = everything()
    assert after != before
    assert ('name="undo"' in done.text) is (name not in FOR_GOOD)
    assert ("It cannot be taken back." in says(page)) is (name in FOR_GOOD - {"a new set"})
    if name not in FOR_GOOD:
        _, token = form_with(done.text, "undo")
        assert "Taken back" in client.post(UNDO, token, follow=True).text
        assert everything() == before
        again = client.post(UNDO, token, follow=True)
        assert "so nothing was taken back" in html.unescape(again.text)
        assert everything() == before


@every_door
def test_where_something_changed_meanwhile_it_is_shown_anew_and_nothing_saved(
    c: TinyCompany, client: Client, door: Callable[[TinyCompany, Client], Sent]
) -> None:
    client.force_login(c.sam)
    action, fields = review(client, *door(c, client))
    before = everything()
    for owner in (c.rita, c.nora, c.rob, c.nils, c.mona):
        DealFactory(owner=owner, stage=c.stages["open"])
    anew = client.post(action, fields)
    assert is_review(anew)
    assert CHANGED in html.unescape(anew.text)
    assert everything() == before
    # What is shown now can be confirmed, once.
    action, fields = form_with(anew.text, "reviewed")
    client.post(action, {**fields, "save": "1"})
    after, events = everything(), AuditEvent.objects.count()
    assert after != before
    client.post(action, {**fields, "save": "1"})
    assert (everything(), AuditEvent.objects.count()) == (after, events)


@every_door
def test_forged_mark_is_no_confirmation(
    c: TinyCompany, client: Client, door: Callable[[TinyCompany, Client], Sent]
) -> None:
    client.force_login(c.sam)
    action, fields = review(client, *door(c, client))
    before = everything()
    for mark in ("x", fields["reviewed"][0][::-1], "é\u0000"):
        assert is_review(client.post(action, {**fields, "reviewed": mark}))
        assert everything() == before
    # Nor is the mark of another change.
    _, its = review(client, f"{PEOPLE}{c.ruth.pk}/promote/", {})
    assert is_review(client.post(action, {**fields, "reviewed": its["reviewed"]}))
    assert everything() == before


@pytest.mark.parametrize(
    "name", ["a person's form", "a set for many", "a set's form", "super admin", "teams merged"]
)
def test_what_opens_much_needs_its_number(
    c: TinyCompany, client: Client, settings: Settings, name: str
) -> None:
    settings.CONFIRM_RECORDS_ABOVE = 0
    client.force_login(c.sam)
    action, fields = review(client, *DOORS[name](c, client))
    page = client.post(action, fields)
    number = re.search(r"This opens ([\d,]+) records?\.? Type that number", says(page))
    assert number, says(page)
    before = everything()
    for typed in ("", "0", "-1", "1e9", str(int(number[1].replace(",", "")) + 1), "٣"):
        refused = client.post(action, {**fields, "confirm": typed})
        assert is_review(refused)
        assert "type that number to confirm it" in says(refused)
        assert everything() == before
    client.post(action, {**fields, "confirm": number[1]})
    assert everything() != before


@every_door
def test_nobody_else_gets_by_the_page(
    c: TinyCompany, client: Client, door: Callable[[TinyCompany, Client], Sent]
) -> None:
    """With a mark that a super admin was given, and without one: rep, manager and delegate."""
    client.force_login(c.sam)
    address, sent = door(c, client)
    action, fields = review(client, address, sent)
    before = everything()
    for name in ("rita", "mona", "otto", "nils"):
        client.force_login(c.people[name])
        for where, what in ((address, sent), (action, fields)):
            answer = client.post(where, what)
            assert answer.status_code in (403, 404), (name, where)
            assert not is_review(answer)
    client.force_login(c.dora)
    client.post(address, sent)
    client.post(action, fields)
    confirmed(client, address, sent)
    assert everything() == before


def test_going_back_keeps_what_was_typed(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    before = everything()
    for door, name in (
        (person_form, "permission_set"),
        (for_many, "permission_set"),
        (given_on_the_sets_page, "people"),
        (demoted, "permission_set"),
        (team_moved, "parent"),
        (team_merged, "into"),
    ):
        action, fields = review(client, *door(c, client))
        page = client.post(action, {**fields, "again": "1"})
        assert not is_review(page), name
        assert sorted(form_with(page.text, name)[1][name]) == sorted(fields[name])
        assert "correct the error" not in page.text
    assert everything() == before


# --- What it says ---------------------------------------------------------------------------------


def test_joining_a_team_says_who_will_see_her_deals(c: TinyCompany, client: Client) -> None:
    """Q23."""
    DealFactory.create_batch(3, owner=c.lena, stage=c.stages["open"])
    client.force_login(c.sam)
    address, sent = _many("add_to_team", "lena", team=_team("north_a"))(c, client)
    page = says(client.post(address, sent))
    # Rita, Nora, Ella and Mona see her four, and she sees theirs; Dora sees them from above.
    assert re.search(r"6 people will now see \d+ deals", page)
    assert "Dora sees 4 more deals" in page


def test_names_alone_are_saved_without_a_review(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = f"{PEOPLE}{c.rita.pk}/change/"
    answer = client.post(*_form(client, address, "first_name", first_name="Ritva"))
    assert answer.status_code == 302
    answer = client.post(*_form(client, f"{TEAMS}{c.teams['south'].pk}/change/", "name", name="S"))
    assert answer.status_code == 302
    answer = client.post(*_form(client, f"{SETS}{c.sets['rep'].pk}/change/", "name", name="R"))
    assert answer.status_code == 302
    assert (c.fresh("rita").first_name, Team.objects.filter(name="S").count()) == ("Ritva", 1)


def test_form_that_is_out_of_date_is_refused_before_it_is_reviewed(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    for door in (person_form, set_form, team_moved):
        address, sent = door(c, client)
        page = client.post(address, {**sent, "as_opened": "x"})
        assert not is_review(page)
        assert "while you had it open. Nothing was saved" in page.text
    address, sent = for_many(c, client)
    assert "while you looked at them" in client.post(address, {**sent, "as_opened": "x"}).text


def test_set_is_told_by_how_it_differs_from_what_they_have(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    page = says(client.post(*for_many(c, client)))
    assert "Permission set: Reader, instead of Rep." in page
    assert "What differs between Rep and Reader" in page
    assert "View on deals: Team only → Everything" in page


def test_who_gets_a_new_set_is_named_or_counted(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    like_hers = f"{SETS}add/?begin=set-{c.sets['rep'].pk}"
    address, sent = _form(client, like_hers, "scopes-deal-view", name="Same", people=[c.rita.pk])
    page = says(client.post(address, sent))
    assert f"{c.rita} gets it instead of Rep." in page
    assert "Nothing differs between Rep and Same." in page
    assert "2 people get it instead of Rep" in says(client.post(*new_set(c, client)))


@pytest.mark.parametrize(
    ("page", "empty"),
    [
        (f"{SETS}add/", "There is nobody yet to give it to"),
        (f"{SETS}{{rep}}/give/", "There is nobody else to whom you may give it."),
        (f"{TEAMS}{{south}}/add_members/", "There is nobody else whom you may add."),
    ],
)
def test_form_without_anybody_to_choose_says_so(
    c: TinyCompany, client: Client, page: str, empty: str
) -> None:
    client.force_login(c.sam)
    address = page.format(rep=c.sets["rep"].pk, south=c.teams["south"].pk)
    assert empty not in says(client.get(address))
    User.objects.filter(is_superuser=False).update(is_active=False)
    Membership.objects.bulk_create(
        Membership(user=each, team=c.teams["south"])
        for each in User.objects.filter(is_superuser=True).order_by("pk")
    )
    assert empty in says(client.get(address))


def test_whoever_is_refused_is_left_out_before_it_is_confirmed(
    c: TinyCompany, client: Client
) -> None:
    """A delegate's selection: whom she may not change, and what she may not take."""
    client.force_login(c.dora)
    step = _many("assign_set", "weak", "mona", "sam", permission_set=_set("small"))
    before = everything()
    first = client.post(*step(c, client))
    only_super_admins = "You may not change them: only super admins change a super admin"
    assert f"{c.sam} is left out. {only_super_admins}" in says(first)
    # Mona's set holds what Dora lacks: only doing it tells, and nothing is done.
    assert f"{c.mona} is left out. You may neither give nor take away" in says(first)
    assert everything() == before
    refused = AuditEvent.objects.get(result="refused")
    assert (refused.action, refused.object_id) == ("person.assign_set", str(c.mona.pk))
    assert (refused.actor, refused.data) == (c.dora, {"code": "beyond"})
    action, fields = form_with(first.text, "reviewed")
    assert fields["people"] == [str(c.weak.pk)]
    assert client.post(action, {**fields, "save": "1"}).status_code == 302


def test_whoever_is_refused_after_the_review_is_left_out_anew(
    c: TinyCompany, client: Client
) -> None:
    operations.assign_set(c.mona, actor=c.sam, permission_set=c.sets["small"])
    client.force_login(c.dora)
    step = _many("assign_set", "weak", "mona", permission_set=_set("lead"))
    action, fields = review(client, *step(c, client))
    operations.assign_set(c.mona, actor=c.sam, permission_set=c.sets["manager"])
    before = everything()
    anew = client.post(action, fields)
    assert "refused for some of these people, so nothing was saved" in says(anew)
    assert everything() == before
    action, fields = form_with(anew.text, "reviewed")
    assert fields["people"] == [str(c.weak.pk)]


def _edits_teams() -> User:
    """Return somebody who edits teams and is in none."""
    tools = ["account.access", "account.user_table", "account.edit_teams"]
    permission_set = SetFactory(name="Edits teams", scopes={}, tools=tools)
    return UserFactory(email="tess@example.com", permission_set=permission_set)


def test_what_is_refused_of_a_team_is_not_reviewed_first(c: TinyCompany, client: Client) -> None:
    client.force_login(_edits_teams())
    before, address = everything(), f"{TEAMS}{c.teams['north_a'].pk}/"
    answer = client.post(f"{address}remove_member/", {"person": c.nora.pk}, follow=True)
    assert "only into teams that are yours or below yours" in says(answer)
    c.rule.teams.add(c.teams["north_a"])
    client.force_login(c.sam)
    answer = client.post(f"{address}merge/", {"into": c.teams["south"].pk})
    assert not is_review(answer)
    assert everything() == before


def test_fields_that_only_others_may_write_are_shown_and_refused(
    c: TinyCompany, client: Client
) -> None:
    """The log-in of somebody who can do more, and where a team hangs."""
    client.force_login(c.dora)
    address = f"{PEOPLE}{c.mona.pk}/change/"
    _, fields = form_with(client.get(address).text, "first_name")
    assert "email" not in fields
    assert "can do more than you. Ask a super admin" in says(client.get(address))
    late = client.post(address, {**fields, "email": "new@example.com"})
    assert (late.status_code, User.objects.get(pk=c.mona.pk).email) == (403, "mona@example.com")
    assert client.post(address, {**fields, "first_name": "Moni"}).status_code == 302
    stored = User.objects.get(pk=c.mona.pk)
    assert (stored.first_name, stored.email) == ("Moni", "mona@example.com")

    client.force_login(_edits_teams())
    address = f"{TEAMS}{c.teams['north_a'].pk}/change/"
    _, fields = form_with(client.get(address).text, "name")
    assert "parent" not in fields
    assert "Ask a super admin to move it" in says(client.get(address))
    late = client.post(address, {**fields, "parent": c.teams["south"].pk})
    assert late.status_code == 403
    assert "Ask a super admin to move it" in says(late)
    assert client.post(address, {**fields, "name": "North B"}).status_code == 302
    team = Team.objects.get(pk=c.teams["north_a"].pk)
    assert (team.name, team.parent) == ("North B", c.teams["north"])


def test_delegate_reviews_within_her_sight(c: TinyCompany, client: Client) -> None:
    """The page is the same to the byte, however many records there are that she does not see."""
    client.force_login(c.dora)
    step = _many("assign_set", "weak", permission_set=_set("lead"))
    pages = []
    for owner in (c.rob, c.lena, c.eve):
        page = client.post(*step(c, client)).text
        pages.append(re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"|nonce="[^"]*"', "", page))
        DealFactory(owner=owner, stage=c.stages["open"])
    assert pages[0] == pages[1] == pages[2]
    assert "Counted among the records and people that you see." in pages[0]
    DealFactory(owner=c.mona, stage=c.stages["open"])
    assert says(client.post(*step(c, client))).count("more deals") == 2  # sees, exports


@pytest.mark.parametrize(
    "door",
    [
        _many("assign_set", "weak", permission_set=_set("approver")),
        lambda c, client: (f"{SETS}{c.sets['approver'].pk}/give/", {"people": [c.weak.pk]}),
        lambda c, client: _form(
            client,
            f"{PEOPLE}{c.weak.pk}/change/",
            "first_name",
            permission_set=c.sets["approver"].pk,
        ),
    ],
    ids=["for many", "on the page of the set", "on the page of the user"],
)
def test_review_names_who_else_could_use_a_guarded_tool(
    c: TinyCompany, client: Client, door: Callable[[TinyCompany, Client], Sent]
) -> None:
    """Whoever set their password is named, where records are given too; not where nothing is."""
    told = "Dora made or reactivated the account of Weak in the last 30 days"
    client.force_login(c.sam)
    assert told not in says(client.post(*door(c, client)))
    operations.set_password(c.weak, actor=c.dora, password=PASSWORD)
    assert told in says(client.post(*door(c, client)))
    reader = _many("assign_set", "weak", permission_set=_set("reader"))
    assert told in says(client.post(*reader(c, client)))
    nothing = _many("assign_set", "weak", permission_set=lambda c: c.sets["nothing"])
    c.sets["nothing"] = SetFactory(name="Nothing")
    assert "made or reactivated" not in says(client.post(*nothing(c, client)))
    # A super admin may do all of it anyhow, and whoever reads knows what they did themselves.
    User.objects.filter(pk=c.dora.pk).update(is_superuser=True)
    assert "made or reactivated" not in says(client.post(*door(c, client)))


@pytest.mark.parametrize("step", ["promote", "make_partner_admin"])
def test_who_could_log_in_since_it_was_read_is_read_of_anew(
    c: TinyCompany, client: Client, step: str
) -> None:
    for name in ("small", "lead"):
        ToolGrant.objects.create(permission_set=c.sets[name], key="partner.employee")
    client.force_login(c.sam)
    address = f"{PEOPLE}{c.weak.pk}/{step}/"
    page = client.post(address)
    assert is_review(page)
    assert "made or reactivated" not in says(page)
    operations.set_password(c.weak, actor=c.dora, password=PASSWORD)
    action, fields = form_with(page.text, "reviewed")
    anew = client.post(action, {**fields, "save": "1"})
    assert is_review(anew)
    assert CHANGED in says(anew)
    assert "Dora made or reactivated the account of Weak" in says(anew)
    stored = c.fresh("weak")
    assert not stored.is_superuser
    assert not stored.is_partner_admin


def test_review_names_who_acted_through_somebody_else(c: TinyCompany, client: Client) -> None:
    """Also where the one between is a super admin by then."""
    tools = ["account.access", "account.edit_users", "account.user_table"]
    governs = SetFactory(scopes={"deal": {"view": TEAM}}, tools=tools)
    rosa = UserFactory(first_name="Rosa", permission_set=governs, team=c.teams["north"])
    operations.set_password(rosa, actor=c.dora, password=PASSWORD)
    operations.set_password(c.weak, actor=rosa, password=PASSWORD)
    User.objects.filter(pk=rosa.pk).update(is_superuser=True)
    client.force_login(c.sam)
    text = says(client.post(f"{PEOPLE}{c.weak.pk}/promote/"))
    assert "Dora made or reactivated the account of Weak" in text
    assert "Rosa made or reactivated" not in text


# --- What is taken back ---------------------------------------------------------------------------


def _carried_out(client: Client, address: str, sent: dict[str, Any]) -> HttpResponse:
    return confirmed(client, address, sent, follow=True)


def test_own_permissions_come_back_with_what_they_were_based_on(
    c: TinyCompany, client: Client
) -> None:
    operations.edit_permissions([c.rita], actor=c.sam, changes={"crm.deal.view": "owned"})
    client.force_login(c.sam)
    done = _carried_out(client, *for_many(c, client))
    assert c.fresh("rita").permission_set == c.sets["reader"]
    client.post(UNDO, form_with(done.text, "undo")[1])
    own = c.fresh("rita").permission_set
    assert own is not None
    assert (own.owner, own.based_on) == (c.rita, c.sets["rep"])
    assert c.fresh("rita").grants.scopes["deal"].view == OWNED
    assert c.fresh("lena").permission_set == c.sets["rep"]


def test_undo_is_offered_only_where_all_of_it_can_be_taken_back(
    c: TinyCompany, client: Client
) -> None:
    """Nils has no set, which a former super admin has to have (R92)."""
    client.force_login(c.sam)
    for names, offered in ((("rita", "nils"), False), (("nora", "lena"), True)):
        done = _carried_out(client, *_many("promote", *names)(c, client))
        assert [c.fresh(name).is_superuser for name in names] == [True, True]
        assert ('name="undo"' in done.text) is offered


def test_nobody_takes_back_what_another_did_or_what_was_touched_since(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    done = _carried_out(client, *joined(c, client))
    _, token = form_with(done.text, "undo")
    after = everything()
    for name in ("sue", "dora", "rita"):
        client.force_login(c.people[name])
        client.post(UNDO, token)
        assert everything() == after
    # Another value of the same people may well be newer; the same one may not.
    operations.assign_set(c.rita, actor=c.sue, permission_set=c.sets["reader"])
    operations.remove_from_team(c.nora, actor=c.sue, team=c.teams["south"])
    client.force_login(c.sam)
    refused = client.post(UNDO, token, follow=True)
    assert "Somebody changed these teams since, so nothing was taken back." in refused.text
    operations.add_to_team(c.nora, actor=c.sue, team=c.teams["south"])
    assert "Taken back" in client.post(UNDO, token, follow=True).text
    assert c.fresh("rita").permission_set == c.sets["reader"]


@pytest.mark.parametrize("name", [each for each in DOORS if each not in FOR_GOOD])
def test_nothing_is_given_back_to_whoever_was_let_into_the_log_in_meanwhile(
    c: TinyCompany, client: Client, name: str
) -> None:
    """What was taken from somebody lets others set their password; it is no more theirs alone."""
    client.force_login(c.sam)
    done = _carried_out(client, *DOORS[name](c, client))
    _, token = form_with(done.text, "undo")
    affected = {"demoted": c.sue, "member_removed": c.nora}.get(DOORS[name].__name__, c.rita)
    other = c.sam if affected == c.sue else c.sue
    # A super admin may all of it anyhow: a new password before it is given back is good advice.
    operations.set_password(affected, actor=other, password="another long password")
    after = everything()
    with transaction.atomic():
        assert "Taken back" in client.post(UNDO, token, follow=True).text
        transaction.set_rollback(True)
    RightsChange.objects.create(actor=c.dora, person=affected, door=RightsChange.Door.PASSWORD)
    refused = client.post(UNDO, token, follow=True)
    assert "somebody set a password or changed the log-in" in refused.text
    assert everything() == after


def test_right_lost_between_review_and_confirmation_is_gone(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sue)
    action, fields = review(client, *for_many(c, client))
    operations.remove_super_admin(c.sue, actor=c.sam, permission_set=c.sets["rep"])
    before = everything()
    assert client.post(action, fields).status_code == 403
    assert everything() == before


def test_what_a_page_refuses_stands_in_the_log_though_all_of_it_is_taken_back(
    c: TinyCompany, client: Client
) -> None:
    """The pages put a transaction around review and change; the refusal outlives it (B7).

    Whether the operation refused it, or there is nothing to review because it would.
    """
    client.force_login(c.dora)
    mona, weak = (f"{PEOPLE}{c.people[name].pk}" for name in ("mona", "weak"))
    password = "a-long-one-for-mona"
    south = {"main_team": c.teams["south"].pk}
    of_many = _many("assign_set", "weak", "mona", permission_set=_set("small"))
    beyond = ("person.assign_set", str(c.mona.pk), "beyond")
    table: list[tuple[Sent, tuple[str, str, str]]] = [
        ((f"{SETS}{c.sets['small'].pk}/give/", {"people": [c.mona.pk]}), beyond),
        (of_many(c, client), beyond),
        ((f"{weak}/promote/", {}), ("permission.change", "", "super_admins_only")),
        (
            (f"{mona}/password/", {"password": password}),
            ("person.set_password", str(c.mona.pk), "stronger"),
        ),
        (
            _form(client, f"{weak}/change/", "first_name", **south),
            ("person.set_teams", str(c.weak.pk), "beyond"),
        ),
    ]
    before, expected = everything(), []
    refused = AuditEvent.objects.filter(result="refused", actor=c.dora).order_by("pk")
    for (address, sent), said in table:
        confirmed(client, address, sent)
        expected.append(said)
        assert list(refused.values_list("action", "object_id", "data__code")) == expected
    assert everything() == before
    # Within what the log takes of one person in a minute.
    for _ in range(REFUSALS_PER_MINUTE):
        client.post(f"{weak}/promote/", {})
    assert refused.count() == REFUSALS_PER_MINUTE
