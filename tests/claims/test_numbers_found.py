"""A phone number is found by its digits, by whoever may read it and by nobody else (issue 14.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts import trigrams
from accounts.digits import Dialled, dialled, digits_of
from accounts.finding import words_of
from exports import operations as exports_operations
from exports.models import ExportPolicy, ExportRequest
from records import filters, operations, query_words
from records.models import Contact, Property
from records.models.properties import field_key
from tests.support.company import TinyCompany
from tests.support.factories import ContactFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/records/contact/"
TABLE = "records_contact"
SQLITE = connection.vendor == "sqlite"
STORED = {
    "Lyon": "+33 4 72 11 22 33",
    "National": "04 72 11 22 33",
    "Bracketed": "+33 (0)4.72.11-22-33",
    "Berlin": "+49 30 555 0472",
    "Other": "+1 (415) 555-0100",
    "Nothing": "",
}
LYON = {"Lyon", "National", "Bracketed"}


@pytest.fixture(autouse=True)
def looked_for_anew() -> Iterator[None]:
    yield
    trigrams._in_place.clear()


@pytest.fixture
def stored() -> None:
    for name, number in STORED.items():
        ContactFactory(last_name=name, first_name="", email="", phone=number)


def found(term: str) -> set[str]:
    rows = filters.search(Contact.objects.all(), term, numbers=Contact.number_fields)
    return set(rows.values_list("last_name", flat=True))


def listed(client: Client, term: str) -> set[str]:
    page = client.get(f"{LIST}?q={quote(term)}").text
    return {name for name in STORED if f">{name}</a>" in page}


def test_however_a_number_is_written_its_digits_are_compared(stored: None) -> None:
    assert digits_of("+33 (0)4 72-11.22/33") == "33472112233"
    for whole in ("+33 4 72 11", "0033 472 11", "+33472112233", "04 72 11-", "0472112233"):
        assert found(whole) == LYON, whole
    assert found("+33 4 72") == LYON
    assert found("0472") == {*LYON, "Berlin"}
    assert found("04 72-") == {*LYON, "Berlin"}
    assert found("(415) 555") == {"Other"}
    assert found("+1 415") == {"Other"}
    assert found("555 0100") == {"Other"}
    assert found("lyon 0472") == {"Lyon"}
    assert found("0472 berlin") == {"Berlin"}
    assert found("+44 4 72") == {"National"}  # which does not say its country
    # Too little to be looked for, and no number at all.
    for term in ("04", "33", "+", "- -", "zzz", "a0472112233"):
        assert dialled(words_of(term)) is None, term
        assert found(term) == set(), term
    assert dialled(words_of("+33 4 72 11")) == Dialled("3347211", ("047211", "47211"))
    ContactFactory(last_name="Agent 472", phone="")
    assert "Agent 472" in found("472")  # a name is found by its figures as ever


def test_without_the_index_it_finds_the_same_and_the_index_follows_every_change(
    c: TinyCompany, stored: None
) -> None:
    has_index = trigrams.is_laid_down(connection, TABLE, ("phone",), trigrams.NUMBERS)
    assert has_index or not SQLITE
    terms = ("+33 4 72 11", "0472", "555", "lyon 472", "999 77")
    before = {term: found(term) for term in terms}
    lyon = Contact.objects.get(last_name="Lyon")
    operations.change(lyon, actor=c.sam, values={"phone": "+49 999 77"}, version=lyon.version)
    assert found("999 77") == {"Lyon"}
    assert found("+33 4 72 11") == LYON - {"Lyon"}
    Contact.objects.filter(pk=lyon.pk).update(phone=STORED["Lyon"])
    assert {term: found(term) for term in terms} == before
    Contact._base_manager.filter(last_name="National").delete()
    assert "National" not in found("0472112233")
    if not has_index:
        return
    connection.check_constraints()
    trigrams.take_away(connection, TABLE, trigrams.NUMBERS)
    assert trigrams.missing(connection) == ["contacts"]
    assert {t: found(t) for t in terms} == {t: names - {"National"} for t, names in before.items()}
    assert trigrams.lay_down(connection, TABLE, ("phone",), trigrams.NUMBERS)
    assert trigrams.missing(connection) == []


@pytest.mark.of_database("postgresql")
def test_postgresql_takes_the_index_of_digits(stored: None) -> None:
    if not trigrams.is_laid_down(connection, TABLE, ("phone",), trigrams.NUMBERS):
        return
    rows = filters.search(Contact.objects.order_by(), "0472 11", (), Contact.number_fields)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert f"{TABLE}_digits" in rows.explain()


def test_who_may_not_read_the_field_gets_what_there_would_be_without_it(
    c: TinyCompany, client: Client, stored: None
) -> None:
    """The list, the palette and the pickers: the same page, and a query that leaves it alone."""
    client.force_login(c.rita)
    palette = "/admin/search/?extended=1&s="
    picker = (
        "/admin/autocomplete/choose/?app_label=records&model_name=deal&field_name=contact&term="
    )
    assert listed(client, "+33 4 72 11") == LYON
    assert "Search name, e-mail or phone" in client.get(LIST).text
    for address in (palette, picker):
        assert "Lyon" in client.get(address + quote("+33 4 72 11")).text
    for hiding in ({"access": "super_admins"}, {"highly_sensitive": True, "sensitive": True}):
        Property.objects.filter(object="contact", name="phone").delete()
        Property.objects.create(object="contact", name="phone", **hiding)
        with CaptureQueriesContext(connection) as captured:
            assert listed(client, "+33 4 72 11") == set()
            assert "Search name or e-mail" in client.get(LIST).text
            for address in (palette, picker):
                assert "Lyon" not in client.get(address + quote("+33 4 72 11")).text
        asked = [query["sql"] for query in captured]
        assert not [sql for sql in asked if f"{TABLE}_digits" in sql or "0-9(" in sql]
        assert not [sql for sql in asked if "crm_digits" in sql]
        # Byte by byte what a number that nobody has gets.
        pages = [
            re.sub(
                r'name="csrfmiddlewaretoken" value="\w+"', "", client.get(f"{LIST}?q={term}").text
            )
            for term in ("0472112233", "0472119999")
        ]
        assert pages[0].replace("0472112233", "0472119999") == pages[1]


def test_a_number_is_read_where_digits_are_typed_and_sensitive_then(
    c: TinyCompany, client: Client, stored: None, tmp_path: Path, settings: Settings
) -> None:
    """As a filter by the field would be; a search without digits reads no number (Q5)."""
    settings.EXPORT_ROOT = tmp_path
    phone = field_key("contact", "phone")
    assert Property.objects.get(object="contact", name="phone").sensitive  # as it comes
    client.force_login(c.rita)
    dialog = "/admin/exports/exportrequest/new/contact/"
    policy = ExportPolicy.objects.get()
    exports_operations.change_policy(
        actor=c.sam,
        require_approval=True,
        threshold=1000,
        lapse_days=14,
        file_days=7,
        version=policy.version,
    )
    for term, is_read in (("+33 4 72 11", True), ("lyon", False), ("cora", False)):
        page = client.post(f"{dialog}?q={quote(term)}", {"step": "columns", "columns": ["id"]})
        assert page.status_code == (200 if is_read else 302), term
        assert ("sensitive data" in page.text) == is_read, term
    assert [each.sensitive_fields for each in ExportRequest.objects.all()] == [[], []]
    written = filters.canonical(Contact, "q=0472&numbers=yes", user=c.rita)
    assert written == "numbers=yes&q=0472"
    assert phone in filters.reads_asked_for(Contact, written)
    assert phone not in filters.reads_asked_for(Contact, "q=0472")
    said = dict(query_words.described(Contact, written, user=c.rita))
    assert said["Search"] == "0472 (in phone too)"
    for wrong in ("numbers=yes", "numbers=yes&q=lyon", "numbers=1&q=0472"):
        with pytest.raises(filters.BadQuery):
            filters.canonical(Contact, wrong, user=c.rita)
    # Who may not read it by now may not ask it any more, and is not told what was looked for.
    Property.objects.filter(object="contact", name="phone").update(access="super_admins")
    rita = c.fresh("rita")
    with pytest.raises(filters.BadQuery):
        filters.canonical(Contact, written, user=rita)
    assert not filters.may_still_ask(Contact, written, user=rita)
    assert dict(query_words.described(Contact, written, user=rita))["Search"] == "restricted"
    assert filters.canonical(Contact, "q=0472", user=rita) == "q=0472"


def test_list_and_its_export_have_the_same_records(
    c: TinyCompany, client: Client, stored: None, tmp_path: Path, settings: Settings
) -> None:
    settings.EXPORT_ROOT = tmp_path
    client.force_login(c.rita)
    client.post(
        f"/admin/exports/exportrequest/new/contact/?q={quote('04 72 11')}",
        {"step": "columns", "columns": ["id"]},
    )
    assert listed(client, "04 72 11") == LYON
    query = "numbers=yes&q=04 72 11"
    rows = filters.narrowed(Contact.objects.all(), query, user=c.rita)
    assert set(rows.values_list("last_name", flat=True)) == LYON
    preview = exports_operations.preview(
        actor=c.rita, model=Contact, query=query, ids=None, columns=["id"]
    )
    assert preview.count == len(LYON)
    assert ExportRequest.objects.get().query == "numbers=yes&q=04+72+11"
