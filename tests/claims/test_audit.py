"""The log is append-only in the database itself, and part of the change it records."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.core.checks import run_checks
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts import audit
from accounts import operations as people
from accounts.audit import System
from accounts.audit_admin import things
from accounts.modeladmin import AccessModelAdmin
from accounts.models import AuditEvent, AuditText, PermissionChange, RightsChange, User
from accounts.protection import is_protected, protect, protected_tables, unprotect
from accounts.review import at_once
from exports.models import FrozenRequest, GateChange
from records import operations
from records.models import FlagLifted
from records.models.history import ReachChange
from tests.support.company import TinyCompany
from tests.support.exports_kit import pending
from tests.support.factories import SetFactory, UserFactory
from tests.support.forms_as_shown import form_with

TABLE = "accounts_auditevent"

COLUMNS = {
    TABLE: ("action", "'forged'"),
    FrozenRequest._meta.db_table: ("digest", "'forged'"),
    RightsChange._meta.db_table: ("door", "'forged'"),
    GateChange._meta.db_table: ("threshold", "7"),
    FlagLifted._meta.db_table: ("name", "'forged'"),
    PermissionChange._meta.db_table: ("permission", "'forged'"),
    ReachChange._meta.db_table: ("fact", "'forged'"),
}
"""Every append-only table, with a column to forge and what is written into it."""

ATTACKS = {
    "update": "UPDATE {table} SET {column} = {value}",
    "delete": "DELETE FROM {table}",
    "delete one": "DELETE FROM {table} WHERE id = (SELECT max(id) FROM {table})",
    "no-op update": "UPDATE {table} SET {column} = {column}",
}
ATTACKS_BY_VENDOR = {
    "sqlite": {
        "replace": "REPLACE INTO {table} SELECT * FROM {table}",
        "insert or replace": "INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
        "upsert": "INSERT INTO {table} SELECT * FROM {table} WHERE true "
        "ON CONFLICT (id) DO UPDATE SET {column} = {value}",
    },
    "postgresql": {
        "truncate": "TRUNCATE {table} CASCADE",
        "replica role": "SET LOCAL session_replication_role = replica; DELETE FROM {table}",
        "upsert": "INSERT INTO {table} SELECT * FROM {table} "
        "ON CONFLICT (id) DO UPDATE SET {column} = {value}",
    },
}
ATTACKS |= ATTACKS_BY_VENDOR[connection.vendor]


@pytest.fixture
def event(c: TinyCompany) -> AuditEvent:
    with transaction.atomic():
        return audit.record("test.event", actor=c.sam, data={"b": 1, "a": [2]}, text="Because.")


def fill(c: TinyCompany) -> None:
    """Let every append-only table have a row."""
    pending(c.rita, c.sue)
    people.set_password(c.axel, actor=c.sam, password="another long password")
    GateChange.objects.create(actor=c.sam, threshold=5)
    FlagLifted.objects.create(actor=c.sam, object="deal", name="amount")
    people.assign_set(c.ruth, actor=c.sam, permission_set=c.sets["rep"])
    operations.delete(c.deals["ritas"], actor=c.sam)


def attack(name: str, table: str) -> str:
    column, value = COLUMNS[table]
    return ATTACKS[name].format(table=table, column=column, value=value)


def all_rows(table: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        return list(cursor.fetchall())


def test_every_protected_table_is_attacked() -> None:
    assert set(protected_tables()) == set(COLUMNS)


@pytest.mark.parametrize("table", COLUMNS)
@pytest.mark.parametrize("name", ATTACKS)
def test_the_database_refuses_to_change_an_append_only_table(
    c: TinyCompany, event: AuditEvent, name: str, table: str
) -> None:
    fill(c)
    before = all_rows(table)
    assert before
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attack(name, table))
    assert all_rows(table) == before


@pytest.mark.parametrize("table", COLUMNS)
def test_attacks_would_succeed_without_the_protection(
    c: TinyCompany, event: AuditEvent, table: str
) -> None:
    """Negative control: the refusals above come from the triggers."""
    fill(c)
    connection.check_constraints()  # PostgreSQL alters no table that has checks outstanding
    unprotect(connection, table)
    assert not is_protected(connection, table)
    assert "accounts.E001" in [message.id for message in run_checks(databases=["default"])]
    before = all_rows(table)
    with connection.cursor() as cursor:
        cursor.execute(attack("update", table))
    assert all_rows(table) != before
    connection.check_constraints()
    protect(connection, table)
    assert is_protected(connection, table)
    assert "accounts.E001" not in [m.id for m in run_checks(databases=["default"])]


def test_row_hash_covers_what_was_written(event: AuditEvent) -> None:
    stored = AuditEvent.objects.get(pk=event.pk)
    assert stored.row_hash == audit.row_hash(stored)
    for name, value in {
        "action": "other",
        "result": "refused",
        "data": {"a": [2], "b": 2},
        "object_id": "7",
        "ip": "10.0.0.1",
        "text_digest": "0" * 64,
        "actor_id": None,
    }.items():
        altered = AuditEvent.objects.get(pk=event.pk)
        setattr(altered, name, value)
        assert audit.row_hash(altered) != stored.row_hash, name


def test_words_can_be_erased_and_the_proof_stays(event: AuditEvent) -> None:
    words = AuditText.objects.get(event=event)
    assert audit.digest(words.salt, words.text) == event.text_digest
    words.delete()
    assert AuditEvent.objects.get(pk=event.pk).text_digest == event.text_digest


def test_event_outside_a_transaction_is_refused(c: TinyCompany) -> None:
    class NoTransaction:
        in_atomic_block = False

    real = audit.connection
    audit.connection = NoTransaction()  # type: ignore[assignment]  # tests always run in one
    try:
        with pytest.raises(transaction.TransactionManagementError):
            audit.record("test.event", actor=c.sam)
    finally:
        audit.connection = real


def test_change_fails_when_its_event_cannot_be_written(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AuditEvent._meta.get_field("action"), "column", "no_such_column")
    deal = c.deals["ritas"]
    with pytest.raises(DatabaseError), transaction.atomic():
        operations.change(deal, actor=c.rita, values={"name": "Unlogged"}, version=1)
    deal.refresh_from_db()
    assert deal.name == "Rita's"


def test_system_actor_has_a_name(c: TinyCompany) -> None:
    with transaction.atomic():
        event = audit.record("test.event", actor=System("import_crm"))
    assert (event.actor, event.system) == (None, "import_crm")
    with pytest.raises(DatabaseError), transaction.atomic():
        audit.record("test.event", actor=System(""))


def test_refusals_are_written_down_but_cannot_flood_the_log(c: TinyCompany, client: Client) -> None:
    for _ in range(audit.REFUSALS_PER_MINUTE + 5):
        audit.record_refusal("deal.change", actor=c.rita, code="stage", on=c.deals["vault"])
    assert AuditEvent.objects.filter(result="refused").count() == audit.REFUSALS_PER_MINUTE
    audit.record_refusal("deal.change", actor=c.rob, code="stage", on=c.deals["vault"])
    assert AuditEvent.objects.filter(result="refused", actor=c.rob).count() == 1


def test_event_of_a_request_carries_its_address(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    address = f"/admin/records/deal/{c.deals['vault'].pk}/change/"
    client.post(address, {"name": "x"}, REMOTE_ADDR="192.0.2.7")
    assert AuditEvent.objects.get(result="refused").ip == "192.0.2.7"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "ip"),
    [
        (0, "203.0.113.5", "192.0.2.7"),
        (1, "203.0.113.5", "203.0.113.5"),
        (1, "198.51.100.1, 203.0.113.5", "203.0.113.5"),  # the left one is anybody's word
        (2, "198.51.100.1, 203.0.113.5, 192.0.2.9", "203.0.113.5"),
        (1, " 2001:DB8::5 ", "2001:db8::5"),
        (1, "fe80::1%eth0", "fe80::1"),
        *((1, nonsense, "192.0.2.7") for nonsense in ("", "x", "1.2.3.4:80", "203.0.113.5,")),
        (2, "203.0.113.5", "192.0.2.7"),
    ],
)
def test_event_carries_what_our_own_proxies_say(
    c: TinyCompany, client: Client, settings: Settings, proxies: int, forwarded: str, ip: str
) -> None:
    settings.PROXIES = proxies
    client.force_login(c.rita)
    address = f"/admin/records/deal/{c.deals['vault'].pk}/change/"
    headers = {"X-Forwarded-For": forwarded}
    client.post(address, {"name": "x"}, REMOTE_ADDR="192.0.2.7", headers=headers)
    assert AuditEvent.objects.get(result="refused").ip == ip


def test_the_log_is_searched_by_words_of_its_codes(c: TinyCompany, client: Client) -> None:
    """Whatever their case; each word has to stand in the code, and half a word is one."""
    with transaction.atomic():
        for code in ("team.create", "team.rename", "session.logout", "deal.create"):
            audit.record(code, actor=c.sam)
    client.force_login(c.sam)

    def found(**asked: str) -> set[str]:
        shown = client.get("/admin/accounts/auditevent/", asked)
        assert shown.status_code == 200
        return {event.action for event in shown.context["cl"].queryset}

    everything = found()
    assert {"session.login", "team.create"} <= everything
    assert found(q="CREATE") == {code for code in everything if "create" in code}
    assert found(q="Sess log") == {code for code in everything if code.startswith("session.log")}
    assert found(about="team") == {code for code in everything if code.startswith("team.")}
    assert found(q="create", about="team") == {"team.create"}
    assert found(q="zebra") == found(about="company", q="login") == set()


def test_log_calls_people_and_sets_what_they_are_called_now_and_records_by_number(
    c: TinyCompany, client: Client
) -> None:
    """Read by somebody who sees no people and no records; the number is there all the same."""
    deal, gone = c.deals["ritas"], 987_654
    with transaction.atomic():
        audit.record("person.change", actor=c.sam, on=c.rita)
        audit.record("set.change", actor=c.sam, on=c.sets["rep"])
        audit.record("team.change", actor=c.sam, on=c.teams["south"])
        audit.record("deal.change", actor=c.sam, on=deal)
        audit.record("person.change", actor=c.sam, object="user", object_id=str(gone))
        audit.record("person.change", actor=c.sam, object="user", object_id="9" * 40)
    people.change_person(c.rita, actor=c.sam, email=c.rita.email, first_name="Zoë", last_name="<Q>")
    client.force_login(c.otto)
    page = client.get("/admin/accounts/auditevent/").text
    said = dict(re.findall(r'<span title="(\w[\w ]+ #\d+)">(.*?)</span>', page))
    assert said[f"User #{c.rita.pk}"] == "User: Zoë &lt;Q&gt;"
    assert said[f"Permission set #{c.sets['rep'].pk}"] == "Permission set: Rep"
    assert said[f"Team #{c.teams['south'].pk}"] == "Team: South"
    assert f"Deal #{deal.pk}" in page
    assert deal.name not in page
    assert f"User #{gone}" in page
    event = AuditEvent.objects.filter(object="user", object_id=str(c.rita.pk)).latest("pk")
    shown = client.get(f"/admin/accounts/auditevent/{event.pk}/change/").text
    assert "User: Zoë &lt;Q&gt;" in shown
    # The log itself keeps numbers: names change, and are read when somebody looks.
    assert "Zoë" not in str(AuditEvent.objects.values_list())
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/accounts/auditevent/?about=person")
    with transaction.atomic():
        for each in c.people.values():
            audit.record("person.change", actor=c.sam, on=each)
    with CaptureQueriesContext(connection) as many:
        client.get("/admin/accounts/auditevent/?about=person")
    assert len(few) == len(many)


def test_what_became_of_an_object_is_found_by_its_number(c: TinyCompany, client: Client) -> None:
    """The log names no record, so its number is asked for, and of which kind it is."""
    deal, contact = c.deals["ritas"], c.contacts["cora"]
    with transaction.atomic():
        for on in (deal, c.deals["robs"], contact, c.rita, c.sets["rep"], c.teams["south"]):
            audit.record("deal.change", actor=c.sam, on=on)
    client.force_login(c.otto)
    log = "/admin/accounts/auditevent/"

    def found(kind: str, number: object) -> set[tuple[str, str]]:
        shown = client.get(log, {"on_kind": kind, "on_number": number})
        assert f"#{number}" in shown.text
        return {(event.object, event.object_id) for event in shown.context["cl"].queryset}

    for on in (deal, contact, c.rita, c.sets["rep"], c.teams["south"]):
        name = str(on._meta.model_name)
        assert found(name, on.pk) == {(name, str(on.pk))}
    assert not client.get(log, {"on_kind": "deal", "on_number": 987}).context["cl"].queryset
    for asked, said in (
        ({"on_kind": "deal"}, "Write the object’s number too."),
        ({"on_number": "5"}, "Choose of which kind the object is."),
        ({"on_kind": "deal", "on_number": "five"}, "Write an object’s number, such as 123."),
        ({"on_kind": "deal", "on_number": "9" * 30}, "Write an object’s number, such as 123."),
    ):
        shown = client.get(log, asked)
        assert (shown.status_code, said in shown.text) == (200, True)
        assert not shown.context["cl"].queryset
    assert client.get(log, {"on_kind": "session", "on_number": "5"}).status_code == 400


def test_what_changed_in_somebodys_rights_is_found_by_their_name(
    c: TinyCompany, client: Client
) -> None:
    """Their account, their set and their teams, main and extra; of others nothing."""
    with transaction.atomic():
        for on in (c.ella, c.rob, c.sets["rep"], c.sets["manager"], *c.teams.values()):
            audit.record("person.change", actor=c.sam, on=on)
        audit.record("deal.change", actor=c.ella, on=c.deals["ritas"])
    client.force_login(c.otto)

    def found(key: object) -> set[tuple[str, str]]:
        shown = client.get("/admin/accounts/auditevent/", {"affects": key})
        return {(event.object, event.object_id) for event in shown.context["cl"].queryset}

    assert found(c.ella.pk) == {
        ("user", str(c.ella.pk)),
        ("permissionset", str(c.sets["rep"].pk)),
        ("team", str(c.teams["south"].pk)),
        ("team", str(c.teams["north_a"].pk)),
    }
    assert found(c.sam.pk) == set()
    for wrong in ("999999", "ella"):
        assert client.get("/admin/accounts/auditevent/", {"affects": wrong}).status_code == 400


def test_refusal_of_a_page_is_found_with_what_operations_did(
    c: TinyCompany, client: Client
) -> None:
    """“About: User” finds who tried to change somebody, by a page or by an operation."""
    known = things()
    never_refused = {AuditEvent, PermissionChange}
    for model, screen in admin.site._registry.items():
        if isinstance(screen, AccessModelAdmin) and model not in never_refused:
            assert (screen.logged_as or screen.opts.model_name) in known, model
    delegate = ("account.access", "account.edit_users", "account.user_table")
    people.edit_sets([c.sets["rep"]], actor=c.sam, changes=dict.fromkeys(delegate, True))
    client.force_login(c.rita)
    assert client.post(f"/admin/accounts/user/{c.sam.pk}/promote/").status_code == 403
    event = AuditEvent.objects.get(result="refused")
    assert (event.action, event.object_id) == ("person.change", str(c.sam.pk))
    client.force_login(c.sam)
    page = client.get("/admin/accounts/auditevent/", {"about": "person", "result": "refused"})
    assert [each.pk for each in page.context["cl"].queryset] == [event.pk]


# --- Refusals of operations -----------------------------------------------------------------------


def test_refused_operation_stands_in_the_log_whoever_called_it(c: TinyCompany) -> None:
    """No caller can forget it: the frame of operations writes down what it refused (B7)."""
    vault = c.deals["vault"]
    with pytest.raises(operations.NotAllowed) as refusal:
        operations.change(vault, actor=c.rita, values={"name": "Mine"}, version=vault.version)
    event = AuditEvent.objects.get(result="refused")
    assert (event.action, event.actor, event.object) == ("deal.change", c.rita, "deal")
    assert (event.object_id, event.data) == (str(vault.pk), {"code": refusal.value.code})
    assert refusal.value.code == "stage"


def test_refusal_inside_a_larger_operation_is_written_down_once(c: TinyCompany) -> None:
    """By its own name; that the larger one went on, or was taken back with it, changes nothing."""
    refused = AuditEvent.objects.filter(result="refused").order_by("pk")

    def raised(user: User, actor: audit.Actor) -> None:
        people.make_super_admin(user, actor=actor)

    outcome = people.change_many(User.objects.filter(pk=c.rita.pk), actor=c.rob, step=raised)
    assert [user for user, _ in outcome.skipped] == [c.rita]
    expected = ("person.make_super_admin", str(c.rita.pk), "super_admins_only")
    seen = refused.values_list("action", "object_id", "data__code")
    assert list(seen) == [expected]
    with pytest.raises(people.NotAllowed), audit.step("person.import", c.rob) as actor:
        people.make_super_admin(c.rita, actor=actor)
    assert list(seen.all()) == [expected, expected]


def test_refusal_in_a_larger_transaction_is_written_down_after_it(
    c: TinyCompany, client: Client
) -> None:
    """Of the screen that reviews a change, of the click that takes one back, of Django's forms."""
    refused = AuditEvent.objects.filter(result="refused").order_by("pk")
    seen = refused.values_list("action", "object_id", "actor", "data__code")
    with pytest.raises(people.NotAllowed), at_once():
        people.make_super_admin(c.rita, actor=c.rob)
    expected = ("person.make_super_admin", str(c.rita.pk), c.rob.pk, "super_admins_only")
    assert list(seen) == [expected]
    tools = ["account.access", "account.edit_users", "account.user_table", "account.edit_teams"]
    dora = UserFactory(permission_set=SetFactory(tools=tools), team=c.teams["north"])
    client.force_login(dora)
    moved = c.teams["north_a"]
    address = f"/admin/accounts/team/{moved.pk}/change/"
    _, fields = form_with(client.get(address).text, "as_opened")
    assert client.post(address, {**fields, "parent": ""}).status_code == 403
    moving = ("team.change", str(moved.pk), dora.pk, "super_admins_only")
    assert list(seen.all()) == [expected, moving]
