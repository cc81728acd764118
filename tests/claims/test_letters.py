"""Text has one form; case and order of letters are the same on both databases, for all letters."""

import json
import random
import re
import unicodedata
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.db import connection, models
from django.db.models import F, TextField, Value
from django.db.models.functions import Lower
from django.test import Client
from django.urls import reverse

from accounts import operations as accounts
from accounts import people
from accounts.letters import Folded, folded, knows_all_letters
from accounts.migrating import to_one_form
from accounts.models import AuditEvent, Team, User
from accounts.text import one_form
from exports.models import ExportRequest
from exports.operations import request_export, save_profile
from records import filters, operations
from records.importing.logins import email_of, plain
from records.models import Company, Contact, Deal, Pipeline, Stage, Ticket
from tests.support.company import TinyCompany
from tests.support.factories import CompanyFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db

APART = "Mu\u0308ller & So\u0308hne"  # e and its accent are two characters, as macOS writes them
WHOLE = "Müller & Söhne"

ALIKE = [
    ("MÜLLER Testbau", "müller"),
    ("ЗАВОД Пример", "завод"),
    ("Øresund ØL", "øl"),
    ("ΟΔΟΣ", "οδος"),
    ("οδός", "ΟΔΌΣ"),
    ("Straße", "STRASSE"),
    ("STRASSE", "straße"),
    ("İSTANBUL", "istanbul"),
    ("IŞIK", "ışık"),
    ("Ťažký Ďáblík", "ĎÁBLÍK"),
    ("Աբովյան", "ԱԲՈՎՅԱՆ"),
    ("100% _x_ a\\b", "% _X"),
    ("100% _x_ a\\b", "A\\B"),
    ("王", "王"),
    (WHOLE, APART),
]
NOT_ALIKE = [("Müller", "muller"), ("100 x", "%"), ("ab", "a_b"), ("Øl", "ol")]
ONLY_ICU = {"Straße", "İSTANBUL", "IŞIK"}  # letters that are no pair, without ICU

IN_ORDER = [
    "(offen)",
    "24/7",
    "aber",
    "Ähre",
    "AHRENS",
    "Äpfel",
    "Apfelbaum",
    "Łódź",
    "Lodzer",
    "Meier",
    "muller",
    "Müller",
    "MÜLLER",
    "Mulligan",
    "Øl",
    "ölig",
    "Straße",
    "Strasser",
    "zebra",
    "Zürich",
    "Αθήνα",
    "βάρδια",
    "ёлка",
    "Ель",
    "Завод",
    "йод",
    "王",
]


def found(term: str) -> set[str]:
    return set(filters.search(Company.objects.all(), term).values_list("name", flat=True))


def test_words_are_found_whatever_their_case_and_form(c: TinyCompany) -> None:
    """In search and in filters that ask for the whole value; signs of LIKE are signs."""
    for stored, _ in [*ALIKE, *NOT_ALIKE]:
        CompanyFactory(name=stored, country=stored)
    for stored, asked in ALIKE:
        if knows_all_letters(connection) or stored not in ONLY_ICU:
            assert stored in found(asked), (stored, asked)
            assert Company.objects.filter(country__folded=stored.swapcase(), name=stored).exists()
    for stored, asked in NOT_ALIKE:
        assert stored not in found(asked), (stored, asked)


def test_the_database_folds_as_python_does(c: TinyCompany) -> None:
    """Every letter of the scripts with two cases, and words that hang on their neighbours."""
    if not knows_all_letters(connection):
        assert "accounts.W003" in {each.id for each in run_checks(databases=["default"])}
        return
    ranges = ((0x20, 0x600), (0x10A0, 0x1100), (0x13A0, 0x1400), (0x1C80, 0x2200), (0x2C00, 0x2E00))
    letters = [chr(at) for low, high in ranges for at in range(low, high)] + list("ﬁﬀＡａ𐐀𐐨𞤀𞤢")
    texts = [" ".join(letters[at : at + 64]) for at in range(0, len(letters), 64)]
    texts += ["Σίσυφος ΣΑΣ. ΟΔΟΣ", "I\u0307 i\u0307 ıİ", "ẞß", "ŉ ǰ ΐ", "plain ASCII"]
    rows = [Company(name=f"{at}", domain="") for at in range(len(texts))]
    keys = [row.pk for row in Company.objects.bulk_create(rows)]
    for key, text in zip(keys, texts, strict=True):
        asked = Company.objects.filter(pk=key).values_list(
            Folded(Value(text, TextField())), flat=True
        )
        assert asked.get() == folded(text)


def test_a_list_goes_by_letters_on_both_databases(c: TinyCompany) -> None:
    """Case and accents decide last, and what is equal but for its key has one order."""
    if not knows_all_letters(connection):
        return
    shuffled = random.Random(3).sample(IN_ORDER, len(IN_ORDER))
    for name in shuffled:
        CompanyFactory(name=name)
        TeamFactory(name=name)  # as they may be called from before
        UserFactory(first_name=name)
    rows = Company.objects.filter(name__in=IN_ORDER)
    assert list(rows.values_list("name", flat=True)) == IN_ORDER
    backwards = filters.narrowed(rows, "o=-name", user=c.sam)
    assert [row.name for row in backwards] == IN_ORDER[::-1]
    teams = Team.objects.filter(name__in=IN_ORDER)
    assert [team.name for team in teams] == IN_ORDER
    persons = User.objects.filter(first_name__in=IN_ORDER)
    assert [person.first_name for person in persons] == IN_ORDER


def test_every_column_of_a_name_has_the_order_of_letters() -> None:
    """The collation stands on the column: an order by it is served by its index."""
    codes = {"password", "object", "format", "headers", "editors", "outcome", "priority"}
    codes |= {"language", "time_zone", "density"}
    for model in (User, Company, Contact, Deal, Ticket, Pipeline, Stage):
        for field in model._meta.concrete_fields:
            if isinstance(field, models.CharField) and not {field.name} & {*codes, "lifecycle"}:
                assert getattr(field, "db_collation", None) == "crm_order", field


def test_an_index_serves_the_order_of_a_list(c: TinyCompany) -> None:
    """No row is sorted for the first page, however many there are."""
    if connection.vendor == "sqlite":
        plan = Company.objects.filter(deleted_at=None).order_by("name", "id").explain()
        assert ("company_title" in plan, "TEMP B-TREE" in plan) == (True, False)
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT collname FROM pg_index JOIN pg_collation c ON c.oid = indcollation[0] "
            "WHERE indexrelid = 'company_title'::regclass"
        )
        assert cursor.fetchall() == [("crm_order",)]


# --- Over HTTP ------------------------------------------------------------------------------------


def names_in(response: Any, kind: str) -> list[str]:
    page = response.content.decode()
    found = re.findall(
        rf'(?s)<a[^>]*href="/admin/records/{kind}/\d+/change/[^"]*"[^>]*>(.*?)</a>', page
    )
    return [re.sub(r"<[^>]+>|\s+", " ", each).strip() for each in found]


def picked(client: Client, term: str, **asked: str) -> list[str]:
    """What a picker offers to choose from; by default companies, for a contact."""
    address = {"app_label": "records", "model_name": "contact", "field_name": "company", **asked}
    answer = client.get("/admin/autocomplete/choose/", {**address, "term": term})
    return [each["text"] for each in json.loads(answer.content)["results"]]


def test_lists_pickers_palette_bin_and_exports_find_alike(client: Client, c: TinyCompany) -> None:
    CompanyFactory(name="ЗАВОД Ø")
    CompanyFactory(name=WHOLE, country="ÖSTERREICH")
    gone = CompanyFactory(name="Ősz")
    operations.delete(gone, actor=c.sam)
    client.force_login(c.sam)
    companies = reverse("admin:records_company_changelist")
    for term in ("завод", "ø", APART.upper()):
        wanted = [WHOLE] if term == APART.upper() else ["ЗАВОД Ø"]
        assert [
            n.replace("&amp;", "&") for n in names_in(client.get(companies, {"q": term}), "company")
        ] == wanted
        assert picked(client, term) == wanted
        palette = client.get("/admin/search/", {"extended": "1", "s": term}).content.decode()
        assert wanted[0].replace("&", "&amp;") in palette, term
        exported = request_export(actor=c.sam, model=Company, query=f"q={term}".replace("&", "%26"))
        assert exported.record_count == 1, term
    narrowed = client.get(companies, {"country": unicodedata.normalize("NFD", "österreich")})
    assert len(names_in(narrowed, "company")) == 1
    assert "Ősz" in client.get(reverse("admin:records_company_bin"), {"q": "ő"}).content.decode()
    pages = client.get("/admin/search/", {"s": "COMPAN"}).content.decode()
    assert companies in pages
    # The same question has one way to be written, and so one digest.
    one, other = (filters.canonical(Company, f"q={t}", user=c.sam) for t in ("é", "e\u0301"))
    assert one == other


def test_people_are_found_by_what_is_shown_of_them(client: Client, c: TinyCompany) -> None:
    """And by nothing else: the address of somebody with a name is not for pickers (R7)."""
    lea = UserFactory(email="lea@hidden.example", first_name="Lea", last_name="ÅKERMAN")
    UserFactory(email="nameless@shown.example", first_name="")
    client.force_login(c.sam)

    def owners(term: str) -> list[str]:
        return picked(client, term, field_name="owner")

    for term in ("lea", "åkerman LEA", "Lea Åkerman", "lea a\u030akerman", "a åk"):
        assert owners(term) == ["Lea ÅKERMAN"], term
    assert owners("NAMELESS@shown") == ["nameless@shown.example"]
    assert owners("hidden.example") == []
    User.objects.filter(pk=lea.pk).update(is_active=False)
    assert owners("åkerman") == []
    answer = client.get(
        "/admin/autocomplete/",
        {
            "app_label": "accounts",
            "model_name": "auditevent",
            "field_name": "actor",
            "term": "Lea Åkerman (DEACTIVATED)",
        },
    )
    assert [e["text"] for e in json.loads(answer.content)["results"]] == [
        "Lea ÅKERMAN (deactivated)"
    ]
    for person in User.objects.all():
        assert person in people.named(User.objects.all(), str(person)), person
    listed = client.get(reverse("admin:accounts_user_changelist"), {"q": "ÅKERMAN hidden"})
    assert "lea@hidden.example" in listed.content.decode()


# --- One form -------------------------------------------------------------------------------------


def test_whoever_writes_text_writes_it_in_one_form(client: Client, c: TinyCompany) -> None:
    """Forms, operations, rows made directly, bulk and update; what was found by is the same."""
    assert Company.objects.create(name=APART).name == WHOLE
    Company.objects.bulk_create([Company(name=APART)])
    Company.objects.filter(name=APART).update(domain="e\u0301")
    assert Company.objects.filter(name=WHOLE, domain="é").count() == 2
    deal, sam = c.deals["ritas"], c.sam
    operations.change(deal, actor=sam, values={"name": APART}, version=1)
    made = operations.create(Contact(last_name=APART, city="A\u030alborg"), actor=sam)
    assert (Deal.objects.get(pk=deal.pk).name, made.last_name, made.city) == (
        WHOLE,
        WHOLE,
        "Ålborg",
    )
    person = accounts.create_person(
        actor=sam, email="m@example.com", first_name=APART, last_name=""
    )
    permission_set = accounts.create_set(actor=sam, name=APART, description=APART)
    pipeline = operations.create_pipeline(actor=sam, object="deal", name=APART)
    stage = Stage(pipeline=pipeline, name=APART)
    operations.save_stages([stage], actor=sam)
    profile = save_profile(actor=sam, model=Deal, name=APART, columns=["name"])
    asked = request_export(actor=sam, model=Deal, message=APART)
    for thing in (person, permission_set, pipeline, stage, profile, asked):
        thing.refresh_from_db()
    assert person.first_name == permission_set.name == permission_set.description == WHOLE
    assert pipeline.name == stage.name == profile.name == asked.message == WHOLE
    client.force_login(sam)
    # A hundred letters are a hundred letters, however many characters they were typed with.
    form = {"last_name": "e\u0301" * 100, "lifecycle": "lead"}
    answer = client.post(reverse("admin:records_contact_add"), form)
    assert (answer.status_code, Contact.objects.filter(last_name="é" * 100).count()) == (302, 1)


def test_a_name_in_another_form_is_taken_and_no_change(c: TinyCompany) -> None:
    for make in (accounts.create_team, accounts.create_set):
        make(actor=c.sam, name=WHOLE)
        with pytest.raises(accounts.InvalidChange):
            make(actor=c.sam, name=APART)
    operations.create_pipeline(actor=c.sam, object="deal", name=WHOLE)
    with pytest.raises(operations.Invalid, match="already"):
        operations.create_pipeline(actor=c.sam, object="deal", name=APART)
    deal = c.deals["ritas"]
    deal = operations.change(deal, actor=c.sam, values={"name": WHOLE}, version=1)
    events = AuditEvent.objects.count()
    same = operations.change(deal, actor=c.sam, values={"name": APART}, version=deal.version)
    assert (same.version, AuditEvent.objects.count()) == (deal.version, events)


def test_one_person_has_an_address_however_it_is_typed(client: Client, c: TinyCompany) -> None:
    """Asked in the form it is stored in: no second account, and a sentence instead of a 500."""
    accounts.create_person(actor=c.sam, email="lea@müller.example", first_name="Lea")
    client.force_login(c.sam)
    add = reverse("admin:accounts_user_add")
    said = "Another person logs in with this e-mail address"
    for typed in ("LEA@mu\u0308ller.example", " lea@MÜLLER.example ", "ｌｅａ＠müller．example"):
        answer = client.post(add, {"first_name": "Lea", "last_name": "", "email": typed})
        assert (answer.status_code, said in answer.content.decode()) == (200, True), typed
        with pytest.raises(accounts.InvalidChange, match=said):
            accounts.change_person(
                c.rita, actor=c.sam, email=typed, first_name="Rita", last_name=""
            )
        assert get_user_model().objects.get(email=typed).first_name == "Lea"
    assert User.objects.filter(email__folded__contains="LLER.EXAMPLE").count() == 1
    # Short as it is typed, and three times as long as it would be stored.
    long = "a@" + "ﬃﬃﬃﬃﬃﬃﬃﬃﬃﬃ." * 9 + "example"
    with pytest.raises(accounts.InvalidChange, match="at most 254"):
        accounts.create_person(actor=c.sam, email=long, first_name="Long")
    assert not User.objects.exclude(email=Lower(F("email"))).exists()


def test_what_is_stored_in_other_forms_is_brought_into_one(c: TinyCompany) -> None:
    """By the migrations; a name that somebody else has by then stays."""
    taken = CompanyFactory(name="x")
    pair = [accounts.create_team(actor=c.sam, name=name) for name in ("one", WHOLE)]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE records_company SET name = %s WHERE id = %s", [APART, taken.pk])
        cursor.execute("UPDATE auth_group SET name = %s WHERE id = %s", [APART, pair[0].pk])
    for table in ("records_company", "auth_group"):
        to_one_form(connection, table, "name")
    taken.refresh_from_db()
    assert taken.name == WHOLE
    assert Team.objects.get(pk=pair[0].pk).name == APART
    migration = import_module("records.migrations.0005_letters").Migration
    altered = {f"{op.model_name}.{n}" for op in migration.operations[:-1] for n in op.fields}
    assert {"company.name", "contact.last_name", "deal.name", "ticket.subject"} <= altered


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Øystein Ås", "oystein.as"),
        ("Łukasz Żółty", "lukasz.zolty"),
        ("Иван", "ivan"),
        ("Jo\u0308rg Weiß", "jorg.weiss"),
    ],
)
def test_addresses_made_of_names_keep_their_letters(name: str, written: str) -> None:
    """Of people who are imported, and of contacts and companies of the demo."""
    assert email_of(name) == f"{written}@crm.example"
    assert plain(name) == written.replace(".", "")


def test_nothing_of_ours_leaves_letters_to_the_database() -> None:
    """SQLite's own look-ups know a to z; ours are `folded`, and names have ours for their field."""
    for folder in ("accounts", "records", "exports", "crmperms"):
        for file in Path(folder).rglob("*.py"):
            assert not re.search(
                r"__i(contains|exact|startswith|endswith|regex)\b", file.read_text()
            ), file
    assert one_form(APART) == WHOLE
    assert one_form(None) is None
    assert ExportRequest._meta.get_field("name").max_length
