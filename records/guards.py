"""What stands in the way of doing something to many records at once.

Asked by whatever acts on more than one record: bulk edit, bulk delete, merge and restore. It says
what the readers of access.py say about each, of the stored rows and so of the stored stage (Q40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from django.db.models import QuerySet, prefetch_related_objects

from accounts import access
from accounts.audit import Actor, System
from records.models import Record
from records.reasons import sentences_of

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Refused:
    """One record in sight on which the actor may not do it: codes for programs, and sentences."""

    pk: int
    name: str
    codes: tuple[str, ...]
    reasons: tuple[str, ...]


def refused(rows: QuerySet[R], *, actor: Actor, action: str) -> list[Refused]:
    """Return those of these records on which the actor may not do this, with the reasons (Q41).

    Give rows of the model's `_base_manager`, chosen by key. Hidden and absent records are not
    among the answers, so the caller acts on `access.permitted(rows, actor, action)` and on nothing
    else. One query decides, whatever the number of rows; names in the reasons cost a few more. A
    named system actor is refused nothing; the operation that follows logs its reason (R109 a).

    `action` is what is done to each: `change`, `delete`, `merge`, or `restore`. Merging asks it of
    both records (E6). What is restored lies in the bin, where nobody sees it: it is for whoever
    would see it outside and could delete it there, and the stage it comes back into binds like any
    other. The right to the bin itself (E10) comes with its screen, on top.
    """
    if isinstance(actor, System):
        return []
    found = [
        (record, explanation)
        for record, explanation in access.refused(rows, actor, action)
        if not any(finding.code == "unseen" and finding.holds for finding in explanation.findings)
    ]
    locked = [r for r, told in found if any(f.code == "stage" and f.holds for f in told.findings)]
    if locked:
        names = ("users", "teams")
        prefetch_related_objects(locked, *(f"stage__pipeline__rule__{name}" for name in names))
    return [
        Refused(
            record.pk,
            str(record),
            tuple(finding.code for finding in told.decisive),
            tuple(sentences_of(told, actor, action, record)),
        )
        for record, told in found
    ]
