"""The section of stage rules: by kind of record and pipeline, who may edit in which stages (R106).

Pipelines and their stages are not part of a policy: a file names those that there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from accounts.models import User
from accounts.policy_file import (
    Difference,
    File,
    Plain,
    Section,
    Step,
    Verb,
    Written,
    difference,
    people_of,
    teams_of,
)
from records import operations
from records.models import Pipeline, Stage, StageRule
from records.operations import RecordError

Key = tuple[str, str]
"""A pipeline: its kind of record and its name."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is said of one pipeline; as it stands here nothing is."""

    enabled: bool = False
    stages: tuple[str, ...] = ()
    editors: str = StageRule.Editors.SUPER_ADMINS.value
    teams: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


KEYS = tuple(field.name for field in fields(_Rule))
NO_RULE = _Rule()
LABELS = {"enabled": "Control editing access", "editors": "Who may edit"}


def _show() -> dict[str, Plain]:
    found: dict[str, dict[str, Plain]] = {}
    for (kind, name), rule in _stored().items():
        if rule != NO_RULE:
            found.setdefault(kind, {})[name] = _written(rule)
    return dict(found)


def _written(rule: _Rule) -> Plain:
    """Return a rule; names that there are none of are left out."""
    lists = {name: list(getattr(rule, name)) for name in ("stages", "teams", "people")}
    return {
        "enabled": rule.enabled,
        "editors": rule.editors,
        **{name: texts for name, texts in lists.items() if texts},
    }


def _stored() -> dict[Key, _Rule]:
    """Return what is said of every pipeline, in a stable order."""
    rows = Pipeline.objects.select_related("rule")
    rows = rows.prefetch_related("rule__stages", "rule__teams", "rule__users")
    found = {(row.object, row.name): _rule_of(row) for row in rows}
    return dict(sorted(found.items()))


def _rule_of(pipeline: Pipeline) -> _Rule:
    rule: StageRule | None = getattr(pipeline, "rule", None)
    if rule is None:
        return NO_RULE
    stages = sorted(rule.stages.all(), key=lambda stage: (stage.position, stage.pk))
    return _Rule(
        rule.enabled,
        tuple(stage.name for stage in stages),
        rule.editors,
        tuple(sorted(team.name for team in rule.teams.all())),
        tuple(sorted(user.email for user in rule.users.all())),
    )


def _plan(wanted: Written, file: File) -> list[Step]:
    stored, stages = _stored(), _stages()
    kinds = sorted({kind for kind, _ in stored})
    asked = {}
    for kind, of_kind in wanted.mapping(kinds, "kind of record with pipelines").items():
        names = [name for other, name in stored if other == kind]
        for name, given in of_kind.mapping(names, "pipeline").items():
            asked[kind, name] = _read(stages.get((kind, name), []), given, file)
    return [
        step for key, rule in stored.items() for step in _steps(key, rule, asked.get(key, NO_RULE))
    ]


def _read(stages: list[str], given: Written, file: File) -> _Rule:
    values = given.mapping(KEYS)
    enabled, editors = values.get("enabled"), values.get("editors")
    return _Rule(
        enabled.flag() if enabled else NO_RULE.enabled,
        _stages_read(stages, values.get("stages")),
        editors.one_of(StageRule.Editors.values, "choice") if editors else NO_RULE.editors,
        file.teams(values.get("teams")),
        file.people(values.get("people")),
    )


def _stages() -> dict[Key, list[str]]:
    """Return the stages of each pipeline in their order."""
    found: dict[Key, list[str]] = {}
    rows = Stage.objects.order_by("position", "pk")
    for kind, pipeline, name in rows.values_list("pipeline__object", "pipeline__name", "name"):
        found.setdefault((kind, pipeline), []).append(name)
    return found


def _stages_read(known: list[str], given: Written | None) -> tuple[str, ...]:
    """Return the stages that are named, in the order of the pipeline."""
    if given is None:
        return ()
    named = {each.one_of(known, "stage of this pipeline") for each in given.texts()}
    return tuple(name for name in known if name in named)


def _steps(key: Key, before: _Rule, after: _Rule) -> Iterator[Step]:
    if before == after:
        return
    kind, name = key

    def take(actor: User) -> None:
        pipeline = Pipeline.objects.get(object=kind, name=name)
        operations.set_stage_rule(
            pipeline,
            actor=actor,
            enabled=after.enabled,
            stages=pipeline.stages.filter(name__in=after.stages),
            editors=after.editors,
            users=people_of(after.people),
            teams=teams_of(after.teams),
        )

    what = f"Stage rule of the {kind} pipeline “{name}”"
    if after == NO_RULE:
        yield Step(Verb.DELETE, what, take)
    else:
        verb = Verb.CREATE if before == NO_RULE else Verb.CHANGE
        yield Step(verb, what, take, tuple(_differences(before, after)))


def _differences(before: _Rule, after: _Rule) -> Iterator[Difference]:
    for name in KEYS:
        was, becomes = (_in_words(name, getattr(rule, name)) for rule in (before, after))
        if was != becomes:
            yield difference(name, LABELS.get(name, name.capitalize()), was, becomes)


def _in_words(name: str, value: Any) -> Any:
    return StageRule.Editors(value).label if name == "editors" else value


STAGE_RULES = Section("stage_rules", _show, _plan, (RecordError,))
