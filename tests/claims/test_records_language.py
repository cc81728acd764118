"""What people read of records is in their language; what is kept of records is in none."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from accounts import access
from accounts.models import AuditEvent, Notice, Rank, User
from records import kinds, operations, query_words
from records.filter_sets import filter_set
from records.models import Contact, Deal, Level, Record
from records.operations import access_requests, sharing
from records.reasons import _THEY_REACH, _VERBS, _YOU_REACH, sentences_of
from records.screens.access import VERBS
from tests.support.company import TinyCompany
from tests.support.factories import ContactFactory

BOTH = ("en-gb", "de")


def in_both(said: Any) -> tuple[str, str]:
    """Return what is said in English and in German."""
    found = []
    for language in BOTH:
        with translation.override(language):
            found.append(str(said()))
    return found[0], found[1]


def test_kinds_and_fields_are_named_as_their_reader_speaks() -> None:
    kind = kinds.of(Contact)
    assert in_both(lambda: kind.label) == ("Contact", "Kontakt")
    assert in_both(lambda: kind.plural) == ("Contacts", "Kontakte")
    assert in_both(lambda: kind.nouns) == ("contacts", "Kontakte")
    assert in_both(lambda: kind.search_help) == ("Search name or e-mail", "Name oder E-Mail suchen")
    assert in_both(lambda: kind.label_of("email")) == ("Contact: e-mail", "Kontakt: E-Mail")
    field = kind.field("lifecycle")
    assert in_both(lambda: field.title) == ("Lifecycle", "Lebenszyklus")
    assert in_both(lambda: field.choices["customer"]) == ("Customer", "Kunde")


def test_what_is_kept_for_a_process_speaks_no_language() -> None:
    """Kinds are keys of caches, and filters are made once: neither may differ by language."""
    made = []
    for language in BOTH:
        with translation.override(language):
            made.append((hash(kinds.of(Contact)), filter_set(Contact), kinds.of(Contact).fields))
    assert made[0][:2] == made[1][:2]
    assert all(one is other for one, other in zip(made[0][2], made[1][2], strict=True))
    declared = filter_set(Contact).base_filters
    assert in_both(lambda: declared["lifecycle"].label) == ("Lifecycle", "Lebenszyklus")
    assert in_both(lambda: declared["unassigned"].label) == ("Unassigned", "Nicht zugewiesen")


def test_query_is_described_as_its_reader_speaks(c: TinyCompany) -> None:
    def said() -> list[tuple[str, str]]:
        return query_words.described(Contact, "lifecycle=customer&o=-created_at", user=c.sam)

    assert in_both(said) == (
        str([("Lifecycle", "Customer"), ("Order", "descending created at")]),
        str([("Lebenszyklus", "Kunde"), ("Sortierung", "Erstellt am absteigend")]),
    )


def test_every_reach_and_every_action_has_its_sentence() -> None:
    """A control of the tables that sentences are taken from: none lacks a case."""
    reaches = {(rank, box) for rank in (Rank.OWNED, Rank.TEAM, None) for box in (False, True)}
    assert set(_YOU_REACH) == set(_THEY_REACH) == reaches
    assert set(_VERBS) >= access.ACTIONS
    for kind in kinds.every():
        assert set(VERBS) >= {*kind.actions, access.EXPORT} - {"add"}


def test_refusals_are_whole_sentences_in_each_language(c: TinyCompany) -> None:
    deal = c.deals["vault"]
    for other in ("", "Rita"):
        english, german = in_both(
            lambda other=other: " ".join(
                sentences_of(access.explain(c.rita, "delete", deal), c.rita, "delete", deal, other)
            )
        )
        assert "does not let" in english
        assert "erlaubt „Löschen“ nicht" in german
        assert "gesperrten Phase" in german
    said = in_both(lambda: operations.owner_sentence(c.deals["ritas"], c.rita))
    assert said == ("It is owned by you.", "Besitzer: Sie.")


def test_requests_are_told_in_the_language_of_whoever_decides(c: TinyCompany) -> None:
    User.objects.filter(pk=c.rita.pk).update(language="de")
    contact = ContactFactory(owner=c.rita, co_owner=c.nora)
    with translation.override("en-gb"):
        access_requests.request_access(contact, actor=c.lena, reason="Ich rufe an.")
    told = {notice.user: notice.text for notice in Notice.objects.filter(user__in=[c.rita, c.nora])}
    assert told == {
        c.rita: "Lena möchte einen Datensatz bearbeiten (Kontakt).",
        c.nora: "Lena requests to edit a contact.",
    }


def _events(made: Any) -> list[tuple[Any, ...]]:
    """Return what the log keeps of what is done here, without the keys of what it is done to."""
    last = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    made()
    rows = AuditEvent.objects.filter(pk__gt=last).order_by("pk")
    return list(rows.values_list("action", "actor", "object", "result", "data"))


def test_log_keeps_the_same_whatever_its_actor_speaks(c: TinyCompany) -> None:
    def all_of_it(record: Record) -> None:
        with pytest.raises(operations.NotAllowed):
            operations.delete(record, actor=c.lena)
        operations.change(record, actor=c.rita, values={"city": "Bonn"}, version=record.version)
        sharing.share(record, actor=c.rita, level=Level.EDIT, user=c.lena)
        sharing.unshare(record, actor=c.rita, user=c.lena)

    kept = []
    for language in BOTH:
        record = ContactFactory(owner=c.rita)
        with translation.override(language):
            kept.append(_events(lambda record=record: all_of_it(record)))
    assert kept[0] == kept[1] != []


def test_pages_speak_german_to_whoever_chose_it(c: TinyCompany, client: Client) -> None:
    User.objects.filter(pk__in=[c.rita.pk, c.sam.pk]).update(language="de")
    client.force_login(c.rita)
    page = client.get(f"/admin/records/deal/{c.deals['ritas'].pk}/change/").text
    assert "Sie können diesen Datensatz sehen und bearbeiten." in page
    assert "Abgeschlossen am" in page
    listed = client.get("/admin/records/deal/").text
    assert "Sie dürfen diesen Datensatz nicht bearbeiten; öffnen Sie ihn" in listed
    client.force_login(c.nora)
    listed = client.get("/admin/records/deal/").text
    assert "You may not change this record; open it to read why" in listed
    client.force_login(c.sam)
    page = client.get(f"/admin/records/deal/{c.deals['ritas'].pk}/who/?action=change").text
    assert "können das bearbeiten" in page
    assert Deal._meta.verbose_name_plural == "deals"
