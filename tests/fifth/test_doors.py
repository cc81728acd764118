"""Every door serves a kind of record that is declared in an app of its own (issue: kinds)."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.access import allows, permitted
from accounts.models import AuditEvent, ObjectScope, PermissionSet, User
from crmperms import starter
from records import kinds, operations
from records.models import Company, Pipeline, Stage
from records.operations import NotAllowed, sharing
from tests.fifth.models import Project
from tests.support.company import EVERYTHING, OWNED, TinyCompany
from tests.support.exports_kit import completed, table_of

pytestmark = pytest.mark.django_db
LIST = "/admin/fifth/project/"


@pytest.fixture
def projects(c: TinyCompany) -> dict[str, Project]:
    """Return two projects: Eve's, at a company, and one of nobody."""
    for name, scope in (("everything", EVERYTHING), ("rep", OWNED)):
        ObjectScope.objects.create(
            permission_set=c.sets[name], object="project", add=True, view=scope, change=scope
        )
    company = Company.objects.create(name="Quokka", owner=c.eve)
    pipeline = operations.create_pipeline(actor=c.sam, object="project", name="Delivery")
    plan, done = (
        Stage.objects.create(pipeline=pipeline, name=name, position=place)
        for place, name in enumerate(("Plan", "Done"))
    )
    return {
        name: operations.create(
            Project(name=name, stage=stage, company=of, owner=owner, **values),
            actor=c.sam,
        )
        for name, stage, of, owner, values in (
            ("Bridge", plan, company, c.eve, {"budget": Decimal(7), "status": "late"}),
            ("Tunnel", done, None, None, {"budget": Decimal(9), "due": timezone.localdate()}),
        )
    }


@pytest.fixture
def eve(c: TinyCompany, client: Client) -> Client:
    client.force_login(c.fresh("eve"))
    return client


def keyed(*rows: Any) -> list[int]:
    return sorted(row.pk for row in rows)


def names_in(client: Client, query: str) -> set[str]:
    text = client.get(LIST + query).text
    return {name for name in ("Bridge", "Tunnel") if name in text}


def test_it_is_among_the_kinds_after_those_of_the_product() -> None:
    assert [kind.key for kind in kinds.every()] == [
        *("contact", "company", "deal", "ticket", "project"),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Bridge", "Tunnel"}),
        ("?q=bridg", {"Bridge"}),
        ("?status=late", {"Bridge"}),
        ("?budget_min=8", {"Tunnel"}),
        ("?due_after=2000-01-01", {"Tunnel"}),
        ("?stage={stage}", {"Bridge"}),
        ("?pipeline={pipeline}", {"Bridge", "Tunnel"}),
        ("?company={company}", {"Bridge"}),
        ("?unassigned=yes", {"Tunnel"}),
    ],
)
def test_list_search_and_filters(
    projects: dict[str, Project], eve: Client, query: str, found: set[str]
) -> None:
    bridge = projects["Bridge"]
    keys = {
        "stage": bridge.stage_id,
        "pipeline": bridge.stage.pipeline_id,
        "company": bridge.company_id,
    }
    assert names_in(eve, query.format(**keys)) == found


def test_form_makes_and_changes_a_record(
    projects: dict[str, Project], c: TinyCompany, eve: Client
) -> None:
    stage = projects["Bridge"].stage_id
    form = {"name": "Dam", "status": "calm", "stage": stage, "owner": c.eve.pk}
    assert eve.post(f"{LIST}add/", form).status_code == 302
    dam = Project.objects.get(name="Dam")
    changed = {**form, "name": "Big dam", "record_version": dam.version}
    assert eve.post(f"{LIST}{dam.pk}/change/", changed).status_code == 302
    dam.refresh_from_db()
    assert (dam.name, dam.version) == ("Big dam", 2)
    assert list(
        AuditEvent.objects.filter(action__startswith="project.", object_id=str(dam.pk))
        .order_by("id")
        .values_list("action", flat=True)
    ) == ["project.create", "project.change"]


def test_palette_dashboard_side_bar_and_panel_of_the_other_record(
    projects: dict[str, Project], eve: Client
) -> None:
    assert "Bridge" in eve.get("/admin/search/", {"s": "bridge", "extended": "1"}).text
    home = eve.get("/admin/").text
    assert home.count(LIST) >= 2
    assert "Projects" in home
    company = projects["Bridge"].company
    assert company is not None
    page = eve.get(f"/admin/records/company/{company.pk}/change/").text
    assert "Projects" in page
    assert "Bridge" in page


def test_picker_offers_what_the_field_leads_to(projects: dict[str, Project], eve: Client) -> None:
    asked = {"app_label": "fifth", "model_name": "project", "field_name": "company", "term": "quok"}
    for address in ("/admin/autocomplete/", "/admin/autocomplete/choose/"):
        assert [row["text"] for row in eve.get(address, asked).json()["results"]] == ["Quokka"]


def test_export_has_every_column_and_associated_ones(
    projects: dict[str, Project], c: TinyCompany
) -> None:
    c.sets["everything"].tools.create(key="crm.export")
    export = completed(c.eve, model=Project, columns=["name", "pipeline", "stage", "company.name"])
    assert table_of(export)[1:] == [
        ["Bridge", "Delivery", "Plan", "Quokka"],
        ["Tunnel", "Delivery", "Done", ""],
    ]


def test_share_opens_it_and_ends(projects: dict[str, Project], c: TinyCompany) -> None:
    bridge = projects["Bridge"]
    assert not allows(c.fresh("rita"), "view", bridge)
    sharing.share(bridge, actor=c.eve, level="view", user=c.rita)
    assert allows(c.fresh("rita"), "view", bridge)
    assert not allows(c.fresh("rita"), "change", bridge)
    sharing.unshare(bridge, actor=c.eve, user=c.rita)
    assert not allows(c.fresh("rita"), "view", bridge)


def test_locked_stage_keeps_it_from_being_changed(
    projects: dict[str, Project], c: TinyCompany
) -> None:
    bridge = projects["Bridge"]
    operations.set_stage_rule(
        bridge.stage.pipeline,
        actor=c.sam,
        enabled=True,
        stages=[bridge.stage],
        editors="super_admins",
        users=[],
        teams=[],
    )
    with pytest.raises(NotAllowed, match="It is in the locked stage “Plan” of Delivery"):
        operations.change(
            bridge, actor=c.fresh("eve"), values={"name": "B"}, version=bridge.version
        )
    may = permitted(Project.objects.all(), c.fresh("eve"), "change")
    assert keyed(*may) == keyed(projects["Tunnel"])


def test_explain_and_who_can_answer_on_the_terminal(
    projects: dict[str, Project], c: TinyCompany
) -> None:
    key = str(projects["Bridge"].pk)

    def told(*arguments: str) -> Any:
        out = StringIO()
        call_command(*arguments, "--json", stdout=out)
        return json.loads(out.getvalue())

    assert told("explain_access", "eve@example.com", "change", "project", key)["allowed"] is True
    assert told("explain_access", "rita@example.com", "view", "project", key)["allowed"] is False
    people = [row["user"] for row in told("who_can", "view", "project", key)]
    assert sorted(people) == ["eve@example.com", *SUPER_ADMINS]


SUPER_ADMINS = ("sam@example.com", "sue@example.com")


def test_editor_of_permissions_has_its_row(
    projects: dict[str, Project], c: TinyCompany, client: Client
) -> None:
    client.force_login(User.objects.get(pk=c.sam.pk))
    chosen = PermissionSet.objects.get(name="Rep")
    page = client.get(f"/admin/accounts/permissionset/{chosen.pk}/change/").text
    assert "Projects" in page
    assert "Projects" in client.get(f"/admin/records/pipeline/{_pipeline().pk}/change/").text


def _pipeline() -> Pipeline:
    return Pipeline.objects.get(object="project")


def test_owner_history_and_recycle_bin(
    projects: dict[str, Project], c: TinyCompany, eve: Client
) -> None:
    bridge = projects["Bridge"]
    operations.change(
        bridge,
        actor=c.sam,
        values={"owner": c.rita},
        version=bridge.version,
    )
    page = eve.get(f"{LIST}{bridge.pk}/change/").text
    assert "Rita" in page
    operations.delete(bridge, actor=c.sam)
    assert names_in(eve, "") == {"Tunnel"}
    client = Client()
    client.force_login(User.objects.get(pk=c.sam.pk))
    assert "Bridge" in client.get(f"{LIST}bin/").text


def test_large_company_has_as_many_as_are_asked_for() -> None:
    told = StringIO()
    sizes = ("--projects", "40", "--contacts", "10", "--users", "4", "--teams", "2")
    call_command("seed_bulk", *sizes, stdout=told, stderr=StringIO())
    assert told.getvalue().strip() == "Made 2 companies, 10 contacts and 40 projects."
    made = Project.objects.all()
    assert made.exclude(company=None).exclude(stage=None).count() == 40
    assert {project.status for project in made} == {"calm", "late"}


def test_sets_to_begin_with_are_of_it_too() -> None:
    rep = starter.SETS[0]
    assert (str(rep.name), rep.scopes["project"]) == ("Sales rep", starter.WORKS_ON_OWN)
    assert starter.SERVICE_AGENT.scopes["project"] == starter.READS
