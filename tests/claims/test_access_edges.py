"""What the access engine answers beside the record questions of the oracle; kills its mutants."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.forms.models import model_to_dict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import access
from accounts.backends import AccessBackend
from accounts.catalogue import UnknownPermission
from accounts.models import Membership, ObjectScope, Rank, Team, ToolGrant, User
from records.models import Company, Contact, Deal, Level, StageRule
from records.models.properties import hidden_fields
from records.operations import restrict_property
from records.operations.sharing import share
from tests.support.company import TinyCompany
from tests.support.factories import TeamFactory
from tests.support.laid_down import tiny_company


def test_grants_are_plain_keys(c: TinyCompany) -> None:
    grants = access.load_grants(c.ella)
    assert set(grants.teams) == {c.teams["south"].pk, c.teams["north_a"].pk}
    assert grants.mates == tuple(
        sorted(c.people[n].pk for n in ("rita", "nora", "rob", "ella", "fred"))
    )


def test_holders_of_a_tool_are_active_and_super_admins_among_them(c: TinyCompany) -> None:
    ToolGrant.objects.create(permission_set=c.sets["everything"], key="audit.view")
    found = set(access.holders("audit.view").values_list("email", flat=True))
    # Fred has the set too, and is deactivated.
    assert found == {f"{name}@example.com" for name in ("sam", "sue", "otto", "eve")}


def test_who_can_export_holds_this_tool_and_this_scope(c: TinyCompany) -> None:
    people = set(access.who_can("export", c.deals["unassigned"]).values_list("email", flat=True))
    names = ("sam", "sue", "rita", "nora", "rob", "ella", "lena", "xena")
    assert people == {f"{name}@example.com" for name in names}


def test_who_can_tells_which_rules_grant(c: TinyCompany) -> None:
    rita = access.who_can("view", c.deals["ritas"]).get(email="rita@example.com")
    assert set(rita.reasons) == {"team", "owned"}


def test_names_are_read_by_whoever_may_log_in_and_records_by_viewers(c: TinyCompany) -> None:
    assert access.nameable(Team.objects.all(), c.nils).count() == 3
    assert access.nameable(Team.objects.all(), c.fred).count() == 0
    assert access.nameable(Company.objects.all(), c.nils).count() == 0
    assert list(access.nameable(Company.objects.all(), c.rita)) == [c.companies["acme"]]


def test_absent_and_unsaved_records_are_refused_with_a_finding(c: TinyCompany) -> None:
    absent = Deal(pk=10**9)
    told = access.explain(c.sam, "view", absent)
    assert told.allowed is False
    assert [(f.code, f.allows, f.holds) for f in told.findings] == [("no_scope", False, True)]
    assert access.allows(c.sam, "view", absent) is False
    assert access.allows(c.sam, "view", Deal()) is False
    for key in (-1, 10**30):
        assert access.allows(c.sam, "view", Deal(pk=key)) is False
        assert access.explain(c.sam, "view", Deal(pk=key)).allowed is False


def test_a_check_is_put_together_once_and_asked_of_every_row(c: TinyCompany) -> None:
    """And anew as soon as the person is another one: what they were is part of the question."""
    rita = c.fresh("rita")
    question = ("allows", "change", Deal, frozenset[str]())
    assert access.allows(rita, "change", c.deals["ritas"]) is True
    known = access.Loaded(rita).known
    statement = known[question]
    with CaptureQueriesContext(connection) as captured:
        assert access.allows(rita, "change", c.deals["noras"]) is False
    assert known[question] is statement
    assert len(captured) == 1
    rita.is_active = False
    assert access.allows(rita, "change", c.deals["ritas"]) is False
    rita.is_active = True
    ToolGrant.objects.filter(permission_set=rita.permission_set).delete()
    ObjectScope.objects.filter(permission_set=rita.permission_set).delete()
    assert access.allows(c.fresh("rita"), "change", c.deals["ritas"]) is False


@pytest.mark.of_database("postgresql")
def test_postgresql_reads_mates_as_one_array(c: TinyCompany) -> None:
    rows = access.permitted(Deal.objects.all(), c.rita, "view")
    sql, params = rows.query.sql_with_params()
    mates = ",".join(map(str, c.rita.grants.mates))
    assert sql.count(f"= ANY('{{{mates}}}'::bigint[])") == len(Deal.owner_fields)
    assert not set(c.rita.grants.mates) & set(params) - {c.rita.pk}


def held(person: User) -> access.Grants:
    """Return what is read of a person, as what can be compared."""
    grants = access.load_grants(person)
    scopes = {key: model_to_dict(scope) for key, scope in grants.scopes.items()}
    return replace(grants, scopes=scopes)  # type: ignore[arg-type]  # compared alone


@pytest.mark.of_database("postgresql")
@pytest.mark.django_db(transaction=True)
def test_postgresql_plans_once_per_connection_how_rights_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    c = tiny_company()
    people = [*c.people.values(), User.objects.create(email="nobody@example.com")]
    connection.close()
    for undone in (True, False):  # undoing a transaction takes no statement out of its session
        with transaction.atomic(), CaptureQueriesContext(connection) as captured:
            found = [held(person) for person in people]
            transaction.set_rollback(undone)
        assert {each["sql"].partition("_")[0] for each in captured} == {"EXECUTE rights"}
        assert len(captured) == len(people)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'rights%'")
        assert cursor.fetchone() == (1,)
    # A pool may give each transaction another session.
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    with CaptureQueriesContext(connection) as captured:
        assert [held(person) for person in people] == found
    assert len(captured) == len(people)
    assert not any("EXECUTE" in each["sql"] for each in captured)


UNKNOWN = ["", "deal", "xxx.deal.view", "crm"]
UNKNOWN += ["records.fly_deal", "records.view_dragon", "nowhere.view_deal", "a.b.c.d"]


def test_unknown_permissions_are_refused_to_super_admins_too(c: TinyCompany) -> None:
    for perm in UNKNOWN:
        assert access.asked(perm) is None, perm
        assert c.sam.has_perm(perm) is False, perm
        assert c.sam.has_perm(perm, c.deals["ritas"]) is False, perm


def test_mistyped_keys_of_the_catalogue_raise(c: TinyCompany) -> None:
    wrong = ("crm.exprt", "crm.export:some", "crm.workflows:fly", "audit.", "crm.deal")
    wrong += ("crm.deal.fly", "crm.dragon.view", "crm.deal.view.x")
    for perm in wrong:
        for person in (c.sam, c.nils, c.fred):
            with pytest.raises(UnknownPermission):
                person.has_perm(perm) if person.is_active else access.has_perm(person, perm)
    for reader in (partial(access.holds_tool, c.sam), access.holders, access.given_to):
        with pytest.raises(UnknownPermission, match=r"Did you mean crm\.export"):
            reader("crm.exprt")
    with pytest.raises(ValueError, match="no box"):
        access.tool_scope(c.sam, "crm.export")


def test_permission_of_one_kind_says_nothing_about_another(c: TinyCompany) -> None:
    assert c.sam.has_perm("records.view_deal", c.deals["ritas"]) is True
    assert c.sam.has_perm("records.view_deal", c.companies["acme"]) is False


def test_backend_answers_people_only_and_lists_the_catalogue_keys(c: TinyCompany) -> None:
    backend = AccessBackend()
    keys = backend.get_all_permissions(c.xena)
    assert keys == {"crm.export", "crm.export_without_approval", "crm.deal.view"}
    assert backend.get_user_permissions(c.xena, c.deals["ritas"]) == set()
    assert backend.get_group_permissions(c.xena) == set()
    assert backend.get_user_permissions(AnonymousUser()) == set()
    assert backend.has_perm(AnonymousUser(), "records.view_deal") is False
    assert backend.has_module_perms(AnonymousUser(), "records") is False
    assert (backend.has_module_perms(c.xena, "records"), c.xena.is_active) == (True, True)
    assert backend.has_module_perms(c.nils, "records") is False


def test_any_answers_without_a_query_once_the_grants_are_loaded(c: TinyCompany) -> None:
    assert c.rita.grants.known == {}
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert access.allows_any(c.rita, "change", Deal) is True
        assert access.allows_any(c.rita, "delete", Deal) is False
    assert len(captured) == 0
    assert c.rita.grants.known != {}


def test_rights_compared_anew_are_the_person_s_own(c: TinyCompany) -> None:
    person = c.fresh("rita")
    assert access.still_holds(person) is True
    ObjectScope.objects.filter(permission_set=c.sets["manager"]).update(merge=0)
    User.objects.filter(pk=c.sam.pk).update(is_active=False)
    assert access.still_holds(person) is True
    ObjectScope.objects.filter(permission_set=c.sets["rep"]).update(merge=0)
    assert access.still_holds(person) is False
    assert access.still_holds(User(pk=10**9)) is False


OF_RITA: dict[str, Callable[[TinyCompany], object]] = {
    "deactivated": lambda c: rita(c).update(is_active=False),
    "super admin": lambda c: rita(c).update(is_superuser=True),
    "partner admin": lambda c: rita(c).update(is_partner_admin=True),
    "logged out everywhere": lambda c: rita(c).update(session_epoch=F("session_epoch") + 1),
    "another set": lambda c: rita(c).update(permission_set=c.sets["manager"]),
    "a tool more": lambda c: ToolGrant.objects.create(
        permission_set=c.sets["rep"], key="audit.view"
    ),
    "a wider level": lambda c: forecast(c).update(rank=Rank.TEAM),
    "a box": lambda c: forecast(c).update(unassigned=True),
    "a share": lambda c: share(c.deals["robs"], actor=c.sam, user=c.rita, level=Level.VIEW),
    "no main team": lambda c: Membership.objects.filter(user=c.rita).update(is_main=False),
    "a mate less": lambda c: Membership.objects.filter(user=c.nora).delete(),
    "a team where nobody is": lambda c: Membership.objects.create(
        user=c.rita, team=TeamFactory(name="West")
    ),
}


def rita(c: TinyCompany) -> QuerySet[User]:
    return User.objects.filter(pk=c.rita.pk)


def forecast(c: TinyCompany) -> QuerySet[ToolGrant]:
    return ToolGrant.objects.filter(permission_set=c.sets["rep"], option="view")


@pytest.mark.parametrize("change", OF_RITA)
def test_whatever_of_the_rights_is_otherwise_is_noticed(c: TinyCompany, change: str) -> None:
    """One change each, which nothing else of what a person holds tells."""
    ToolGrant.objects.create(
        permission_set=c.sets["rep"], key="sales.forecast", option="view", rank=Rank.OWNED
    )
    person = c.fresh("rita")
    assert access.still_holds(person) is True
    OF_RITA[change](c)
    assert access.still_holds(person) is False
    assert access.still_holds(c.fresh("rita")) is True


def test_rights_compared_anew_include_what_upper_floors_noted(c: TinyCompany) -> None:
    person = c.fresh("rita")
    assert hidden_fields(person, Deal) == frozenset()
    assert access.still_holds(person) is True
    restrict_property(actor=c.sam, object="deal", name="amount", access="super_admins")
    assert access.still_holds(person) is False
    later = c.fresh("rita")
    assert hidden_fields(later, Deal) == {"amount"}
    assert access.still_holds(later) is True


def test_two_records_asked_about_at_once_are_kept_apart(c: TinyCompany) -> None:
    """The query is prepared once for all of them."""
    asked = {name: access.who_can("view", c.deals[name]) for name in ("ritas", "unassigned")}
    found = {name: {person.email for person in people} for name, people in asked.items()}
    assert found["ritas"] - found["unassigned"] == {"mona@example.com"}
    assert found["unassigned"] - found["ritas"] == {"lena@example.com", "rob@example.com"}


def test_a_stored_option_that_nobody_declared_grants_nothing(c: TinyCompany) -> None:
    ToolGrant.objects.create(permission_set=c.sets["reader"], key="crm.export", option="some")
    ToolGrant.objects.create(permission_set=c.sets["reader"], key="crm.flying")
    assert access.holds_tool(c.fresh("ruth"), "crm.export") is False
    assert access.holders("crm.export").filter(pk=c.ruth.pk).exists() is False
    assert not AccessBackend().get_all_permissions(c.fresh("ruth")) & {"crm.export", "crm.flying"}
    assert not access.who_can("export", c.deals["ritas"]).filter(pk=c.ruth.pk).exists()


def test_what_a_share_gives_can_be_left_out_of_the_question(c: TinyCompany) -> None:
    """Whoever may change a record by a share alone may not share it on (E54)."""
    robs, ritas = c.deals["robs"], c.deals["ritas"]
    share(robs, actor=c.rob, user=c.rita, level=Level.EDIT)
    rita = c.fresh("rita")
    rows = Deal.objects.filter(pk__in=[robs.pk, ritas.pk])
    for without, reached in (((), {robs.pk, ritas.pk}), (("shared",), {ritas.pk})):
        found = access.permitted(rows, rita, "change", without=without)
        assert set(found.values_list("pk", flat=True)) == reached
        for deal in (robs, ritas):
            assert access.allows(rita, "change", deal, without=without) is (deal.pk in reached)


def test_what_is_left_out_of_the_question_is_left_out_of_seeing_too(c: TinyCompany) -> None:
    """Ruth sees everything and deletes what nobody owns; without the one she has the other not."""
    scope = ObjectScope.objects.filter(permission_set=c.sets["reader"], object="deal")
    scope.update(delete=Rank.OWNED, delete_unassigned=True)
    deal, ruth = c.deals["unassigned"], c.fresh("ruth")
    for action in ("delete", "restore"):
        assert access.allows(ruth, action, deal) is True
        assert access.allows(ruth, action, deal, without=("team",)) is True
        assert access.allows(ruth, action, deal, without=("everything",)) is False
        Deal._base_manager.filter(pk=deal.pk).update(deleted_at=timezone.now())


def test_answers_follow_what_somebody_is_on_the_same_instance(c: TinyCompany) -> None:
    nils, deal = c.fresh("nils"), c.deals["ritas"]
    assert access.allows(nils, "view", deal) is False
    for status in ("is_superuser", "is_partner_admin"):
        setattr(nils, status, True)
        assert access.allows(nils, "view", deal) is True, status
        setattr(nils, status, False)
        assert access.allows(nils, "view", deal) is False, status


def test_whoever_is_alone_holds_their_tools_too(c: TinyCompany) -> None:
    for model in (Deal, Contact, Company, StageRule, Membership):
        model._base_manager.all().delete()
    User.objects.exclude(pk=c.sam.pk).delete()
    assert list(access.holders("audit.view")) == [c.sam]
