"""Nothing that can be sent ends in an error of the server, or is half accepted.

Odd values go to every parameter of every list and every page that reads an address, and to every
field of every form, by way of the forms that the pages themselves draw.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.contrib.messages import ERROR, get_messages
from django.db import transaction
from django.test import Client

from accounts.models import AuditEvent
from exports.models import ExportRequest
from records.models import Property, Ticket
from records.operations.sharing import share
from tests.claims.test_no_other_door import every_pattern
from tests.support.company import TinyCompany
from tests.support.exports_kit import pending
from tests.support.factories import TicketFactory

# What is sent, by the name that a failure shows.
ODD: dict[str, str | bytes] = {
    "word": "abc",
    "nothing": "",
    "space": " ",
    "minus": "-1",
    "31 digits": "9" * 31,
    "4400 digits": "9" * 4400,
    "NUL": "\0",
    "NUL inside": "a\0b",
    "huge exponent": "1e131072",
    "huger exponent": "1E+1000000",
    "tiny": "1e-131072",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "override": "\u202e",
    "no UTF-8": b"\xff",
    "brackets": "[]",
    "10 kB": "x" * 10_000,
}
# Pages that differ from one another send all of it, those that are made alike only what is worst.
ALONE = ("4400 digits", "override")
WORST = ("31 digits", "4400 digits", "NUL inside", "huge exponent")

IN_FULL = (
    "/admin/records/contact/",
    "/admin/autocomplete/",
    "records/deal/{deal}/share/",
)


def odd_for(page: str) -> dict[str, str | bytes]:
    return ODD if page in IN_FULL else {name: ODD[name] for name in WORST}


# --- What is read from an address -----------------------------------------------------------------

LISTS = "/admin/records/"
OWNED = ("owner", "team", "unassigned", "created_at_after", "created_at_before")
PAGE = ("o", "q", "p", "e", "all", "_unknown")
DEAL = (
    *("pipeline", "stage", "company", "closed_after", "closed_before", "amount_min", "amount_max"),
    *OWNED,
)
ADDRESSES: dict[str, tuple[str, tuple[str, ...]]] = {
    f"{LISTS}deal/": ("mona", (*DEAL, *PAGE)),
    f"{LISTS}contact/": ("rita", ("company", "lifecycle", "team", "owner", "o")),
    f"{LISTS}company/": ("rita", ("sector", "country", "team", "owner", "o")),
    f"{LISTS}ticket/": ("eve", ("pipeline", "stage", "priority", "company", "team", "o")),
    f"{LISTS}pipeline/": ("sam", ("q", "o", "p")),
    f"{LISTS}property/": ("sam", ("sensitive__exact", "highly_sensitive__exact")),
    f"{LISTS}deal/<deal>/access/": ("sam", ("user", "action")),
    f"{LISTS}deal/<deal>/who/": ("sam", ("action", "q", "page")),
    "/admin/accounts/user/": (
        "sam",
        ("status", "team", "permission_set", "super_admin", "scope", "last_log_in", "q", "o"),
    ),
    "/admin/accounts/team/": ("sam", ("q", "p")),
    "/admin/accounts/permissionset/": ("sam", ("q", "o")),
    "/admin/accounts/auditevent/": ("otto", ("about", "result", "actor", "at_after", "q")),
    "/admin/exports/exportrequest/": (
        "axel",
        ("waiting", "status", "source", "requester", "requested_after", "review", "q", "o"),
    ),
    "/admin/exports/exportrequest/new/deal/": ("mona", (*DEAL, "ids", "o", "q")),
    "/admin/autocomplete/": ("rita", ("term", "page", "app_label", "model_name", "field_name")),
    "/admin/search/": ("rita", ("s", "extended")),
    "/admin/inbox/": ("axel", ("page", "unread", "decide")),
    "/admin/exports/exportrequest/<export>/decide/": ("axel", ("step",)),
}
# What an address needs beside the parameter that is odd.
BESIDE: dict[str, dict[str, str]] = {
    "/admin/autocomplete/": {"app_label": "records", "model_name": "deal", "field_name": "company"},
    "/admin/search/": {"s": "ab", "extended": "1"},
    "/admin/exports/exportrequest/<export>/decide/": {"step": "approve"},
}


def sent(values: Mapping[str, str | bytes | list[str]]) -> str:
    """Return values as a browser sends them, bytes as they are."""
    return urlencode(values, doseq=True, quote_via=quote)  # type: ignore[type-var]  # bytes beside texts


@pytest.fixture
def seeded(c: TinyCompany) -> TinyCompany:
    """The company with a ticket, a request that waits, a share, and somebody told."""
    TicketFactory(owner=c.rita, subject="Broken")
    pending(c.rita, c.axel, columns=["id", "name", "amount"])
    share(c.deals["ritas"], actor=c.sam, team=c.teams["south"], level="view")
    return c


def logged_in(c: TinyCompany, who: str) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(c.people[who])
    return client


def done() -> int:
    """Return how many events tell of something that was done: every write has one."""
    return AuditEvent.objects.filter(result="done").count()


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_parameter_of_an_address_ends_in_an_error(seeded: TinyCompany, address: str) -> None:
    who, parameters = ADDRESSES[address]
    client, before = logged_in(seeded, who), done()
    path = address.replace("<deal>", str(seeded.deals["ritas"].pk))
    path = path.replace("<export>", str(ExportRequest.objects.get().pk))
    beside = BESIDE.get(address, {})
    assert client.get(f"{path}?{sent(beside)}").status_code == 200
    wrong = []
    for parameter in parameters:
        for name, value in odd_for(address).items():
            with transaction.atomic():  # an error of the database ends its transaction
                status = client.get(f"{path}?{sent({**beside, parameter: value})}").status_code
                transaction.set_rollback(True)
            if status >= 500:
                wrong.append((parameter, name, status))
    assert wrong == []
    assert done() == before


# A key in the address itself: what is none is as absent as a row that never was.
PAGES = (
    *(f"{LISTS}{kind}/{{}}/{step}/" for kind in ("deal", "pipeline") for step in ("change",)),
    *(f"{LISTS}deal/{{}}/{step}/" for step in ("delete", "share", "access", "who", "history")),
    *(f"/admin/accounts/team/{{}}/{step}/" for step in ("change", "delete")),
    *(f"/admin/accounts/{kind}/{{}}/change/" for kind in ("user", "permissionset", "auditevent")),
    *("/admin/accounts/user/{}/demote/", "/admin/exports/exportrequest/{}/change/"),
)


@pytest.mark.parametrize("keyed", PAGES)
def test_no_key_is_as_absent_as_a_row_that_never_was(c: TinyCompany, keyed: str) -> None:
    client = logged_in(c, "sam")
    for method in (client.get, client.post):
        absent = method(keyed.format(10**9))
        assert absent.status_code == 404
        for name, value in ODD.items():
            if isinstance(value, str) and value.strip():
                answer = method(keyed.format(quote(value)))
                assert (name, answer.status_code) == (name, 404)
                assert answer.content == absent.content


# --- What is read from a form ---------------------------------------------------------------------


class Forms(HTMLParser):
    """The forms of a page that are posted: where to, and what a browser would send."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, list[str]]]] = []
        self.fields: dict[str, list[str]] = {}
        self.free: set[str] = set()
        """Fields into which anything may be typed, and those that nobody sees."""
        self.select = ""
        """The select that is being read."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name, kind = given.get("name", ""), given.get("type", "text")
        if tag == "form":
            self.fields = {}
            if given.get("method", "").lower() == "post":
                self.forms.append((given.get("action", ""), self.fields))
        elif tag == "option" and self.select and "selected" in given:
            self.fields[self.select].append(given.get("value", ""))
        elif tag in ("input", "select", "textarea") and is_field(name, kind):
            values = self.fields.setdefault(name, [])
            if tag == "select":
                self.select = name
            elif kind not in ("checkbox", "radio"):
                self.free.add(name)
            if tag == "input" and (name in self.free or "checked" in given):
                values.append(given.get("value", ""))


# Of rows and cells that are read alike the first stands for all.
ALIKE = re.compile(r"scopes-(contact|company|ticket)-|stages-([1-9]|__prefix__)")


def is_field(name: str, kind: str) -> bool:
    return bool(name) and name != "csrfmiddlewaretoken" and kind not in ("submit", "button")


def forms_of(client: Client, address: str) -> Iterator[tuple[str, dict[str, list[str]], set[str]]]:
    """Yield address, fields and freely typed fields of a page's forms, the log-out's apart."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    reader = Forms()
    reader.feed(answer.text)
    for action, fields in reader.forms:
        if "logout" not in action:
            own = action if action.startswith("/") else address.partition("?")[0]
            yield own, fields, reader.free & set(fields)


# Who opens which page, and what its forms read beside the fields that it draws.
FORMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "records/deal/add/": ("rita", ("_confirm_hand_over",)),
    "records/deal/{deal}/change/": ("rita", ("_confirm_hand_over", "team", "user")),
    "records/contact/add/": ("rita", ()),
    "records/company/{company}/change/": ("sam", ()),
    "records/ticket/{ticket}/change/": ("eve", ()),
    "records/deal/{deal}/share/": ("rita", ()),
    "records/pipeline/{pipeline}/change/": ("sam", ()),
    "records/pipeline/{pipeline}/rule/": ("sam", ()),
    "records/property/{property}/change/": ("sam", ()),
    "accounts/permissionset/{set}/change/": ("sam", ()),
    "accounts/team/{team}/change/": ("sam", ()),
    "accounts/user/{user}/change/": ("sam", ()),
    "accounts/user/add/": ("sam", ()),
    "accounts/user/{user}/password/": ("sam", ()),
    "password_change/": ("mona", ()),
    "set-up/": ("sam", ()),
    "exports/exportrequest/away/": ("axel", ()),
    "exports/exportrequest/?review={export}": ("axel", ("drop", "most_records", "file_days")),
    "exports/exportrequest/new/deal/": ("mona", ("step", "profile", "token", "approvers")),
    "exports/exportpolicy/1/change/": ("sam", ()),
    "records/screenlimit/": ("sam", ()),
    "records/deal/": ("mona", ("action", "_selected_action", "select_across", "index")),
}


def answered(client: Client, address: str, posted: dict[str, Any]) -> str:
    """Post a form and take back what it did; return what is wrong with the answer, if anything.

    Whoever is refused, by the page or by a message after it, must not have written anything.
    """
    before = done()
    with transaction.atomic():
        answer = client.post(
            address, sent(posted), content_type="application/x-www-form-urlencoded"
        )
        wrong = ""
        if answer.status_code >= 500:
            wrong = f"answered {answer.status_code}"
        else:
            said = {message.level for message in get_messages(answer.wsgi_request)}
            refused = answer.status_code != 302 or ERROR in said
            if refused and done() != before:
                wrong = "refused and written"
        transaction.set_rollback(True)
    return wrong


@pytest.mark.parametrize("form", FORMS)
def test_no_field_of_a_form_ends_in_an_error_or_is_written_half(
    seeded: TinyCompany, form: str
) -> None:
    who, beside = FORMS[form]
    client = logged_in(seeded, who)
    keys = {
        "deal": seeded.deals["ritas"].pk,
        "company": seeded.companies["acme"].pk,
        "ticket": Ticket.objects.get().pk,
        "pipeline": seeded.pipeline.pk,
        "set": seeded.sets["reader"].pk,
        "team": seeded.teams["south"].pk,
        "user": seeded.nils.pk,
        "property": Property.objects.get(name="phone").pk,
        "export": ExportRequest.objects.get().pk,
    }
    wrong: list[tuple[str, str, str, str]] = []
    swept = 0
    for address, drawn, free in forms_of(client, f"/admin/{form.format(**keys)}"):
        fields = [name for name in (*drawn, *beside) if not ALIKE.match(name)]
        # Whatever the form itself checks, it checks at once.
        everywhere = [name for name in fields if not name.endswith("_FORMS")]
        tries = [(name, everywhere) for name in odd_for(form)]
        # What it does not look at is reached only with everything else in order.
        tries += [(name, [each]) for each in {*free, *beside} & set(fields) for name in ALONE]
        for name, given in tries:
            posted = {**drawn, **dict.fromkeys(given, ODD[name])}
            if found := answered(client, address, posted):
                wrong.append((address, given[0] if len(given) == 1 else "all", name, found))
            swept += 1
    assert wrong == []
    assert swept >= len(WORST)


# --- Every address that has a key in it -----------------------------------------------------------

KEYS = {name: str(ODD[name]) for name in ("word", "31 digits")} | {
    "5000 digits": "1" * 5000,
    "digits of another script": "\u0661\u0662" * 9,
    "a power": "\u00b2",
    "just beyond counting": str(2**63),
}
ARGUMENT = re.compile(r"<[^>]+>")
KEYED = [pattern for pattern in every_pattern() if ARGUMENT.search(pattern)]


@pytest.mark.parametrize("who", ["sam", "rita"])
def test_no_key_in_any_address_ends_in_an_error(c: TinyCompany, who: str) -> None:
    """The resolver is walked, so that an address that is new is tried too."""
    wrong = []
    client = logged_in(c, who)
    for pattern in KEYED:
        for method in (client.get, client.post):
            absent = method(f"/{ARGUMENT.sub(str(10**9), pattern)}")
            for name, key in KEYS.items():
                with transaction.atomic():
                    answer = method(f"/{ARGUMENT.sub(quote(key), pattern)}")
                    transaction.set_rollback(True)
                # A word where a number belongs is another address, and as little there.
                same = answer.status_code == absent.status_code or "<path:" not in pattern
                if answer.status_code >= 500 or not same:
                    wrong.append((pattern, name, answer.status_code, absent.status_code))
    assert wrong == []


@pytest.mark.parametrize("step", ["associate", "dissociate"])
def test_no_posted_key_links_anything_or_ends_in_an_error(c: TinyCompany, step: str) -> None:
    client, before = logged_in(c, "sam"), done()
    address = f"/admin/records/company/{c.companies['acme'].pk}/{step}/"
    absent = client.post(address, {"relation": "deals", "record": str(10**9)}, follow=True)
    for relation in ("deals", "contacts"):
        for name, key in KEYS.items():
            sent_back = client.post(address, {"relation": relation, "record": key}, follow=True)
            assert (name, sent_back.status_code) == (name, 200)
            said = [str(message) for message in sent_back.context["messages"]]
            assert said == [str(message) for message in absent.context["messages"]]
    assert done() == before
