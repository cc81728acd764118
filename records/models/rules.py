"""Rules that only records have, as `Rule`s: shares, and the edit rule of a pipeline's stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import (
    BooleanField,
    Case,
    Exists,
    ExpressionWrapper,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.utils.translation import gettext_lazy

from accounts.access import RESTORE, Given, Loaded, Rule
from accounts.models import Rank
from accounts.prepared import Prepared, Seen, among
from accounts.rule import settled
from records import kinds
from records.models.exceptions import StageException
from records.models.pipelines import StageRule
from records.models.shares import SHARES, WITHOUT_END, live

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from accounts.asker import Asker
    from accounts.models import User
    from records.models.base import Record
    from records.models.pipelines import Stage
    from records.models.shares import TeamShare, UserShare

    ShareTables = tuple[type[UserShare], type[TeamShare]]

SHARED = "shared"

# Everything that changes the record itself; viewing, logging activities and associating from the
# other side stay possible (R108, R109, Q41). A record comes back into the stage it was deleted in.
BOUND_BY_STAGE = frozenset({"change", "delete", "merge", RESTORE})

# Of these, what an exception from the rule opens: editing, and moving on with it (R108, B15).
OPEN_BY_EXCEPTION = frozenset({"change"})
EXCEPTED = "excepted"

# A share gives these and nothing else: an edit share lets one view and edit (E55).
GIVEN_BY_SHARE = {"view": ("view", "change"), "change": ("change",)}

_SHARED_WITH_THEM = gettext_lazy("it is shared with the person or with their main team")
_LOCKED_FOR_THEM = gettext_lazy(
    "the record is in a locked stage, and neither the pipeline’s rule names the person nor an "
    "exception"
)


def share_rules(asker: Asker, action: str, model: type[Record]) -> list[Rule]:
    """Allow what a share gives, to whoever's own scope for it is not None (E54, E55).

    Reach is not asked: that is what a share adds. A team's shares reach its main members, read
    live, so that they end with the membership. Ended shares are told by the database's clock.
    """
    tables = SHARES.get(model.object_key)
    if tables is None or action not in GIVEN_BY_SHARE:
        return []
    names = names_of(action, model)

    def received() -> Q:
        return received_by(asker, names, tables)

    return [
        Rule(
            SHARED,
            True,
            asker.at_least(model.object_key, action, Rank.OWNED)
            & asker.receives(model.object_key, names, received),
            _SHARED_WITH_THEM,
        )
    ]


def names_of(action: str, model: type[Model]) -> list[str]:
    """Return the permissions in a share by which one may do this to a record of a kind."""
    return [f"{word}_{model._meta.model_name}" for word in GIVEN_BY_SHARE[action]]


def received_by(
    asker: Asker, names: Sequence[str], tables: ShareTables, lasting: Q | None = None
) -> Q:
    """Hold for records of which a live share gives somebody one of these permissions.

    `lasting` narrows the shares that count.
    """
    # IN: a to-many join answers `filter` and `Case(When)` differently.
    rows = live_shares(tables, asker.id(depth=2), asker.main_teams(depth=2))
    given = (each.filter(lasting or Q(), permission__codename__in=names) for each in rows)
    own, teams = (Q(pk__in=each.values("content_object")) for each in given)
    return own | teams


def given_by_shares() -> Iterator[Given]:
    """Yield what shares give to anybody; fills the slot `access.given_one_by_one`."""
    for kind, tables in SHARES.items():
        for table, to_teams in zip(tables, (False, True), strict=True):
            yield Given(
                kind,
                table._default_manager.filter(live()),
                table.receiver_field,
                to_teams,
                "permission__codename",
                "content_object_id",
                ExpressionWrapper(WITHOUT_END, BooleanField()),
            )


def live_shares(
    tables: ShareTables, user: Any, main_teams: Any
) -> tuple[QuerySet[Any], QuerySet[Any]]:
    """Return the shares with a person, and with their main team, that have not ended."""
    to_users, to_teams = tables
    return (
        to_users._default_manager.filter(live(), user=user),
        to_teams._default_manager.filter(live(), group__in=main_teams),
    )


def stage_rules(asker: Asker, action: str, model: type[Record]) -> list[Rule]:
    """Deny changing a record in a locked stage to whom its pipeline's rule does not name (R105).

    Asked of the stored stage, so one save cannot move a record out and edit it (Q40). Team members
    count main and extra, evaluated live; teams above are not implied (Q42). An exception lets one
    person edit one record in the stage that it was made for, until it ends (B15).
    """
    if action not in BOUND_BY_STAGE:
        return []
    denied = locked_for(asker, "stage")
    if action in OPEN_BY_EXCEPTION:
        denied &= ~_excepted(asker, model.object_key)
    return [Rule("stage", False, denied, _LOCKED_FOR_THEM)]


def locked_for(asker: Asker, stage: str) -> Q:
    """Hold where the stage in this column is one in which this person edits nothing.

    Asked of a record's stage by the rule above, and of stages alone where one is chosen.
    """
    locked = asker.once(
        "locked stages",
        lambda: LOCKED_STAGES.rows(person=asker.id(), teams=among(asker.teams())),
    )
    return Q(**{f"{stage}__in": locked}) & ~asker.is_superuser()


def with_locks(stages: QuerySet[Stage], user: User) -> QuerySet[Stage]:
    """Add `is_locked` to stages: whether this person edits nothing there; no query of its own."""
    locked = settled(locked_for(Loaded(user), "pk"))
    return stages.annotate(
        is_locked=Case(
            When(locked, then=Value(True)), default=Value(False), output_field=BooleanField()
        )
    )


def _excepted(asker: Asker, kind: str) -> Q:
    """Hold for records of this kind that the person may edit though their stage is locked."""

    def made() -> Q:
        mine = StageException.objects.filter(
            live(),
            user=asker.id(depth=2),
            object=kind,
            record=OuterRef("pk"),
            stage=OuterRef("stage"),
        )
        return Q(Exists(mine))

    return asker.excepted(kind, EXCEPTED, made)


def given_by_exceptions() -> Iterator[Given]:
    """Yield what exceptions give to anybody; fills the slot `access.given_one_by_one`.

    One made for another stage than the record stands in gives nothing.
    """
    for kind in kinds.every():
        if kind.is_staged:
            model: type[Model] = kind.model  # one of those that have a stage
            there = model._base_manager.filter(pk=OuterRef("record"), stage=OuterRef("stage"))
            rows = StageException.objects.filter(live(), Exists(there), object=kind.key)
            yield Given(
                kind.key,
                rows.annotate(gives=Value(EXCEPTED)),
                "user",
                False,
                "gives",
                "record",
                Value(False),
            )


def _locked_stages(person: Seen, teams: Seen) -> QuerySet[Any]:
    """Return the keys of the stages whose pipeline's rule binds whoever is in these teams."""
    named_users = StageRule.users.through.objects.filter(
        user_id=person(2), stagerule__editors=StageRule.Editors.CHOSEN
    )
    named_teams = StageRule.teams.through.objects.filter(
        team__in=teams(2), stagerule__editors=StageRule.Editors.CHOSEN
    )
    return (
        StageRule.stages.through.objects.filter(stagerule__enabled=True)
        .exclude(stagerule__in=named_users.values("stagerule"))
        .exclude(stagerule__in=named_teams.values("stagerule"))
        .values("stage")
    )


LOCKED_STAGES = Prepared(
    _locked_stages, StageRule, {"person": "id", "teams": "id"}, many=("teams",)
)
