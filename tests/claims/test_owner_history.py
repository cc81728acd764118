"""Who owned a record so far, for everybody who views it (E54)."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, User
from records import kinds, operations
from records.history import MOST_OWNERS, owners_so_far
from records.models import Deal, Record
from tests.support.company import TinyCompany
from tests.support.factories import UserFactory


def give(c: TinyCompany, deal: Record, *owners: User | None, field: str = "owner") -> None:
    for owner in owners:
        version = Deal._base_manager.get(pk=deal.pk).version
        operations.change(deal, actor=c.sam, values={field: owner}, version=version)


def told(deal: Record, reader: User) -> list[tuple[tuple[str, str | None, str], ...]]:
    return [event.changes for event in owners_so_far(deal, reader)[0]]


def test_history_names_every_owner_newest_first_the_co_owner_too(c: TinyCompany) -> None:
    deal = operations.create(Deal(name="New", stage=c.stages["open"], owner=c.rita), actor=c.rita)
    assert told(deal, c.rita) == []  # only the first one
    give(c, deal, c.nora)
    operations.change(deal, actor=c.sam, values={"name": "Newer"}, version=2)  # nothing of owners
    operations.change(deal, actor=c.sam, values={"owner": None, "co_owner": c.mona}, version=3)
    assert told(deal, c.rita) == [
        (("owner", "Nora", "nobody"), ("co-owner", "nobody", "Mona")),
        (("owner", "Rita", "Nora"),),
        (("owner", None, "Rita"),),
    ]


def test_record_created_without_an_owner_and_one_from_before_the_log(c: TinyCompany) -> None:
    made = operations.create(Deal(name="Nobody's", stage=c.stages["open"]), actor=c.eve)
    give(c, made, c.rita)
    assert told(made, c.rita) == [(("owner", "nobody", "Rita"),), ()]
    give(c, c.deals["ritas"], c.nora)  # its creation is not in the log
    assert told(c.deals["ritas"], c.nora) == [(("owner", "Rita", "Nora"),)]


def test_no_more_than_ten_and_the_number_of_the_rest(c: TinyCompany, client: Client) -> None:
    deal = c.deals["ritas"]
    give(c, deal, *[c.nora, c.rita] * 6)
    events, earlier = owners_so_far(deal, c.rita)
    assert (len(events), earlier) == (MOST_OWNERS, 2)
    client.force_login(c.rita)
    text = client.get(f"/admin/records/deal/{deal.pk}/change/").text
    assert "and 2 earlier ones" in text
    assert text.index("Nora → Rita") < text.index("Rita → Nora")


def test_two_queries_whatever_was_written_about_the_record(c: TinyCompany) -> None:
    deal = c.deals["ritas"]
    give(c, deal, c.nora, c.rita)

    def asked() -> int:
        reader = c.fresh("rita")
        assert not owners_so_far(c.deals["vault"], reader)[0]  # what fields have rules is known now
        with CaptureQueriesContext(connection) as captured:
            assert owners_so_far(deal, reader)[0]
        return len(captured)

    few = asked()
    give(c, deal, *[UserFactory(permission_set=c.sets["everything"]) for _ in range(12)], c.rita)
    assert asked() == few == 2


@pytest.mark.parametrize("who", ["rita", "nora", "mona", "sam"])
def test_everybody_who_views_the_record_reads_it_without_the_audit_log(
    c: TinyCompany, client: Client, who: str
) -> None:
    deal = c.deals["ritas"]
    give(c, deal, c.rob, c.rita)
    client.force_login(c.people[who])
    text = client.get(f"/admin/records/deal/{deal.pk}/change/").text
    panel = re.search(r"<h2>Owners so far</h2>.*?</section>", text, re.S)
    assert panel is not None
    assert "Owner: Rob → Rita" in panel.group() and "Owner: Rita → Rob" in panel.group()
    assert "@example.com" not in panel.group()  # names and dates alone
    untouched = client.get(f"/admin/records/deal/{c.deals['noras'].pk}/change/").text
    assert "Owners so far" not in untouched


def test_who_does_not_view_the_record_reads_nothing_of_it(c: TinyCompany, client: Client) -> None:
    give(c, c.deals["ritas"], c.nora, c.rita)
    client.force_login(c.rob)
    assert client.get(f"/admin/records/deal/{c.deals['ritas'].pk}/change/").status_code == 404


def test_refused_changes_and_other_records_tell_nothing(c: TinyCompany) -> None:
    give(c, c.deals["noras"], c.rita, c.nora)
    assert told(c.deals["ritas"], c.rita) == []
    event = AuditEvent.objects.filter(action="deal.change").latest("id")
    assert event.object_id == str(c.deals["noras"].pk)


def test_owner_field_that_is_hidden_takes_its_history_along(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Owners cannot be hidden today; owner fields that are added later can (E54)."""
    deal = c.deals["ritas"]
    give(c, deal, c.nora)
    give(c, deal, c.mona, field="co_owner")
    monkeypatch.setattr(Deal, "always_visible", ("name", "stage"))
    monkeypatch.setattr(kinds, "_fields", kinds._fields.__wrapped__)  # as now, not as read before
    operations.restrict_property(actor=c.sam, object="deal", name="co_owner", access="super_admins")
    assert told(deal, c.fresh("nora")) == [(("owner", "Rita", "Nora"),)]
    assert len(told(deal, c.fresh("sam"))) == 2
    operations.restrict_property(actor=c.sam, object="deal", name="owner", access="super_admins")
    assert told(deal, c.fresh("nora")) == []
