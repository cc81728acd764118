"""Who governs others gets to nothing that is open to these by name (R95, R96).

Fields chosen for people and teams, stages that a rule opens to them, and records that are shared
with them: none of it stands in a permission set. Nobody opens the log-in of whoever has it without
having it themselves, nor puts anybody into a team that brings it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts import access, operations
from accounts.models import Team, User
from accounts.operations import NotAllowed
from records.models import Property, PropertyGrant, StageException
from records.operations.sharing import share
from tests.support.company import EVERYTHING, OWNED, TEAM, TinyCompany
from tests.support.factories import ContactFactory, DealFactory, SetFactory, UserFactory

pytestmark = pytest.mark.django_db
STRONGER = "whoever logs in as this person could do more than you"
WORDS = "quite-another-one-7"
SEES_DEALS = {"deal": {"view": EVERYTHING}}


@pytest.fixture
def c(c: TinyCompany) -> TinyCompany:
    """Dora governs whoever sees and edits the deals that she does; Paul is in a team below hers."""
    deals = {"view": EVERYTHING, "change": EVERYTHING}
    both = {"deal": deals, "contact": {"view": TEAM}}
    tools = ["account.access", "account.edit_users", "account.edit_teams", "account.user_table"]
    c.sets["delegate"] = SetFactory(name="Delegate", scopes=both, tools=tools)
    c.sets["deals"] = SetFactory(name="Deals", scopes=both)
    c.sets["sees"] = SetFactory(name="Sees", scopes=SEES_DEALS, tools=tools)
    t = c.teams
    c.people |= {
        "dora": UserFactory(
            email="dora@example.com", permission_set=c.sets["delegate"], team=t["north"]
        ),
        "paul": UserFactory(
            email="paul@example.com", permission_set=c.sets["deals"], team=t["north_a"]
        ),
        "lone": UserFactory(email="lone@example.com", permission_set=c.sets["deals"]),
    }
    c.rule.enabled = False
    c.rule.save()
    return c


def chosen(c: TinyCompany, level: str = "view", **receiver: User | Team) -> None:
    field, _ = Property.objects.get_or_create(object="deal", name="product", access="chosen")
    PropertyGrant.objects.create(property=field, level=level, **receiver)


def opened(c: TinyCompany, **receiver: User | Team) -> None:
    c.rule.enabled, c.rule.editors = True, "chosen"
    c.rule.save()
    c.rule.stages.set([c.stages["locked"]])
    c.rule.users.set([each for each in receiver.values() if isinstance(each, User)])
    c.rule.teams.set([each for each in receiver.values() if isinstance(each, Team)])


def excepted(c: TinyCompany, user: User) -> None:
    opened(c)
    deal = c.deals["ritas"]
    later = timezone.now() + timedelta(days=1)
    StageException.objects.create(
        user=user, object="deal", record=deal.pk, stage=c.stages["locked"], until=later
    )


def shared(c: TinyCompany, **receiver: User | Team) -> None:
    """Share a contact of a team that is neither Dora's nor below hers."""
    share(ContactFactory(owner=c.rob), actor=c.sam, level="view", **receiver)


def may(c: TinyCompany, whom: str, actor: str = "dora") -> bool:
    """Tell whether the log-in may be changed: by list, check, explanation and reverse look-up."""
    person, actor_ = c.fresh(whom), c.fresh(actor)
    answer = access.allows(actor_, "credentials", person)
    assert answer == (person in access.permitted(User.objects.all(), actor_, "credentials"))
    found = access.explain(actor_, "credentials", person)
    assert answer == found.allowed
    assert answer == (actor_ in access.who_can("credentials", person))
    if not answer:
        assert [str(each.because) for each in found.decisive] == [STRONGER]
    return answer


BY_NAME: dict[str, Callable[[TinyCompany, User], None]] = {
    "a field to read": lambda c, user: chosen(c, user=user),
    "a field to edit": lambda c, user: chosen(c, "edit", user=user),
    "a stage": lambda c, user: opened(c, user=user),
    "an exception": excepted,
    "a shared record": lambda c, user: shared(c, user=user),
}
BY_TEAM: dict[str, Callable[[TinyCompany, Team], None]] = {
    "a field to read": lambda c, team: chosen(c, team=team),
    "a field to edit": lambda c, team: chosen(c, "edit", team=team),
    "a stage": lambda c, team: opened(c, team=team),
    "a shared record": lambda c, team: shared(c, team=team),
}


@pytest.mark.parametrize("opens", BY_NAME.values(), ids=list(BY_NAME))
def test_log_in_of_whoever_has_something_by_name_is_not_opened(
    c: TinyCompany, client: Client, opens: Callable[[TinyCompany, User], None]
) -> None:
    assert may(c, "paul")
    opens(c, c.paul)
    assert not may(c, "paul")
    client.force_login(c.dora)
    before = c.fresh("paul").password
    address, sent = f"/admin/accounts/user/{c.paul.pk}/password/", {"password": "quite-another-1"}
    answer = client.post(address, sent, follow=True)
    assert STRONGER in answer.text
    assert c.fresh("paul").password == before
    # A deactivated account is nobody's way round: whoever opens it can reactivate it.
    User.objects.filter(pk=c.paul.pk).update(is_active=False)
    assert not may(c, "paul")


@pytest.mark.parametrize("opens", BY_TEAM.values(), ids=list(BY_TEAM))
def test_nobody_is_put_into_a_team_that_opens_what_is_not_open_to_the_actor(
    c: TinyCompany, opens: Callable[[TinyCompany, Team], None]
) -> None:
    team = c.teams["north_a"]
    opens(c, team)
    dora = c.fresh("dora")
    operations.set_main_team(c.lone, actor=dora, team=c.teams["north"])  # hers, and opens nothing
    with pytest.raises(NotAllowed, match="fields, stages or shared records"):
        operations.set_main_team(c.lone, actor=dora, team=team)
    with pytest.raises(NotAllowed, match="fields, stages or shared records"):
        operations.create_person(
            actor=dora,
            email="new@example.com",
            permission_set=c.sets["deals"],
            main_team=team,
            password="quite-another-one",
        )
    assert not User.objects.filter(email="new@example.com").exists()
    # Whoever is in the team has it by its name.
    assert not may(c, "paul") or opens is BY_TEAM["a shared record"]
    operations.set_main_team(c.lone, actor=c.sam, team=team)


def test_whoever_has_the_same_by_name_opens_the_log_in(c: TinyCompany) -> None:
    chosen(c, user=c.paul)
    chosen(c, user=c.dora)
    opened(c, team=c.teams["north_a"])
    c.rule.users.add(c.dora)
    share(c.deals["robs"], actor=c.sam, user=c.paul, level="edit")  # she edits every deal
    assert may(c, "paul")
    operations.set_main_team(c.lone, actor=c.fresh("dora"), team=c.teams["north_a"])
    assert c.fresh("lone").grants.main_teams == (c.teams["north_a"].pk,)


def test_share_to_edit_is_more_than_to_see(c: TinyCompany) -> None:
    c.people["vera"] = UserFactory(
        email="vera@example.com", permission_set=c.sets["sees"], team=c.teams["north"]
    )
    c.people["pia"] = UserFactory(
        email="pia@example.com", permission_set=SetFactory(name="Pia", scopes=SEES_DEALS)
    )
    share(c.deals["robs"], actor=c.sam, user=c.pia, level="view")
    assert may(c, "pia", "vera")
    share(c.deals["robs"], actor=c.sam, user=c.pia, level="edit")
    assert not may(c, "pia", "vera")
    assert may(c, "pia")  # Dora edits it herself


def test_share_that_ends_opens_no_log_in(c: TinyCompany) -> None:
    """A password set meanwhile would last."""
    contact = ContactFactory(owner=c.rob)
    day = timezone.now() + timedelta(days=1)
    share(contact, actor=c.sam, level="view", user=c.paul)
    share(contact, actor=c.sam, level="view", user=c.dora, until=day)
    assert not may(c, "paul")
    share(contact, actor=c.sam, level="view", user=c.dora)
    assert may(c, "paul")
    share(contact, actor=c.sam, level="view", user=c.dora, until=day)
    assert not may(c, "paul")
    share(contact, actor=c.sam, level="view", team=c.teams["north"])
    assert may(c, "paul")
    share(contact, actor=c.sam, level="view", team=c.teams["north"], until=day)
    assert not may(c, "paul")


def test_owner_of_what_is_shared_for_a_while_keeps_their_log_in(c: TinyCompany) -> None:
    c.people["newly"] = UserFactory(team=c.teams["north_a"])
    deal = DealFactory(owner=c.people["newly"], stage=c.stages["open"])
    c.people["dora"] = UserFactory(
        permission_set=SetFactory(
            scopes={"deal": {"view": OWNED}},
            tools=["account.access", "account.edit_users", "account.user_table"],
        ),
        team=c.teams["north"],
    )
    assert not may(c, "newly")
    day = timezone.now() + timedelta(days=1)
    share(deal, actor=c.sam, level="view", user=c.people["dora"], until=day)
    assert not may(c, "newly")
    share(deal, actor=c.sam, level="view", user=c.people["dora"])
    assert may(c, "newly")


def test_extra_team_brings_no_share_and_a_new_main_team_does(c: TinyCompany) -> None:
    shared(c, team=c.teams["north_a"])
    operations.add_to_team(c.lone, actor=c.fresh("dora"), team=c.teams["north_a"])
    with pytest.raises(NotAllowed, match="fields, stages or shared records"):
        operations.set_main_team(c.lone, actor=c.fresh("dora"), team=c.teams["north_a"])


def test_partner_admin_opens_no_log_in_that_reads_more(c: TinyCompany) -> None:
    """Sensitive fields are open to everyone, but not to partner admins (Q37)."""
    User.objects.filter(pk=c.dora.pk).update(is_partner_admin=True)
    assert not may(c, "paul")  # phone numbers are sensitive from the first day
    Property.objects.update(sensitive=False)
    assert may(c, "paul")
    Property.objects.create(object="deal", name="product", sensitive=True)
    assert not may(c, "paul")
    assert may(c, "paul", "sam")


def test_who_owns_what_the_actor_does_not_reach_keeps_their_log_in_without_a_set(
    c: TinyCompany, client: Client
) -> None:
    """Taken away for the moment of a password and given back, the set would open the record."""
    own = {"deal": {"view": OWNED, "change": OWNED}}
    tools = ["account.access", "account.edit_users", "account.user_table"]
    mine, theirs = SetFactory(scopes=own, tools=tools), SetFactory(scopes=own)
    c.people["dora"] = UserFactory(permission_set=mine, team=c.teams["north"])
    c.people["greta"] = UserFactory(permission_set=theirs, team=c.teams["north_a"])
    c.people["newly"] = UserFactory(team=c.teams["north_a"])
    deal = DealFactory(owner=c.people["greta"], stage=c.stages["open"])
    assert not may(c, "greta")
    operations.assign_set(c.fresh("greta"), actor=c.fresh("dora"), permission_set=SetFactory())
    assert not may(c, "greta")
    client.force_login(c.people["dora"])
    address = f"/admin/accounts/user/{c.people['greta'].pk}/password/"
    assert "could do more than you" in client.post(address, {"password": WORDS}, follow=True).text
    assert not c.fresh("greta").check_password(WORDS)
    # Of what Dora reaches herself, and of what she could give nobody a right to, nothing is kept.
    assert may(c, "newly")
    ContactFactory(owner=c.people["newly"])
    assert may(c, "newly")
    DealFactory(owner=c.rob, co_owner=c.people["newly"], stage=c.stages["open"])
    assert not may(c, "newly")
    type(deal).objects.update(co_owner=c.people["dora"])
    assert may(c, "newly")


def test_who_edits_what_somebody_owns_need_not_reach_all_that_is_theirs_alone(
    c: TinyCompany,
) -> None:
    """A lead deletes what is their own, and makes a rep's deal their own by editing it."""
    tools = ["account.access", "account.edit_users", "account.user_table"]
    reps = SetFactory(scopes={"deal": {"view": TEAM, "change": OWNED}})
    c.people["rep"] = UserFactory(permission_set=reps, team=c.teams["north_a"])
    DealFactory(owner=c.people["rep"], stage=c.stages["open"])
    for change, expected in ((TEAM, True), (OWNED, False)):
        scopes = {"deal": {"view": TEAM, "change": change, "delete": OWNED}}
        lead = SetFactory(scopes=scopes, tools=tools)
        c.people["lead"] = UserFactory(permission_set=lead, team=c.teams["north"])
        assert may(c, "rep", "lead") is expected


def test_nobody_is_made_less_for_the_moment_of_a_password(c: TinyCompany) -> None:
    """By what Dora may take, and could give back or have others give back."""
    tools = ["account.access", "account.edit_users", "account.user_table"]
    lead = SetFactory(scopes={"deal": {"view": TEAM, "change": TEAM}}, tools=tools)
    x, low = c.teams["north"], c.teams["north_a"]
    c.people["lead"] = UserFactory(permission_set=lead, team=x)
    owned = SetFactory(scopes={"deal": {"view": OWNED}})
    c.people["far"] = UserFactory(permission_set=owned, team=c.teams["south"])
    c.people["rep"] = UserFactory(permission_set=SetFactory(scopes=SEES_OWN), team=low)
    chosen(c, team=low)
    said = "After that you could log in as"
    assert not may(c, "far", "lead")
    for change in (
        lambda: operations.edit_permissions(
            [c.fresh("far")], actor=c.fresh("lead"), changes={"crm.deal.view": "none"}
        ),
        lambda: operations.assign_set(
            c.fresh("far"), actor=c.fresh("lead"), permission_set=SetFactory()
        ),
    ):
        with pytest.raises(NotAllowed, match=said):
            change()
    assert not may(c, "rep", "lead")
    with pytest.raises(NotAllowed, match=said):
        operations.set_main_team(c.fresh("rep"), actor=c.fresh("lead"), team=x)
    # Where it stays as closed or as open as it was, it is done.
    operations.add_to_team(c.fresh("rep"), actor=c.fresh("lead"), team=x)
    assert not may(c, "rep", "lead")


SEES_OWN = {"deal": {"view": OWNED}}


def test_partner_admin_chooses_no_password_of_whoever_reads_more(c: TinyCompany) -> None:
    tools = ["account.access", "account.edit_users", "account.user_table"]
    governs = SetFactory(scopes={"contact": {"view": EVERYTHING}}, tools=tools)
    reads = SetFactory(scopes={"contact": {"view": EVERYTHING}})
    c.people["pia"] = UserFactory(permission_set=governs, is_partner_admin=True)
    told = {"actor": c.people["pia"], "permission_set": reads}
    assert Property.objects.filter(sensitive=True, access="everyone_edit").exists()
    with pytest.raises(NotAllowed, match="get to fields, stages or shared records"):
        operations.create_person(email="puppet@example.com", password=WORDS, **told)
    assert not User.objects.filter(email="puppet@example.com").exists()
    # Without a password nobody logs in yet.
    operations.create_person(email="later@example.com", **told)
    assert not access.allows(
        c.fresh("pia"), "credentials", User.objects.get(email="later@example.com")
    )
    Property.objects.update(sensitive=False)
    operations.create_person(email="fine@example.com", password=WORDS, **told)
