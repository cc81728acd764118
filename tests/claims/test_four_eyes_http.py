"""One super admin alone, by raw HTTP: whatever they click first, nobody they own consents (B7)."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from exports.models import ExportRequest
from tests.support.company import TinyCompany
from tests.support.doors import DAY, EXEMPT_TOOLS, let_pass, rules
from tests.support.exports_kit import ask
from tests.support.factories import PASSWORD
from tests.support.forms_as_shown import form_with
from tests.support.reviewed import is_review

LOG = "/admin/exports/exportrequest/"
POLICY = "/admin/exports/exportpolicy/1/change/"
NEW_PASSWORD = "a password only sam knows"


class Controls(HTMLParser):
    """What a browser would send of the forms on a page, untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[str, list[str]] = {}
        self.select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        name, value = has.get("name") or "", has.get("value") or ""
        if tag == "select":
            self.select = name
        elif tag == "option" and "selected" in has and self.select:
            self.sent.setdefault(self.select, []).append(value)
        elif tag == "input" and name:
            ticked = has.get("type") not in ("checkbox", "radio") or "checked" in has
            if ticked and has.get("type") != "submit":
                self.sent.setdefault(name, []).append(value or "on" * ("checked" in has))


class Browser:
    """Somebody who logs in with a password and sends what pages offer, with their token."""

    def __init__(self, email: str, password: str = PASSWORD) -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.page("/admin/login/")
        answer = self.post("/admin/login/", username=email, password=password)
        assert answer.status_code == 302, "the log-in failed"

    def page(self, address: str) -> str:
        answer = self.client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        return str(answer.text)

    def post(self, address: str, **values: Any) -> Any:
        token = self.client.cookies["csrftoken"].value
        return self.client.post(address, {**values, "csrfmiddlewaretoken": token})

    def save(self, address: str, **changed: Any) -> None:
        """Open a form, change some of it, and save."""
        controls = Controls()
        controls.feed(self.page(address))
        answer = self.post(address, **{**controls.sent, **changed})
        if is_review(answer):
            _, reviewed = form_with(answer.text, "reviewed")
            answer = self.post(address, **reviewed)
        assert answer.status_code == 302, f"{address} was not saved"

    def ask(self, approvers: list[User]) -> ExportRequest:
        """Ask for all deals; a consent that is not needed is not asked for."""
        address, before = f"{LOG}new/deal/", ExportRequest.objects.count()
        controls = Controls()
        controls.feed(self.page(address))
        wish = {"which": "chosen", "columns": ["id", "name"], "format": "csv", "headers": "labels"}
        token = controls.sent["token"]
        chosen = [person.pk for person in approvers]
        self.post(address, **wish, token=token, step="request", approvers=chosen, message="")
        assert ExportRequest.objects.count() == before + 1
        return ExportRequest.objects.latest("id")

    def decide(self, step: str, export: ExportRequest, shown: str = "") -> str:
        """Decide by the panel as it is, or as it was `shown` before."""
        found = re.search(r'name="let_in" value="(\d+)"', shown or self.page(panel_of(export)))
        answer = self.post(
            f"{LOG}{export.pk}/{step}/",
            version=export.version,
            let_in=found[1] if found else "",
            note="So be it.",
            manifest="",
        )
        assert answer.status_code in (302, 404)
        shown = str(self.client.get(panel_of(export)).text)
        export.refresh_from_db()
        return shown


def panel_of(export: ExportRequest) -> str:
    return f"{LOG}?review={export.pk}"


# --- What somebody does to have a second pair of eyes of their own --------------------------------


def made(c: TinyCompany, by: Browser) -> Browser:
    by.save(
        "/admin/accounts/user/add/",
        first_name="Puppet",
        email="puppet@example.com",
        password=NEW_PASSWORD,
        permission_set=c.sets["approver"].pk,
    )
    return Browser("puppet@example.com", NEW_PASSWORD)


def password_set(c: TinyCompany, by: Browser) -> Browser:
    by.save(f"/admin/accounts/user/{c.axel.pk}/password/", password=NEW_PASSWORD)
    return Browser("axel@example.com", NEW_PASSWORD)


def address_changed(c: TinyCompany, by: Browser) -> Browser:
    by.save(f"/admin/accounts/user/{c.axel.pk}/change/", email="mine@example.com")
    return Browser("mine@example.com")


def set_of_a_colleague_edited(c: TinyCompany, by: Browser) -> Browser:
    address = f"/admin/accounts/permissionset/{c.sets['reader'].pk}/change/"
    by.save(address, tools=["crm.export_approver"])
    return Browser("ruth@example.com")


def set_assigned(c: TinyCompany, by: Browser) -> Browser:
    address = f"/admin/accounts/user/{c.nils.pk}/change/"
    by.save(address, permission_set=c.sets["approver"].pk)
    return Browser("nils@example.com")


def old_approver_reactivated(c: TinyCompany, by: Browser) -> Browser:
    User.objects.filter(pk=c.axel.pk).update(is_active=False)
    by.save(f"/admin/accounts/user/{c.axel.pk}/reactivate/")
    return Browser("axel@example.com")


def promoted(c: TinyCompany, by: Browser) -> Browser:
    by.save(f"/admin/accounts/user/{c.ruth.pk}/promote/")
    return Browser("ruth@example.com")


EYES: list[Callable[[TinyCompany, Browser], Browser]] = [
    made,
    password_set,
    address_changed,
    set_of_a_colleague_edited,
    set_assigned,
    old_approver_reactivated,
    promoted,
]


@pytest.mark.parametrize("step", ["approve", "reject"])
@pytest.mark.parametrize("eyes", EYES, ids=lambda eyes: eyes.__name__)
def test_second_pair_of_eyes_of_ones_own_does_not_decide(
    c: TinyCompany, eyes: Callable[[TinyCompany, Browser], Browser], step: str
) -> None:
    rules(second_person_above=0)
    sam = Browser("sam@example.com")
    export = sam.ask([c.sue])
    assert (export.status, export.because) == ("pending", "second_person")
    puppet = eyes(c, sam)
    offered = puppet.page(f"{LOG}?review={export.pk}")
    assert f"/{export.pk}/{step}/" not in offered
    assert "made or changed your account" in offered
    assert "made or changed your account" in puppet.decide(step, export)
    assert export.status == "pending"
    assert "Nothing to decide." in puppet.page("/admin/")
    # Whoever they own decides on what others ask for, and on this one a month later.
    other = ask(c.rita, approvers=[c.sue])
    puppet.decide(step, other)
    assert other.status in ("approved", "rejected")
    let_pass(31 * DAY)
    puppet.decide(step, export)
    assert export.status in ("approved", "rejected")


@pytest.mark.parametrize("eyes", EYES, ids=lambda eyes: eyes.__name__)
def test_second_pair_of_eyes_from_a_third_person_decides(
    c: TinyCompany, eyes: Callable[[TinyCompany, Browser], Browser]
) -> None:
    rules(second_person_above=0)
    export = Browser("sam@example.com").ask([c.sue])
    approver = eyes(c, Browser("sue@example.com"))
    assert f"/{export.pk}/approve/" in approver.page(f"{LOG}?review={export.pk}")
    approver.decide("approve", export)
    assert export.status == "approved"


# --- What somebody does to the gate ---------------------------------------------------------------


@pytest.mark.parametrize(
    "opened",
    [{"require_approval": ""}, {"threshold": "99999"}],
    ids=["rule lifted", "threshold raised"],
)
def test_gate_opened_for_a_minute_lets_its_opener_through_no_sooner_than_a_day_later(
    c: TinyCompany, opened: dict[str, str]
) -> None:
    rules(second_person_above=0)
    sam, sue = Browser("sam@example.com"), Browser("sue@example.com")
    closed = {"require_approval": "on", "threshold": "0"}
    alone = {**closed, "second_person_above": "", **opened}
    sam.save(POLICY, **alone)
    asked = sam.ask([c.axel])
    assert (asked.status, asked.because) == ("pending", "rules_changed")
    assert sue.ask([c.axel]).status == "approved"  # who did not open it
    sam.save(POLICY, **{**closed, "second_person_above": ""})
    asked = sam.ask([c.axel])
    assert (asked.status, asked.because) == ("pending", "rules_changed")
    let_pass(DAY + DAY)
    assert sam.ask([c.axel]).because == "exempt"


def exempted(c: TinyCompany, by: Browser) -> None:
    address = f"/admin/accounts/permissionset/{c.sets['rep'].pk}/change/"
    by.save(address, tools=EXEMPT_TOOLS)


def demoted(c: TinyCompany, by: Browser) -> None:
    User.objects.filter(pk=c.rita.pk).update(is_superuser=True)
    by.save(f"/admin/accounts/user/{c.rita.pk}/demote/", permission_set=c.sets["rep"].pk)


def threshold_changed(c: TinyCompany, by: Browser) -> None:
    by.save(POLICY, require_approval="on", threshold="1")


@pytest.mark.parametrize("move", [exempted, demoted, threshold_changed], ids=lambda m: m.__name__)
def test_who_moves_the_gate_of_a_request_does_not_decide_on_it_and_another_does(
    c: TinyCompany, move: Callable[[TinyCompany, Browser], None]
) -> None:
    rules()
    export = ask(c.rita, approvers=[c.axel])
    sam, sue = Browser("sam@example.com"), Browser("sue@example.com")
    move(c, sam)
    for step in ("approve", "reject"):
        assert "You changed the rules for" in sam.decide(step, export)
        assert export.status == "pending"
    sue.decide("approve", export)
    assert export.status == "approved"
