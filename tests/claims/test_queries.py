"""Queries ask for no more than they need: nothing settled before, nothing twice."""

from random import Random

import pytest
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import access
from accounts.access import ALWAYS, NEVER, Keys, settled
from records.models import Deal
from tests.support.company import TinyCompany


def conditions(c: TinyCompany, chance: Random, depth: int = 4) -> Q:
    """A random condition of the kind that rules make: of columns with and without NULL."""
    if depth == 0 or chance.random() < 0.2:
        some = list(Deal._base_manager.values_list("owner", flat=True).exclude(owner=None))
        return chance.choice(
            [
                NEVER,
                ALWAYS,
                Q(owner__in=()),
                Q(owner=some[0]),
                Q(co_owner__in=some),
                Q(owner__in=Keys(some[:2])),
                Q(owner__isnull=True, co_owner__isnull=True),
                Q(deleted_at__isnull=False),
                Q(Exists(Deal._base_manager.filter(pk=OuterRef("pk"), amount__gt=100))),
            ]
        )
    left, right = conditions(c, chance, depth - 1), conditions(c, chance, depth - 1)
    made = chance.choice([left | right, left & right])
    return ~made if chance.random() < 0.4 else made


def rows(when: Q) -> list[int]:
    return list(Deal._base_manager.filter(when).order_by("pk").values_list("pk", flat=True))


def test_no_row_changes_its_answer(c: TinyCompany) -> None:
    Deal._base_manager.filter(pk=Deal._base_manager.first().pk).update(deleted_at=timezone.now())  # type: ignore[union-attr]  # there are deals
    chance, answers = Random(3), set()
    for _ in range(100):
        when = conditions(c, chance)
        found = rows(when)
        assert rows(settled(when)) == found, when
        assert rows(~settled(when)) == rows(~when), when
        answers.add(len(found))
    assert len(answers) > 3  # else the conditions said little


@pytest.mark.parametrize(
    ("when", "left"),
    [
        (NEVER | NEVER, NEVER),
        (ALWAYS & ~NEVER, ALWAYS),
        (~(ALWAYS | Q(owner=1)), NEVER),
        (NEVER & Q(owner=1), NEVER),
        (Q(owner__in=[]) | Q(owner=1), Q(owner=1)),
        (~(NEVER | Q(deleted_at__isnull=False)), Q(deleted_at__isnull=True)),
    ],
)
def test_what_is_settled_is_left_out(when: Q, left: Q) -> None:
    assert settled(when) == left


def test_a_list_for_a_known_person_asks_for_nothing_settled(c: TinyCompany) -> None:
    """A super admin's list is the plain list without the bin, which its indexes are made for."""
    rows = access.permitted(Deal.objects.order_by(), c.sam, "view")
    assert str(rows.query).endswith('WHERE "records_deal"."deleted_at" IS NULL')


def test_a_list_counts_its_rows_once_and_marks_none_of_them_for_it(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.mona)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(reverse("admin:records_deal_changelist"))
    assert answer.status_code == 200
    asked = [query["sql"] for query in captured if "records_deal" in query["sql"]]
    counts = [sql for sql in asked if "COUNT(" in sql]
    assert ['AS "may_' in sql for sql in counts] == [False]
    assert any('AS "may_' in sql for sql in asked)  # the rows themselves have marks


@pytest.mark.parametrize(("page", "shown"), [("2", 2), ("99", 2), ("0", 1), ("-3", 1), ("x", 1)])
def test_a_page_that_is_no_more_is_the_last_one(
    c: TinyCompany, client: Client, monkeypatch: pytest.MonkeyPatch, page: str, shown: int
) -> None:
    few = access.permitted(Deal.objects.all(), c.sam, "view").count()
    monkeypatch.setattr("accounts.modeladmin.AccessModelAdmin.list_per_page", few - 1)
    client.force_login(c.sam)
    answer = client.get(reverse("admin:records_deal_changelist"), {"p": page})
    assert (answer.status_code, answer.context["cl"].page_num) == (200, shown)
    assert len(answer.context["cl"].result_list) == (few - 1 if shown == 1 else 1)


def test_a_page_beyond_a_list_of_one_page_is_the_first(c: TinyCompany, client: Client) -> None:
    client.force_login(c.sam)
    answer = client.get(reverse("admin:records_deal_changelist"), {"p": "7"})
    assert (answer.status_code, answer.context["cl"].page_num) == (200, 1)
