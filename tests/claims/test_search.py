"""Search by an index finds what comparing every row finds, for everybody, and never more."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from accounts import trigrams
from accounts.access import permitted
from accounts.finding import with_words, words_of
from accounts.letters import folded, knows_all_letters
from records import filters, operations
from records.models import Company, Contact, Deal, Ticket
from tests.support.company import TinyCompany
from tests.support.factories import CompanyFactory, ContactFactory

pytestmark = pytest.mark.django_db

SQLITE = connection.vendor == "sqlite"
KINDS = (Company, Contact, Deal, Ticket)
TABLE = "records_contact"
FIELDS = Contact.search_fields
LETTERS = "aAbBcäÄßſẞΣσςıİiIé%_\\'\"* -王𐐀ﬁ"
"""Letters that fold to others or to several, and signs that mean something to a database."""
WITHOUT_ICU = "aAbBciI%_\\'\"* -"


def has_index() -> bool:
    """Tell whether this database can have one: a PostgreSQL without pg_trgm has none."""
    return trigrams.is_laid_down(connection, TABLE, FIELDS)


@pytest.fixture(autouse=True)
def looked_for_anew() -> Iterator[None]:
    """What a test takes away comes back with the end of its transaction."""
    yield
    trigrams._in_place.clear()


def names(term: str, *fields: str) -> set[str]:
    rows = with_words(Contact.objects.all(), term, fields or FIELDS)
    return set(rows.values_list("last_name", flat=True))


def test_every_search_box_has_its_index() -> None:
    if not SQLITE and not has_index():
        assert "accounts.W004" in {each.id for each in run_checks(databases=["default"])}
        return
    assert trigrams.indexed == [Contact, Company, Deal, Ticket]
    assert trigrams.missing(connection) == []
    for kind in KINDS:
        assert trigrams.is_laid_down(connection, kind._meta.db_table, kind.search_fields)
        assert not trigrams.is_laid_down(connection, kind._meta.db_table, ("other",))


@pytest.mark.of_database("postgresql")
def test_postgresql_takes_the_index_for_what_search_compiles_to(c: TinyCompany) -> None:
    if not has_index():
        return
    rows = filters.search(Contact.objects.order_by(), "cable")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # a few rows are read as quickly
    assert rows.explain().count(f"{TABLE}_words") == len(FIELDS)


@pytest.mark.of_database("sqlite")
def test_sqlite_is_asked_once_for_candidates(c: TinyCompany) -> None:
    """And not for what it cannot tell: words of two letters, and fields it does not have."""
    rows = Contact.objects.all()
    cable = c.contacts["cora"].pk
    assert trigrams.candidates(rows, ["abl"], FIELDS) == (cable,)
    assert trigrams.candidates(rows, ["cable", "ra"], ("last_name",)) == (cable,)
    assert trigrams.candidates(rows, ["cables"], FIELDS) == ()
    assert trigrams.candidates(rows, ["ab", "c"], FIELDS) is None
    assert trigrams.candidates(rows, ["cable"], ("phone",)) is None
    with CaptureQueriesContext(connection) as captured:
        found = filters.search(rows, "cable")
    assert len(captured) == 1
    with CaptureQueriesContext(connection) as captured:
        assert [row.pk for row in found] == [cable]
    assert len(captured) == 1


def test_it_finds_what_comparing_every_row_finds(c: TinyCompany) -> None:
    """As stored and searched by chance, in all fields and in some."""
    letters = LETTERS if knows_all_letters(connection) else WITHOUT_ICU
    texts = st.text(alphabet=letters, min_size=1, max_size=8).filter(str.strip)

    @seed(29)
    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.tuples(texts, texts), min_size=2, max_size=5), texts, st.data())
    def agree(stored: list[tuple[str, str]], other: str, data: st.DataObject) -> None:
        Contact._base_manager.all().delete()
        rows = [Contact(first_name=first, last_name=last, email="e@x") for first, last in stored]
        Contact.objects.bulk_create(rows)
        text = data.draw(st.sampled_from([text for pair in stored for text in pair]))
        begin = data.draw(st.integers(0, len(text) - 1))
        for term in (text[begin:], f"{text} {other}", other.swapcase()):
            for fields in (FIELDS, ("last_name",)):
                expected = {
                    row.pk
                    for row in Contact.objects.all()
                    if all(
                        any(folded(word) in folded(getattr(row, name)) for name in fields)
                        for word in words_of(term)
                    )
                }
                found = with_words(Contact.objects.all(), term, fields)
                assert set(found.values_list("pk", flat=True)) == expected, (term, stored)

    agree()


def test_the_index_follows_every_change(c: TinyCompany) -> None:
    """Operations, whole querysets, the bin and back, and rows that are gone for good."""
    cora = c.contacts["cora"]
    operations.change(cora, actor=c.sam, values={"last_name": "Drahtseil"}, version=cora.version)
    assert names("rahtsei") == {"Drahtseil"}
    assert names("cable") == set()
    Contact.objects.filter(pk=cora.pk).update(email="cora@quokka.example")
    assert names("quokka") == {"Drahtseil"}
    cora.refresh_from_db()
    operations.delete(cora, actor=c.sam)
    visible = permitted(Contact.objects.all(), c.sam, "view")
    assert not with_words(visible, "quokka", FIELDS)
    assert names("quokka") == {"Drahtseil"}  # the bin's own search has it
    Contact.objects.bulk_create([Contact(last_name="Quokkasson"), Contact(last_name="Other")])
    assert names("quokka") == {"Drahtseil", "Quokkasson"}
    Contact._base_manager.filter(last_name="Quokkasson").delete()
    assert names("quokka") == {"Drahtseil"}
    assert names("quokka", "last_name") == set()


def test_nobody_finds_what_they_may_not_see_or_read(c: TinyCompany) -> None:
    """Refusals beside successes: rows out of reach, and fields that one does not search in."""
    own = CompanyFactory(name="Quokka Own", owner=c.people["rita"])
    CompanyFactory(name="Quokka Hidden", owner=c.people["rob"])
    rows = permitted(Company.objects.all(), c.people["rita"], "view")
    assert [row.pk for row in filters.search(rows, "quokka")] == [own.pk]
    assert not filters.search(rows, "hidden")
    contact = ContactFactory(last_name="Plain", email="quokka@secret.example")
    assert filters.search(Contact.objects.all(), "secret.example").get() == contact
    assert not filters.search(Contact.objects.all(), "secret.example", ["first_name", "last_name"])
    client = Client()
    client.force_login(c.people["rita"])
    found = client.get("/admin/search/", {"s": "quokka", "extended": "1"}).text
    assert "Quokka Own" in found
    assert "Quokka Hidden" not in found


def test_palette_takes_over_that_nothing_was_found(c: TinyCompany) -> None:
    client = Client()
    client.force_login(c.rita)
    field = re.search(r"<input[^>]*search-input-command[^>]*>", client.get("/admin/").text)
    taken = re.search(r'hx-select="#([\w-]+)"', field[0] if field else "")
    assert taken
    said = "Nothing you can see matches."
    for term, is_said in (("quokka", True), ("Vault", False), (" ", False)):
        answer = client.get("/admin/search/", {"s": term, "extended": "1"}).text
        parts = answer.split(f'id="{taken[1]}"')
        assert (len(parts), said in parts[-1]) == (2, is_said), term


def test_without_an_index_it_finds_the_same_and_a_check_says_so(c: TinyCompany) -> None:
    """As where a later migration rebuilt the table, and until the index is laid down again."""
    before = names("cab"), names("cork cora"), names("nothing")
    if not has_index():
        assert before == ({"Cable"}, {"Cork"}, set())
        return
    trigrams.take_away(connection, TABLE)
    ContactFactory(last_name="Cabrio")
    connection.check_constraints()  # PostgreSQL alters no table that waits for them
    assert names("cab") == {"Cable", "Cabrio"}
    assert (names("cork cora"), names("nothing")) == before[1:]
    warned = [each for each in run_checks(databases=["default"]) if each.id == "accounts.W004"]
    assert [each.msg for each in warned] == ["Search has no index of contacts."]
    call_command("index_search", verbosity=0)
    assert has_index()
    assert names("cab") == {"Cable", "Cabrio"}
    assert not [each for each in run_checks(databases=["default"]) if each.id == "accounts.W004"]
    if SQLITE:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER {TABLE}_words_added")
        trigrams._in_place.clear()  # as a process that starts
        ContactFactory(last_name="Cabin")
        assert names("cab") == {"Cable", "Cabrio", "Cabin"}
        assert trigrams.lay_down(connection, TABLE, FIELDS)
        assert names("cab") == {"Cable", "Cabrio", "Cabin"}
