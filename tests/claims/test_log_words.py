"""What both logs say in the same words, and what a refused step is called (E48)."""

from __future__ import annotations

import re
from datetime import UTC

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.formats import localize

from accounts import audit
from accounts.audit_words import ATTEMPTS, VERBS, verb
from accounts.operations import create_team
from tests.support.company import TinyCompany

pytestmark = pytest.mark.django_db

HEADS = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)


def test_log_says_of_a_refused_deletion_that_it_was_tried(c: TinyCompany, client: Client) -> None:
    audit.record_refusal("deal.delete", actor=c.rita, code="stage", on=c.deals["vault"])
    audit.record("deal.delete", actor=c.sam, on=c.deals["ritas"])
    event = audit.record("deal.reveal", actor=audit.System("seed_demo"), on=c.deals["ritas"])
    client.force_login(c.otto)
    text = client.get("/admin/accounts/auditevent/").text
    code = '<span class="code">deal.delete</span>'
    assert (text.count(f">Deal: delete{code}"), text.count(f">Deal: deleted{code}")) == (1, 1)
    assert text.count('<span class="chip is-rejected">Refused</span>') == 1
    assert "Done</td>" in text
    page = client.get(f"/admin/accounts/auditevent/{event.pk}/change/").text
    main, integrity = page.split("Integrity", 1)
    here, stamp = localize(timezone.localtime(event.at)), event.at.astimezone(UTC).isoformat(" ")
    assert (here in main, stamp in main, stamp in integrity) == (True, False, True)
    assert "the system (seed_demo)" in main


def test_no_step_is_called_the_same_done_and_refused() -> None:
    both = VERBS.keys() & ATTEMPTS.keys()
    assert {"grant_access", "request_access", "try_again"} <= both
    alike = {code for code in both if verb(code) == verb(code, was_refused=True)}
    assert alike == {"set"}  # English says both so; the chip Refused tells them apart
    assert verb("grant_access") == "access granted"
    assert verb("grant_access", was_refused=True) == "grant access"


def test_both_logs_call_their_columns_the_same(c: TinyCompany, client: Client) -> None:
    create_team(actor=audit.System("seed_demo"), name="West")
    client.force_login(c.sam)
    for address in ("/admin/accounts/auditevent/", "/admin/permissions/history/"):
        text = client.get(address).text
        heads = [re.sub(r"<[^>]*>|\s+", " ", each).strip() for each in HEADS.findall(text)]
        assert {"Time", "Who", "Object"} <= set(heads), address
        assert "the system (seed_demo)" in text
