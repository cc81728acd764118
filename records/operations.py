"""Every change to a record, a pipeline or a property: one function, one transaction, one event.

Access is asked inside the UPDATE itself, of the stored row, and asked again of the result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from accounts import access, audit, errors
from accounts.audit import Actor, System, operation
from accounts.models import Rank, SentForm, Team, User
from accounts.operations import mark, require
from accounts.sent_forms import made_by, remember
from accounts.text import one_form, trouble
from records import kinds
from records.flags import flags_changed
from records.kept import keep_reach, keep_rule
from records.models import Pipeline, Property, PropertyGrant, Record, Stage, StageRule
from records.models.properties import field_access
from records.rules import SHARED

R = TypeVar("R", bound=Record)


class RecordError(errors.Refusal):
    """A change to a record that was refused; the message says what to do."""


class NotAllowed(RecordError, errors.NotAllowed):
    """The actor sees the record and may not do this to it; the message gives the reasons."""


class NotFound(RecordError, errors.NotFound):
    """No such record in the actor's reach: absent and hidden are the same."""


class Stale(RecordError, errors.Stale):
    """Somebody else saved the record, or the settings, since they were read."""


class Invalid(RecordError):
    """A value that cannot be saved."""


class InvalidChoice(Invalid):
    """A related record that is not offered; absent, hidden and impossible ones read alike."""

    def __init__(self, field: models.Field[Any, Any]) -> None:
        super().__init__(f"{field.verbose_name}: choose one from the list.")
        self.field = field.name


class HandOver(RecordError):
    """The change takes the record from its actor: confirm it (Q30, Q39).

    They give it away, or move it into a stage in which they cannot edit it any more.
    """


OWNERS_STAY = (
    "You may edit this record only because it is shared with you, and a share does not change "
    "owners. Ask one of its owners to do it."
)

SAVED_MEANWHILE = (
    "Somebody else saved this record since you opened it. Open it again, and repeat your change if "
    "it is still wanted."
)

# --- Records --------------------------------------------------------------------------------------


def create(
    record: R, *, actor: Actor, confirm_hand_over: bool = False, token: UUID | None = None
) -> R:
    """Save a new record; in a locked stage too, once that is confirmed (Q40).

    Raises `NotAllowed`, `Invalid`, or `HandOver` where the creator would not see the record, or
    would be kept from editing it by its stage, and has not confirmed it. A `token` asks for one
    record however often it is sent: whoever comes second gets the record of the first.
    """
    try:
        return _create(record, actor=actor, confirm_hand_over=confirm_hand_over, token=token)
    except IntegrityError:
        # Both came at the same moment; the database let one through.
        if not isinstance(actor, User) or (sent := made_by(token, actor)) is None:
            raise
        return _the_same(sent, record)


@operation("{object}.create")
def _create(record: R, *, actor: Actor, confirm_hand_over: bool, token: UUID | None) -> R:
    model = type(record)
    for field in _editable(model):
        setattr(record, field.attname, one_form(_raw(record, field.name)))
    if isinstance(actor, User) and not access.allows_any(actor, "add", model):
        raise NotAllowed(f"You may not create {kinds.of(model).nouns}.", "no_scope")
    if isinstance(actor, User) and (sent := made_by(token, actor)):
        return _the_same(sent, record)
    now = timezone.now()
    person = actor if isinstance(actor, User) else None
    record.created_at = record.updated_at = now
    record.created_by = record.updated_by = person
    _check_unset(record, actor)
    _check_relations(record, [field.name for field in _editable(model)], actor)
    _check_fields(record, [field.name for field in _editable(model)])
    _check_owners(record, record.owner_fields)
    record.save(force_insert=True)
    if person is not None and not confirm_hand_over:
        _check_sight(record, person)
    if person is not None:
        remember(token, person, record)
    audit.record(f"{record.object_key}.create", actor=actor, on=record, data=_owners(record))
    return record


def _the_same(sent: SentForm, record: R) -> R:
    """Return what the form made before; raise where it was filled in anew since."""
    model = type(record)
    rows: QuerySet[R] = model._base_manager.filter(pk=sent.object_id)
    made = rows.first() if sent.object == model._meta.model_name else None
    if made is None or any(
        _raw(made, field.name) != _raw(record, field.name) for field in _editable(model)
    ):
        raise Invalid(
            "This form was saved already. Open the list to see what it made; to make another one, "
            "start with an empty form."
        )
    return made


@operation("{object}.change")
def change(
    record: R,
    *,
    actor: Actor,
    values: Mapping[str, Any],
    version: int,
    confirm_hand_over: bool = False,
    reason: str = "",
) -> R:
    """Write these fields of the stored record, if it still has this version; return it afresh.

    Raises `NotFound`, `NotAllowed` with the reasons, `Stale`, `Invalid`, or `HandOver` where the
    actor could not edit the record any more and has not confirmed it. Edit that comes only from a
    share never changes an owner (L52). A system actor passes a locked stage and says why (`reason`,
    R109 a).
    """
    model = type(record)
    fields = field_access(actor, model)
    editable = {field.name for field in _editable(model)} - fields.closed
    if unknown := set(values) - editable:
        raise Invalid(cannot_be_changed(unknown))
    before = find_stored(record, actor)
    after = model._base_manager.get(pk=before.pk)
    for name, value in values.items():
        setattr(after, name, one_form(value))
    # What stays dots for the actor is always written: that nothing was would tell them the value.
    changed = sorted(n for n in values if n in fields.veiled or _raw(after, n) != _raw(before, n))
    if not changed and (isinstance(actor, System) or access.allows(actor, "change", before)):
        return before  # nothing to write or to log, whatever version was read: a second click
    _check_relations(after, changed, actor)
    _check_fields(after, changed)
    owners = [name for name in changed if name in model.owner_fields]
    _check_owners(after, owners)
    written = {name: getattr(after, name) for name in changed}
    write_stored(before, actor, "change", version, written, without=(SHARED,) if owners else ())
    if "parent" in changed and above_themselves(model, [before.pk]):
        _refuse_circle(before, after, actor)
    _check_reach(after, actor, confirm_hand_over)
    data: dict[str, Any] = {"fields": changed}
    for name in (*model.owner_fields, "stage"):
        if name in changed:
            data[name] = {"from": _raw(before, name), "to": _raw(after, name)}
    if isinstance(actor, System):
        data["reason"] = reason or actor.name
    audit.record(f"{record.object_key}.change", actor=actor, on=record, data=data)
    return model._base_manager.get(pk=record.pk)


@operation("{object}.delete")
def delete(record: Record, *, actor: Actor, version: int | None = None, reason: str = "") -> None:
    """Put a record into the recycle bin: absent for everybody from now on.

    A system actor passes a locked stage and says why (`reason`, R109 a).
    """
    before = find_stored(record, actor)
    values = {
        "deleted_at": timezone.now(),
        "deleted_by": actor if isinstance(actor, User) else None,
    }
    write_stored(before, actor, "delete", before.version if version is None else version, values)
    data = _owners(before)
    if isinstance(actor, System):
        data["reason"] = reason or actor.name
    audit.record(f"{record.object_key}.delete", actor=actor, on=record, data=data)


def refusal(user: User, action: str, record: Record) -> list[str]:
    """Return why this person may not do this to a record they see, as sentences for them.

    Names what they may know anyway: the record's owners, its stage and who may act there.
    """
    return sentences_of(access.explain(user, action, record), user, action, record)


def not_allowed(actor: User, action: str, record: Record) -> NotAllowed:
    """Return the refusal of this to somebody who sees the record, with the code for the log."""
    told = access.explain(actor, action, record)
    code = told.decisive[0].code if told.decisive else "out_of_reach"
    return NotAllowed(" ".join(sentences_of(told, actor, action, record)), code)


def sentences_of(
    explanation: access.Explanation, user: User, action: str, record: Record, other: str = ""
) -> list[str]:
    """Return what an explanation that refuses says, to the person or about this other one.

    Where no rule grants, how far their scope reaches is said beside what takes away.
    """
    sentences = []
    granted = any(finding.holds and finding.allows for finding in explanation.findings)
    for finding in explanation.decisive:
        if finding.code == "stage":
            sentences.append(stage_sentence(record))
        elif finding.code == "no_scope":
            granted = True  # a scope of None is all there is to say of its reach
            sentences.append(_no_scope_sentence(user, action, type(record), other))
        elif finding.code != "unseen":
            sentences.append(f"Refused: {finding.because}.")
    if not granted or not sentences:
        sentences.append(_reach_sentence(user, action, record, other))
    return list(dict.fromkeys(sentences))


def _no_scope_sentence(user: User, action: str, model: type[Record], other: str) -> str:
    plural = kinds.of(model).nouns
    if user.permission_set_id is None:
        return f"No permission set lets {other or 'you'} {_VERBS[action]} {plural}."
    whose, them = (f"{other}’s", "them") if other else ("Your", "you")
    return f"{whose} permission set does not let {them} {_VERBS[action]} {plural}."


def _reach_sentence(user: User, action: str, record: Record, other: str) -> str:
    """Return how far the scope reaches, where none grants."""
    asked = access.SCOPE_OF.get(action, action)
    scope = user.grants.scopes.get(record.object_key)
    reach = _REACHES.get(getattr(scope, asked, Rank.NONE), "of certain owners")
    if getattr(scope, f"{asked}_unassigned", False):
        reach += ", and unassigned ones"
    whose, they, their = (f"{other}’s", "they", "their") if other else ("Your", "you", "your")
    plural = kinds.of(type(record)).nouns
    return (
        f"{whose} permission set lets {'them' if other else 'you'} {_VERBS[action]} only {plural} "
        f"{reach.format(they=they, their=their)}."
    )


_REACHES = {
    Rank.OWNED: "that {they} own",
    Rank.TEAM: "that {they} own, or somebody in {their} teams or in teams below",
}
_VERBS = {
    "view": "see",
    "add": "create",
    "change": "change",
    "delete": "delete",
    "merge": "merge",
    "communicate": "log activities on",
    access.EXPORT: "export",
    "associate": "change",
    "restore": "restore",
}


_SEEN_BECAUSE = {
    "superuser": "you are a super admin",
    "owned": "you are an owner",
    "team": "an owner is in one of your teams, or in a team below",
    "unassigned": "nobody owns it, and you may see unassigned records",
    "shared": "it is shared with you",
    "everything": "you may see every record of this kind",
}


def seen_because(explanation: access.Explanation) -> str:
    """Return the plainest reason for which the reader sees a record."""
    codes = {finding.code for finding in explanation.decisive}
    return next((text for code, text in _SEEN_BECAUSE.items() if code in codes), "it is in reach")


def owner_sentence(record: Record, user: User | None = None) -> str:
    """Return who owns a record, in words; “you” where it is the reader."""
    owners = [getattr(record, name) for name in record.owner_fields]
    names = list(dict.fromkeys("you" if o == user else str(o) for o in owners if o is not None))
    return (
        f"It is owned by {' and '.join(names)}." if names else "Nobody owns it: it is unassigned."
    )


def stage_sentence(record: Record) -> str:
    """Return that a record's stage is locked, naming it and who may edit there (R106)."""
    stage, who = _stage_and_editors(record)
    return f"It stands in the locked stage {stage}: there, {who} may edit it or move it on."


def _stage_and_editors(record: Record) -> tuple[str, str]:
    """Return a locked stage with its pipeline, and who may edit there, in words."""
    stage: Stage = record.stage  # type: ignore[attr-defined]  # only records with a stage have a stage finding
    teams, users = chosen_editors(record)
    who = ["super admins", *map(str, teams), *(str(user) for user in users if user.is_active)]
    names = f"{', '.join(who[:-1])} and {who[-1]}" if len(who) > 1 else f"only {who[0]}"
    return f"“{stage.name}” of {stage.pipeline.name}", names


def chosen_editors(record: Record) -> tuple[list[Team], list[User]]:
    """Return the teams and people that the rule of a record's pipeline lets edit, if it chooses."""
    stage: Stage = record.stage  # type: ignore[attr-defined]  # asked of records with a stage
    # Kept on the record, for the panel that says the same of editing and deleting.
    models.prefetch_related_objects([stage], "pipeline__rule__teams", "pipeline__rule__users")
    rule: StageRule | None = getattr(stage.pipeline, "rule", None)
    if rule is None or rule.editors != StageRule.Editors.CHOSEN:
        return [], []
    return list(rule.teams.all()), list(rule.users.all())


def _editable(model: type[Record]) -> list[models.Field[Any, Any]]:
    kept = {"id", *model.internal, *model.stamps}
    return [field for field in model._meta.concrete_fields if field.name not in kept]


def cannot_be_changed(names: Iterable[str]) -> str:
    """Return one sentence for fields that do not exist, are hidden, or are only read."""
    return f"These fields cannot be changed: {', '.join(sorted(names))}."


def _check_unset(record: Record, actor: Actor) -> None:
    """A field that the creator may not write starts with its default value (E26).

    They may own what they make, even where owners are not theirs to choose (E7).
    """
    given = set()
    for name in field_access(actor, type(record)).closed:
        field: models.Field[Any, Any] = record._meta.get_field(name)  # type: ignore[assignment]  # concrete fields only
        value = _raw(record, name)
        own = isinstance(actor, User) and name in record.owner_fields and value == actor.pk
        if value != field.get_default() and not own:
            given.add(name)
    if given:
        raise Invalid(cannot_be_changed(given))


def _raw(record: Record, name: str) -> Any:
    return getattr(record, record._meta.get_field(name).attname)  # type: ignore[union-attr]  # concrete fields only


def _owners(record: Record) -> dict[str, Any]:
    return {name: _raw(record, name) for name in record.owner_fields}


def find_stored(record: R, actor: Actor) -> R:
    """Return the stored row, for whom it exists."""
    rows: QuerySet[R] = type(record)._base_manager.filter(pk=record.pk, deleted_at=None)
    if isinstance(actor, User):
        rows = access.permitted(rows, actor, "view")
    stored = rows.first()
    if stored is None:
        raise NotFound("There is no such record in your reach. It may have been moved or deleted.")
    return stored


def write_stored(
    before: Record,
    actor: Actor,
    action: str,
    version: int,
    values: Mapping[str, Any],
    without: Collection[str] = (),
) -> None:
    """Update the stored row if the actor may and it still has this version.

    `without`: codes of granting rules that are not enough for this, as in `access.rules_for`.
    """
    rows = type(before)._base_manager.filter(pk=before.pk, deleted_at=None)
    if isinstance(actor, User):
        rows = access.permitted(rows, actor, action, without=without)
    if rows.filter(version=version).update(
        **values,
        version=F("version") + 1,
        updated_at=timezone.now(),
        updated_by=actor if isinstance(actor, User) else None,
    ):
        keep_reach(before, values, actor)
        return
    if isinstance(actor, User) and not access.allows(actor, action, before):
        raise not_allowed(actor, action, before)
    if isinstance(actor, User) and not access.allows(actor, action, before, without=without):
        raise NotAllowed(OWNERS_STAY, "shared")
    raise Stale(SAVED_MEANWHILE)


def _check_sight(record: Record, creator: User) -> None:
    """Ask of a new record: its creator sees it, and its stage does not keep them from editing it.

    Whoever may edit no such record, whatever its stage, is not asked.
    """
    if not access.allows(creator, "view", record):
        raise HandOver(
            "With these owners you will not see this record afterwards. Confirm that you hand it "
            "over, or choose an owner in your reach."
        )
    explanation = access.explain(creator, "change", record)
    if {finding.code for finding in explanation.decisive} == {"stage"}:
        raise HandOver(_locked_sentence(record))


def _check_reach(record: Record, actor: Actor, confirmed: bool) -> None:
    """Ask again of the result: it can be edited still, or the actor knows that they cannot."""
    if not isinstance(actor, User) or confirmed:
        return
    explanation = access.explain(actor, "change", record)
    if explanation.allowed:
        return
    denying = {f.code for f in explanation.findings if f.holds and not f.allows}
    granting = any(f.holds and f.allows for f in explanation.findings)
    sentences = []
    if not granting or denying != {"stage"}:
        sentences.append(
            "With these owners you will not be able to edit this record afterwards, and may not "
            "see it any more. Confirm that you hand it over, or choose an owner in your reach."
        )
    if "stage" in denying:
        # Allowed to anybody who could edit (Q39); its next edit is not.
        sentences.append(_locked_sentence(record))
    raise HandOver(" ".join(sentences))


def _locked_sentence(record: Record) -> str:
    stage, who = _stage_and_editors(record)
    return (
        f"After this you cannot edit it any more: in the locked stage {stage}, {who} may edit it "
        "or move it on. Confirm that this is what you want, or choose another stage."
    )


def _check_fields(record: Record, names: Iterable[str]) -> None:
    keep, kind = set(names), kinds.of(type(record))
    try:
        record.clean_fields(exclude={f.name for f in record._meta.fields if f.name not in keep})
    except ValidationError as error:
        raise Invalid(
            " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        ) from error
    for name in sorted(keep):
        _check_line(kind.field(name).label, getattr(record, name))


def _check_line(label: str, value: object) -> None:
    """Of a single line of text everything is seen: people trust it by its look."""
    if isinstance(value, str) and (found := trouble(value)):
        raise Invalid(f"{label.capitalize()}: {found}")


def _check_relations(record: Record, names: Iterable[str], actor: Actor) -> None:
    """A record is linked only to what the actor may name; hidden and absent are the same (L22)."""
    if not isinstance(actor, User):
        return
    for name in names:
        field = record._meta.get_field(name)
        value = _raw(record, name)
        if not field.is_relation or value is None:
            continue
        related: type[models.Model] = field.related_model  # type: ignore[assignment]  # a foreign key
        if not access.nameable(related._default_manager.filter(pk=value), actor).exists():
            raise InvalidChoice(field)  # type: ignore[arg-type]  # a concrete field


def _refuse_circle(before: Record, after: Record, actor: Actor) -> None:
    """Raise for a company above itself; in words only where the actor sees the whole circle.

    Where it leads through a company out of their reach, the choice is refused as an absent one is.
    """
    model: Any = type(before)  # a kind of record with a parent, which others have not
    rows: QuerySet[Any] = model._base_manager.all()
    if isinstance(actor, User):
        rows = access.permitted(rows, actor, "view")
    above, passed = _raw(after, "parent"), set()
    while above is not None and above != before.pk and above not in passed:
        passed.add(above)
        above = rows.filter(pk=above).values_list("parent", flat=True).first()
    if above != before.pk:
        raise InvalidChoice(model._meta.get_field("parent"))
    raise Invalid(
        f"“{before}” would stand above itself, directly or through other companies. Choose "
        "another parent, or none."
    )


def above_themselves(model: type[Record], keys: Collection[int]) -> set[int]:
    """Return which of these rows would be reached by going up from them, parent by parent.

    Asked of what was written, in its transaction, by one query however deep the tree is.
    """
    if not keys:
        return set()
    table = connection.ops.quote_name(model._meta.db_table)
    marks = ", ".join(["%s"] * len(keys))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Of two who hang companies under each other's the second waits, and sees the first.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{table}.parent"])
        # UNION, not UNION ALL: where a circle is there already, it is gone round once.
        cursor.execute(
            "WITH RECURSIVE above (start, id) AS ("
            f"SELECT id, parent_id FROM {table} WHERE id IN ({marks}) AND parent_id IS NOT NULL "
            f"UNION SELECT above.start, t.parent_id FROM {table} t JOIN above ON t.id = above.id "
            "WHERE t.parent_id IS NOT NULL) SELECT start FROM above WHERE start = id",
            list(keys),
        )
        return {start for (start,) in cursor.fetchall()}


def _check_owners(record: Record, names: Iterable[str]) -> None:
    """Whoever becomes an owner is active and may view this kind of record (E7).

    One sentence for whatever keeps them from it: what else others hold is nobody's business.
    """
    for name in names:
        owner: User | None = getattr(record, name)
        if owner is None:
            continue
        if not owner.is_active or not access.allows_any(owner, "view", type(record)):
            plural = kinds.of(type(record)).nouns
            raise Invalid(f"{owner} cannot own {plural}. Choose another owner.")


# --- Pipelines and their rules --------------------------------------------------------------------


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


def rule_as_it_stands(pipeline: Pipeline) -> str:
    """Return a mark of who may edit in which stages of a pipeline."""
    rule = StageRule.objects.filter(pipeline=pipeline).first()
    return mark(rule and _rule_data(rule))


def _require_as_opened(as_opened: str | None, now: str, what: str) -> None:
    """Raise where a form is out of date. Whoever read nothing before leaves the mark out."""
    if as_opened is not None and as_opened != now:
        raise Stale(
            f"Somebody changed this {what} while you had it open. Nothing was saved; open it again "
            "to see what it says now."
        )


def _locked_pipeline(pipeline: Pipeline) -> Pipeline:
    """Return the stored pipeline; two who change it, its stages or its rule wait for each other."""
    stored = Pipeline.objects.select_for_update(no_key=True).filter(pk=pipeline.pk).first()
    if stored is None:
        raise NotFound("This pipeline does not exist any more. Open the list of pipelines again.")
    return stored


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
    stored = _locked_pipeline(pipeline)
    _require_as_opened(as_opened, pipeline_as_it_stands(stored), "pipeline")
    _check_pipeline_name(Pipeline(pk=pipeline.pk, object=pipeline.object, name=name))
    if Pipeline.objects.filter(pk=pipeline.pk).exclude(name=name).update(name=name):
        audit.record("pipeline.change", actor=actor, on=pipeline, data={"fields": ["name"]})


def _check_pipeline_name(pipeline: Pipeline) -> None:
    _check_line("Name", pipeline.name)
    others = Pipeline.objects.exclude(pk=pipeline.pk)
    if others.filter(object=pipeline.object, name=pipeline.name).exists():
        raise Invalid(f"There is a pipeline “{pipeline.name}” already. Choose another name.")


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
        _check_line("Name of a stage", stage.name)
        _locked_pipeline(stage.pipeline)
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
            raise Invalid(
                f"Two stages of this pipeline would be called “{stage.name}”. Give one of them "
                "another name."
            ) from None
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
        raise NotFound("This stage does not exist any more. Open its pipeline again.")
    if stored.pipeline_id != stage.pipeline_id:
        raise Invalid(
            f"The stage “{stored.name}” stays in its pipeline {stored.pipeline}. Add a stage to "
            f"{stage.pipeline} instead, and move the records there."
        )


@operation("stage.delete")
def delete_stage(stage: Stage, *, actor: Actor) -> None:
    """Remove a stage in which no record stands."""
    require(actor, "delete", stage)
    _locked_pipeline(stage.pipeline)
    audit.record("stage.delete", actor=actor, on=stage, data={"pipeline": stage.pipeline_id})
    before = rule_data(stage.pipeline)
    try:
        stage.delete()
    except models.ProtectedError:
        raise Invalid(
            f"Records still stand in the stage “{stage.name}”, perhaps in the recycle bin. "
            "Move them to another stage first."
        ) from None
    keep_rule(stage.pipeline, before, rule_data(stage.pipeline), actor)


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
    _locked_pipeline(pipeline)
    _require_as_opened(as_opened, rule_as_it_stands(pipeline), "rule")
    stages, users, teams = list(stages), list(users), list(teams)
    if foreign := [stage for stage in stages if stage.pipeline_id != pipeline.pk]:
        raise Invalid(f"“{foreign[0].name}” is a stage of another pipeline.")
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


# --- Properties -----------------------------------------------------------------------------------


def restrictable(model: type[Record]) -> list[models.Field[Any, Any]]:
    """Return the fields about which something can be said: those that people write."""
    return _editable(model)


@operation("property.flag")
def flag_property(*, actor: Actor, object: str, name: str, sensitive: bool) -> Property:
    """Say whether a field's values are sensitive; exports with it then need approval (R113)."""
    require(actor, "add", Property)
    _field(object, name)
    flagged, created = Property.objects.get_or_create(
        object=object, name=name, defaults={"sensitive": sensitive}
    )
    if flagged.highly_sensitive and not sensitive:
        raise Invalid("This field is highly sensitive, and so sensitive too. Lift that first.")
    if created or flagged.sensitive != sensitive:
        stood = _flags(None if created else flagged)
        Property.objects.filter(pk=flagged.pk).update(sensitive=sensitive)
        flagged.sensitive = sensitive
        flags_changed(stood, flagged, actor)
        audit.record("property.flag", actor=actor, on=flagged, data={"sensitive": sensitive})
    return flagged


def field_as_it_stands(row: Property) -> str:
    """Return a mark of all that is said about a field; its columns as this instance has them."""
    return mark(_property_data(row))


NOTHING_SAID = ""
"""What a form was opened on about whose field nothing is said yet: no mark of a row is this."""


@operation("property.restrict")
def restrict_property(
    *,
    actor: Actor,
    object: str,
    name: str,
    access: str = Property.Access.EVERYONE_EDIT,
    viewers: Iterable[User | Team] = (),
    editors: Iterable[User | Team] = (),
    sensitive: bool = False,
    highly_sensitive: bool = False,
    as_opened: str | None = None,
) -> Property:
    """Lay down everything that is said about one field; it holds on the next request (E24, E29).

    `as_opened` is what `field_as_it_stands` said when it was read, or `NOTHING_SAID`: a form that
    is out of date changes nothing.

    `viewers` and `editors` count where `access` is `chosen`; whoever is both is an editor. They are
    written exactly, and the event tells what was before (E28). Highly sensitive is sensitive too.
    """
    require(actor, "add", Property)
    check_restriction(object, name, access, highly_sensitive)
    grants: dict[User | Team, str] = {}
    if access == Property.Access.CHOSEN:
        grants = dict.fromkeys(viewers, PropertyGrant.Level.VIEW)
        grants |= dict.fromkeys(editors, PropertyGrant.Level.EDIT)
        if not grants:
            raise Invalid(
                "Choose at least one person or team, or make the field private to super admins."
            )
    row, created = Property.objects.get_or_create(object=object, name=name)
    # Locked, so that of two who change it at once the second is held against the first.
    row = Property.objects.select_for_update(no_key=True).get(pk=row.pk)
    _require_as_opened(as_opened, NOTHING_SAID if created else field_as_it_stands(row), "field")
    before, stood = _property_data(row), _flags(row)
    columns = {
        "access": access,
        "sensitive": sensitive or highly_sensitive,
        "highly_sensitive": highly_sensitive,
    }
    held = {(grant.user or grant.team): grant.level for grant in row.grants.all()}
    if not created and held == grants and all(before[n] == columns[n] for n in columns):
        return row
    Property.objects.filter(pk=row.pk).update(**columns)
    PropertyGrant.objects.filter(property=row).delete()
    PropertyGrant.objects.bulk_create(
        PropertyGrant(
            property=row,
            user=receiver if isinstance(receiver, User) else None,
            team=receiver if isinstance(receiver, Team) else None,
            level=level,
        )
        for receiver, level in grants.items()
    )
    row.refresh_from_db()
    flags_changed(stood, row, actor)
    data = {"object": object, "name": name, "from": before, "to": _property_data(row)}
    audit.record("property.restrict", actor=actor, on=row, data=data)
    return row


@operation("property.forget")
def forget_property(row: Property, *, actor: Actor) -> None:
    """Remove what is said about a field that is gone; raise `Invalid` where it is there."""
    require(actor, "delete", row)
    if not row.is_stale:
        raise Invalid("This field is there. Open it to everyone instead of removing it.")
    data = {"object": row.object, "name": row.name, "from": _property_data(row)}
    audit.record("property.forget", actor=actor, on=row, data=data)
    row.delete()


@operation("{object}.reveal")
def reveal(record: Record, *, actor: User, name: str) -> Any:
    """Return one highly sensitive value of a record in reach, and write it down (E30).

    Raises `NotFound` for a record or a field out of their reach, absent ones included.
    """
    stored = find_stored(record, actor)
    if name not in field_access(actor, type(record)).veiled:
        raise NotFound("There is no such field in your reach.")
    audit.record(f"{record.object_key}.reveal", actor=actor, on=stored, data={"field": name})
    return getattr(stored, name)


def _field(object: str, name: str) -> kinds.Field:
    kind = kinds.named(object)
    if kind is None or name not in {field.name for field in restrictable(kind.model)}:
        raise Invalid(f"There is no field “{name}” on this kind of record.")
    return kind.field(name)


def check_restriction(object: str, name: str, access: str, highly_sensitive: bool) -> None:
    """Raise `Invalid` where a field cannot be restricted like this, or is none."""
    _check_restriction(_field(object, name), access, highly_sensitive)


def _check_restriction(field: kinds.Field, access: str, highly_sensitive: bool) -> None:
    """Raise where a field cannot be restricted like this, saying why (E27)."""
    label = field.label.capitalize()
    if access not in Property.Access.values:
        raise Invalid("Choose one of the offered kinds of access.")
    hides = access in (Property.Access.CHOSEN, Property.Access.SUPER_ADMINS)
    if field.always_visible and (hides or highly_sensitive):
        raise Invalid(
            f"“{label}” is part of how a record is named, found and owned, so whoever sees the "
            "record sees it. Everyone may view is the strictest that can be chosen."
        )
    if field.required and access != Property.Access.EVERYONE_EDIT:
        raise Invalid(f"Every new record needs “{label}”, so it stays open to whoever creates one.")
    if highly_sensitive and (field.related or field.choices):
        raise Invalid(
            f"“{label}” is chosen from a list. Only text, numbers and dates can be highly "
            "sensitive; restrict who may view it instead."
        )


def _flags(row: Property | None) -> dict[str, bool]:
    """Return how a field's flags stand; none where nothing was said of it."""
    return {
        "sensitive": row is not None and row.sensitive,
        "highly_sensitive": row is not None and row.highly_sensitive,
    }


def _property_data(row: Property) -> dict[str, Any]:
    grants = PropertyGrant.objects.filter(property=row).order_by("user", "team")
    return {
        "access": row.access,
        "sensitive": row.sensitive,
        "highly_sensitive": row.highly_sensitive,
        "grants": list(grants.values("user", "team", "level")),
    }
