"""A field that a migration renames or removes takes along what is said of it by its name (E24).

The field is called as it was in an earlier version first; the migration under test then gives it
the name that the code knows. Real steps of a real executor, on the product's own tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import count
from pkgutil import iter_modules
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.db import connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations import AddField, RemoveField, RenameField
from django.db.migrations.operations.base import Operation
from django.db.migrations.optimizer import MigrationOptimizer
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import OperationWriter
from django.db.models import IntegerField

from accounts.models import User
from accounts.protection import is_protected
from exports.models import ExportProfile
from exports.tables import offered_columns
from records import kinds
from records.migrating import RemoveProtectedField, RenameProtectedField
from records.models import Contact, Deal, FlagLifted, Property, ReachChange
from records.models.properties import hidden_fields, sensitive_fields, sensitive_keys
from records.operations import Invalid, flag_property
from tests.support.company import TinyCompany

OLD, NEW = "post", "job_title"

Step = tuple[migrations.Migration, ProjectState]
Migrate = Callable[[Operation], Callable[[], None]]


@pytest.fixture
def migrate(c: TinyCompany) -> Iterator[Migrate]:
    """Return what makes a step, and returns what takes it back; all are taken back at the end.

    The column that the code calls `job_title` is called `post` by then.
    """
    executor = MigrationExecutor(connection)
    made: list[Step] = []
    states, number = [executor.loader.project_state()], count(9000)

    def take_back() -> None:
        step, before = made.pop()
        states.pop()
        executor.unapply_migration(before.clone(), step)

    def take(operation: Operation) -> Callable[[], None]:
        step = migrations.Migration(f"{next(number)}_tried", "records")
        step.operations = [operation]
        before = states[-1]
        states.append(executor.apply_migration(before.clone(), step))
        made.append((step, before))
        return take_back

    take(RenameField("contact", NEW, OLD))
    yield take
    while made:
        take_back()


def indexed(kind: type[models.Model]) -> dict[str, list[str]]:
    """Return the columns of each index that a model declares, as the database has them."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, kind._meta.db_table)
    declared = {index.name for index in kind._meta.indexes}
    return {name: each["columns"] for name, each in found.items() if name in declared}


@pytest.fixture
def said(c: TinyCompany, migrate: Migrate) -> TinyCompany:
    """All that the product keeps by the name of a field, of its old name."""
    row = Property.objects.create(object="contact", name=OLD, access="chosen", sensitive=True)
    row.grants.create(team=c.teams["south"], level="view")
    Property.objects.create(object="company", name=OLD, access="super_admins")
    FlagLifted.objects.create(actor=c.sam, object="contact", name=OLD)
    for kind in ("contact", "deal"):
        ReachChange.objects.create(actor=c.sam, object=kind, record=1, fact=OLD)
    for kind, columns in COLUMNS.items():
        ExportProfile.objects.create(owner=c.eve, object=kind, name="Mine", columns=columns)
    return c


COLUMNS = {
    "contact": ["last_name", OLD, "company.name"],
    "deal": ["name", f"contact.{OLD}", OLD],
    "company": [OLD, f"contact.{OLD}"],
}


def kept() -> dict[str, Any]:
    """Return what is kept by the name of a field."""
    return {
        "said": set(Property.objects.filter(access__gt="").values_list("object", "name", "access")),
        "lifted": list(FlagLifted.objects.values_list("object", "name")),
        "reach": sorted(
            ReachChange.objects.filter(fact__in=[OLD, NEW]).values_list("object", "fact")
        ),
        "columns": dict(ExportProfile.objects.values_list("object", "columns")),
    }


def complaints() -> list[str]:
    """Return what `check --database` says of fields that are not there."""
    found = run_checks(databases=["default"])
    return [each.msg for each in found if each.id == "records.W001"]


def there_is_no(name: str) -> str:
    return f"What is said of the field “{name}” protects nothing: there is no such field."


def hidden_from(user: User) -> frozenset[str]:
    return hidden_fields(User.objects.get(pk=user.pk), Contact)


@pytest.mark.django_db(transaction=True)
def test_a_renamed_field_takes_along_what_is_said_of_it_both_ways(
    said: TinyCompany, migrate: Migrate
) -> None:
    c, before = said, kept()
    assert complaints() == [there_is_no(f"company.{OLD}"), there_is_no(f"contact.{OLD}")]
    take_back = migrate(RenameProtectedField("contact", OLD, NEW))

    assert complaints() == [there_is_no(f"company.{OLD}")]
    assert (hidden_from(c.rita), hidden_from(c.sam)) == ({NEW}, frozenset())
    assert Property.objects.get(object="contact", name=NEW).grants.get().team == c.teams["south"]
    assert sensitive_fields("contact") >= {NEW}
    Property.objects.filter(object="contact").update(sensitive=False)
    assert f"contact.{NEW}" in sensitive_keys(c.sam)  # who lifted the flag gains nothing by it
    Property.objects.filter(object="contact", name=NEW).update(sensitive=True)
    rita = User.objects.get(pk=c.rita.pk)
    assert NEW not in {column.name for column in offered_columns(Contact, rita)}
    assert f"contact.{NEW}" not in {column.name for column in offered_columns(Deal, rita)}
    after = kept()
    assert after["lifted"] == [("contact", NEW)]
    assert after["reach"] == [("contact", NEW), ("deal", OLD)]
    assert after["columns"] == {
        "contact": ["last_name", NEW, "company.name"],
        "deal": ["name", f"contact.{NEW}", OLD],
        "company": [OLD, f"contact.{OLD}"],
    }
    for model in (FlagLifted, ReachChange):
        assert is_protected(connection, model._meta.db_table)

    take_back()
    assert kept() == before


@pytest.mark.django_db(transaction=True)
def test_with_djangos_own_step_it_is_open_to_everybody_and_the_check_says_so(
    said: TinyCompany, migrate: Migrate
) -> None:
    Property.objects.filter(object="company", name=OLD).delete()
    migrate(RenameField("contact", OLD, NEW))
    assert hidden_from(said.rita) == frozenset()
    assert complaints() == [there_is_no(f"contact.{OLD}")]


@pytest.mark.django_db(transaction=True)
def test_what_was_said_of_no_field_gives_way_to_what_is_said_of_the_renamed_one(
    said: TinyCompany, migrate: Migrate
) -> None:
    Property.objects.create(object="contact", name=NEW, access="everyone_edit", sensitive=True)
    migrate(RenameProtectedField("contact", OLD, NEW))
    assert Property.objects.get(object="contact", name=NEW).access == "chosen"


@pytest.mark.django_db(transaction=True)
def test_a_link_that_is_renamed_takes_the_columns_along_to_which_it_leads(
    said: TinyCompany, migrate: Migrate
) -> None:
    take_back = migrate(RenameProtectedField("contact", "company", "employer"))
    assert kept()["columns"]["contact"] == ["last_name", OLD, "employer.name"]
    assert indexed(Contact)["contact_by_company"] == ["employer_id"]
    take_back()
    assert kept()["columns"] == COLUMNS
    assert indexed(Contact)["contact_by_company"] == ["company_id"]


@pytest.mark.django_db(transaction=True)
def test_indexes_of_what_is_renamed_have_the_same_rows(c: TinyCompany, migrate: Migrate) -> None:
    """Also where the field only says which rows an index has."""
    before = indexed(Contact)
    take_back = migrate(RenameProtectedField("contact", "co_owner", "deputy"))
    after = {
        name: ["deputy_id" if each == "co_owner_id" else each for each in columns]
        for name, columns in before.items()
    }
    assert after != before
    assert indexed(Contact) == after
    take_back()
    assert indexed(Contact) == before


@pytest.mark.django_db(transaction=True)
def test_a_removed_field_takes_along_what_is_said_and_comes_back_closed(
    said: TinyCompany, migrate: Migrate
) -> None:
    take_back = migrate(RemoveProtectedField("contact", OLD))
    assert not Property.objects.filter(object="contact", name=OLD).exists()
    assert Property.objects.filter(object="company", name=OLD).exists()
    take_back()
    back = Property.objects.get(object="contact", name=OLD)
    assert (back.access, back.sensitive, back.grants.count()) == ("super_admins", True, 0)


@pytest.mark.django_db
def test_nothing_is_said_of_a_field_that_is_not_there(c: TinyCompany) -> None:
    with pytest.raises(Invalid, match="There is no field “post” on this kind of record"):
        flag_property(actor=c.sam, object="contact", name=OLD, sensitive=True)
    flag_property(actor=c.sam, object="contact", name=NEW, sensitive=True)
    assert complaints() == []


def test_two_renames_are_not_made_one_that_carries_nothing() -> None:
    steps = [
        RenameProtectedField("contact", OLD, "role"),
        RenameProtectedField("contact", "role", NEW),
    ]
    assert MigrationOptimizer().optimize(steps, "records") == steps
    plain = [RenameField("contact", OLD, "role"), RenameField("contact", "role", NEW)]
    assert len(MigrationOptimizer().optimize(plain, "records")) == 1


@pytest.mark.parametrize(
    "step", [RenameProtectedField("deal", OLD, NEW), RemoveProtectedField("deal", OLD, kind="x")]
)
def test_a_step_is_written_down_whole(step: Any) -> None:
    name, arguments, options = step.deconstruct()
    again = globals()[name](*arguments, **options)
    assert again.deconstruct() == step.deconstruct()
    assert "import records.migrating" in OperationWriter(step).serialize()[1]


# --- Migrations of our own ------------------------------------------------------------------------


def careless(app_label: str, steps: list[Operation]) -> list[str]:
    """Return the steps that rename or remove a field of a kind without what is said of it."""
    models = {
        kind.model._meta.model_name
        for kind in kinds.every()
        if kind.model._meta.app_label == app_label
    }
    return [
        each.describe()
        for each in steps
        if type(each) in (RenameField, RemoveField)
        and getattr(each, "model_name_lower", "") in models
    ]


def migrations_of(app_label: str) -> Iterator[migrations.Migration]:
    package = import_module(f"{apps.get_app_config(app_label).name}.migrations")
    for module in iter_modules(package.__path__):
        yield import_module(f"{package.__name__}.{module.name}").Migration


def test_no_migration_renames_or_removes_a_field_without_what_is_said_of_it() -> None:
    labels = {kind.model._meta.app_label for kind in kinds.every()}
    assert labels == {"records"}
    found = [
        (migration.__module__, line)
        for label in labels
        for migration in migrations_of(label)
        for line in careless(label, migration.operations)
    ]
    assert found == [], "Take RenameProtectedField or RemoveProtectedField of records/migrating.py."


def test_a_migration_that_does_is_found() -> None:
    steps = [
        RenameField("Deal", "amount", "value"),
        RemoveField("company", "sector"),
        RenameField("pipeline", "name", "title"),
        AddField("deal", "probability", IntegerField(null=True)),
        RenameProtectedField("deal", "amount", "value"),
        RemoveProtectedField("company", "sector"),
    ]
    assert careless("records", steps) == [
        "Rename field amount on Deal to value",
        "Remove field sector from company",
    ]
    assert careless("exports", steps) == []
