"""Two super admins with one page of settings open: the second undoes nothing of the first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.test import Client

from accounts import operations as accounts
from accounts.access import allows
from accounts.audit import System
from accounts.models import AuditEvent, Membership, Team, User
from accounts.operations import reactivate
from records import operations
from records.models import Deal, Pipeline, Property, PropertyGrant, Stage, StageRule
from records.models.properties import hidden_fields
from records.operations import Stale, restrict_property, set_stage_rule
from tests.support.company import TinyCompany
from tests.support.reviewed import confirmed

SYSTEM = System("test")


class Settings(NamedTuple):
    """One form: where it is, what it was open with, what somebody else does, what stays of it."""

    address: Callable[[TinyCompany], str]
    form: Callable[[TinyCompany], dict[str, Any]]
    meanwhile: Callable[[TinyCompany], object]
    stands: Callable[[TinyCompany], object]
    """What the other one laid down, as it is stored."""
    what: str


def product() -> Property:
    return Property.objects.get(object="deal", name="product")


def teams_of(user: User) -> list[int]:
    return sorted(Membership.objects.filter(user=user).values_list("team", flat=True))


def locked(c: TinyCompany) -> list[Stage]:
    return [c.stages["chosen"], c.stages["open"]]


def person(c: TinyCompany) -> dict[str, Any]:
    return {
        "first_name": "Rita",
        "last_name": "Typed",
        "email": "rita@example.com",
        "permission_set": c.sets["rep"].pk,
        "main_team": c.teams["north_a"].pk,
    }


def stages(c: TinyCompany) -> dict[str, Any]:
    rows = list(c.pipeline.stages.all())
    posted: dict[str, Any] = {
        "name": c.pipeline.name,
        "stages-TOTAL_FORMS": len(rows),
        "stages-INITIAL_FORMS": len(rows),
    }
    for number, stage in enumerate(rows):
        for name in ("id", "name", "position", "outcome"):
            posted[f"stages-{number}-{name}"] = getattr(stage, name)
    return posted


def rename(c: TinyCompany) -> None:
    stage = Stage.objects.get(pk=c.stages["open"].pk)
    stage.name = "Renamed meanwhile"
    operations.save_stages([stage], actor=c.sue)


FORMS = {
    "rule": Settings(
        lambda c: f"/admin/records/pipeline/{c.pipeline.pk}/rule/",
        lambda c: {"enabled": "on", "stages": [c.stages["chosen"].pk], "editors": "super_admins"},
        lambda c: set_stage_rule(c.pipeline, actor=c.sue, enabled=True, stages=locked(c)),
        lambda c: sorted(
            StageRule.objects.get(pipeline=c.pipeline).stages.values_list("pk", flat=True)
        ),
        "rule",
    ),
    "field": Settings(
        lambda c: f"/admin/records/property/{product().pk}/change/",
        lambda c: {"access": "everyone_view"},
        lambda c: restrict_property(
            actor=c.sue, object="deal", name="product", access="super_admins"
        ),
        lambda c: product().access,
        "field",
    ),
    "person's set": Settings(
        lambda c: f"/admin/accounts/user/{c.rita.pk}/change/",
        person,
        lambda c: accounts.assign_set(c.rita, actor=c.sue, permission_set=c.sets["auditor"]),
        lambda c: User.objects.get(pk=c.rita.pk).permission_set_id,
        "user",
    ),
    "person's teams": Settings(
        lambda c: f"/admin/accounts/user/{c.rita.pk}/change/",
        person,
        lambda c: accounts.set_teams(c.rita, actor=c.sue, main_team=None),
        lambda c: teams_of(c.rita),
        "user",
    ),
    "team": Settings(
        lambda c: f"/admin/accounts/team/{c.teams['north_a'].pk}/change/",
        lambda c: {"name": "Typed", "parent": c.teams["north"].pk},
        lambda c: accounts.change_team(
            c.teams["north_a"], actor=c.sue, name="North A", parent=None
        ),
        lambda c: Team.objects.get(pk=c.teams["north_a"].pk).parent_id,
        "team",
    ),
    "pipeline": Settings(
        lambda c: f"/admin/records/pipeline/{c.pipeline.pk}/change/",
        stages,
        rename,
        lambda c: Stage.objects.get(pk=c.stages["open"].pk).name,
        "pipeline",
    ),
}


def mark(text: str) -> str:
    found = re.search(r'name="as_opened" value="(\w{64})"', text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("form", FORMS)
def test_page_that_is_out_of_date_undoes_nothing(c: TinyCompany, client: Client, form: str) -> None:
    restrict_property(actor=c.sam, object="deal", name="product", sensitive=True)
    settings = FORMS[form]
    client.force_login(c.sam)
    address = settings.address(c)
    posted = settings.form(c) | {"as_opened": mark(client.get(address).text)}
    before = settings.stands(c)
    settings.meanwhile(c)
    laid_down, logged = settings.stands(c), AuditEvent.objects.count()
    assert laid_down != before
    for sent in (posted, posted, {**posted, "as_opened": ""}):  # to send it again is not to read it
        late = client.post(address, sent)
        assert late.status_code == 200
        assert f"Somebody changed this {settings.what} while you had it open" in late.text
        assert (settings.stands(c), AuditEvent.objects.count()) == (laid_down, logged)
        if "Typed" in sent.values():
            assert 'value="Typed"' in late.text
    # Whoever has read it may well decide otherwise.
    again = {**posted, "as_opened": mark(client.get(address).text)}
    assert confirmed(client, address, again).status_code == 302
    assert settings.stands(c) != laid_down


def test_late_page_keeps_the_ticks(c: TinyCompany, client: Client) -> None:
    settings = FORMS["rule"]
    client.force_login(c.sam)
    address = settings.address(c)
    posted = settings.form(c) | {"as_opened": mark(client.get(address).text)}
    posted["teams"] = [c.teams["south"].pk]
    settings.meanwhile(c)
    text = client.post(address, posted).text
    assert re.search(rf'name="teams-box" value="{c.teams["south"].pk}" checked', text)
    assert not re.search(rf'name="stages" value="{c.stages["open"].pk}"[^>]* checked', text)


def test_field_about_which_somebody_else_spoke_first_is_not_spoken_of_anew(c: TinyCompany) -> None:
    field: dict[str, Any] = {"object": "deal", "name": "product"}
    restrict_property(actor=c.sue, **field, access="super_admins")
    with pytest.raises(Stale):
        restrict_property(actor=c.sam, **field, as_opened=operations.NOTHING_SAID)
    assert product().access == "super_admins"
    other: dict[str, Any] = {"object": "deal", "name": "source"}
    restrict_property(actor=c.sam, **other, as_opened=operations.NOTHING_SAID)
    assert Property.objects.filter(**other).exists()


def test_pipeline_that_is_gone_is_told(c: TinyCompany) -> None:
    pipeline = operations.create_pipeline(actor=c.sam, object="deal", name="Gone")
    Pipeline.objects.filter(pk=pipeline.pk).delete()
    for late in (
        lambda: set_stage_rule(pipeline, actor=SYSTEM, enabled=False),
        lambda: operations.change_pipeline(pipeline, actor=SYSTEM, name="New"),
        lambda: operations.save_stages([Stage(pipeline=pipeline, name="New")], actor=SYSTEM),
    ):
        with pytest.raises(operations.NotFound, match="does not exist any more"):
            late()


# --- Deactivated people stay where they were named ------------------------------------------------


def boxes(text: str, name: str) -> dict[int, str]:
    """Return who is picked in a field, as its boxes without a script say it: key → label."""
    found = re.findall(
        rf'<input type="checkbox" name="{name}-box" value="(\d+)" checked>\s*([^<]+)', text
    )
    return {int(key): label.strip() for key, label in found}


def offered(text: str, name: str) -> set[int]:
    return set(map(int, re.findall(rf'name="{name}-box" value="(\d+)"', text)))


def test_rule_keeps_a_deactivated_person(c: TinyCompany, client: Client) -> None:
    set_stage_rule(
        c.pipeline,
        actor=c.sam,
        enabled=True,
        stages=[c.stages["open"]],
        editors="chosen",
        users=[c.nora, c.rita],
    )
    accounts.deactivate(c.rita, actor=c.sam)
    client.force_login(c.sam)
    address = f"/admin/records/pipeline/{c.pipeline.pk}/rule/"
    text = client.get(address).text
    assert boxes(text, "users") == {c.nora.pk: "Nora", c.rita.pk: "Rita (deactivated)"}
    assert c.fred.pk not in offered(text, "users")  # nobody is added who cannot work
    posted = {
        "enabled": "on",
        "stages": [c.stages["open"].pk, c.stages["chosen"].pk],
        "editors": "chosen",
        "as_opened": mark(text),
    }
    refused = client.post(address, {**posted, "users": [*boxes(text, "users"), c.fred.pk]})
    assert refused.status_code == 200
    assert client.post(address, {**posted, "users": list(boxes(text, "users"))}).status_code == 302
    reactivate(c.rita, actor=c.sam)
    assert allows(c.fresh("rita"), "change", c.deals["ritas"])
    # Taken out on purpose, they are gone.
    accounts.deactivate(c.rita, actor=c.sam)
    late = {**posted, "users": [c.nora.pk], "as_opened": mark(client.get(address).text)}
    assert client.post(address, late).status_code == 302
    assert c.rita.pk not in offered(client.get(address).text, "users")


@pytest.mark.parametrize("level", ["viewer", "editor"])
def test_field_keeps_a_deactivated_person(c: TinyCompany, client: Client, level: str) -> None:
    chosen: dict[str, Any] = {"viewers": [c.nora], "editors": [c.mona]}
    chosen[f"{level}s"] = [*chosen[f"{level}s"], c.rita]
    field: dict[str, Any] = {"object": "deal", "name": "product"}
    restrict_property(actor=c.sam, **field, access="chosen", **chosen)
    accounts.deactivate(c.rita, actor=c.sam)
    client.force_login(c.sam)
    address = f"/admin/records/property/{product().pk}/change/"
    text = client.get(address).text
    assert boxes(text, f"{level}_people")[c.rita.pk] == "Rita (deactivated)"
    assert c.fred.pk not in offered(text, f"{level}_people")
    posted = {
        "access": "chosen",
        "sensitive": "on",
        "as_opened": mark(text),
        "viewer_people": list(boxes(text, "viewer_people")),
        "editor_people": list(boxes(text, "editor_people")),
    }
    assert client.post(address, posted).status_code == 302
    assert (
        PropertyGrant.objects.get(user=c.rita).level == {"viewer": "view", "editor": "edit"}[level]
    )
    reactivate(c.rita, actor=c.sam)
    assert "product" not in hidden_fields(c.fresh("rita"), Deal)
