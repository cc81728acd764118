"""The permissions editor over HTTP: one person, a selection, several sets (R1, E14)."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts import operations
from accounts.models import PermissionSet, User
from tests.support.company import EVERYTHING, OWNED, TEAM, TinyCompany
from tests.support.factories import DealFactory, SetFactory, UserFactory

pytestmark = pytest.mark.django_db

PEOPLE, SETS = "/admin/accounts/user/permissions/", "/admin/accounts/permissionset/permissions/"


@pytest.fixture
def c(c: TinyCompany) -> TinyCompany:
    lead = SetFactory(
        name="Lead",
        scopes={
            "deal": {"add": True, "view": TEAM, "change": OWNED, "view_unassigned": True},
            "contact": {"view": EVERYTHING},
        },
        tools=["account.access", "account.edit_users", "account.user_table", "crm.export"],
    )
    c.people["dora"] = UserFactory(
        email="dora@example.com", permission_set=lead, team=c.teams["north"]
    )
    return c


class Page:
    """One page of the editor, as a browser would send it back."""

    def __init__(self, client: Client, address: str, **sent: Any) -> None:
        self.client, self.address = client, address
        self.answer = client.post(address, sent, follow=True) if sent else client.get(address)
        self.text = html.unescape(self.answer.text)

    @property
    def says(self) -> str:
        """The text without its tags."""
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", self.text))

    def sends(self) -> dict[str, list[str]]:
        """Return what the form holds: names and values, without what is disabled."""
        sent: dict[str, list[str]] = {}
        form = self.text.split('class="editor', 1)[1]
        for tag in re.findall(r"<input[^>]*>", form):
            if "disabled" in tag or ('type="checkbox"' in tag and "checked" not in tag):
                continue
            name = re.search(r'name="([^"]*)"', tag)
            if name and name[1] != "csrfmiddlewaretoken":
                value = re.search(r'value="([^"]*)"', tag)
                sent.setdefault(name[1], []).append(value[1] if value else "")
        for tag, options in re.findall(r"<select([^>]*)>(.*?)</select>", form, re.S):
            if "disabled" not in tag:
                name = re.search(r'name="([^"]*)"', tag)
                chosen = re.search(r'value="([^"]*)" selected', options)
                assert name
                sent.setdefault(name[1], []).append(chosen[1] if chosen else "")
        return sent

    def review(self, **changed: Any) -> Page:
        sent = self.sends() | {
            name: value if isinstance(value, list) else [value] for name, value in changed.items()
        }
        return Page(self.client, self.address, **sent)

    def save(self, **more: str) -> Page:
        hidden = {
            name: re.search(rf'name="{name}" value="([^"]*)"', self.answer.text)
            for name in ("changes", "as_opened", "reviewed")
        }
        sent = {name: html.unescape(found[1]) for name, found in hidden.items() if found}
        return Page(self.client, self.address, **sent, save="1", **more)

    def undo(self) -> Page:
        token = re.search(r'name="undo" value="([^"]*)"', self.text)
        assert token, self.says
        return Page(self.client, f"{PEOPLE}undo/", undo=token[1])


def opened(client: Client, actor: User, *people: User, detach: bool = True) -> Page:
    client.force_login(actor)
    query = "&".join(f"person={each.pk}" for each in people)
    return Page(client, f"{PEOPLE}?{query}{'&detach=1' if detach else ''}")


def test_person_with_a_named_set_is_asked_about_first(c: TinyCompany, client: Client) -> None:
    page = opened(client, c.sam, c.rita, detach=False)
    assert "5 active people have this set" in page.says
    assert f"/admin/accounts/permissionset/{c.sets['rep'].pk}/change/" in page.text
    assert "Detach Rita and edit" in page.says
    # Who may not change the set is offered their person alone.
    page = opened(client, c.dora, c.rita, detach=False)
    assert "Detach Rita and edit" in page.says
    assert "Change the set" not in page.says


def test_one_person_is_edited_reviewed_saved_and_taken_back(c: TinyCompany, client: Client) -> None:
    review = opened(client, c.sam, c.rita).review(**{"scopes-deal-view": "1"})
    assert "View on deals: Team only → Owned only" in review.says
    assert "Communicate from Team only to Owned only" in review.says
    assert c.fresh("rita").grants.scopes["deal"].view == TEAM
    done = review.save(reason="Leaves the team.")
    rita = c.fresh("rita")
    assert rita.grants.scopes["deal"].view == OWNED
    assert rita.permission_set is not None
    assert rita.permission_set.based_on == c.sets["rep"]
    assert c.fresh("nora").permission_set == c.sets["rep"]
    assert "based on Rep" in done.says
    done.undo()
    assert c.fresh("rita").permission_set == c.sets["rep"]
    assert not PermissionSet.objects.filter(owner=rita).exists()


def test_review_says_who_gains_and_loses_what(
    c: TinyCompany, client: Client, settings: Settings
) -> None:
    page = opened(client, c.sam, c.lena, c.nora)
    sent = {"scopes-deal-view": "3", "tools": ["crm.export", "crm.export_approver"]}
    review = page.review(change=["crm.deal.view", "crm.export_approver"], **sent)
    assert "2 people will now see" in review.says
    assert "2 people gain Export approver." in review.says
    # What opens much is confirmed by its number, which is worked out anew.
    settings.CONFIRM_RECORDS_ABOVE = 1
    review = page.review(change=["crm.deal.view"], **sent)
    number = re.search(r"This opens (\d+) records\.? Type that number", review.says)
    assert number, review.says
    refused = review.save(confirm="1")
    assert "Nothing was saved; type that number to confirm it." in refused.says
    assert c.fresh("lena").permission_set == c.sets["rep"]
    review.save(confirm=number[1])
    assert c.fresh("lena").grants.scopes["deal"].view == EVERYTHING


def test_delegate_reads_counts_of_what_is_in_her_sight_alone(
    c: TinyCompany, client: Client
) -> None:
    """Contacts she sees all of; of the deals only those of her team, and unassigned ones."""
    lead = c.dora.permission_set
    assert lead is not None
    # All that goes with View, or what she takes away would be more than she holds.
    held = {
        "crm.deal.communicate": "team",
        "crm.deal.merge": "owned",
        "crm.contact.change": "owned",
    }
    operations.edit_sets([lead], actor=c.sam, changes=held)
    # Team only is what his team owns, and not hers to take.
    operations.edit_permissions([c.rob], actor=c.sam, changes={"crm.deal.view": "owned"})
    taken = {"scopes-contact-view": "1", "scopes-deal-view": "0"}
    review = opened(client, c.dora, c.rob).review(**taken)
    assert "Counted among the records and people that you see." in review.says
    assert "Rob sees 2 fewer contacts" in review.says
    assert "sees 2 fewer deals" in review.says  # nobody's, and the one that Rita co-owns
    DealFactory.create_batch(3, owner=c.rob, stage=c.stages["open"])
    assert "sees 2 fewer deals" in opened(client, c.dora, c.rob).review(**taken).says
    review = opened(client, c.sam, c.rob).review(**taken)
    assert "sees 7 fewer deals" in review.says
    assert "Counted among" not in review.says


def test_form_of_a_person_with_own_permissions_is_saved_and_keeps_them(
    c: TinyCompany, client: Client
) -> None:
    operations.edit_permissions([c.rita], actor=c.sam, changes={"crm.export": False})
    own = c.fresh("rita").permission_set
    for actor, name in ((c.sam, "Ritva"), (c.dora, "Rikka")):
        client.force_login(actor)
        rita = c.fresh("rita")
        sent = {
            "as_opened": operations.as_it_stands(rita),
            "first_name": name,
            "last_name": rita.last_name,
            "email": rita.email,
            "permission_set": own.pk if own else "",
            "main_team": c.teams["north_a"].pk,
        }
        answer = client.post(f"/admin/accounts/user/{rita.pk}/change/", sent)
        assert answer.status_code == 302, answer.text
        assert c.fresh("rita").first_name == name
        assert c.fresh("rita").permission_set == own
    # What the form does not offer is refused, whoever posts it.
    for actor in (c.sam, c.dora):
        client.force_login(actor)
        nora = c.fresh("nora")
        sent |= {
            "as_opened": operations.as_it_stands(nora),
            "email": nora.email,
            "permission_set": own.pk if own else "",
        }
        answer = client.post(f"/admin/accounts/user/{nora.pk}/change/", sent)
        assert "Select a valid choice" in answer.text
        assert c.fresh("nora").permission_set == c.sets["rep"]


def test_newer_change_is_not_taken_back_with_an_older_one(c: TinyCompany, client: Client) -> None:
    done = opened(client, c.sam, c.rita).review(**{"scopes-deal-view": "1"}).save()
    operations.edit_permissions([c.rita], actor=c.sue, changes={"crm.export": False})
    assert "Somebody changed these permissions since" in done.undo().says
    assert c.fresh("rita").grants.scopes["deal"].view == OWNED
    # Nor does anybody take back what another did.
    client.force_login(c.sue)
    assert "can be taken back no more" in done.undo().says


def test_nothing_changed_is_said_and_written_nowhere(c: TinyCompany, client: Client) -> None:
    assert "Nothing was changed" in opened(client, c.sam, c.rita).review().says
    # Capped by View, nothing is left of it.
    review = opened(client, c.sam, c.mona).review(**{"scopes-deal-communicate": "3"})
    assert "Nothing was changed" in review.save().says
    assert c.fresh("rita").permission_set == c.sets["rep"]


def test_of_several_only_what_is_ticked_changes(c: TinyCompany, client: Client) -> None:
    page = opened(client, c.sam, c.rita, c.mona)
    assert "Mixed: Team only (1), Owned only (1)" in page.says
    review = page.review(
        change=["crm.deal.view", "crm.workflows"],
        **{"scopes-deal-view": "3", "scopes-deal-change": "0", "tools": ["crm.workflows:view"]},
    )
    assert "View on deals: Everything" in review.says
    assert "Edit on deals" not in review.says
    review.save()
    rita, mona = c.fresh("rita"), c.fresh("mona")
    assert [each.grants.scopes["deal"].view for each in (rita, mona)] == [EVERYTHING, EVERYTHING]
    assert [each.grants.scopes["deal"].change for each in (rita, mona)] == [OWNED, TEAM]
    assert rita.grants.tools == {"crm.export", "crm.workflows:view"}
    assert mona.grants.tools == {"crm.export", "crm.export_approver", "crm.workflows:view"}


def test_narrowing_from_everything_keeps_unassigned_ones(c: TinyCompany, client: Client) -> None:
    page = opened(client, c.sam, c.ruth, c.xena)
    page.review(change=["crm.deal.view"], **{"scopes-deal-view": "2"}).save()
    scope = c.fresh("ruth").grants.scopes["deal"]
    assert (scope.view, scope.view_unassigned) == (TEAM, False)
    # The form says both: one person narrowed with the box unticked loses unassigned ones.
    opened(client, c.sam, c.fred).review(
        **{
            "scopes-deal-view": "2",
            "scopes-contact-view": "2",
            "scopes-contact-view_unassigned": "1",
        }
    ).save()
    scopes = c.fresh("fred").grants.scopes
    assert (scopes["deal"].view, scopes["deal"].view_unassigned) == (TEAM, False)
    assert (scopes["contact"].view, scopes["contact"].view_unassigned) == (TEAM, True)
    # What hangs on it goes with it.
    assert (scopes["deal"].change, scopes["deal"].change_unassigned) == (TEAM, False)
    assert (scopes["contact"].change, scopes["contact"].change_unassigned) == (TEAM, True)
    # Sent by the form with the box; by key without one it stays ticked (Q47).
    operations.edit_permissions([c.eve], actor=c.sam, changes={"crm.deal.view": "team"})
    scope = c.fresh("eve").grants.scopes["deal"]
    assert (scope.view, scope.view_unassigned) == (TEAM, True)


def test_warned_of_what_somebody_may_not_mean(c: TinyCompany, client: Client) -> None:
    review = opened(client, c.sam, c.eve).review(
        **{"scopes-deal-view": "0", "scopes-contact-change": "1"}
    )
    assert "View for deals becomes None: they vanish" in review.says
    assert "Delete for contacts (Everything) reaches further than Edit (Owned only)." in review.says


def test_several_sets_are_edited_for_all_their_people(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    address = f"{SETS}?set={c.sets['rep'].pk}&set={c.sets['manager'].pk}"
    review = Page(client, address).review(change=["crm.deal.view"], **{"scopes-deal-view": "1"})
    done = review.save()
    for name in ("rita", "mona"):
        assert c.fresh(name).grants.scopes["deal"].view == OWNED
    done.undo()
    for name in ("rita", "mona"):
        assert c.fresh(name).grants.scopes["deal"].view == TEAM


def test_delegate_sees_what_she_lacks_locked_and_keeps_it(c: TinyCompany, client: Client) -> None:
    page = opened(client, c.dora, c.mona)
    assert "You do not hold what has a padlock" in page.says
    page.review(tools=[]).save()
    mona = c.fresh("mona")
    # Export she holds and took; the approver's right, and all wider scopes, stay.
    assert mona.grants.tools == {"crm.export_approver"}
    assert mona.grants.scopes["company"].change == EVERYTHING


@pytest.mark.parametrize(
    "sent",
    [
        {"tools": ["crm.export", "crm.import"]},
        {"scopes-company-view": "0"},
        {"scopes-deal-communicate": "0"},
    ],
)
def test_delegate_who_posts_what_is_locked_is_refused(
    c: TinyCompany, client: Client, sent: dict[str, Any]
) -> None:
    before = c.fresh("mona").grants
    review = opened(client, c.dora, c.mona).review(**sent)
    refused = "You may neither give nor take away what you do not hold yourself"
    assert (refused in review.says, "What follows" in review.says) == (True, False)
    assert 'name="save"' not in review.text  # what is refused is not reviewed first
    assert refused in review.save().says
    assert c.fresh("mona").grants.tools == before.tools
    assert c.fresh("mona").permission_set == c.sets["manager"]


def test_delegate_is_offered_no_level_above_her_own(c: TinyCompany, client: Client) -> None:
    """Dora views her team's deals and edits her own; contacts she views all."""

    def offered(actor: User, name: str) -> list[str]:
        page = opened(client, actor, c.lena)
        select = re.search(rf'<select name="{name}"[^>]*>(.*?)</select>', page.text, re.S)
        assert select
        options = re.findall(r"<option ([^>]*)>([^<]*)", select[1])
        return [label for written, label in options if "disabled" not in written]

    every = ["None", "Owned only", "Team only", "Everything"]
    assert offered(c.dora, "scopes-deal-view") == every[:3]
    assert offered(c.dora, "scopes-contact-view") == every
    assert offered(c.sam, "scopes-deal-view") == every
    note = "A level above your own cannot be chosen."
    for actor, is_limited in ((c.dora, True), (c.sam, False)):
        assert (note in opened(client, actor, c.lena).says) == is_limited


def test_delegate_with_a_narrower_level_of_a_tool_is_offered_no_wider_one(
    c: TinyCompany, client: Client
) -> None:
    lead = c.dora.permission_set
    assert lead is not None
    operations.edit_sets([lead], actor=c.sam, changes={"sales.forecast:view": "team"})
    text = opened(client, c.dora, c.lena).text
    option = re.search(r'<option value="sales\.forecast:view=everything"([^>]*)>', text)
    assert option
    assert "disabled" in option[1]


def test_nobody_edits_themselves_a_super_admin_or_whom_they_may_not_see(
    c: TinyCompany, client: Client
) -> None:
    for actor, target, status in (
        (c.dora, c.dora, 403),
        (c.dora, c.sam, 403),
        (c.dora, c.rita, 200),
        (c.rita, c.nora, 404),
        (c.rita, c.rita, 404),
        (c.otto, c.nora, 404),
        (c.sam, c.sam, 200),
    ):
        client.force_login(actor)
        answer = client.get(f"{PEOPLE}?person={target.pk}")
        assert answer.status_code == status, (actor, target)
    client.force_login(c.rita)
    hidden, absent = client.get(f"{PEOPLE}?person={c.nora.pk}"), client.get(f"{PEOPLE}?person=1")
    assert hidden.content == absent.content
    assert client.get(f"{SETS}?set={c.sets['rep'].pk}").content == absent.content


@pytest.mark.parametrize("query", ["", "?person=", "?person=x", "?person=0", "?person=99999999999"])
def test_address_of_nobody_is_absent(c: TinyCompany, client: Client, query: str) -> None:
    client.force_login(c.sam)
    assert client.get(PEOPLE + query).status_code == 404


@pytest.mark.parametrize(
    "sent", ["", "[]", "{", '{"crm.exprot": true}', '{"crm.export": 1}', "[" * 9999]
)
def test_changes_that_are_none_of_ours_are_not_saved(
    c: TinyCompany, client: Client, sent: str
) -> None:
    page = opened(client, c.sam, c.rita)
    answer = client.post(page.address, {"save": "1", "changes": sent})
    assert answer.status_code == 404
    assert c.fresh("rita").permission_set == c.sets["rep"]


def test_page_of_many_asks_no_more_than_of_few(
    c: TinyCompany, client: Client, django_assert_max_num_queries: Any
) -> None:
    many = [UserFactory(permission_set=c.sets["rep"]) for _ in range(30)]
    operations.edit_permissions(many, actor=c.sam, changes={"crm.export": False})
    client.force_login(c.sam)
    for people in ([c.rita, c.nora, c.mona], many):
        query = "&".join(f"person={each.pk}" for each in people)
        with django_assert_max_num_queries(16):
            assert client.get(f"{PEOPLE}?{query}").status_code == 200
