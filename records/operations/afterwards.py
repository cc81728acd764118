"""What is asked of a record once it is written: who reaches it now, and what is above it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_lazy, pgettext

from accounts import access
from accounts.audit import Actor
from accounts.models import User
from accounts.rights import one_at_a_time
from records import kinds
from records.models import Record
from records.operations.changes import Change, raw
from records.reasons import about_stage
from records.refusals import HandOver, Invalid, InvalidChoice


def ask_again(change: Change[Any], actor: Actor, confirmed: bool | str) -> None:
    """Ask of what was written whether its actor still sees and edits it, and whether it can stand.

    Raises `HandOver` where the actor loses the record and has not `confirmed` it, or `Invalid`.
    `confirmed` is the mark of the question that was answered with yes; True answers every one.
    """
    before, after = change.before, change.after
    if before is not None and "parent" in change.names:
        check_parents(before, after, actor)
    if confirmed is True or not isinstance(actor, User):
        return
    try:
        if before is None:
            check_sight(after, actor)
        else:
            check_reach(after, actor)
    except HandOver as asked:
        # Rules may have changed since “yes” was said: then it was said to another question.
        if confirmed != asked.mark:
            raise


def _mark(code: str, record: Record) -> str:
    """Return a mark of a question about a record: which one, into which stage, to which owners."""
    names = [name for name in ("stage", *record.owner_fields) if hasattr(record, f"{name}_id")]
    return ".".join([code, *(str(raw(record, name)) for name in names)])


def check_sight(record: Record, creator: User) -> None:
    """Ask of a new record: its creator sees it, and its stage does not keep them from editing it.

    Whoever may edit no such record, whatever its stage, is not asked.
    """
    if not access.allows(creator, "view", record):
        raise HandOver(
            gettext("Hand it over? You will not see it any more."),
            str(IN_REACH),
            pgettext("to do so", "Hand over"),
            _mark("unseen", record),
        )
    explanation = access.explain(creator, "change", record)
    if {finding.code for finding in explanation.decisive} == {"stage"}:
        said = gettext("Create it in “%(stage)s”? You will not be able to edit it any more.")
        raise HandOver(
            said % {"stage": _stage_of(record)},
            _who_may_there(record),
            pgettext("to do so", "Create and lock"),
            _mark("create", record),
        )


def check_reach(record: Record, actor: User) -> None:
    """Ask again of the result: it can be edited still."""
    explanation = access.explain(actor, "change", record)
    if explanation.allowed:
        return
    denying = explanation.denying_codes
    granting = any(f.holds and f.allows for f in explanation.findings)
    is_given_away = not granting or denying != {"stage"}
    if "stage" not in denying:
        said = gettext("Hand it over? You will not be able to edit it any more, or even see it.")
        button = pgettext("to do so", "Hand over")
        raise HandOver(said, str(IN_REACH), button, _mark("hand_over", record))
    # Allowed to anybody who could edit (Q39); its next edit is not.
    parts = {"stage": _stage_of(record)}
    if is_given_away:
        said = gettext(
            "Move to “%(stage)s” and hand over? You will not be able to edit it any more, or even "
            "see it."
        )
        follows = f"{_who_may_there(record)} {IN_REACH}"
        button = pgettext("to do so", "Move, lock and hand over")
        raise HandOver(said % parts, follows, button, _mark("move_and_hand_over", record))
    said = gettext("Move to “%(stage)s”? You will not be able to edit it any more.")
    button = pgettext("to do so", "Move and lock")
    raise HandOver(said % parts, _who_may_there(record), button, _mark("move", record))


IN_REACH = gettext_lazy(
    "You do not see what these owners have. To keep it in sight, choose an owner whose records you "
    "see."
)


def _stage_of(record: Record) -> str:
    return str(record.stage.name)  # type: ignore[attr-defined]  # only records with a stage have a stage finding


def _who_may_there(record: Record) -> str:
    return about_stage(
        record,
        gettext(
            "In the locked stage “%(stage)s” of %(pipeline)s, only super admins may edit it or "
            "move it on."
        ),
        gettext(
            "In the locked stage “%(stage)s” of %(pipeline)s, %(people)s may edit it or move it on."
        ),
    )


def check_parents(before: Record, after: Record, actor: Actor) -> None:
    """Raise `Invalid` where this record would stand above itself."""
    if above_themselves(type(before), [before.pk]):
        refuse_circle(before, after, actor)


def refuse_circle(before: Record, after: Record, actor: Actor) -> None:
    """Raise for a company above itself; in words only where the actor sees the whole circle.

    Where it leads through a company out of their reach, the choice is refused as an absent one is.
    """
    model: Any = type(before)  # a kind of record with a parent, which others have not
    rows: QuerySet[Any] = model._base_manager.all()
    if isinstance(actor, User):
        rows = access.permitted(rows, actor, "view")
    above, passed = raw(after, "parent"), set()
    while above is not None and above != before.pk and above not in passed:
        passed.add(above)
        above = rows.filter(pk=above).values_list("parent", flat=True).first()
    if above != before.pk:
        raise InvalidChoice(kinds.of(model).field("parent"))
    said = gettext(
        "“%(record)s” would stand above itself, directly or through other companies. Choose "
        "another parent, or none."
    )
    raise Invalid(said % {"record": before})


def above_themselves(model: type[Record], keys: Collection[int]) -> set[int]:
    """Return which of these rows would be reached by going up from them, parent by parent.

    Asked of what was written, in its transaction, by one query however deep the tree is.
    """
    if not keys:
        return set()
    table = connection.ops.quote_name(model._meta.db_table)
    marks = ", ".join(["%s"] * len(keys))
    # Of two who hang companies under each other's the second waits, and sees the first.
    one_at_a_time(f"{table}.parent")
    with connection.cursor() as cursor:
        # UNION, not UNION ALL: where a circle is there already, it is gone round once.
        cursor.execute(
            "WITH RECURSIVE above (start, id) AS ("
            f"SELECT id, parent_id FROM {table} WHERE id IN ({marks}) AND parent_id IS NOT NULL "
            f"UNION SELECT above.start, t.parent_id FROM {table} t JOIN above ON t.id = above.id "
            "WHERE t.parent_id IS NOT NULL) SELECT start FROM above WHERE start = id",
            list(keys),
        )
        return {start for (start,) in cursor.fetchall()}
