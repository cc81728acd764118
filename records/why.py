"""Why a person may or may not do something to a record, and what would be enough, in words (B2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from accounts import access, suppose
from accounts.access import Loaded
from accounts.models import Team, User
from accounts.suppose import Candidate, Suggestion
from records import operations
from records.models import Property, Record
from records.models.properties import restrictions
from records.rules import BOUND_BY_STAGE, GIVEN_BY_SHARE

ASKED = ("change", "delete")


def suggest(user: User, action: str, record: Record) -> Suggestion | None:
    """Return the smallest single step after which this person may do this to the stored record.

    None where they may already, where nothing could help (a deactivated account, the recycle bin),
    and where more than one thing stands in the way. A few queries, whatever the number of rows.
    """
    if not user.is_active or access.allows(user, action, record):
        return None
    teams = suppose.teams_of_owners(user, record, record.owner_fields)
    return suppose.first_enough(record, {action: steps(user, action, record, teams)})[action]


def steps(user: User, action: str, record: Record, teams: list[Team]) -> Iterator[Candidate]:
    """Yield every step that is tried, from small to large; each by itself."""
    yield from suppose.scope_steps(user, action, type(record))
    yield from suppose.team_steps(user, teams)
    yield from stage_steps(user, action, record)
    if action in GIVEN_BY_SHARE:
        yield suppose.share_step(user, action)
    yield suppose.owner_step(user)


def stage_steps(user: User, action: str, record: Record) -> Iterator[Candidate]:
    """Yield naming the person in the edit rule of the record's pipeline: it binds them no more."""
    stage = getattr(record, "stage", None)
    if stage is None or action not in BOUND_BY_STAGE:
        return
    words = "a super admin named {whom} in the rule on editing in {name}"
    step = Suggestion("stage", words, name=str(stage.pipeline))
    yield Candidate(step, Loaded(user), frozenset({"stage"}))


MORE_THAN_ONE = "No single step would be enough: more than one thing stands in the way."


def way_out(user: User, action: str, record: Record, other: str = "") -> str:
    """Return what would be enough as a sentence, to the person or about this other one."""
    if not user.is_active:
        return "Nothing helps while the account is deactivated."
    return _sentence(suggest(user, action, record), other)


def _sentence(found: Suggestion | None, other: str = "") -> str:
    return found.sentence(other) if found else MORE_THAN_ONE


@dataclass(frozen=True, slots=True)
class FieldAnswer:
    """What a person may do with the values of one field, and the rule it comes from (B2, E24)."""

    name: str
    label: str
    answer: str
    rule: str


def field_answers(user: User, model: type[Record]) -> list[FieldAnswer]:
    """Return what this person may do with each field that has a rule; two queries.

    Of the records they reach: a field opens no record.
    """
    found = restrictions(user, model)
    answers = []
    for row in Property.objects.filter(object=model.object_key):
        if row.name in found.hidden:
            answer = "hidden, name included"
        elif row.name in found.fixed:
            answer = "read"
        else:
            answer = "read and edit"
        if row.name in found.veiled:
            answer += ", one value at a time, and logged"
        field = model._meta.get_field(row.name)
        label = str(getattr(field, "verbose_name", row.name))
        answers.append(FieldAnswer(row.name, label, answer, row.get_access_display()))
    return answers


def why(user: User, record: Record) -> dict[str, Any]:
    """Return what the “why?” panel says to the reader of a record: each sentence once.

    At most eight queries, and fewer for a record read with its owners, stage and pipeline.
    """
    answers = access.explain_each(user, ("view", *ASKED), record)
    allowed = [action for action in ASKED if answers[action].allowed]
    refused = [action for action in ASKED if not answers[action].allowed]
    teams = suppose.teams_of_owners(user, record, record.owner_fields) if refused else []
    tried = {action: steps(user, action, record, teams) for action in refused}
    enough = suppose.first_enough(record, tried) if refused else {}
    reasons: dict[str, list[str]] = {}
    ways: dict[str, list[str]] = {}
    for action in refused:
        for text in operations.sentences_of(answers[action], user, action, record):
            reasons.setdefault(text, []).append(action)
        ways.setdefault(_sentence(enough[action]), []).append(action)
    return {
        "may_change": "change" in allowed,
        "sentences": [
            operations.owner_sentence(record, user),
            f"You can see it: {operations.seen_because(answers['view'])}.",
            *([f"You can {' and '.join(allowed)} it."] if allowed else []),
            *(f"You cannot {' or '.join(verbs)} it. {text}" for text, verbs in reasons.items()),
        ],
        "ways": [
            f"To {' and '.join(verbs)} it: {text[0].lower()}{text[1:]}" if len(ways) > 1 else text
            for text, verbs in ways.items()
        ],
    }
