"""Whatever becomes of a record's row passes one function; the suite watches every statement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F

from accounts.audit import System
from records import operations
from records.models import Deal, ReachChange
from records.operations.associations import associate, dissociate
from records.operations.changes import Change, becoming
from records.operations.recycling import restore
from records.operations.writing import Source, write
from records.refusals import NotAllowed, Stale
from tests.support.company import TinyCompany
from tests.support.one_writer import BESIDE, ROOT, WRITER, PastTheWriter, listeners

SAMPLE = Path(__file__).parents[1] / "data" / "crm-sample"
DEALS = Deal._base_manager


@pytest.fixture
def senders() -> Iterator[list[str]]:
    """Who sent each write to a record's table while the test ran."""
    seen: list[str] = []
    listeners.append(seen.append)
    yield seen
    listeners.remove(seen.append)


def careless(path: str, code: str) -> Any:
    """Return what a line of code comes to, were it in this module."""
    return eval(compile(code, str(ROOT / path), "eval"), {"Deal": Deal, "connection": connection})


@pytest.mark.parametrize(
    "code",
    [
        "Deal.objects.filter(pk=1).update(name='x')",
        "Deal.objects.filter(pk=1).delete()",
        "Deal._base_manager.bulk_create([Deal(name='x', stage_id=1)])",
        "Deal(name='x', stage_id=1).save()",
        "connection.cursor().execute('update records_deal set name = name')",
    ],
)
@pytest.mark.parametrize("path", ["records/screens/careless.py", "exports/jobs.py"])
def test_a_write_past_the_writer_fails_whatever_test_runs_it(
    c: TinyCompany, path: str, code: str
) -> None:
    with pytest.raises(PastTheWriter, match="writes to records_deal past"):
        careless(path, code.replace("pk=1", f"pk={c.deals['ritas'].pk}"))


@pytest.mark.parametrize("path", [WRITER, *BESIDE, "tests/claims/test_x.py"])
def test_the_writer_and_what_stands_beside_it_may_write(c: TinyCompany, path: str) -> None:
    pk = c.deals["ritas"].pk
    assert careless(path, f"Deal.objects.filter(pk={pk}).update(name='x')") == 1
    # What is only read is nobody's business.
    assert careless("exports/jobs.py", f"Deal.objects.get(pk={pk}).name") == "x"


def test_every_operation_on_a_record_goes_through_the_writer(
    c: TinyCompany, senders: list[str]
) -> None:
    cora = c.contacts["cora"]
    deal = operations.create(
        Deal(name="New", stage=c.deals["ritas"].stage, owner=c.rita), actor=c.rita
    )
    deal = operations.change(deal, actor=c.rita, values={"name": "Newer"}, version=1)
    deal = associate(deal, field="contact", related=cora, actor=c.rita)
    deal = dissociate(deal, field="contact", related=cora, actor=c.rita)
    operations.delete(deal, actor=c.sam)
    deal = restore(deal, actor=c.sam)
    assert senders == [WRITER] * 6
    assert deal.version == 6


@pytest.mark.django_db
def test_import_goes_through_the_writer(senders: list[str]) -> None:
    call_command("import_crm", str(SAMPLE), verbosity=0)
    imported = len(senders)
    assert imported > 0
    # Before the writer's own: a test's write, which brings one deal away from the tables.
    DEALS.filter(pk__in=DEALS.order_by("pk").values("pk")[:2]).update(product="Other")
    call_command("import_crm", str(SAMPLE), verbosity=0)
    mine = "tests/claims/test_one_writer.py"
    assert senders == [*[WRITER] * imported, mine, WRITER]
    assert not DEALS.filter(product="Other").exists()
    assert DEALS.filter(version=2).count() == 2


def test_of_several_rows_all_are_written_or_none(c: TinyCompany) -> None:
    """What many records at once will stand on: the engine is asked of each of them."""

    def renamed(*names: str) -> list[Change[Deal]]:
        rows = [DEALS.get(pk=c.deals[name].pk) for name in names]
        return [becoming(row, {"name": "Same"}, event={}) for row in rows]

    with (
        pytest.raises(NotAllowed, match="locked stage") as refusal,
        transaction.atomic(),
    ):
        write(renamed("ritas", "vault"), actor=c.rita, source=Source.IMPORT)
    assert refusal.value.code == "stage"
    assert not DEALS.filter(name="Same").exists()
    write(renamed("ritas"), actor=c.rita, source=Source.IMPORT)
    assert [deal.pk for deal in DEALS.filter(name="Same")] == [c.deals["ritas"].pk]


def test_of_several_rows_one_is_gone(c: TinyCompany) -> None:
    rows = [DEALS.get(pk=c.deals[name].pk) for name in ("ritas", "robs")]
    changes = [becoming(row, {"owner": c.nora}) for row in rows]
    DEALS.filter(pk=rows[1].pk).update(deleted_at=F("created_at"))
    with pytest.raises(Stale), transaction.atomic():
        write(changes, actor=System("tests"), source=Source.IMPORT)


def test_what_decides_who_reaches_a_record_is_kept_of_every_row(c: TinyCompany) -> None:
    rows = [DEALS.get(pk=c.deals[name].pk) for name in ("ritas", "robs")]
    changes = [becoming(row, {"owner": c.nora}) for row in rows]
    before = {row.pk: (row.owner_id, row.version) for row in rows}
    write(changes, actor=System("tests"), source=Source.IMPORT)
    kept = ReachChange.objects.filter(object="deal", record__in=before).order_by("record")
    assert [(each.record, each.fact, each.before, each.after) for each in kept] == [
        (pk, "owner", owner, c.nora.pk) for pk, (owner, _) in sorted(before.items())
    ]
    stored = DEALS.filter(pk__in=before).order_by("pk")
    assert [(each.owner, each.version) for each in stored] == [
        (c.nora, version + 1) for _, (_, version) in sorted(before.items())
    ]
    # The rows that were read are as they were.
    assert [(row.owner_id, row.version) for row in rows] == [before[row.pk] for row in rows]
