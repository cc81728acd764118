"""A database of every landed version comes to today, and what waited in it goes on (B10).

`tests/support/landed.py` says how to add a version.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.audit import System
from accounts.models import KnownPermission, Notice, PermissionSet, User
from accounts.operations import grants_of, receive_permissions
from exports import operations, worker
from exports.models import ExportRequest, FrozenRequest
from exports.writers import manifest
from records.models import Deal
from tests.support import landed
from tests.support.exports_kit import delivered_ids, frozen_ids, table_of
from tests.support.kept_states import states_kept

LOG = "/admin/exports/exportrequest/"
NAMES = ["approved", "finished", "left behind", "narrowed", "pending", "waits again"]


@pytest.fixture
def empty_database(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the default connection lead to an empty database of this test alone."""
    before = connection.settings_dict["NAME"]
    with django_db_blocker.unblock():
        connection.close()
        if connection.vendor == "sqlite":
            connection.settings_dict["NAME"] = str(tmp_path / "landed.sqlite3")
        else:
            connection.settings_dict["NAME"] = f"landed_{os.getpid()}"
            _on_server(f'CREATE DATABASE "{connection.settings_dict["NAME"]}"')
        ContentType.objects.clear_cache()
        try:
            yield
        finally:
            connection.close()
            if connection.vendor == "postgresql":
                _on_server(f'DROP DATABASE "{connection.settings_dict["NAME"]}"')
            connection.settings_dict["NAME"] = before
            ContentType.objects.clear_cache()


def _on_server(statement: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)


def _with_files_of(version: str, export_root: Path) -> None:
    shutil.copytree(landed.FOLDER / version / "files", export_root, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[dict[str, str]]:
    """By version and what was done to it, a database that is made once, and copied."""
    names: dict[str, str] = {}
    yield names
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock():
            for name in names.values():
                _on_server(f'DROP DATABASE "{name}"')


@pytest.fixture(scope="module", autouse=True)
def states_are_drawn_once() -> Iterator[None]:
    """Let the second upgrade of a version use what Django made of its migrations at the first."""
    with states_kept():
        yield


Copied = Callable[[str, Callable[[], object]], None]


@pytest.fixture
def copied(
    empty_database: None, kept: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Copied:
    """Return what fills the empty database by a function, or by a copy of what it made before."""
    own = connection.settings_dict["NAME"]

    def copied(name: str, make: Callable[[], object]) -> None:
        if name not in kept:
            make()
            connection.close()
            if connection.vendor == "sqlite":
                kept[name] = str(tmp_path_factory.mktemp("kept") / "kept.sqlite3")
            else:
                kept[name] = f"kept_{os.getpid()}_{len(kept)}"
            _copy_database(own, kept[name])
        else:
            connection.close()
            if connection.vendor == "postgresql":
                _on_server(f'DROP DATABASE "{own}"')
            _copy_database(kept[name], own)

    return copied


def _landed(version: str, copied: Copied, kept: dict[str, str]) -> None:
    def made() -> None:
        if connection.vendor == "postgresql":
            _migrated_as(version, copied, kept)
        landed.load(version)

    copied(f"{version} landed", made)


def _migrated_as(version: str, copied: Copied, kept: dict[str, str]) -> None:
    """Make a version's empty tables of those of a version before it, if some are there."""
    older = [each for each in landed.versions() if each < version and f"{each} empty" in kept]

    def migrate() -> None:
        if older:
            copied(f"{older[-1]} empty", migrate)
        landed.migrate(landed.ran_by(version))

    copied(f"{version} empty", migrate)


@pytest.fixture(params=landed.versions())
def landed_before(
    request: pytest.FixtureRequest, copied: Copied, kept: dict[str, str], export_root: Path
) -> None:
    """Load a landed version's database and files, as they were before the upgrade."""
    _landed(request.param, copied, kept)
    _with_files_of(request.param, export_root)


@pytest.fixture(params=landed.versions())
def exports(
    request: pytest.FixtureRequest, copied: Copied, kept: dict[str, str], export_root: Path
) -> dict[str, ExportRequest]:
    """A landed version's exports by name, after its upgrade to today."""
    version = request.param

    def upgraded() -> None:
        _landed(version, copied, kept)
        upgrade()

    copied(f"{version} upgraded", upgraded)
    _with_files_of(version, export_root)
    return by_name()


def _copy_database(name: str, copy: str) -> None:
    """Copy a database to which nobody is connected."""
    if connection.vendor == "sqlite":
        shutil.copyfile(name, copy)
    else:
        _on_server(f'CREATE DATABASE "{copy}" TEMPLATE "{name}"')


def upgrade() -> dict[str, ExportRequest]:
    """Bring the database to today and return its exports by name; no day has passed since."""
    call_command("migrate", verbosity=0)
    now = timezone.now()
    ExportRequest.objects.update(requested_at=now)
    ExportRequest.objects.exclude(waits_again_since=None).update(waits_again_since=now)
    ExportRequest.objects.exclude(expires_at=None).update(expires_at=now + timedelta(days=7))
    return by_name()


def by_name() -> dict[str, ExportRequest]:
    found = {export.name: export for export in ExportRequest.objects.all()}
    assert sorted(found) == NAMES
    return found


SALTED_SINCE = "2026-11-28"
"""The first version whose digests have form 2."""


def version_of(request: pytest.FixtureRequest) -> str:
    """Return which landed version a test runs on."""
    version: str = request.node.callspec.params["exports"]
    return version


def run(*exports: ExportRequest) -> list[str]:
    """Let the worker take what it can, and return where these exports stand then."""
    while worker.run_once():
        pass
    for export in exports:
        export.refresh_from_db()
    return [export.status for export in exports]


def test_what_waited_runs_is_decided_and_is_downloaded(exports: dict[str, ExportRequest]) -> None:
    # Each notice says which request it is about, as its link did.
    told = Notice.objects.filter(link__contains="/exportrequest/").exclude(link__contains="?")
    assert {(each.about, each.link) for each in told} == {
        ("export", f"{LOG}{each.about_id}/change/") for each in told
    }
    approved, left = exports["approved"], exports["left behind"]
    assert run(approved, left) == ["completed", "completed"]
    assert table_of(approved)[0] == ["ID", "Name"]
    sue = User.objects.get(email="sue@example.com")
    for name in ("pending", "waits again"):
        assert exports[name].status == "pending"
        page = _client("sue").get(f"{LOG}?review={exports[name].pk}")
        assert "Approve this export?" in page.text
        operations.approve(exports[name], actor=sue, version=exports[name].version)
    assert run(exports["pending"], exports["waits again"]) == ["completed", "completed"]
    assert {row[1] for row in table_of(exports["pending"])} == {"Name", "Rita's"}
    for name in NAMES:
        requester = exports[name].requester.email.partition("@")[0]
        answer = _client(requester).post(f"{LOG}{exports[name].pk}/download/")
        data = b"".join(answer.streaming_content)
        assert hashlib.sha256(data).hexdigest() == exports[name].sha256, name


def _client(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(email=f"{name}@example.com"))
    return client


def test_columns_lost_before_the_upgrade_are_still_told(exports: dict[str, ExportRequest]) -> None:
    assert manifest.columns_lost(exports["narrowed"]) == ["product"]
    assert "Without Product" in _client("sam").get(f"{LOG}?review={exports['narrowed'].pk}").text
    assert manifest.columns_lost(exports["finished"]) == []


def test_what_was_changed_outside_the_product_after_the_upgrade_is_noticed(
    exports: dict[str, ExportRequest],
) -> None:
    approved, left = exports["approved"], exports["left behind"]
    ExportRequest.objects.filter(pk=approved.pk).update(query="o=-name")
    assert run(approved, left) == ["failed", "completed"]


def test_what_was_changed_outside_the_product_before_the_upgrade_is_noticed(
    landed_before: None,
) -> None:
    """Also, since upgrading takes long, that it is known afterwards which records a file lacked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM accounts_auditevent WHERE data LIKE %s"
            if connection.vendor == "sqlite"
            else "SELECT count(*) FROM accounts_auditevent WHERE data::text LIKE %s",
            ["%manifest_sha256%"],
        )
        had_digests = cursor.fetchone()[0] > 0
        had_digests |= "exports_frozenrequest" in connection.introspection.table_names(cursor)
        cursor.execute("UPDATE exports_exportrequest SET query = 'o=-name' WHERE name = 'approved'")
        table = connection.introspection.get_table_description(cursor, "exports_exportrecord")
        marked_what_left = "delivered" in {column.name for column in table}
        cursor.execute(
            f"UPDATE exports_exportrecord SET "
            f"{'delivered = false' if marked_what_left else 'left_out = true'} WHERE position = 2 "
            "AND export_id = (SELECT id FROM exports_exportrequest WHERE name = 'finished')"
        )
    exports = upgrade()
    first, _, *rest = frozen_ids(exports["finished"])
    assert delivered_ids(exports["finished"]) == {first, *rest}
    assert delivered_ids(exports["narrowed"]) == set(frozen_ids(exports["narrowed"])) != set()
    for name in ("approved", "left behind", "pending", "waits again"):
        assert frozen_ids(exports[name])
        assert not delivered_ids(exports[name])
    approved, left = exports["approved"], exports["left behind"]
    # The first version had no digest: what it left is held to what it was at the upgrade.
    assert run(approved, left) == ["failed" if had_digests else "completed", "completed"]


def test_digests_keep_their_form_and_every_export_has_one(
    exports: dict[str, ExportRequest], request: pytest.FixtureRequest
) -> None:
    form = 2 if version_of(request) >= SALTED_SINCE else 1
    for export in exports.values():
        last = export.frozen.order_by("id").last()
        assert last is not None
        if export.status != "completed":
            assert last.form == form
            assert manifest.is_as_frozen(export)
    assert not FrozenRequest.objects.exclude(form__in=[0, form]).exists()
    rita = exports["finished"].requester
    sue = User.objects.get(email="sue@example.com")
    new = operations.request_export(actor=rita, model=Deal, approvers=[sue])
    assert [each.form for each in new.frozen.all()] == [manifest.FORM]


KNOWN_BEFORE_ARRIVALS = {
    *("crm.export", "crm.export_approver", "crm.export_without_approval"),
    *("audit.view", "audit.view_exports"),
}
"""The tools of every version from before permissions arrived."""
ARRIVALS_SINCE = "2026-11-29"
"""From this version on a database knows the permissions of its day, by its own command."""


def test_permissions_of_a_versions_day_are_known_and_others_arrive_by_their_risk(
    exports: dict[str, ExportRequest], request: pytest.FixtureRequest
) -> None:
    sets = {each.pk: grants_of(each.pk) for each in PermissionSet.objects.order_by("pk")}
    assert sets
    known = set(KnownPermission.objects.values_list("key", flat=True))
    assert all(f"crm.{kind}.view" in known for kind in ("contact", "company", "deal", "ticket"))
    receive_permissions(actor=System("test"))
    new = KnownPermission.objects.new()
    assert not new.filter(key__in=known).exists()
    assert not new.filter(key__startswith="crm.deal.").exists()
    arrived = set(new.filter(arrived="on").values_list("key", flat=True))
    if version_of(request) >= ARRIVALS_SINCE:
        assert known >= {*KNOWN_BEFORE_ARRIVALS, "sales.custom_line_items", "account.edit_users"}
        given = []
        assert arrived == set()
    else:
        given = ["sales.custom_line_items"]
        assert {key for key in known if key.count(".") == 1} == KNOWN_BEFORE_ARRIVALS
        assert arrived == {"sales.bulk_enroll_sequences", "sales.custom_line_items"}
        assert new.get(key="account.edit_users").to_review
    for each in PermissionSet.objects.order_by("pk"):
        assert [str(grant) for grant in grants_of(each.pk) - sets[each.pk]] == given
    assert receive_permissions(actor=System("test")) == []


if connection.vendor == "sqlite":  # as the texts are

    def test_migrations_that_landed_still_make_the_schema_they_made(empty_database: None) -> None:
        had: set[tuple[str, str]] = set()
        for name in landed.versions():
            with closing(landed.opened(name)) as then:
                ran = landed.migrations_in(then)
                # What an older version ran was run before: its tables are migrated further.
                assert had <= set(ran)
                landed.migrate(ran)
                had = set(ran)
                with connection.cursor() as cursor:
                    assert schema(cursor) == schema(then.cursor()), name


def schema(cursor: sqlite3.Cursor) -> list[tuple[str, str]]:
    # Of triggers the name alone: what they say when they refuse is no part of the schema.
    cursor.execute(
        "SELECT name, CASE type WHEN 'trigger' THEN '' ELSE sql END FROM sqlite_master "
        "WHERE sql IS NOT NULL ORDER BY name"
    )
    return list(cursor.fetchall())


def test_upgrade_can_be_taken_back_and_made_again(
    exports: dict[str, ExportRequest], request: pytest.FixtureRequest
) -> None:
    ran = landed.ran_by(version_of(request))
    had = max(name for app, name in ran if app == "exports")
    before = list(FrozenRequest.objects.order_by("id").values_list("export", "digest", "columns"))
    call_command("migrate", "exports", max(had, "0005_terms"), verbosity=0)
    call_command("migrate", verbosity=0)
    after = list(FrozenRequest.objects.order_by("id").values_list("export", "digest", "columns"))
    assert after == before
    assert run(exports["approved"]) == ["completed"]
