"""Every change to a record, a pipeline or a property: one function, one transaction, one event.

Access is asked inside the UPDATE itself, of the stored row, and asked again of the result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from accounts import access, audit, catalogue
from accounts.audit import Actor, System, operation
from accounts.models import Rank, Team, User
from accounts.operations import require
from accounts.text import trouble
from records.models import Pipeline, Property, PropertyGrant, Record, Stage, StageRule
from records.models.properties import fixed_fields, hidden_fields, veiled_fields
from records.rules import SHARED

R = TypeVar("R", bound=Record)


class RecordError(Exception):
    """A change to a record that was refused; the message says what to do."""


class NotAllowed(RecordError, PermissionDenied):
    """The actor sees the record and may not do this to it; the message gives the reasons."""


class NotFound(RecordError):
    """No such record in the actor's reach: absent and hidden are the same."""


class Stale(RecordError):
    """Somebody else saved the record since it was read."""


class Invalid(RecordError):
    """A value that cannot be saved."""


class HandOver(RecordError):
    """The change gives the record away: confirm it, since the actor will lose it (Q30)."""


OWNERS_STAY = (
    "You may edit this record only because it is shared with you, and a share does not change "
    "owners. Ask one of its owners to do it."
)

# --- Records --------------------------------------------------------------------------------------


@operation
def create(record: R, *, actor: Actor, confirm_hand_over: bool = False) -> R:
    """Save a new record; in a locked stage too (Q40)."""
    model = type(record)
    if isinstance(actor, User) and not access.allows_any(actor, "add", model):
        raise NotAllowed(f"You may not create {model._meta.verbose_name_plural}.")
    now = timezone.now()
    person = actor if isinstance(actor, User) else None
    record.created_at = record.updated_at = now
    record.created_by = record.updated_by = person
    _check_unset(record, actor)
    _check_relations(record, [field.name for field in _editable(model)], actor)
    _check_fields(record, [field.name for field in _editable(model)])
    _check_owners(record, record.owner_fields)
    record.save(force_insert=True)
    if person is not None and not access.allows(person, "view", record) and not confirm_hand_over:
        raise HandOver(
            "With these owners you will not see this record afterwards. Confirm that you hand it "
            "over, or choose an owner in your reach."
        )
    audit.record(f"{record.object_key}.create", actor=actor, on=record, data=_owners(record))
    return record


@operation
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
    actor would lose the record and has not confirmed it. Edit that comes only from a share never
    changes an owner (L52). A system actor passes a locked stage and says why (`reason`, R109 a).
    """
    model = type(record)
    editable = {field.name for field in _editable(model)} - _closed(model, actor)
    if unknown := set(values) - editable:
        raise Invalid(_cannot_be_changed(unknown))
    before = _stored(record, actor)
    after = model._base_manager.get(pk=before.pk)
    for name, value in values.items():
        setattr(after, name, value)
    changed = sorted(name for name in values if _raw(after, name) != _raw(before, name))
    if not changed and (isinstance(actor, System) or access.allows(actor, "change", before)):
        return before  # nothing to write, and nothing to log
    _check_relations(after, changed, actor)
    _check_fields(after, changed)
    owners = [name for name in changed if name in model.owner_fields]
    _check_owners(after, owners)
    written = {name: getattr(after, name) for name in changed}
    _write(before, actor, "change", version, written, without=(SHARED,) if owners else ())
    if "parent" in changed and above_themselves(model, [before.pk]):
        raise Invalid(
            f"“{before}” would stand above itself, directly or through other companies. Choose "
            "another parent, or none."
        )
    _check_reach(after, actor, confirm_hand_over)
    data: dict[str, Any] = {"fields": changed}
    for name in (*model.owner_fields, "stage"):
        if name in changed:
            data[name] = {"from": _raw(before, name), "to": _raw(after, name)}
    if isinstance(actor, System):
        data["reason"] = reason or actor.name
    audit.record(f"{record.object_key}.change", actor=actor, on=record, data=data)
    return model._base_manager.get(pk=record.pk)


@operation
def delete(record: Record, *, actor: Actor, version: int | None = None) -> None:
    """Put a record into the recycle bin: absent for everybody from now on."""
    before = _stored(record, actor)
    values = {
        "deleted_at": timezone.now(),
        "deleted_by": actor if isinstance(actor, User) else None,
    }
    _write(before, actor, "delete", before.version if version is None else version, values)
    audit.record(f"{record.object_key}.delete", actor=actor, on=record, data=_owners(before))


def refusal(user: User, action: str, record: Record) -> list[str]:
    """Return why this person may not do this to a record they see, as sentences for them.

    Names what they may know anyway: the record's owners, its stage and who may act there.
    """
    return sentences_of(access.explain(user, action, record), user, action, record)


def sentences_of(
    explanation: access.Explanation, user: User, action: str, record: Record
) -> list[str]:
    """Return what an explanation that refuses says, as sentences for the person it is about."""
    sentences = []
    for finding in explanation.decisive:
        if finding.code == "stage":
            sentences.append(stage_sentence(record))
        elif finding.code == "no_scope":
            plural = record._meta.verbose_name_plural
            sentences.append(f"Your permission set does not let you {_VERBS[action]} {plural}.")
        elif finding.code != "unseen":
            sentences.append(f"Refused: {finding.because}.")
    if not sentences:
        sentences.append(_reach_sentence(user, action, record))
    return sentences


def _reach_sentence(user: User, action: str, record: Record) -> str:
    """Return how far the scope reaches, where no rule takes away and none grants."""
    scope = user.grants.scopes.get(record.object_key)
    whose = _REACHES.get(getattr(scope, action, Rank.NONE), "of certain owners")
    plural = record._meta.verbose_name_plural
    return f"Your permission set lets you {_VERBS[action]} only {plural} {whose}."


_REACHES = {
    Rank.OWNED: "that you own",
    Rank.TEAM: "that you own, or somebody in your teams or in teams below",
}
_VERBS = {
    "view": "see",
    "change": "change",
    "delete": "delete",
    "merge": "merge",
    "communicate": "log activities on",
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
    stage: Stage = record.stage  # type: ignore[attr-defined]  # only records with a stage have a stage finding
    # Kept on the record, for the panel that says the same of editing and deleting.
    models.prefetch_related_objects([stage], "pipeline__rule__teams", "pipeline__rule__users")
    rule: StageRule | None = getattr(stage.pipeline, "rule", None)
    who = ["super admins"]
    if rule is not None and rule.editors == StageRule.Editors.CHOSEN:
        who += [str(team) for team in rule.teams.all()] + [str(user) for user in rule.users.all()]
    names = f"{', '.join(who[:-1])} and {who[-1]}" if len(who) > 1 else f"only {who[0]}"
    return (
        f"It stands in the locked stage “{stage.name}” of {stage.pipeline.name}: there, {names} "
        "may edit it or move it on."
    )


def _editable(model: type[Record]) -> list[models.Field[Any, Any]]:
    stamped = {"id", "version", "deleted_at", "deleted_by", *Record.stamps}
    return [field for field in model._meta.concrete_fields if field.name not in stamped]


def _closed(model: type[Record], actor: Actor) -> frozenset[str]:
    """Return the fields this actor does not write: hidden from them, or only read (R8, E24)."""
    if not isinstance(actor, User):
        return frozenset()
    return hidden_fields(actor, model) | fixed_fields(actor, model)


def _cannot_be_changed(names: Iterable[str]) -> str:
    """Return one sentence for fields that do not exist, are hidden, or are only read."""
    return f"These fields cannot be changed: {', '.join(sorted(names))}."


def _check_unset(record: Record, actor: Actor) -> None:
    """A field that the creator may not write starts with its default value (E26).

    They may own what they make, even where owners are not theirs to choose (E7).
    """
    given = set()
    for name in _closed(type(record), actor):
        field: models.Field[Any, Any] = record._meta.get_field(name)  # type: ignore[assignment]  # concrete fields only
        value = _raw(record, name)
        own = isinstance(actor, User) and name in record.owner_fields and value == actor.pk
        if value != field.get_default() and not own:
            given.add(name)
    if given:
        raise Invalid(_cannot_be_changed(given))


def _raw(record: Record, name: str) -> Any:
    return getattr(record, record._meta.get_field(name).attname)  # type: ignore[union-attr]  # concrete fields only


def _owners(record: Record) -> dict[str, Any]:
    return {name: _raw(record, name) for name in record.owner_fields}


def _stored(record: R, actor: Actor) -> R:
    """Return the stored row, for whom it exists."""
    rows: QuerySet[R] = type(record)._base_manager.filter(pk=record.pk, deleted_at=None)
    if isinstance(actor, User):
        rows = access.permitted(rows, actor, "view")
    stored = rows.first()
    if stored is None:
        raise NotFound("There is no such record in your reach. It may have been moved or deleted.")
    return stored


def _write(
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
        return
    if isinstance(actor, User) and not access.allows(actor, action, before):
        raise NotAllowed(" ".join(refusal(actor, action, before)))
    if isinstance(actor, User) and not access.allows(actor, action, before, without=without):
        raise NotAllowed(OWNERS_STAY)
    raise Stale(
        "Somebody else saved this record since you opened it. Open it again, and repeat your "
        "change if it is still wanted."
    )


def _check_reach(record: Record, actor: Actor, confirmed: bool) -> None:
    """Ask again of the result: it lies in the actor's reach, or they knowingly gave it away."""
    if not isinstance(actor, User) or confirmed:
        return
    explanation = access.explain(actor, "change", record)
    denying = {f.code for f in explanation.findings if f.holds and not f.allows}
    granting = any(f.holds and f.allows for f in explanation.findings)
    if explanation.allowed or (granting and denying == {"stage"}):
        return  # in reach, or moved into a locked stage, which anybody may who could edit (Q39)
    raise HandOver(
        "With these owners you will not be able to edit this record afterwards, and may not see "
        "it any more. Confirm that you hand it over, or choose an owner in your reach."
    )


def _check_fields(record: Record, names: Iterable[str]) -> None:
    keep = set(names)
    try:
        record.clean_fields(exclude={f.name for f in record._meta.fields if f.name not in keep})
    except ValidationError as error:
        raise Invalid(
            " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        ) from error
    for name in sorted(keep):
        _check_line(str(record._meta.get_field(name).verbose_name), getattr(record, name))  # type: ignore[union-attr]  # concrete fields


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
            raise Invalid(f"{field.verbose_name}: choose one from the list.")  # type: ignore[union-attr]  # a concrete field


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
    """Whoever becomes an owner is active and may view this kind of record (E7)."""
    for name in names:
        owner: User | None = getattr(record, name)
        if owner is None:
            continue
        if not owner.is_active or not access.allows_any(owner, "view", type(record)):
            plural = record._meta.verbose_name_plural
            raise Invalid(f"{owner} may not view {plural}. Choose another owner.")


# --- Pipelines and their rules --------------------------------------------------------------------


@operation
def create_pipeline(*, actor: Actor, object: str, name: str) -> Pipeline:
    """Add an empty pipeline."""
    require(actor, "add", Pipeline)
    pipeline = Pipeline(object=object, name=name)
    _check_pipeline_name(pipeline)
    pipeline.save(force_insert=True)
    audit.record("pipeline.create", actor=actor, on=pipeline, data={"object": object})
    return pipeline


@operation
def change_pipeline(pipeline: Pipeline, *, actor: Actor, name: str) -> None:
    """Rename a pipeline; its object never changes, since records stand in its stages."""
    require(actor, "change", pipeline)
    _check_pipeline_name(Pipeline(pk=pipeline.pk, object=pipeline.object, name=name))
    if Pipeline.objects.filter(pk=pipeline.pk).exclude(name=name).update(name=name):
        audit.record("pipeline.change", actor=actor, on=pipeline, data={"fields": ["name"]})


def _check_pipeline_name(pipeline: Pipeline) -> None:
    _check_line("Name", pipeline.name)
    others = Pipeline.objects.exclude(pk=pipeline.pk)
    if others.filter(object=pipeline.object, name=pipeline.name).exists():
        raise Invalid(f"There is a pipeline “{pipeline.name}” already. Choose another name.")


@operation
def delete_pipeline(pipeline: Pipeline, *, actor: Actor) -> None:
    """Remove a pipeline whose stages hold no record."""
    require(actor, "delete", pipeline)
    for stage in pipeline.stages.all():
        delete_stage(stage, actor=actor)
    audit.record("pipeline.delete", actor=actor, on=pipeline, data={"name": pipeline.name})
    pipeline.delete()


@operation
def save_stages(stages: Iterable[Stage], *, actor: Actor) -> None:
    """Add stages to their pipeline, or write their names, positions and outcomes.

    All at once, so that two of them may swap their names. Raises `Invalid` where two stages of one
    pipeline would have the same name.
    """
    stages = list(stages)
    for stage in stages:
        require(actor, "change" if stage.pk else "add", stage if stage.pk else Stage)
        _check_line("Name of a stage", stage.name)
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


@operation
def delete_stage(stage: Stage, *, actor: Actor) -> None:
    """Remove a stage in which no record stands."""
    require(actor, "delete", stage)
    audit.record("stage.delete", actor=actor, on=stage, data={"pipeline": stage.pipeline_id})
    try:
        stage.delete()
    except models.ProtectedError:
        raise Invalid(
            f"Records still stand in the stage “{stage.name}”, perhaps in the recycle bin. "
            "Move them to another stage first."
        ) from None


@operation
def set_stage_rule(
    pipeline: Pipeline,
    *,
    actor: Actor,
    enabled: bool,
    stages: Iterable[Stage] = (),
    editors: str = StageRule.Editors.SUPER_ADMINS,
    users: Iterable[User] = (),
    teams: Iterable[Team] = (),
) -> StageRule:
    """Lay down who may edit records in some stages of a pipeline; holds at once (R105, R110)."""
    require(actor, "change", pipeline)
    stages, users, teams = list(stages), list(users), list(teams)
    if foreign := [stage for stage in stages if stage.pipeline_id != pipeline.pk]:
        raise Invalid(f"“{foreign[0].name}” is a stage of another pipeline.")
    rule, _ = StageRule.objects.get_or_create(pipeline=pipeline)
    before = _rule_data(rule)
    StageRule.objects.filter(pk=rule.pk).update(enabled=enabled, editors=editors)
    rule.stages.set(stages)
    rule.users.set(users)
    rule.teams.set(teams)
    rule.refresh_from_db()
    after = _rule_data(rule)
    if before != after:
        audit.record(
            "pipeline.set_rule", actor=actor, on=pipeline, data={"from": before, "to": after}
        )
    return rule


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


@operation
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
        Property.objects.filter(pk=flagged.pk).update(sensitive=sensitive)
        flagged.sensitive = sensitive
        audit.record("property.flag", actor=actor, on=flagged, data={"sensitive": sensitive})
    return flagged


@operation
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
) -> Property:
    """Lay down everything that is said about one field; it holds on the next request (E24, E29).

    `viewers` and `editors` count where `access` is `chosen`; whoever is both is an editor. They are
    written exactly, and the event tells what was before (E28). Highly sensitive is sensitive too.
    """
    require(actor, "add", Property)
    field = _field(object, name)
    _check_restriction(field, access, highly_sensitive)
    grants: dict[User | Team, str] = {}
    if access == Property.Access.CHOSEN:
        grants = dict.fromkeys(viewers, PropertyGrant.Level.VIEW)
        grants |= dict.fromkeys(editors, PropertyGrant.Level.EDIT)
        if not grants:
            raise Invalid(
                "Choose at least one person or team, or make the field private to super admins."
            )
    row, created = Property.objects.get_or_create(object=object, name=name)
    before = _property_data(row)
    Property.objects.filter(pk=row.pk).update(
        access=access,
        sensitive=sensitive or highly_sensitive,
        highly_sensitive=highly_sensitive,
    )
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
    after = _property_data(row)
    if created or before != after:
        data = {"object": object, "name": name, "from": before, "to": after}
        audit.record("property.restrict", actor=actor, on=row, data=data)
    return row


@operation
def reveal(record: Record, *, actor: User, name: str) -> Any:
    """Return one highly sensitive value of a record in reach, and write it down (E30).

    Raises `NotFound` for a record or a field out of their reach, absent ones included.
    """
    stored = _stored(record, actor)
    if name not in veiled_fields(actor, type(record)):
        raise NotFound("There is no such field in your reach.")
    audit.record(f"{record.object_key}.reveal", actor=actor, on=stored, data={"field": name})
    return getattr(stored, name)


def _field(object: str, name: str) -> models.Field[Any, Any]:
    kind = catalogue.object_kind(object)
    if kind is not None and issubclass(kind.model, Record):
        for field in restrictable(kind.model):
            if field.name == name:
                return field
    raise Invalid(f"There is no field “{name}” on this kind of record.")


def _check_restriction(field: models.Field[Any, Any], access: str, highly_sensitive: bool) -> None:
    """Raise where a field cannot be restricted like this, saying why (E27)."""
    label = str(field.verbose_name).capitalize()
    if access not in Property.Access.values:
        raise Invalid("Choose one of the offered kinds of access.")
    always: tuple[str, ...] = field.model.always_visible  # type: ignore[attr-defined]  # a kind of record
    hides = access in (Property.Access.CHOSEN, Property.Access.SUPER_ADMINS)
    if field.name in always and (hides or highly_sensitive):
        raise Invalid(
            f"“{label}” is part of how a record is named, found and owned, so whoever sees the "
            "record sees it. Everyone may view is the strictest that can be chosen."
        )
    needed = not (field.blank or field.null or field.has_default())
    if needed and access != Property.Access.EVERYONE_EDIT:
        raise Invalid(f"Every new record needs “{label}”, so it stays open to whoever creates one.")
    if highly_sensitive and (field.is_relation or field.choices):
        raise Invalid(
            f"“{label}” is chosen from a list. Only text, numbers and dates can be highly "
            "sensitive; restrict who may view it instead."
        )


def _property_data(row: Property) -> dict[str, Any]:
    grants = PropertyGrant.objects.filter(property=row).order_by("user", "team")
    return {
        "access": row.access,
        "sensitive": row.sensitive,
        "highly_sensitive": row.highly_sensitive,
        "grants": list(grants.values("user", "team", "level")),
    }
