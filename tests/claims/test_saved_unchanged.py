"""Saving a form that nobody touched writes no event, no version and no stamp, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import operations as accounts
from accounts.models import Team, ToolGrant
from exports.models import LargeExportAlert
from exports.operations import save_profile, set_alert
from records.models import Deal, Level, Pipeline, Property, ScreenLimit
from records.operations import restrict_property, save_stages, set_stage_rule
from records.operations.screen_limit import set_screen_limit
from records.operations.sharing import share
from tests.support.company import TinyCompany
from tests.support.factories import TicketFactory
from tests.support.forms_as_shown import form_with, forms_of

NOT_OF_A_CHANGE = {"Session", "Migration", "ContentType", "ScreenCount", "SentForm"}


def stored() -> dict[str, Any]:
    """Return every row of every table, but for what reading writes."""
    tables = [m for m in apps.get_models() if m.__name__ not in NOT_OF_A_CHANGE]
    return {model._meta.label: sorted(map(str, _rows(model))) for model in tables}


def _rows(model: type[models.Model]) -> Iterator[dict[str, Any]]:
    yield from model._base_manager.values()


@pytest.fixture
def set_up(c: TinyCompany) -> TinyCompany:
    """Something of every sort that a form shows."""
    restrict_property(
        actor=c.sam, object="deal", name="product", access="chosen", viewers=[c.rita], editors=[]
    )
    restrict_property(actor=c.sam, object="contact", name="phone", highly_sensitive=True)
    accounts.set_teams(
        c.ella, actor=c.sam, main_team=c.teams["south"], extra_teams=[c.teams["north_a"]]
    )
    ToolGrant.objects.create(permission_set=c.sets["rep"], key="crm.export", option="gone")
    set_alert(actor=c.sam, records=10)
    TicketFactory(owner=c.rita)
    share(
        c.deals["ritas"],
        actor=c.sam,
        user=c.nora,
        level=Level.VIEW,
        until=timezone.now() + timedelta(days=9),
    )
    return c


@pytest.fixture
def sam(set_up: TinyCompany, client: Client) -> Client:
    client.force_login(set_up.sam)
    return client


WITHOUT_A_FORM = {"AuditEvent", "ExportRequest", "ScreenLimit"}
"""Nobody changes these by a form of their own; the limit has a page, below."""


def change_pages() -> Iterator[str]:
    """Yield the address of every form on which something stored is changed."""
    for model in admin.site._registry:
        rows = model._default_manager.order_by("pk")
        if hasattr(model, "deleted_at"):
            rows = rows.filter(deleted_at=None)[:2]
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        if model.__name__ not in WITHOUT_A_FORM:
            yield from (reverse(name, args=[row.pk]) for row in rows)


def test_every_change_form_saved_as_it_was_opened_changes_nothing(
    set_up: TinyCompany, sam: Client
) -> None:
    walked = set()
    for address in change_pages():
        page = sam.get(address).text
        forms = [fields for _, fields in forms_of(page) if "csrfmiddlewaretoken" in fields]
        assert forms, address
        before = stored()
        answer = sam.post(address, {**max(forms, key=len), "_save": "Save"}, follow=True)
        assert stored() == before, address
        assert answer.redirect_chain, address
        assert "Nothing was changed" in answer.text, address
        assert "changed successfully" not in answer.text, address
        walked.add(address.split("/")[3])
    assert walked == {
        *("user", "team", "permissionset", "contact", "company", "deal", "ticket"),
        *("pipeline", "property", "exportpolicy"),
    }


def test_pages_of_settings_sent_as_they_were_opened_change_nothing(
    set_up: TinyCompany, sam: Client
) -> None:
    empty = Pipeline.objects.create(object="deal", name="Without a rule")
    empty.stages.create(name="First", position=1)
    set_screen_limit(actor=set_up.sam, values_a_day=500, version=1)
    rule = "admin:records_pipeline_rule"
    for address, name in (
        (reverse(rule, args=[set_up.pipeline.pk]), "editors"),
        (reverse(rule, args=[empty.pk]), "editors"),
        (reverse("admin:records_screenlimit_changelist"), "values_a_day"),
        (reverse("admin:exports_exportpolicy_changelist"), "records"),
    ):
        action, sent = form_with(sam.get(address).text, name)
        before = stored()
        answer = sam.post(action or address, sent, follow=True)
        assert stored() == before, address
        assert "Nothing was changed" in answer.text, address
    assert LargeExportAlert.objects.get().records == 10
    assert ScreenLimit.objects.get().values_a_day == 500


def test_operations_called_twice_write_once(set_up: TinyCompany) -> None:
    """Beside the screens too: terminal, imports and jobs call the same ones."""
    c, until = set_up, timezone.now() + timedelta(days=3)
    stage = c.stages["open"]
    again = [
        lambda: share(c.deals["ritas"], actor=c.sam, user=c.nora, level=Level.EDIT, until=until),
        lambda: save_profile(actor=c.sam, model=Deal, name="Mine", columns=["name"]),
        lambda: save_stages([stage], actor=c.sam),
        lambda: set_stage_rule(c.pipeline, actor=c.sam, enabled=True, stages=[stage, stage]),
        lambda: accounts.set_teams(c.rita, actor=c.sam, main_team=None, extra_teams=[]),
        lambda: accounts.change_set(
            c.sets["rep"], actor=c.sam, name="Rep", description="", scopes={}, tools=[]
        ),
        lambda: restrict_property(
            actor=c.sam, object="deal", name="product", access="chosen", editors=[c.teams["south"]]
        ),
    ]
    for number, run in enumerate(again):
        run()
        before = stored()
        run()
        assert stored() == before, number
    # And what differs is still written.
    stage.name = "Renamed"
    save_stages([stage], actor=c.sam)
    stage.refresh_from_db()
    assert stage.name == "Renamed"
    assert Team.objects.exists()
    assert Property.objects.filter(name="product", access="chosen").exists()


def test_step_that_was_taken_already_says_so(set_up: TinyCompany, sam: Client) -> None:
    ella = f"/admin/accounts/user/{set_up.ella.pk}"
    assert "Ella" in sam.post(f"{ella}/deactivate/", {}, follow=True).text
    before = stored()
    assert "Nothing was changed" in sam.post(f"{ella}/deactivate/", {}, follow=True).text
    assert stored() == before
    contact, deal = set_up.contacts["carl"], set_up.deals["ritas"]
    posted = {"relation": "deals", "record": deal.pk}
    page = f"/admin/records/contact/{contact.pk}/associate/"
    assert "is linked with" in sam.post(page, posted, follow=True).text
    before = stored()
    assert "Nothing was changed" in sam.post(page, posted, follow=True).text
    assert stored() == before
