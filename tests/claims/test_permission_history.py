"""The permission history: every change is a row, and any day since can be asked again (E17)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from io import StringIO
from random import Random
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from accounts import access, catalogue, clock, past
from accounts import operations as people
from accounts.audit import System
from accounts.models import Membership, PermissionChange, PermissionSet, User
from accounts.models.history import BEGAN
from accounts.permission_history import (
    OWN,
    Fact,
    Facts,
    facts_of_people,
    facts_of_sets,
    facts_of_teams,
    kept,
)
from accounts.protection import is_protected, protected_tables
from records import operations
from records.models import Deal, ReachChange
from records.operations import sharing
from records.past import person_on, who_could_see
from tests.claims.test_rights_changes import OPERATIONS
from tests.support.changes import CHANGES
from tests.support.company import EVERYTHING, OWNED, TEAM, TinyCompany
from tests.support.world_rows import lay_down, model_of
from tests.support.worlds import worlds

BEGIN = import_module("accounts.migrations.0014_permission_history_begins").begin
TESTING = System("test")


@pytest.fixture
def kept_since(c: TinyCompany) -> datetime:
    """Begin the history with the tiny company; return a moment right after."""
    BEGIN(apps, None)
    return a_moment()


def a_moment() -> datetime:
    """Return this moment; whatever is done next is done at a later one."""
    now = clock.database_now()
    while clock.database_now() <= now:
        pass  # SQLite's clock ticks by the millisecond
    return now


def standing() -> Facts:
    keys = set(PermissionSet.objects.values_list("pk", flat=True))
    return {**facts_of_people(User.objects.all()), **facts_of_sets(keys), **facts_of_teams()}


def told(**whom: Any) -> list[tuple[str, str, str]]:
    rows = PermissionChange.objects.filter(**whom).exclude(system="history began").order_by("id")
    return list(rows.values_list("permission", "before", "after"))


def replayed() -> dict[Fact, str]:
    """Return what the rows, read one after the other, come to."""
    facts: dict[Fact, str] = {}
    for row in PermissionChange.objects.order_by("id"):
        fact = Fact(row.person_id, row.set_key, row.team_key, row.permission)
        if row.name == OWN and fact not in facts:
            # Own permissions begin with what a named set says at that moment.
            assert row.before in {"", *(v for k, v in facts.items() if k[-1] == row.permission)}
        else:
            assert row.before == facts.get(fact, "")
        facts[fact] = row.after
    return {fact: said for fact, said in facts.items() if said}


# --- Every change is a row ------------------------------------------------------------------------


def partner_admin_and_back(c: TinyCompany) -> None:
    people.edit_permissions([c.rita], actor=c.sam, changes={"partner.employee": True})
    people.make_partner_admin(c.rita, actor=c.sam)
    people.remove_partner_admin(c.rita, actor=c.sam, permission_set=c.sets["reader"])


# Where the walk of the other table arranges something past the operations, this one does not.
WALK = OPERATIONS | {
    "remove_super_admin": lambda c: people.remove_super_admin(
        c.sue, actor=c.sam, permission_set=c.sets["reader"]
    ),
    "remove_partner_admin": partner_admin_and_back,
    "delete_set": lambda c: people.delete_set(
        people.create_set(actor=c.sam, name="Gone", tools=["crm.export"]), actor=c.sam
    ),
}


@pytest.mark.parametrize("name", WALK)
def test_every_operation_keeps_what_it_changes(
    c: TinyCompany, kept_since: datetime, name: str
) -> None:
    WALK[name](c)
    assert replayed() == {fact: value.said for fact, value in standing().items()}


def test_change_past_the_operations_is_found(c: TinyCompany, kept_since: datetime) -> None:
    """Negative control for the walk above."""
    User.objects.filter(pk=c.ruth.pk).update(permission_set=c.sets["approver"])
    assert replayed() != {fact: value.said for fact, value in standing().items()}


def test_rows_say_what_from_what_to_what_by_whom_and_why(c: TinyCompany) -> None:
    rep, south = c.sets["rep"], c.teams["south"]
    people.change_set(
        PermissionSet.objects.get(pk=rep.pk),
        actor=c.sam,
        name="Rep",
        description="",
        scopes={
            "deal": {"add": True, "view": EVERYTHING, "change": TEAM, "change_unassigned": True}
        },
        tools=["crm.workflows:edit", "sales.forecast:view=team+unassigned"],
    )
    of_set = told(set_key=rep.pk)
    assert ("crm.deal.view", "team", "everything") in of_set
    assert ("crm.deal.view.unassigned", "yes", "") in of_set
    assert ("crm.deal.change", "owned", "team") in of_set
    assert ("crm.deal.change.unassigned", "", "yes") in of_set
    assert ("crm.contact.add", "yes", "") in of_set
    assert ("crm.export", "yes", "") in of_set
    assert ("crm.workflows:edit", "", "yes") in of_set
    assert ("sales.forecast:view", "", "team") in of_set
    assert ("sales.forecast:view.unassigned", "", "yes") in of_set
    row = PermissionChange.objects.get(permission="crm.deal.view")
    assert (row.actor, row.system, row.name, row.person) == (c.sam, "", "Rep", None)

    people.assign_set(c.rita, actor=c.sam, permission_set=c.sets["reader"])
    people.set_teams(c.rita, actor=TESTING, main_team=south, extra_teams=[c.teams["north_a"]])
    people.make_super_admin(c.rita, actor=c.sam)
    people.deactivate(c.rita, actor=c.sam)
    assert told(person=c.rita) == [
        ("permission_set", f"{rep.pk}: Rep", f"{c.sets['reader'].pk}: Reader"),
        ("team", "main", "extra"),
        ("team", "", "main"),
        ("super_admin", "", "yes"),
        ("active", "yes", "no"),
    ]
    assert PermissionChange.objects.filter(person=c.rita, system="test").count() == 2

    team = people.create_team(actor=c.sam, name="West", parent=south)
    people.change_team(team, actor=c.sam, name="Far west", parent=None)
    key = team.pk
    people.delete_team(team, actor=c.sam)
    assert told(team_key=key, person=None) == [
        ("parent", "", f"{south.pk}: South"),
        ("team", "", "yes"),
        ("parent", f"{south.pk}: South", ""),
        ("team", "yes", ""),
    ]


def test_reason_is_kept_with_every_row_of_a_change(c: TinyCompany) -> None:
    with transaction.atomic(), kept(c.sam, people=User.objects.all(), reason="For the audit."):
        User.objects.filter(pk__in=[c.rita.pk, c.rob.pk]).update(permission_set=None)
    rows = PermissionChange.objects.values_list("person", "reason", "after")
    assert set(rows) == {(c.rita.pk, "For the audit.", ""), (c.rob.pk, "For the audit.", "")}


def test_nothing_is_kept_of_a_change_that_fails(c: TinyCompany) -> None:
    with pytest.raises(people.LastSuperAdmin), transaction.atomic():
        for admin in (c.sue, c.sam):
            people.deactivate(admin, actor=TESTING)
    assert not PermissionChange.objects.exists()


@pytest.mark.parametrize("model", [PermissionChange, ReachChange])
def test_history_is_append_only(c: TinyCompany, model: Any) -> None:
    people.deactivate(c.rita, actor=c.sam)
    operations.delete(c.deals["ritas"], actor=c.sam)
    table = model._meta.db_table
    assert table in protected_tables()
    assert is_protected(connection, table)
    stored = list(model.objects.order_by("pk").values())
    assert stored
    for attack in ("UPDATE {} SET system = 'x'", "DELETE FROM {}"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(attack.format(table))
    assert list(model.objects.order_by("pk").values()) == stored


def test_upgraded_installation_begins_with_what_stands(
    c: TinyCompany, kept_since: datetime
) -> None:
    began = {
        Fact(row.person_id, row.set_key, row.team_key, row.permission): (row.after, row.name)
        for row in PermissionChange.objects.all()
    }
    assert began == {fact: (value.said, value.name) for fact, value in standing().items()}
    assert past.known_since() == PermissionChange.objects.latest("at").at


# --- Any day since can be asked again -------------------------------------------------------------

TOOLS = [
    key
    for tool in catalogue.TOOLS.values()
    for key in [f"{tool.key}:{option.key}" for option in tool.options] or [tool.key]
]
Seen = dict[tuple[str, int], dict[int, tuple[list[str], tuple[str, ...]]]]


def seen(records: list[Any], ask: Callable[[Any], Any]) -> Seen:
    """Return who sees each record, why, and what they may do."""
    return {
        (record.object_key, record.pk): {p.pk: (p.reasons, p.level) for p in ask(record)}
        for record in records
    }


def held(keys: list[int]) -> dict[int, Any]:
    """Return what these people hold, as the engine says it now."""
    found = {}
    for user in User.objects.select_related("permission_set").filter(pk__in=keys):
        grants = user.grants
        found[user.pk] = (
            (user.is_active, user.is_superuser, _named(user.permission_set)),
            {
                (key, column.name): getattr(scope, column.name)
                for key, scope in grants.scopes.items()
                for column in access.SCOPE_COLUMNS
                if getattr(scope, column.name)
            },
            {tool for tool in TOOLS if access.holds_tool(user, tool)},
            set(Membership.objects.filter(user=user).values_list("team__name", "is_main")),
        )
    return found


def _named(permission_set: object) -> str:
    """Return how a set is called; whose own permissions are based on what is said elsewhere."""
    name = str(permission_set or "")
    return "own" if name.lower().startswith(("based on", "own permissions")) else name


def held_on(moment: datetime, told_now: dict[int, Any]) -> dict[int, Any]:
    """Return the same of the people there were then, as the time machine says it."""
    found = {}
    for key in told_now:
        then = person_on(User.objects.get(pk=key), moment)
        found[key] = (
            (then.active, then.super_admin, _named(then.permission_set)),
            {(k, column): said for k, row in then.scopes.items() for column, said in row.items()},
            {tool.partition("=")[0] for tool in then.tools},
            set(then.teams),
        )
    return found


def some_records(world: Any, random: Random) -> list[Any]:
    """Return a few of a world's records; each costs a question of its own."""
    rows = [row for kind in world.records for row in model_of(kind)._base_manager.all()]
    return random.sample(rows, min(3, len(rows)))


@contextmanager
def taken_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(set(CHANGES) - {"policy"})), st.integers(0, 2**16)),
    min_size=3,
    max_size=6,
)


@settings(
    max_examples=6,
    phases=[Phase.generate],  # each example asks some hundred times: none is made smaller
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=worlds(), steps=STEPS)
def test_time_machine_says_what_was_said_at_that_moment(db: None, world: Any, steps: Any) -> None:
    with taken_back():
        world = lay_down(world)
        BEGIN(apps, None)
        noted, random = [], Random(world.salt)
        for name, salt in [("", 0), *steps]:
            found = CHANGES[name](world, Random(salt)) if name else None
            if found is not None:
                world, done = found
                try:
                    with transaction.atomic():
                        done()
                except (people.AccountsError, operations.RecordError):
                    continue
            records = some_records(world, random)
            keys = random.sample([person.id for person in world.people], 2)
            said = seen(records, lambda r: access.who_can("view", r))
            noted.append((said, held(keys), a_moment(), records))
        for said, holding, moment, records in noted:
            now = [type(record)._base_manager.get(pk=record.pk) for record in records]
            assert seen(now, lambda r: who_could_see(r, moment).people) == said  # noqa: B023  # asked at once
            assert held_on(moment, holding) == holding


def test_what_was_deleted_since_is_there_again(c: TinyCompany, kept_since: datetime) -> None:
    """A story over one deal: its owner, team, set and share are all gone by now."""
    deal = c.deals["ritas"]
    sharing.share(deal, actor=c.sam, level="edit", team=c.teams["south"])
    late = people.create_set(
        actor=c.sam, name="Late", scopes={"deal": {"view": TEAM, "view_unassigned": True}}
    )
    west = people.create_team(actor=c.sam, name="West", parent=c.teams["north_a"])
    new = people.create_person(actor=c.sam, email="new@example.com", permission_set=late)
    people.set_teams(new, actor=c.sam, main_team=west)
    deal = operations.change(
        deal, actor=c.sam, values={"owner": new}, version=deal.version, confirm_hand_over=True
    )
    before, moment = seen([deal], lambda d: access.who_can("view", d)), a_moment()
    assert {new.pk, c.mona.pk, c.rob.pk} <= set(before["deal", deal.pk])

    sharing.unshare(deal, actor=c.sam, team=c.teams["south"])
    operations.change(deal, actor=c.sam, values={"owner": None}, version=deal.version)
    people.set_teams(new, actor=c.sam, main_team=None)
    people.assign_set(new, actor=c.sam, permission_set=None)
    people.deactivate(new, actor=c.sam)
    people.delete_team(west, actor=c.sam)
    people.delete_set(late, actor=c.sam)
    operations.delete(Deal.objects.get(pk=deal.pk), actor=c.sam)

    deal = Deal._base_manager.get(pk=deal.pk)
    then = who_could_see(deal, moment)
    assert seen([deal], lambda d: then.people) == before
    assert (then.existed, then.in_bin, then.owners) == (True, False, ("new@example.com",))
    told_of_new = person_on(new, moment)
    assert (told_of_new.permission_set, told_of_new.teams) == ("Late", (("West", True),))
    assert told_of_new.scopes == {"deal": {"view": TEAM, "view_unassigned": True}}
    unassigned = Deal.objects.filter(owner=None, co_owner=None, deleted_at=None)
    assert told_of_new.reach["deal"]["view"] == unassigned.count()
    assert person_on(new, kept_since).existed is False
    assert who_could_see(deal, clock.database_now()).in_bin is True


def test_asking_leaves_nothing_behind(c: TinyCompany, kept_since: datetime) -> None:
    people.assign_set(c.rita, actor=c.sam, permission_set=c.sets["reader"])
    before = standing()
    with past.as_it_was(kept_since):
        assert User.objects.get(pk=c.rita.pk).permission_set == c.sets["rep"]
        assert set(User.objects.values_list("password", flat=True)) == {""}
    with pytest.raises(ZeroDivisionError), past.as_it_was(kept_since):
        raise ZeroDivisionError
    assert standing() == before
    assert User.objects.get(pk=c.rita.pk).permission_set == c.sets["reader"]
    assert "" not in set(User.objects.values_list("password", flat=True))


# --- The command ----------------------------------------------------------------------------------


def asked(*words: str) -> Any:
    out = StringIO()
    call_command("access_on", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_command_answers_for_a_person_and_for_a_record(
    c: TinyCompany, kept_since: datetime
) -> None:
    on = kept_since.isoformat()
    people.assign_set(c.rita, actor=c.sam, permission_set=None)
    then = asked(on, "rita@example.com")
    assert (then["known"], then["active"], then["permission_set"]) == (True, True, "Rep")
    assert then["teams"] == [{"team": "North A", "main": True}]
    assert then["scopes"]["company"] == {"view": "owned"}
    assert then["tools"] == ["crm.export"]
    assert then["reach"]["company"] == {"view": 1, "change": 0, "delete": 0}
    today = timezone.localdate().isoformat()
    assert asked(today, "rita@example.com")["permission_set"] is None

    deal = str(c.deals["ritas"].pk)
    who = {each["user"]: each for each in asked(on, "deal", deal)["who"]}
    assert who["rita@example.com"]["reasons"] == ["team", "owned"]
    assert who["rita@example.com"]["level"] == ["view", "change"]
    assert "rita@example.com" not in {e["user"] for e in asked(today, "deal", deal)["who"]}
    for words in ((on, "rita@example.com"), (on, "deal", deal)):
        out = StringIO()
        call_command("access_on", *words, stdout=out)
        assert "rita@example.com" in out.getvalue()
        assert out.getvalue().endswith("Names are those of today.\n")


def test_before_the_history_nothing_is_known(c: TinyCompany, kept_since: datetime) -> None:
    for words in (("rita@example.com",), ("deal", str(c.deals["ritas"].pk))):
        then = asked("2020-02-03", *words)
        assert then["known"] is False
        assert then["because"].startswith("Not known before ")
        assert not {"who", "scopes"} & set(then)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["soon", "rita@example.com"], "“soon” is not a day or a moment. Write it as 2026-12-31"),
        (["2026-02-30", "deal", "1"], "“2026-02-30” is not a day or a moment."),
        (["1066-10-14", "deal", "1"], "Choose a day from 1 January 1900 to 31 December 2999."),
        (["2999-12-31", "rita@example.com"], "This day has not come yet."),
        (["2999-12-30T10:00", "rita@example.com"], "This moment has not come yet."),
        (["2026-01-01", "nobody@example.com"], "Nobody logs in as “nobody@example.com”."),
        (["2026-01-01", "deal"], "Give the e-mail of a person, or a kind of record"),
        (["2026-01-01", "deal", "0"], "There is no deal 0. Give the number of one."),
        (["2026-01-01", "deal", "x"], "“x” is not a record's number. Give one like 42."),
        (["2026-01-01", "project", "1"], "There is no kind of record “project”."),
    ],
)
def test_command_says_what_is_wrong(c: TinyCompany, words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=re.escape(sentence)) as refusal:
        call_command("access_on", *words, "--json")
    assert refusal.value.returncode == 1


# --- The pages ------------------------------------------------------------------------------------

HISTORY, ON = "/admin/permissions/history/", "/admin/permissions/history/on/"


def test_history_is_narrowed_by_person_set_permission_by_and_day(
    c: TinyCompany, kept_since: datetime, client: Client
) -> None:
    people.assign_set(c.rita, actor=c.sam, permission_set=c.sets["reader"])
    reader = PermissionSet.objects.get(pk=c.sets["reader"].pk)
    people.change_set(
        reader, actor=c.sue, name="Reader", description="", scopes={}, tools=["crm.export"]
    )
    people.assign_set(c.rob, actor=TESTING, permission_set=None)
    client.force_login(c.sam)

    def rows(query: str) -> list[tuple[str, str, str]]:
        answer = client.get(f"{HISTORY}?{query}")
        assert answer.status_code == 200
        found = answer.context["cl"].result_list
        return [(r.permission, r.before, r.after) for r in found if r.system != "history began"]

    edits = [("crm.export", "", "yes"), ("crm.deal.view", "everything", "")]
    given = ("permission_set", f"{c.sets['rep'].pk}: Rep", f"{reader.pk}: Reader")
    assert rows(f"person={c.rita.pk}") == [*edits, given]
    assert rows(f"set_key={reader.pk}") == edits
    assert rows(f"actor={c.sam.pk}") == [given]
    assert rows("permission=crm.deal") == edits[1:]
    assert len(rows(f"at_after={timezone.localdate()}")) == 4
    assert rows("at_before=2020-01-01") == []
    page = client.get(f"{HISTORY}?person={c.rita.pk}").content.decode()
    assert "View of deals" in page
    assert "Export" in page
    for wrong in ("person=x", "set_key=-1", "permission=%00", "colour=red"):
        assert client.get(f"{HISTORY}?{wrong}").status_code == 400


def test_page_of_the_history_asks_as_much_for_many_rows_as_for_few(
    c: TinyCompany, kept_since: datetime, client: Client
) -> None:
    client.force_login(c.sam)
    client.get(HISTORY)
    counts = []
    for query in (f"set_key={c.sets['reader'].pk}", "set_key="):
        with CaptureQueriesContext(
            connection,
        ) as asked_for:
            assert client.get(f"{HISTORY}?{query}").status_code == 200
        counts.append(len(asked_for))
    assert counts[0] == counts[1] <= 12


def test_time_machine_answers_on_its_page(
    c: TinyCompany, kept_since: datetime, client: Client
) -> None:
    client.force_login(c.sam)
    today, deal = timezone.localdate(), c.deals["ritas"].pk
    page = client.get(f"{ON}?day={today}&user={c.rita.pk}&record=").content.decode()
    assert "View: Team only, with unassigned ones" in page
    # A link says about whom, and is answered for today at once; the page by itself only asks.
    assert "View: Team only, with unassigned ones" in client.get(f"{ON}?user={c.rita.pk}").text
    alone = client.get(ON)
    assert ("Choose a day and a person" in alone.text, "moment" in alone.context) == (True, False)
    for named in (f"deal {deal}", f"https://crm.example/admin/records/deal/{deal}/change/"):
        answer = client.get(ON, {"day": str(today), "user": "", "record": named})
        assert {row["person"].email for row in answer.context["rows"]} == {
            person.email for person in access.who_can("view", c.deals["ritas"])
        }
    trouble = {
        f"day={today}": "Choose a person, or name a record.",
        f"day={today}&record=deal+0": "There is no such record.",
        "day=2999-01-01&record=deal+1": "This day has not come yet.",
        "day=soon": "Write the day as 2026-12-31.",
        f"day=2020-01-01&user={c.rita.pk}": "Not known before",
    }
    for query, sentence in trouble.items():
        assert sentence in client.get(f"{ON}?{query}").content.decode()
    for wrong in (f"day={today}&user=x", "colour=red", f"day={today}&page=0"):
        assert client.get(f"{ON}?{wrong}").status_code == 400


@pytest.mark.parametrize("who", ["otto", "rita", "eve"])
def test_only_super_admins_ask_and_learn_nothing_by_asking(
    c: TinyCompany, client: Client, who: str
) -> None:
    client.force_login(getattr(c, who))
    today = timezone.localdate()
    answers = [
        client.get(f"{ON}?day={today}&record=deal+{key}") for key in (c.deals["ritas"].pk, 999)
    ]
    answers += [client.get(f"{ON}?day={today}&user={key}") for key in (c.sam.pk, 999)]
    assert {answer.status_code for answer in answers} == {403}
    bodies = {re.sub(rb"nonce-\S+|csrf\S+", b"", answer.content) for answer in answers}
    assert len(bodies) == 1
    assert client.get(HISTORY).status_code == 403
    assert client.get("/admin/accounts/permissionchange/").status_code == 403
    person_page = client.get(f"/admin/accounts/user/{c.rita.pk}/change/")
    assert person_page.status_code in (403, 404)


def test_pages_of_people_and_sets_lead_to_their_history(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    for model, key, narrowed in (
        ("user", c.rita.pk, f"person={c.rita.pk}"),
        ("permissionset", c.sets["rep"].pk, f"set_key={c.sets['rep'].pk}"),
    ):
        page = client.get(f"/admin/accounts/{model}/{key}/change/").content.decode()
        assert f'href="{HISTORY}?{narrowed}"' in page


def reference_to_own(c: TinyCompany) -> str:
    return f"{c.fresh('rita').permission_set_id}: own permissions"


def test_own_permissions_are_told_by_their_owner(c: TinyCompany, client: Client) -> None:
    people.edit_permissions(
        [c.rita], actor=c.sam, changes={"crm.deal.view": "owned"}, reason="Leaves the team."
    )
    client.force_login(c.sam)
    text = client.get("/admin/permissions/history/").text
    assert "Own permissions of Rita" in text
    # What was changed for her, from what to what; not all that she has besides.
    rows = PermissionChange.objects.filter(reason="Leaves the team.").exclude(before=F("after"))
    assert set(rows.values_list("permission", "before", "after")) == {
        ("permission_set", f"{c.sets['rep'].pk}: Rep", reference_to_own(c)),
        ("permission_set", "", "yes"),
        ("crm.deal.view", "team", "owned"),
        ("crm.deal.communicate", "team", "owned"),
    }
    assert "View of contacts" not in text
    assert "Leaves the team." in text
    people.assign_set(c.rita, actor=c.sam, permission_set=c.sets["rep"])
    assert "Own permissions of" not in client.get("/admin/permissions/history/").text


def test_history_begins_with_own_permissions_that_were_there_before(c: TinyCompany) -> None:
    people.edit_permissions([c.rita], actor=c.sam, changes={"crm.deal.view": "owned"})
    BEGIN(apps, None)
    own = c.fresh("rita").permission_set_id
    began = PermissionChange.objects.filter(system=BEGAN)
    assert began.get(person=c.rita, permission="permission_set").after == f"{own}: own permissions"
    assert began.get(set_key=own, permission="crm.deal.view").after == "owned"


def test_own_permissions_of_a_past_day_are_there_again(
    c: TinyCompany, kept_since: datetime
) -> None:
    people.edit_permissions(
        [c.rita], actor=c.sam, changes={"crm.deal.view": "owned", "crm.export": False}
    )
    moment = a_moment()
    people.edit_permissions([c.rita], actor=c.sam, changes={"crm.deal.view": "everything"})
    later = a_moment()
    people.assign_set(c.rita, actor=c.sam, permission_set=c.sets["rep"])
    rita = c.fresh("rita")
    then = [person_on(rita, each) for each in (moment, later)]
    assert [each.scopes["deal"]["view"] for each in then] == [OWNED, EVERYTHING]
    assert [each.tools for each in then] == [(), ()]
    assert [each.permission_set for each in then] == ["own permissions"] * 2
    now = person_on(rita, a_moment())
    assert (now.scopes["deal"]["view"], now.tools) == (TEAM, ("crm.export",))
