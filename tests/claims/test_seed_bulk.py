"""`manage.py seed_bulk`: the same large company for the same seed, into an empty database only."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts import access, trigrams
from accounts.models import AuditEvent, Membership, Team, TeamReach, User
from accounts.operations import rewrite_reach
from crmperms.bulk import DONE, many
from records.models import (
    SHARES,
    Company,
    Contact,
    Deal,
    Property,
    PropertyGrant,
    Record,
    Stage,
    StageRule,
    Ticket,
)
from tests.support.company import TinyCompany

SIZES = ("--contacts", "300", "--deals", "400", "--users", "120", "--teams", "30")


def run(*options: str) -> tuple[str, str]:
    """Run the command; return what it printed as a result, and what as progress."""
    out, progress = StringIO(), StringIO()
    call_command("seed_bulk", *(options or SIZES), stdout=out, stderr=progress)
    return out.getvalue().strip(), progress.getvalue()


def contents() -> list[Any]:
    """Everything that chance decided, without keys."""
    deals = Deal._base_manager.order_by("pk")
    contacts = Contact._base_manager.order_by("pk")
    people = User.objects.order_by("pk")
    stamps = ("owner__email", "co_owner__email", "created_at", "updated_at")
    return [
        list(people.values_list("email", "last_name", "is_active", "permission_set__name")),
        list(Membership.objects.order_by("pk").values_list("user__email", "team__name", "is_main")),
        list(deals.values_list("name", "amount", "stage__name", "contact__email", *stamps)),
        list(contacts.values_list("first_name", "last_name", "company__name", *stamps)),
    ]


def test_the_same_seed_makes_the_same_company_and_another_seed_another(db: None) -> None:
    made = []
    for number in ("7", "7", "8"):
        with transaction.atomic():
            run(*SIZES, "--seed", number)
            made.append(contents())
            transaction.set_rollback(True)
    assert made[0] == made[1]
    assert [mine == other for mine, other in zip(made[0], made[2], strict=True)] == [False] * 4


def test_sizes_are_those_asked_for_and_one_event_tells(db: None) -> None:
    said, progress = run()
    assert said == "Made 60 companies, 300 contacts and 400 deals."
    assert "400 of 400 deals" in progress
    counts = [model._base_manager.count() for model in (User, Team, Company, Contact, Deal)]
    assert counts == [120, 30, 60, 300, 400]
    event = AuditEvent.objects.get()
    assert (event.action, event.system) == (DONE, "seed_bulk")
    assert event.data == {"contacts": 300, "deals": 400, "users": 120, "teams": 30, "seed": 1}


def test_any_kind_of_record_is_made_with_what_its_links_lead_to(db: None) -> None:
    said, _ = run("--tickets", "50", "--users", "5", "--teams", "2")
    assert said == "Made 10 companies, 10 contacts and 50 tickets."
    tickets = Ticket._base_manager.exclude(contact=None).exclude(company=None)
    assert tickets.exclude(subject="").filter(stage__pipeline__object="ticket").count() == 50
    assert set(tickets.values_list("priority", flat=True)) == set(Ticket.Priority.values)


def test_without_a_number_every_kind_with_links_is_large() -> None:
    assert many() == {"contact": 100_000, "deal": 100_000, "ticket": 100_000}


def test_the_shape_is_what_speed_is_measured_on(db: None) -> None:
    run()
    deals = Deal._base_manager.all()
    share = {
        "unassigned": deals.filter(owner=None, co_owner=None).count() / 400,
        "co-owned": deals.exclude(co_owner=None).count() / 400,
    }
    assert 0.15 < share["unassigned"] < 0.25
    assert 0.05 < share["co-owned"] < 0.15
    per_owner = sorted(deals.filter(owner=user).count() for user in User.objects.all())
    assert per_owner[-1] > 10 * max(1, per_owner[60])  # Zipf: the first has much, the middle little
    locked = StageRule.objects.get()
    assert (locked.enabled, locked.editors, locked.stages.count()) == (True, "super_admins", 1)
    assert Stage.objects.count() == 5
    # Three levels: a team, its team above, and that one's; none deeper.
    assert Team.objects.filter(parent__parent__parent__isnull=False).count() == 0
    assert Team.objects.filter(parent__parent__isnull=False).exists()
    reach = set(TeamReach.objects.values_list("above", "below"))
    rewrite_reach()
    assert set(TeamReach.objects.values_list("above", "below")) == reach


def test_nobody_can_log_in_and_everybody_sees_what_their_set_says(db: None) -> None:
    run()
    people = User.objects.filter(is_active=True, is_superuser=False).order_by("pk")
    assert not any(user.has_usable_password() for user in people)
    assert not any(user.check_password("") for user in people[:3])

    def sees(set_name: str, model: type[Record]) -> int:
        user = people.filter(permission_set__name=set_name)[0]
        return access.permitted(model._base_manager.all(), user, "view").count()

    for model, everything in ((Contact, 300), (Deal, 400), (Company, 60)):
        assert sees("Bulk: everything", model) == everything
        assert sees("Bulk: own", model) < sees("Bulk: team and unassigned", model) < everything


def test_shares_and_rules_of_fields_come_along(db: None) -> None:
    run("--contacts", "4000", "--deals", "2000", "--users", "20", "--teams", "4")
    assert [table._default_manager.count() for table in SHARES["contact"]] == [20, 2]
    assert [table._default_manager.count() for table in SHARES["deal"]] == [10, 1]
    made = Property.objects.exclude(object="contact", name="phone")  # which a migration made
    rules = made.order_by("object", "name").values_list("name", "access", "sensitive")
    assert list(rules) == [
        ("revenue", "everyone_edit", True),
        ("city", "everyone_view", False),
        ("job_title", "chosen", False),
    ]
    assert PropertyGrant.objects.count() == 10


def test_indexes_are_there_again_and_the_next_record_has_the_next_key(db: None) -> None:
    def indexes() -> list[set[str]]:
        with connection.cursor() as cursor:
            read = connection.introspection.get_constraints
            return [set(read(cursor, model._meta.db_table)) for model in (Contact, Company, Deal)]

    before, missing = indexes(), trigrams.missing(connection)
    run()
    assert indexes() == before
    assert trigrams.missing(connection) == missing
    last = Contact.objects.order_by("-pk")[0]
    assert Contact.objects.create(last_name="Next").pk == last.pk + 1


def test_a_second_run_changes_nothing_and_other_sizes_are_refused(db: None) -> None:
    run()
    before = contents()
    assert run()[0] == "nothing changed: this was made here already."
    with pytest.raises(CommandError, match="other sizes or another seed"):
        run(*SIZES, "--seed", "2")
    assert contents() == before
    assert AuditEvent.objects.count() == 1


def test_refused_where_others_data_is(c: TinyCompany) -> None:
    before = contents()
    with pytest.raises(CommandError, match=r"seed_bulk did not make.*Nothing was changed"):
        run()
    assert contents() == before
    assert not AuditEvent.objects.filter(action=DONE).exists()


def test_the_demo_company_does_not_move_in_with_it(db: None) -> None:
    run()
    with pytest.raises(CommandError, match="nothing was seeded"):
        call_command("seed_demo", stdout=StringIO())


@pytest.mark.parametrize(
    "wrong", [("--users", "0"), ("--deals", "-1"), ("--teams", "0"), ("--contacts", "many")]
)
def test_impossible_sizes_are_refused_before_anything_is_made(
    db: None, wrong: tuple[str, str]
) -> None:
    with pytest.raises(CommandError, match=wrong[0]):
        run(*SIZES, *wrong)
    assert not User.objects.exists()
