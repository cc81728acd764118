"""Opening one record to a person or a team, and ending that again (E54, E55).

Whoever may change a record other than by a share may share it; since they may change it, they hold
both levels, and nobody gives more than they hold (S34). What a share is worth to its receiver is
no question here: `records.models.rules.share_rules` says it, whenever anybody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext, gettext_lazy

from accounts import access, audit, catalogue, clock, days
from accounts.audit import Actor, operation
from accounts.models import Membership, Team, User
from accounts.words import listed
from records.models import SHARES, Level, Record, Share, TeamShare, UserShare
from records.models.rules import SHARED
from records.models.shares import live
from records.operations.kept import keep_share
from records.operations.writing import find_stored
from records.reasons import not_allowed
from records.refusals import Invalid, NotAllowed, NotFound

R = TypeVar("R", bound=Record)

ONLY_SHARED = gettext_lazy(
    "You may edit this record only because it is shared with you, and a share cannot be passed on. "
    "Ask one of its owners to share it."
)


def may_share(user: User, record: Record) -> bool:
    """Tell whether this person may share the stored record; one query."""
    return access.allows(user, "change", record, without=(SHARED,))


def require_sharing(record: Record, actor: Actor) -> None:
    """Raise `NotAllowed` with the reasons unless the actor may share this record."""
    if not isinstance(actor, User) or may_share(actor, record):
        return
    if access.allows(actor, "change", record):
        raise NotAllowed(str(ONLY_SHARED), "shared")
    why = not_allowed(actor, "change", record)
    said = gettext("Only who may change a record may share it. %(why)s")
    raise NotAllowed(said % {"why": why}, why.code)


MOST_AT_ONCE = 100
"""With so many people and teams at most a record is shared at once."""


def share(
    record: Record,
    *,
    actor: Actor,
    level: str,
    user: User | None = None,
    team: Team | None = None,
    until: datetime | None = None,
) -> Share:
    """Open a record to one person or to one team's main members; as `share_with`."""
    _one_of(user, team)
    people, teams = [user] if user else [], [team] if team else []
    return share_with(record, actor=actor, level=level, people=people, teams=teams, until=until)[0]


@operation("{object}.share")
def share_with(
    record: Record,
    *,
    actor: Actor,
    level: str,
    people: Iterable[User] = (),
    teams: Iterable[Team] = (),
    until: datetime | None = None,
) -> list[Share]:
    """Open a record to these people and to the teams' main members: to all of them, or to nobody.

    It replaces what each of them had of it; one event for each with whom that makes a difference.
    `level` is a `Level`; `until` an aware moment to come, at most the end of `days.LAST_DAY`, or
    None for no end. Raises `NotFound`, `NotAllowed` with the reasons, or `Invalid`.
    """
    stored = find_stored(record, actor, lock=True)
    require_sharing(stored, actor)
    if level not in Level.values:
        raise Invalid(gettext("Choose what the share allows: view, or view and edit."))
    _check_end(until)
    receivers = _receivers(actor, list(people), list(teams))
    codename = f"{Level(level).codename}_{stored._meta.model_name}"
    terms = {
        "permission": Permission.objects.get(
            content_type=ContentType.objects.get_for_model(stored), codename=codename
        ),
        "giver": actor if isinstance(actor, User) else None,
        "until": until,
    }
    before = _held_by(stored, receivers)
    shares = [_open_to(each, stored, actor, terms, before.get(each)) for each in receivers]
    _require_worth(stored, [each for each in receivers if isinstance(each, User)])
    return shares


def _check_end(until: datetime | None) -> None:
    if until is not None and until <= clock.database_now():
        raise Invalid(gettext("This end lies in the past. Choose a later one, or none."))
    if until is not None and until > days.moment_after(days.LAST_DAY):
        # PostgreSQL would keep it and could not be read any more, east of its time zone.
        said = gettext("This end lies after the year %(year)s. Choose none instead.")
        raise Invalid(said % {"year": days.LAST_DAY.year})


def _open_to(
    receiver: User | Team,
    record: Record,
    actor: Actor,
    terms: dict[str, Any],
    before: Any,  # a share; guardian's bases are not typed
) -> Share:
    """Write one receiver's share, unless it says the same already."""
    if before is not None and all(getattr(before, name) == terms[name] for name in terms):
        return before  # type: ignore[no-any-return]  # as above
    now = {**terms, "created_at": clock.database_now()}
    table = _table(record, receiver)
    key = {f"{table.receiver_field}_id": receiver.pk, "content_object": record}
    shared: Share = table._default_manager.update_or_create(defaults=now, **key)[0]
    data = {**_data(shared), "from": before and _terms(before)}
    keep_share(record, _to(shared), data["from"], _terms(shared), actor)
    audit.record(f"{record.object_key}.share", actor=actor, on=record, data=data)
    return shared


@operation("{object}.unshare")
def unshare(
    record: Record, *, actor: Actor, user: User | None = None, team: Team | None = None
) -> None:
    """End a share at once. Whoever may share the record may, and whoever gave this share.

    Raises `NotFound` for a record out of reach and for a share that is no more.
    """
    stored = find_stored(record, actor, lock=True)
    receiver = _one_of(user, team)
    table = _table(stored, receiver)
    key = {f"{table.receiver_field}_id": receiver.pk, "content_object": stored}
    before = table._default_manager.filter(**key).select_related("permission").first()
    if before is None:
        raise NotFound(gettext("This share has already ended."))
    if not (isinstance(actor, User) and before.giver_id == actor.pk):
        require_sharing(stored, actor)
    _end(before, stored, actor)


def end_with_receiver(person: User, actor: Actor) -> None:
    """End every share a deactivated person received; what they gave stays (E51, E52).

    Fills the slot `accounts.operations.on_leaving`, inside its transaction.
    """
    for to_users, _ in SHARES.values():
        rows = to_users._default_manager.filter(user=person)
        for received in rows.select_related("permission", "content_object"):
            _end(received, received.content_object, actor, because="deactivated")


# --- Reading --------------------------------------------------------------------------------------


def shares_of(record: Record) -> list[Share]:
    """Return a record's shares that have not ended, people's first; two queries."""
    return [
        row
        for table in SHARES.get(record.object_key, ())
        for row in table._default_manager.filter(live(), content_object=record.pk)
        .select_related("permission", "giver", table.receiver_field)
        .order_by("created_at", "id")
    ]


def shared_with(
    user: User, reader: User | None = None
) -> Iterator[tuple[catalogue.ObjectKind, list[QuerySet[Any]]]]:
    """Yield, by kind of record, the shares this person receives: their own and their team's.

    Of records that the reader may view, who is that person where nobody else is named.
    """
    reader = reader or user
    main = Membership.objects.filter(user=user, is_main=True).values("team")
    for kind, (to_users, to_teams) in _kinds(reader):
        rows = (
            to_users._default_manager.filter(user=user),
            to_teams._default_manager.filter(group__in=main),
        )
        yield kind, [_in_reach(found, kind, reader) for found in rows]


def shared_by(
    user: User, reader: User | None = None
) -> Iterator[tuple[catalogue.ObjectKind, list[QuerySet[Any]]]]:
    """Yield, by kind of record, the shares this person gave, of what the reader may view."""
    reader = reader or user
    for kind, tables in _kinds(reader):
        rows = (table._default_manager.filter(giver=user) for table in tables)
        yield kind, [_in_reach(found, kind, reader) for found in rows]


def _kinds(
    user: User,
) -> Iterator[tuple[catalogue.ObjectKind, tuple[type[UserShare], type[TeamShare]]]]:
    for kind in catalogue.objects():
        if kind.key in SHARES and access.allows_any(user, "view", kind.model):
            yield kind, SHARES[kind.key]


def _in_reach(rows: QuerySet[Any], kind: catalogue.ObjectKind, user: User) -> QuerySet[Any]:
    """Keep live shares of records that the person may view now; a share is no way around that."""
    # Each by its key: as a list, SQLite read all that the person sees, once for each kind of share.
    record = kind.model._base_manager.filter(pk=OuterRef("content_object_id"))
    seen = access.permitted(record, user, "view")
    receiver = rows.model.receiver_field
    return (
        rows.filter(live(), Exists(seen))
        .select_related("permission", "giver", receiver, "content_object")
        .order_by("-created_at", "-id")
    )


# --- Parts ----------------------------------------------------------------------------------------


def _one_of(user: User | None, team: Team | None) -> User | Team:
    if user is not None and team is None:
        return user
    if team is not None and user is None:
        return team
    raise Invalid(gettext("Choose one person or one team."))


def _receivers(actor: Actor, people: list[User], teams: list[Team]) -> list[User | Team]:
    """Return who shall receive a share, as stored now: people first, each once."""
    if not people and not teams:
        raise Invalid(gettext("Choose at least one person or team."))
    if len(people) + len(teams) > MOST_AT_ONCE:
        said = gettext("Share with at most %(count)s people and teams at once.")
        raise Invalid(said % {"count": MOST_AT_ONCE})
    if actor in people:
        raise Invalid(gettext("You have this record already. Choose somebody else."))
    # Locked, or somebody deactivated meanwhile would find the share when they come back; in one
    # order, so that of two who share at once the second waits for the first.
    stored = User.objects.select_for_update(of=("self",)).order_by("pk")
    found = list(stored.filter(pk__in=[each.pk for each in people], is_active=True))
    if gone := [each for each in people if each not in found]:
        raise _nothing(gone)
    there = list(Team.objects.filter(pk__in=[team.pk for team in teams]).order_by("pk"))
    if {*teams} - {*there}:
        raise Invalid(gettext("This team does not exist any more. Choose another one."))
    return [*found, *there]


def _held_by(record: Record, receivers: Iterable[User | Team]) -> dict[User | Team, Any]:
    """Return the shares that these have of a record, live or ended; a query for each table."""
    wanted = list(receivers)
    found: dict[User | Team, Any] = {}
    for kind in (User, Team):
        some = {each.pk: each for each in wanted if isinstance(each, kind)}
        if some:
            table = _table(record, next(iter(some.values())))
            key = f"{table.receiver_field}_id"
            rows = table._default_manager.filter(**{f"{key}__in": some}, content_object=record)
            for row in rows.select_related("permission", "giver"):
                found[some[getattr(row, key)]] = row
    return found


def _require_worth(record: Record, people: list[User]) -> None:
    """Raise where a share that was just written gives somebody nothing; one query for all."""
    keys = [each.pk for each in people]
    reached = access.who_can("view", record).filter(pk__in=keys) if keys else User.objects.none()
    seeing = set(reached.values_list("pk", flat=True))
    if nothing := [each for each in people if each.pk not in seeing]:
        raise _nothing(nothing)


def _nothing(people: list[User]) -> Invalid:
    """Return the refusal to share with these: one sentence for whatever keeps them from it.

    What they hold is not told to others.
    """
    said = gettext("A share would give %(name)s nothing. Choose somebody else.")
    return Invalid(said % {"name": listed(each.get_full_name() for each in people)})


def _table(record: Record, receiver: User | Team) -> type[Any]:
    """Return the table of this record's shares with people, or with teams.

    Any, since guardian's bases are not typed.
    """
    to_users, to_teams = SHARES[record.object_key]
    return to_users if isinstance(receiver, User) else to_teams


def _end(share: Any, record: Record, actor: Actor, **data: str) -> None:
    audit.record(
        f"{record.object_key}.unshare", actor=actor, on=record, data={**_data(share), **data}
    )
    keep_share(record, _to(share), _terms(share), None, actor)
    share.delete()


def _data(share: Any) -> dict[str, Any]:
    field = share.receiver_field
    return {
        "user" if field == "user" else "team": getattr(share, f"{field}_id"),
        **_terms(share),
    }


def _to(share: Any) -> str:
    """Return whom a share is with, as its history keeps it."""
    kind = "user" if share.receiver_field == "user" else "team"
    return f"{kind}:{getattr(share, f'{share.receiver_field}_id')}"


def _terms(share: Any) -> dict[str, Any]:
    return {"level": share.level, "until": share.until and share.until.isoformat()}
