"""One field of many records at once: as one by one, what may not be changed stays and is named."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.access import permitted
from accounts.models import AuditEvent, User
from accounts.operations import deactivate
from records import kinds, operations
from records.models import Company, Contact, Deal, Level, Property, Record
from records.operations import many
from records.operations.many import MOST_AT_ONCE, change_many, many_as_they_stand, offered_fields
from records.operations.sharing import share
from tests.support.company import TinyCompany
from tests.support.factories import DealFactory, StageFactory

pytestmark = pytest.mark.django_db

WHO = ("rita", "nora", "mona", "rob", "lena", "eve", "xena", "sam")


class Undone(Exception):
    """Takes back what a test only looked at."""


def changed(records: list[Any], actor: User, name: str, value: Any, **more: Any) -> many.Outcome:
    """Change these records as from a page that was opened a moment ago."""
    kind, keys = kinds.of(type(records[0])), [each.pk for each in records]
    shown = many_as_they_stand(many.seen(kind, keys, actor))
    more = {"as_opened": shown, **more}
    return change_many(kind, keys, actor=actor, name=name, value=value, **more)


def alone(record: Record, actor: User, name: str, value: Any) -> str:
    """Return what becomes of one record by the operation for one: done, or how it is refused."""
    now = type(record)._base_manager.get(pk=record.pk)
    try:
        with transaction.atomic():
            operations.change(
                now, actor=actor, values={name: value}, version=now.version, confirm_hand_over=True
            )
            raise Undone
    except Undone:
        return "done"
    except operations.RecordError as refusal:
        return type(refusal).__name__


@pytest.mark.parametrize("name", ["stage", "owner", "co_owner", "product"])
@pytest.mark.parametrize("who", WHO)
def test_everybody_changes_of_many_what_they_change_one_by_one(
    c: TinyCompany, who: str, name: str
) -> None:
    share(c.deals["noras"], actor=c.nora, level=Level.EDIT, user=c.rob)
    values = {"stage": c.stages["won"], "owner": c.mona, "co_owner": c.mona, "product": "X"}
    value, deals = values[name], list(Deal._base_manager.order_by("pk"))
    one_by_one = {deal.pk: alone(deal, c.fresh(who), name, value) for deal in deals}
    actor, before = c.fresh(who), {deal.pk: deal.version for deal in deals}
    kind = kinds.of(Deal)
    try:
        found = changed(deals, actor, name, value)
    except operations.HandOver as asked:
        found = changed(deals, actor, name, value, confirm_hand_over=asked.mark)
    except (operations.NotAllowed, operations.Invalid):
        assert "done" not in one_by_one.values()
        return
    written = {d.pk for d in Deal._base_manager.all() if d.version > before[d.pk]}
    assert len(written) == len(found.changed)
    stayed = {each.pk for each in found.refused}
    assert {key for key, said in one_by_one.items() if said == "NotAllowed"} == stayed
    able = {key for key, said in one_by_one.items() if said == "done"}
    assert written <= able and len(able) == len(written) + found.unchanged
    assert not {key for key, said in one_by_one.items() if said == "NotFound"} & (written | stayed)
    assert name in {field.name for field in offered_fields(actor, kind.model)}


def test_one_event_for_each_record_and_none_for_what_had_the_value(c: TinyCompany) -> None:
    deals = [c.deals["ritas"], c.deals["chosen"], c.deals["noras"], c.deals["robs"]]
    found = changed(deals, c.rita, "stage", c.stages["chosen"])
    assert (found.changed, found.unchanged) == (("Rita's",), 1)
    assert [each.name for each in found.refused] == ["Nora's"]  # Rob's is hidden: as absent
    event = AuditEvent.objects.get(action="deal.change")
    assert (event.object_id, event.data["fields"]) == (str(c.deals["ritas"].pk), ["stage"])
    assert event.data["stage"] == {"from": c.stages["open"].pk, "to": c.stages["chosen"].pk}
    # What is said already is not said again.
    assert changed(deals, c.rita, "stage", c.stages["chosen"]).changed == ()
    assert AuditEvent.objects.filter(action="deal.change").count() == 1


def test_losing_some_is_asked_first_and_another_question_is_asked_again(c: TinyCompany) -> None:
    deals = [c.deals["ritas"], c.deals["chosen"]]
    with pytest.raises(
        operations.HandOver, match=r"edit 2 of them any more.*locked stage"
    ) as asked:
        changed(deals, c.rita, "stage", c.stages["vault"])
    with pytest.raises(operations.HandOver, match="edit 1 of them any more"):
        yes = asked.value.mark
        changed(deals[:1], c.rita, "stage", c.stages["vault"], confirm_hand_over=yes)
    with pytest.raises(operations.HandOver, match="what these owners have"):
        changed(deals, c.rita, "owner", c.rob, confirm_hand_over=asked.value.mark)
    assert not AuditEvent.objects.filter(action="deal.change").exists()
    yes = asked.value.mark
    found = changed(deals, c.rita, "stage", c.stages["vault"], confirm_hand_over=yes)
    assert len(found.changed) == 2
    # Negative control: whoever keeps them is asked nothing.
    assert changed(deals, c.sam, "stage", c.stages["open"]).refused == ()


def test_wrong_input_changes_nothing(c: TinyCompany) -> None:
    deals = [c.deals["ritas"], c.deals["chosen"]]
    shown = many_as_they_stand(Deal.objects.filter(pk__in=[d.pk for d in deals]))
    deactivate(c.nora, actor=c.sam)
    gone = c.fresh("nora")
    for name, value, said in (
        ("version", 7, "cannot be changed"),
        ("name", "Same", "cannot be changed"),
        ("nothing", 1, "cannot be changed"),
        ("owner", gone, "cannot own"),
        ("product", "a\x00b", "product"),
        ("contact", Contact(pk=999), "choose one from the list"),
        ("company", Company(pk=999), "choose one from the list"),
    ):
        with pytest.raises(operations.Invalid, match=f"(?i){said}"):
            changed(deals, c.rita, name, value)
    too_many = DealFactory.create_batch(MOST_AT_ONCE + 1, owner=c.rita, stage=c.stages["open"])
    with pytest.raises(operations.Invalid, match="At most 200"):
        changed(too_many, c.rita, "product", "X")
    # Two tabs: what was changed since the page was opened is looked at once more.
    operations.change(deals[1], actor=c.rita, values={"product": "Y"}, version=1)
    with pytest.raises(operations.Stale, match="look at the list below once more"):
        changed(deals, c.rita, "product", "X", as_opened=shown)
    with pytest.raises(operations.Stale):
        changed(deals, c.rita, "product", "X", as_opened="")
    with pytest.raises(operations.NotAllowed, match="any of these"):
        changed([c.deals["noras"]], c.rita, "product", "X")
    refused = AuditEvent.objects.filter(result="refused").values_list("action", flat=True)
    assert list(refused) == ["deal.change_many"]
    assert set(Deal.objects.values_list("product", flat=True)) == {"", "Y"}


def test_restricted_field_is_not_offered_and_cannot_be_posted(c: TinyCompany) -> None:
    Property.objects.create(object="deal", name="product", access="read_only")
    assert "product" not in {field.name for field in offered_fields(c.fresh("rita"), Deal)}
    with pytest.raises(operations.Invalid, match="cannot be changed"):
        changed([c.deals["ritas"]], c.fresh("rita"), "product", "X")
    client = Client()
    client.force_login(c.rita)
    posted = {"records": str(c.deals["ritas"].pk), "value": "X"}
    assert client.post("/admin/records/deal/change-many/product/", posted).status_code == 404
    assert 'value="change_product"' not in client.get("/admin/records/deal/").text
    assert 'value="change_stage"' in client.get("/admin/records/deal/").text


def ask(client: Client, deals: list[Deal], action: str, query: str = "") -> Any:
    posted = {"action": action, "_selected_action": [each.pk for each in deals]}
    return client.post(f"/admin/records/deal/{query}", posted, follow=True)


def hidden(page: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def test_story_over_http(c: TinyCompany) -> None:
    """Rita moves her deals on from the list; what is not hers to change stays, with its reason."""
    client = Client()
    client.force_login(c.rita)
    deals = [c.deals[name] for name in ("ritas", "chosen", "noras", "vault", "robs")]
    page = ask(client, deals, "change_stage", "?stage=&q=").text
    assert "Change stage of 2 records" in page
    assert "Nora&#x27;s" in page and "only deals that you own" in page
    assert "locked stage “Vault”" in page
    assert "Rob" not in page.replace("Robin", "")
    address = hidden(page, "records")
    form = {
        "records": address,
        "as_opened": hidden(page, "as_opened"),
        "value": c.stages["won"].pk,
    }
    url = "/admin/records/deal/change-many/stage/"
    assert "required" in client.post(url, {**form, "value": ""}).text
    answer = client.post(url, form, follow=True)
    assert answer.redirect_chain[-1][0] == "/admin/records/deal/"
    assert "Stage: changed in 2 records." in answer.text
    assert "2 records stay as they are: " in answer.text and "Vault" in answer.text
    assert "Enter" not in page
    # A stage of another kind's pipeline is not offered, and refused where it is posted.
    other = StageFactory(pipeline__object="ticket", name="Elsewhere")
    page = ask(client, deals[:2], "change_stage").text
    assert "Elsewhere" not in page
    strange = {"records": address, "as_opened": hidden(page, "as_opened"), "value": other.pk}
    assert "Select a valid choice" in client.post(url, strange).text
    assert Deal.objects.filter(stage=c.stages["won"], pk__in=address.split(",")).count() == 2
    # Sent once more: the page it was read from is out of date.
    assert "look at the list below once more" in client.post(url, form).text


def test_question_is_asked_on_the_page_and_answered_there(c: TinyCompany) -> None:
    client = Client()
    client.force_login(c.rita)
    page = ask(client, [c.deals["ritas"]], "change_stage").text
    url = "/admin/records/deal/change-many/stage/"
    form = {
        "records": hidden(page, "records"),
        "as_opened": hidden(page, "as_opened"),
        "value": c.stages["vault"].pk,
    }
    asked = client.post(url, form).text
    assert "Move and lock" in asked and "edit 1 of them any more" in asked
    mark = re.search('name="_confirm_hand_over"[^>]*value="([^"]+)"', asked) or re.search(
        'value="([^"]+)"[^>]*name="_confirm_hand_over"', asked
    )
    assert mark is not None
    client.post(url, {**form, "again": "1"})
    c.deals["ritas"].refresh_from_db()
    assert c.deals["ritas"].stage == c.stages["open"]
    client.post(url, {**form, "_confirm_hand_over": mark[1]})
    c.deals["ritas"].refresh_from_db()
    assert c.deals["ritas"].stage == c.stages["vault"]


def test_empty_is_said_and_not_left_out(c: TinyCompany) -> None:
    client = Client()
    client.force_login(c.sam)
    page = ask(client, [c.deals["ritas"]], "change_owner").text
    url = "/admin/records/deal/change-many/owner/"
    form = {"records": hidden(page, "records"), "as_opened": hidden(page, "as_opened")}
    assert "or tick that it is left empty" in client.post(url, form).text
    both = {**form, "value": c.nora.pk, "empty": "on"}
    assert "not both" in client.post(url, both).text
    client.post(url, {**form, "empty": "on"})
    assert Deal.objects.get(pk=c.deals["ritas"].pk).owner is None


def test_day_is_picked_as_on_the_form_of_one_record(c: TinyCompany) -> None:
    User.objects.filter(pk=c.rita.pk).update(language="de")
    client = Client()
    client.force_login(c.rita)
    page = ask(client, [c.deals["ritas"], c.deals["chosen"]], "change_closed").text
    assert 'type="date"' in page
    form = {
        "records": hidden(page, "records"),
        "as_opened": hidden(page, "as_opened"),
        "value": "2027-02-28",
    }
    client.post("/admin/records/deal/change-many/closed/", form)
    days = Deal.objects.filter(pk__in=form["records"].split(",")).values_list("closed")
    assert set(days) == {(date(2027, 2, 28),)}


def test_hidden_and_absent_records_make_the_same_page(c: TinyCompany) -> None:
    client = Client()
    client.force_login(c.rita)
    assert not permitted(Deal.objects.filter(pk=c.deals["robs"].pk), c.rita, "view").exists()
    absent = c.deals["robs"].pk + 100_000
    for name, value in (("product", "X"), ("owner", c.nora.pk)):
        url, pages = f"/admin/records/deal/change-many/{name}/", []
        for key in (c.deals["robs"].pk, absent):
            said = client.post(url, {"records": str(key), "value": value, "as_opened": ""}).text
            pages.append(re.sub('(csrfmiddlewaretoken"|nonce=)[^>]*', "", said))
        assert pages[0].replace(str(c.deals["robs"].pk), "") == pages[1].replace(str(absent), "")
        assert "These records are not there any more" in pages[0]
        asked = [
            re.sub(
                '(csrfmiddlewaretoken"|nonce=)[^>]*', "", client.get(f"{url}?records={key}").text
            )
            for key in (c.deals["robs"].pk, absent)
        ]
        assert asked[0].replace(str(c.deals["robs"].pk), "") == asked[1].replace(str(absent), "")
    for wrong in ("", "x", "1,x", "-1", "1;2", ",".join(["1"] * (MOST_AT_ONCE + 1))):
        assert client.post(url, {"records": wrong, "value": "X"}).status_code == 400
        assert client.get(url, {"records": wrong}).status_code == 400
    assert client.get(url, follow=True).status_code == 200
    client.force_login(c.xena)  # who views every deal and changes none
    assert client.post(url, {"records": "1"}).status_code == 403
    client.force_login(c.sam)
    assert client.post("/admin/records/deal/change-many/version/", {}).status_code == 404


def statements(c: TinyCompany, number: int) -> tuple[int, int]:
    deals = DealFactory.create_batch(number, owner=c.rita, stage=c.stages["open"])
    client = Client()
    client.force_login(c.rita)
    with CaptureQueriesContext(
        connection,
    ) as shown:
        page = ask(client, deals, "change_stage").text
    form = {
        "records": hidden(page, "records"),
        "as_opened": hidden(page, "as_opened"),
        "value": c.stages["won"].pk,
    }
    with CaptureQueriesContext(connection) as written:
        client.post("/admin/records/deal/change-many/stage/", form)
    events = sum('INTO "accounts_auditevent' in each["sql"] for each in written.captured_queries)
    assert events == number
    return len(shown), len(written) - 2 * events  # each asks the clock, and is written


def test_budget_does_not_grow_with_the_records(c: TinyCompany) -> None:
    """Beside the log, which has an event for each of them; the list leads to the page that asks."""
    few, many_more = statements(c, 2), statements(c, 20)
    assert few == many_more
    assert few[0] <= 18 and few[1] <= 30
