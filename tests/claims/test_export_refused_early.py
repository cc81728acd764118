"""An export that cannot start is refused before records are laid down, and the dialog says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import ToolGrant, User
from exports.models import ExportRecord, ExportRequest
from exports.operations import ApproversNeeded, NothingToExport
from exports.steps import TooManyExports
from tests.support.company import TinyCompany
from tests.support.exports_kit import ask, set_policy

NEW = "/admin/exports/exportrequest/new/"


def laid_down(do: Callable[[], object]) -> list[str]:
    """Return the statements with which this wrote records of exports down."""
    table = ExportRecord._meta.db_table
    with CaptureQueriesContext(connection) as asked:
        do()
    return [q["sql"] for q in asked if q["sql"].startswith("INSERT") and table in q["sql"]]


def test_what_cannot_start_is_refused_before_records_are_laid_down(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_policy(threshold=0)

    def refused(error: type[Exception], **wish: Any) -> Callable[[], object]:
        def do() -> None:
            with pytest.raises(error):
                ask(c.rita, **wish)

        return do

    nobody, wrong, right = {"approvers": []}, {"approvers": [c.nora]}, {"approvers": [c.sue]}
    assert laid_down(refused(ApproversNeeded, **nobody)) == []
    assert laid_down(refused(ApproversNeeded, **wrong)) == []
    assert laid_down(refused(ApproversNeeded, approvers=[c.sue, c.rita])) == []
    assert laid_down(refused(NothingToExport, **right, query="q=nothing-like-it")) == []
    assert len(laid_down(lambda: ask(c.rita, **right))) == 1  # the negative control
    monkeypatch.setattr("exports.policy.MOST_A_DAY", 1)
    assert laid_down(refused(TooManyExports, **right)) == []
    assert ExportRequest.objects.count() == 1


def test_the_dialog_says_at_once_that_no_export_can_be_asked_for(
    c: TinyCompany, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, page = Client(), f"{NEW}deal/"
    client.force_login(c.rita)
    set_policy(threshold=1000)
    heading = "You cannot ask for this export now"
    assert heading not in client.get(page).text
    set_policy(threshold=0)
    assert heading not in client.get(page).text
    User.objects.filter(is_superuser=True).update(is_superuser=False)
    ToolGrant.objects.filter(key="crm.export_approver").delete()
    text = client.get(page).text
    assert heading in text
    assert "Nobody may approve exports" in text
    posted = client.post(page, {"columns": ["id"], "step": "columns"}).text
    assert heading in posted
    assert "Approvers to notify" not in posted  # nothing more to fill in
    with pytest.raises(ApproversNeeded, match="Nobody may approve exports"):
        ask(c.rita)

    set_policy(threshold=1000)
    assert client.post(page, {"columns": ["id"], "step": "columns"}).status_code == 302
    monkeypatch.setattr("exports.policy.MOST_A_DAY", 1)
    for text in (
        client.get(page).text,
        client.post(page, {"columns": ["id"], "step": "columns"}).text,
    ):
        assert heading in text
        assert text.count("You asked for 1 exports in the last 24 hours") == 1
    assert ExportRequest.objects.count() == 1
