"""The time machine: what a person could do on a day, and who could see a record on a day (E17).

Rights of that day are laid down by `accounts.past`; here the record is, with its owners, stage,
bin, shares and the rules on stages. Then the readers of access.py are asked, as always.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth.models import Permission
from django.db.models import Count, Min, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy

from accounts import access, catalogue, days, past
from accounts.access import LEVELS, Keys, Loaded
from accounts.models import Membership, PermissionChange, User
from accounts.past import shadow
from accounts.people import BY_NAME, with_main_team
from accounts.permission_history import ACTIVE
from accounts.rule import NEVER
from records.models import SHARES, Level, ReachChange, Record, Stage, StageException, StageRule
from records.models.shares import TeamShare, UserShare

R = TypeVar("R", bound=Record)

PERSON_AS_OF_TODAY = (
    gettext_lazy(
        "Records are counted as they are stored today, owners, stages and rules on stages included."
    ),
    gettext_lazy("Names are those of today."),
)
RECORD_AS_OF_TODAY = (
    gettext_lazy("Restrictions of single fields are not looked at."),
    gettext_lazy("Names are those of today."),
)


@dataclass(frozen=True, slots=True)
class PersonThen:
    """What one person could do at a moment."""

    existed: bool
    active: bool = False
    super_admin: bool = False
    partner_admin: bool = False
    permission_set: str = ""
    teams: tuple[tuple[str, bool], ...] = ()
    """Names, and whether it was their main team."""
    scopes: dict[str, dict[str, int | bool]] = field(default_factory=dict)
    """By kind of record and column of `ObjectScope`, what is not nothing."""
    tools: tuple[str, ...] = ()
    """What they held with an effect: `crm.export`, `sales.forecast:view=team+unassigned`."""
    reach: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many of today's records they would view, change and delete, by kind."""


@dataclass(frozen=True, slots=True)
class RecordThen:
    """One record at a moment, and who could see it."""

    existed: bool
    in_bin: bool = False
    owners: tuple[str, ...] = ()
    """E-mail addresses."""
    stage: str = ""
    people: tuple[User, ...] = ()
    """With `reasons`, `level` and `main_team`, as `access.who_can` says them."""


def known_since() -> datetime | None:
    """Return since when all is kept that decides who reaches a record."""
    reach: datetime | None = ReachChange.objects.aggregate(began=Min("at"))["began"]
    rights = past.known_since()
    return max(rights, reach) if rights and reach else rights


def not_known(moment: datetime, since: datetime | None) -> str:
    """Return that nothing is known of a moment; empty where it is after the history began."""
    if since is not None and moment >= since:
        return ""
    if since is None:
        return gettext("Not known: the permission history has not begun yet.")
    began = date_format(timezone.localtime(since), "LONG_SECOND_FORMAT")
    said = gettext("Not known before %(moment)s, when the permission history began.")
    return said % {"moment": began}


def person_on(user: User, moment: datetime) -> PersonThen:
    """Return what a person could do at a moment that is not before `past.known_since`."""
    made_later = PermissionChange.objects.filter(
        person=user.pk, permission=ACTIVE, before="", at__gt=moment
    )
    if user.date_joined > moment or made_later.exists():
        return PersonThen(existed=False)
    with past.as_it_was(moment):
        _lay_down_shares_with(user.pk, moment)
        _lay_down_exceptions_for(user.pk, moment)
        then = User.objects.select_related("permission_set").get(pk=user.pk)
        # Loaded here and kept by the instance: below it is asked about the records of today, when
        # nothing is held any more.
        grants = then.grants
        rows = Membership.objects.filter(user=user.pk).order_by("-is_main", "team__name")
        teams = tuple(rows.values_list("team__name", "is_main"))
    return PersonThen(
        existed=True,
        active=then.is_active,
        super_admin=then.is_superuser,
        partner_admin=then.is_partner_admin,
        permission_set=str(then.permission_set) if then.permission_set else "",
        teams=teams,
        scopes={
            key: {c.name: said for c in access.SCOPE_COLUMNS if (said := getattr(row, c.name))}
            for key, row in sorted(grants.scopes.items())
        },
        tools=tuple(_tools(then)),
        reach=_reach(then),
    )


def _tools(user: User) -> Iterator[str]:
    for tool in catalogue.TOOLS.values():
        keys = [f"{tool.key}:{each.key}" for each in tool.options] or [tool.key]
        for key in keys:
            if not access.holds_tool(user, key):
                continue
            level = ""
            if tool.kind is catalogue.Kind.SCOPE:
                scope = access.tool_scope(user, key)
                box = catalogue.BOX if scope.unassigned else ""
                level = f"={catalogue.LEVEL_NAMES[scope.rank]}{box}"
            yield f"{key}{level}"


class _AsLoaded(Loaded):
    """A person as they were loaded: no row of today is asked what they were given, however much."""

    def __init__(self, user: User) -> None:
        super().__init__(user)
        self._known: dict[Hashable, Any] = {}

    @property
    def known(self) -> dict[Hashable, Any]:
        return self._known

    def receives(self, kind: str, permissions: Sequence[str], shared: Callable[[], Q]) -> Q:
        given = (self.user.grants.given.get((kind, each), frozenset()) for each in permissions)
        keys = frozenset[int]().union(*given)
        return Q(pk__in=Keys(sorted(keys))) if keys else NEVER

    def excepted(self, kind: str, permission: str, made: Callable[[], Q]) -> Q:
        return self.receives(kind, (permission,), made)


def _reach(user: User) -> dict[str, dict[str, int]]:
    """Return how many of today's records this person would reach; one query a kind."""
    asker = _AsLoaded(user)
    return {
        kind.key: kind.model._base_manager.aggregate(
            **{
                action: Count("pk", filter=access.condition_for(asker, action, kind.model))
                for action in LEVELS
            }
        )
        for kind in catalogue.objects()
    }


def who_could_see(record: Record, moment: datetime) -> RecordThen:
    """Return who could see a stored record at a moment that is not before `known_since`."""
    if record.created_at > moment:
        return RecordThen(existed=False)
    with record_as_it_was(record, moment) as then:
        people = access.who_can("view", then).order_by(*BY_NAME)
        owners = (getattr(then, name) for name in then.owner_fields)
        return RecordThen(
            existed=True,
            in_bin=then.deleted_at is not None,
            owners=tuple(dict.fromkeys(owner.email for owner in owners if owner is not None)),
            stage=_stage_of(then),
            people=tuple(with_main_team(people)),
        )


def _stage_of(record: Record) -> str:
    """Return what the record's stage is called; empty for a kind of record that has none."""
    key = getattr(record, "stage_id", None)
    if key is None:
        return ""
    # Stages are those of today, and the history keeps no name of one.
    stage = Stage.objects.filter(pk=key).first()
    return str(stage) if stage is not None else gettext("A stage (deleted since)")


@contextmanager
def record_as_it_was(record: R, moment: datetime) -> Iterator[R]:
    """Let one record and all people be read as they were; other records of its kind are not there.

    Ends as `past.as_it_was` does.
    """
    model, key = type(record), int(record.pk)
    with past.as_it_was(moment):
        shadow(model, [("id",)], where=f"id = {key}")
        changes = ReachChange.objects.filter(at__gt=moment)
        of_record = changes.filter(object=record.object_key, record=key)
        wanted = {
            fact: datetime.fromisoformat(said) if fact == "deleted_at" and said else said
            for (fact, receiver, _), said in _firsts(of_record).items()
            if not receiver
        }
        if wanted:
            model._base_manager.filter(pk=key).update(**wanted)
        if record.object_key in SHARES:
            tables = SHARES[record.object_key]
            for table in tables:
                shadow(table, where=f"content_object_id = {key}")
            _undo_shares(record.object_key, tables, of_record, moment)
        if hasattr(record, "stage_id"):
            shadow(StageException, where=f"object = '{record.object_key}' AND record = {key}")
            _undo_exceptions(of_record, moment)
            _lay_down_stage_rules(_firsts(changes.filter(object=ReachChange.PIPELINE)))
        yield model._base_manager.get(pk=key)


Firsts = dict[tuple[str, str, int], Any]
"""Fact, receiver and record → what was so before the first change of it."""


def _firsts(changes: Any) -> Firsts:
    found: Firsts = {}
    rows = changes.order_by("id").values_list("fact", "receiver", "record", "before")
    for fact, receiver, record, before in rows:
        found.setdefault((fact, receiver, record), before)
    return found


# --- Shares ---------------------------------------------------------------------------------------


def _lay_down_shares_with(user: int, moment: datetime) -> None:
    """Lay down the shares with a person and with their teams, of every kind of record."""
    teams = list(Membership.objects.filter(user=user).values_list("team", flat=True))
    receivers = [f"user:{user}", *(f"team:{team}" for team in teams)]
    listed = ", ".join(str(team) for team in teams) or "NULL"
    for kind, tables in SHARES.items():
        to_users, to_teams = tables
        shadow(to_users, where=f"user_id = {user}")
        shadow(to_teams, where=f"group_id IN ({listed})")
        changes = ReachChange.objects.filter(object=kind, receiver__in=receivers, at__gt=moment)
        _undo_shares(kind, tables, changes, moment)


def _lay_down_exceptions_for(user: int, moment: datetime) -> None:
    """Lay down the exceptions from rules on stages that one person had."""
    shadow(StageException, where=f"user_id = {user}")
    changes = ReachChange.objects.filter(
        fact=ReachChange.STAGE_EXCEPTION, receiver=f"user:{user}", at__gt=moment
    )
    _undo_exceptions(changes, moment)


def _undo_exceptions(changes: Any, moment: datetime) -> None:
    """Undo changes of exceptions; those that had not ended at the moment last for long here."""
    rows = changes.filter(fact=ReachChange.STAGE_EXCEPTION).order_by("id")
    seen = set()
    for object, receiver, record, before in rows.values_list(
        "object", "receiver", "record", "before"
    ):
        about = {"object": object, "record": record, "user_id": int(receiver.partition(":")[2])}
        if (which := tuple(about.values())) in seen:
            continue
        seen.add(which)
        past.delete(StageException.objects.filter(**about))
        if before is not None:
            until = datetime.fromisoformat(before["until"])
            StageException.objects.bulk_create(
                [StageException(stage_id=before["stage"], until=until, **about)]
            )
    past.delete(StageException.objects.filter(until__lte=moment))
    StageException.objects.filter(until__gt=moment).update(until=days.moment_after(days.LAST_DAY))


def _undo_shares(
    kind: str, tables: tuple[type[UserShare], type[TeamShare]], changes: Any, moment: datetime
) -> None:
    """Undo changes of shares; those that had not ended at the moment have no end here.

    Rules compare an end with the time by the database's clock, which is that of today.
    """
    to_users, to_teams = tables
    permissions = {
        level: Permission.objects.filter(
            content_type__app_label=to_users._meta.app_label, codename=f"{level.codename}_{kind}"
        )
        for level in Level
    }
    for (fact, receiver, record), before in _firsts(changes).items():
        if fact != ReachChange.SHARE:
            continue
        sort, _, key = receiver.partition(":")
        table: Any = to_users if sort == "user" else to_teams  # guardian's bases are not typed
        about = {f"{table.receiver_field}_id": int(key), "content_object_id": record}
        past.delete(table._default_manager.filter(**about))
        if before is not None:
            until = before["until"] and datetime.fromisoformat(before["until"])
            permission = permissions[Level(before["level"])].get()
            share = table(permission=permission, until=until, **about)
            table._default_manager.bulk_create([share])
    for table in tables:
        past.delete(table._default_manager.filter(until__lte=moment))
        table._default_manager.filter(until__gt=moment).update(until=None)


# --- Rules on stages ------------------------------------------------------------------------------


def _lay_down_stage_rules(then: Firsts) -> None:
    # Any: tables made by Django, each of a type of its own.
    throughs: tuple[Any, ...] = (
        StageRule.stages.through,
        StageRule.users.through,
        StageRule.teams.through,
    )
    shadow(StageRule)
    for through in throughs:
        shadow(through)
    for (_, _, pipeline), said in then.items():
        for through in throughs:
            past.delete(through.objects.filter(stagerule__pipeline_id=pipeline))
        past.delete(StageRule.objects.filter(pipeline_id=pipeline))
        # Rows of copies are given no key; no rule has a negative one.
        rule = StageRule(
            pk=-pipeline, pipeline_id=pipeline, enabled=said["enabled"], editors=said["editors"]
        )
        StageRule.objects.bulk_create([rule])
        for through, column, keys in zip(
            throughs, ("stage_id", "user_id", "team_id"), _keys(said), strict=True
        ):
            through.objects.bulk_create(
                through(stagerule_id=rule.pk, **{column: key}) for key in keys
            )


def _keys(said: dict[str, Any]) -> Iterable[list[int]]:
    return (said[name] for name in ("stages", "users", "teams"))
