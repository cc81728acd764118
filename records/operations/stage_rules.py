"""Laying down who may edit records in some stages of a pipeline (R105, R110)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext

from accounts import audit
from accounts.audit import Actor, operation
from accounts.models import Team, User
from accounts.operations import mark, require
from records.models import Pipeline, Stage, StageRule
from records.operations.checking import RULE_CHANGED, require_as_opened
from records.operations.kept import keep_rule
from records.refusals import Invalid, NotFound


def rule_as_it_stands(pipeline: Pipeline) -> str:
    """Return a mark of who may edit in which stages of a pipeline."""
    rule = StageRule.objects.filter(pipeline=pipeline).first()
    return mark(rule and _rule_data(rule))


def locked_pipeline(pipeline: Pipeline) -> Pipeline:
    """Return the stored pipeline; two who change it, its stages or its rule wait for each other."""
    stored = Pipeline.objects.select_for_update(no_key=True).filter(pk=pipeline.pk).first()
    if stored is None:
        raise NotFound(
            gettext("This pipeline does not exist any more. Open the list of pipelines again.")
        )
    return stored


@operation("pipeline.set_rule")
def set_stage_rule(
    pipeline: Pipeline,
    *,
    actor: Actor,
    enabled: bool,
    stages: Iterable[Stage] = (),
    editors: str = StageRule.Editors.SUPER_ADMINS,
    users: Iterable[User] = (),
    teams: Iterable[Team] = (),
    as_opened: str | None = None,
) -> StageRule:
    """Lay down who may edit records in some stages of a pipeline; holds at once (R105, R110).

    `as_opened` is what `rule_as_it_stands` said when it was read: a form that is out of date
    changes nothing.
    """
    require(actor, "change", pipeline)
    locked_pipeline(pipeline)
    require_as_opened(as_opened, rule_as_it_stands(pipeline), RULE_CHANGED)
    stages, users, teams = list(stages), list(users), list(teams)
    if foreign := [stage for stage in stages if stage.pipeline_id != pipeline.pk]:
        said = gettext("“%(stage)s” is a stage of another pipeline.")
        raise Invalid(said % {"stage": foreign[0].name})
    stored = StageRule.objects.filter(pipeline=pipeline).first()
    before = _rule_data(stored) if stored else NO_RULE
    after = {
        "enabled": enabled,
        "editors": str(editors),
        "stages": sorted({stage.pk for stage in stages}),
        "users": sorted({user.pk for user in users}),
        "teams": sorted({team.pk for team in teams}),
    }
    if before == after:
        # No empty rule is laid down either: an open form would be out of date by it.
        return stored or StageRule(pipeline=pipeline)
    rule = stored or StageRule.objects.create(pipeline=pipeline)
    StageRule.objects.filter(pk=rule.pk).update(enabled=enabled, editors=editors)
    rule.stages.set(stages)
    rule.users.set(users)
    rule.teams.set(teams)
    rule.refresh_from_db()
    keep_rule(pipeline, before, after, actor)
    audit.record("pipeline.set_rule", actor=actor, on=pipeline, data={"from": before, "to": after})
    return rule


NO_RULE = {
    "enabled": False,
    "editors": StageRule.Editors.SUPER_ADMINS.value,
    "stages": [],
    "users": [],
    "teams": [],
}
"""What holds where no rule was laid down."""


def rule_data(pipeline: Pipeline) -> dict[str, Any]:
    """Return all that the stored rule of a pipeline says."""
    rule = StageRule.objects.filter(pipeline=pipeline).first()
    return _rule_data(rule) if rule else NO_RULE


def _rule_data(rule: StageRule) -> dict[str, Any]:
    return {
        "enabled": rule.enabled,
        "editors": rule.editors,
        "stages": sorted(rule.stages.values_list("pk", flat=True)),
        "users": sorted(rule.users.values_list("pk", flat=True)),
        "teams": sorted(rule.teams.values_list("pk", flat=True)),
    }
