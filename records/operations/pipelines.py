"""Changing a pipeline and its stages: one function, one transaction and one event each."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext

from accounts import audit
from accounts.audit import Actor, operation
from accounts.operations import mark, require
from accounts.text import one_form
from records.models import Pipeline, Stage
from records.operations import exceptions
from records.operations.checking import PIPELINE_CHANGED, check_line, require_as_opened
from records.operations.kept import keep_rule
from records.operations.stage_rules import NO_RULE, locked_pipeline, rule_data
from records.refusals import Invalid, NotFound


@operation("pipeline.create")
def create_pipeline(*, actor: Actor, object: str, name: str) -> Pipeline:
    """Add an empty pipeline."""
    require(actor, "add", Pipeline)
    name = one_form(name)
    pipeline = Pipeline(object=object, name=name)
    _check_pipeline_name(pipeline)
    pipeline.save(force_insert=True)
    audit.record("pipeline.create", actor=actor, on=pipeline, data={"object": object})
    return pipeline


def pipeline_as_it_stands(pipeline: Pipeline) -> str:
    """Return a mark of a pipeline's name and stages; its columns as this instance has them."""
    return mark([pipeline.name, list(pipeline.stages.order_by("pk").values())])


@operation("pipeline.change")
def change_pipeline(
    pipeline: Pipeline, *, actor: Actor, name: str, as_opened: str | None = None
) -> None:
    """Rename a pipeline; its object never changes, since records stand in its stages.

    `as_opened` is what `pipeline_as_it_stands` said when it was read: a form that is out of date
    changes nothing. It holds for the stages too, if they follow in one transaction.
    """
    require(actor, "change", pipeline)
    name = one_form(name)
    stored = locked_pipeline(pipeline)
    require_as_opened(as_opened, pipeline_as_it_stands(stored), PIPELINE_CHANGED)
    _check_pipeline_name(Pipeline(pk=pipeline.pk, object=pipeline.object, name=name))
    if Pipeline.objects.filter(pk=pipeline.pk).exclude(name=name).update(name=name):
        audit.record("pipeline.change", actor=actor, on=pipeline, data={"fields": ["name"]})


def _check_pipeline_name(pipeline: Pipeline) -> None:
    check_line(gettext("Name"), pipeline.name)
    others = Pipeline.objects.exclude(pk=pipeline.pk)
    if others.filter(object=pipeline.object, name=pipeline.name).exists():
        said = gettext("There is a pipeline “%(name)s” already. Choose another name.")
        raise Invalid(said % {"name": pipeline.name})


@operation("pipeline.delete")
def delete_pipeline(pipeline: Pipeline, *, actor: Actor) -> None:
    """Remove a pipeline whose stages hold no record."""
    require(actor, "delete", pipeline)
    for stage in pipeline.stages.all():
        delete_stage(stage, actor=actor)
    audit.record("pipeline.delete", actor=actor, on=pipeline, data={"name": pipeline.name})
    keep_rule(pipeline, rule_data(pipeline), NO_RULE, actor)
    pipeline.delete()


@operation("pipeline.change")
def save_stages(stages: Iterable[Stage], *, actor: Actor) -> None:
    """Add stages to their pipeline, or write their names, positions and outcomes.

    All at once, so that two of them may swap their names. A stage that stays as it is, is not
    written. Raises `Invalid` where two stages of one pipeline would have the same name, or where
    one would go to another pipeline: the rule there would go on to bind it, and nobody would read
    why.
    """
    given = list(stages)
    for stage in given:
        require(actor, "change" if stage.pk else "add", stage if stage.pk else Stage)
        check_line(gettext("Name of a stage"), stage.name)
        locked_pipeline(stage.pipeline)
        _check_stays(stage)
    # Compared after the lock.
    stages = [stage for stage in given if not (stage.pk and _is_stored(stage))]
    # A name that is about to be somebody else's is given up first: both databases look at each row
    # by itself, and SQLite knows no constraint that waits for the end.
    for stage in stages:
        if stage.pk:
            Stage.objects.filter(pk=stage.pk).exclude(name=stage.name).update(name=f"\n{stage.pk}")
    for stage in stages:
        action = "stage.change" if stage.pk else "stage.create"
        try:
            with transaction.atomic():
                stage.save()
        except IntegrityError:
            said = gettext(
                "Two stages of this pipeline would be called “%(name)s”. Give one of them another "
                "name."
            )
            raise Invalid(said % {"name": stage.name}) from None
        audit.record(action, actor=actor, on=stage, data={"pipeline": stage.pipeline_id})


def _is_stored(stage: Stage) -> bool:
    """Tell whether a stage is stored just as it is given."""
    return Stage.objects.filter(
        pk=stage.pk, name=stage.name, position=stage.position, outcome=stage.outcome
    ).exists()


def _check_stays(stage: Stage) -> None:
    """Raise where a stage that is there already is gone, or would leave its pipeline."""
    if not stage.pk:
        return
    stored = Stage.objects.filter(pk=stage.pk).first()
    if stored is None:
        raise NotFound(gettext("This stage does not exist any more. Open its pipeline again."))
    if stored.pipeline_id != stage.pipeline_id:
        said = gettext(
            "The stage “%(stage)s” stays in its pipeline %(pipeline)s. Add a stage to %(other)s "
            "instead, and move the records there."
        )
        parts = {"stage": stored.name, "pipeline": stored.pipeline, "other": stage.pipeline}
        raise Invalid(said % parts)


@operation("stage.delete")
def delete_stage(stage: Stage, *, actor: Actor) -> None:
    """Remove a stage in which no record stands; exceptions made for it end, each with its event."""
    require(actor, "delete", stage)
    locked_pipeline(stage.pipeline)
    # Its row too: an exception that names it is made before this or not at all.
    Stage.objects.select_for_update().filter(pk=stage.pk).first()
    exceptions.end_with_stage(stage, actor)
    audit.record("stage.delete", actor=actor, on=stage, data={"pipeline": stage.pipeline_id})
    before = rule_data(stage.pipeline)
    try:
        stage.delete()
    except models.ProtectedError:
        said = gettext(
            "Records still stand in the stage “%(stage)s”, perhaps in the recycle bin. Move them "
            "to another stage first."
        )
        raise Invalid(said % {"stage": stage.name}) from None
    keep_rule(stage.pipeline, before, rule_data(stage.pipeline), actor)
