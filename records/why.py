"""Why a person may or may not do something to a record, and what would be enough, in words (B2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, gettext_lazy, pgettext

from accounts import access, suppose
from accounts.access import RESTORE, SCOPE_OF, Explanation, Loaded
from accounts.audit import Actor
from accounts.models import Team, User
from accounts.suppose import Candidate, Suggestion
from records.models import SHARES, Property, Record, StageException
from records.models.properties import field_access, field_of
from records.models.rules import BOUND_BY_STAGE, EXCEPTED, GIVEN_BY_SHARE, OPEN_BY_EXCEPTION
from records.models.shares import live
from records.reasons import (
    chosen_editors,
    end_of,
    owner_sentence,
    seen_because,
    sentences_of,
)

ASKED = ("change", "delete")


def suggest(user: User, action: str, record: Record) -> Suggestion | None:
    """Return the smallest single step after which this person may do this to the stored record.

    The smallest is the one that lets them do this to the fewest more records; one that takes
    something away comes last, and says so. None where they may already, where nothing could help (a
    deactivated account, the recycle bin), and where more than one thing stands in the way. A few
    queries, whatever the number of rows. It may name a team, and so tell where an owner is: for
    super admins.
    """
    explanation = access.explain(user, action, record)
    if explanation.allowed or not user.is_active:
        return None
    return _smallest(user, action, record, explanation)


def _smallest(user: User, action: str, record: Record, refused: Explanation) -> Suggestion | None:
    teams = chosen_editors(record)[0] if "stage" in refused.denying_codes else []
    tried = {action: steps(user, action, record, teams)}
    return suppose.first_enough(user, record, tried)[action]


def steps(
    user: User, action: str, record: Record, teams: Iterable[Team] = ()
) -> Iterator[Candidate]:
    """Yield every step that is tried, in the order of how many records it opens; each by itself.

    The first three open this record alone. What a team opens, one of these does too, except where a
    locked stage takes away: then the team must be one that may edit there.
    """
    asked = SCOPE_OF.get(action, action)
    if asked in GIVEN_BY_SHARE:
        yield suppose.share_step(user, asked)
    if action != RESTORE:  # what lies in the recycle bin changes no owner
        yield suppose.owner_step(user)
    yield from exception_steps(user, action, record)
    yield from stage_steps(user, action, record)
    yield from suppose.team_steps(user, teams)
    yield from suppose.set_steps(user, action, type(record))


def exception_steps(user: User, action: str, record: Record) -> Iterator[Candidate]:
    """Yield an exception from the rule on the record's stage, for this record and a time (B15)."""
    if getattr(record, "stage", None) is None or action not in OPEN_BY_EXCEPTION:
        return
    words = gettext("a super admin let {whom} edit it for a time though its stage is locked")
    yield Candidate(Suggestion("exception", words), Loaded(user), frozenset({"stage"}))


def stage_steps(user: User, action: str, record: Record) -> Iterator[Candidate]:
    """Yield naming the person in the edit rule of the record's pipeline: it binds them no more."""
    stage = getattr(record, "stage", None)
    if stage is None or action not in BOUND_BY_STAGE:
        return
    words = gettext("a super admin named {whom} in the rule on editing in {name}")
    step = Suggestion("stage", words, name=str(stage.pipeline))
    yield Candidate(step, Loaded(user), frozenset({"stage"}))


MORE_THAN_ONE = gettext_lazy("Several things stand in the way, so no single step would be enough.")
ONLY_A_TEAM = gettext_lazy(
    "A super admin could put you into a team that may edit there and also reaches this record, "
    "such as a team of one of its owners. Where there is none, no single step is enough."
)
"""Said whether there is such a team or not: nobody learns who is in which team (L92)."""


def way_out(user: User, action: str, record: Record, refused: Explanation) -> str:
    """Return what would be enough as a sentence about this person, for a super admin."""
    denying = refused.denying_codes
    if "inactive" in denying:
        return gettext("Nothing helps while the account is deactivated.")
    if "deleted" in denying:
        return gettext("Nothing helps while it is in the recycle bin.")
    if _has_no_set(user):
        return _give_a_set(user)
    found = _smallest(user, action, record, refused)
    return found.sentence(str(user)) if found else str(MORE_THAN_ONE)


def way_to_create(user: User, model: type[Record]) -> str:
    """Return what would be enough for this person to create records of this kind."""
    if not user.is_active:
        return gettext("Nothing helps while the account is deactivated.")
    if _has_no_set(user):
        return _give_a_set(user)
    found = next(suppose.set_steps(user, "add", model), None)
    return found.suggestion.sentence(str(user)) if found else str(MORE_THAN_ONE)


def _has_no_set(user: User) -> bool:
    return user.permission_set_id is None and not user.is_superuser


def _give_a_set(user: User) -> str:
    said = gettext("%(name)s has no permission set. A super admin can give them one.")
    return said % {"name": user}


@dataclass(frozen=True, slots=True)
class FieldAnswer:
    """What a person may do with the values of one field, and the rule it comes from (B2, E24)."""

    name: str
    label: str
    answer: str
    rule: str


def field_answers(
    user: User, model: type[Record], *, reader: Actor, may_change: bool
) -> list[FieldAnswer]:
    """Return what this person may do with each field that has a rule; three queries.

    Of a record that they may view, and perhaps change: a field opens no record. Fields that are
    hidden from the reader are left out, whatever the person may do with them (B6).
    """
    found, left_out = field_access(user, model), field_access(reader, model).hidden
    answers = []
    for row in Property.objects.filter(object=model.object_key).exclude(name__in=left_out):
        field = field_of(row.object, row.name)
        if field is None:
            continue  # it has no values to be read or edited
        answer = _field_answer(
            hidden=row.name in found.hidden,
            only_read=row.name in found.fixed or not may_change,
            one_by_one=row.name in found.veiled,
        )
        label = str(field.label)
        answers.append(FieldAnswer(row.name, label, answer, row.get_access_display()))
    return answers


def _field_answer(*, hidden: bool, only_read: bool, one_by_one: bool) -> str:
    if hidden:
        return gettext("hidden, name included")
    if only_read:
        return (
            gettext("read, one value at a time, and logged")
            if one_by_one
            else pgettext("a field", "read")
        )
    if one_by_one:
        return gettext("read and edit, one value at a time, and logged")
    return pgettext("a field", "read and edit")


def why(user: User, record: Record) -> dict[str, Any]:
    """Return what the “why?” panel says to the reader of a record: each sentence once.

    At most eight queries, and fewer for a record read with its owners, stage and pipeline.
    """
    answers = access.explain_each(user, ("view", *ASKED), record)
    allowed = [action for action in ASKED if answers[action].allowed]
    refused = [action for action in ASKED if not answers[action].allowed]
    # Without teams: that joining a certain one would be enough tells where an owner is.
    tried = {action: steps(user, action, record) for action in refused}
    enough = suppose.first_enough(user, record, tried) if refused else {}
    texts = {action: sentences_of(answers[action], user, action, record) for action in refused}
    # What stands in the way of both is said once, of both.
    common = [each for each in texts.get("change", ()) if each in texts.get("delete", ())]
    reasons: dict[str, list[str]] = {" ".join(common): list(refused)} if common else {}
    ways: dict[str, list[str]] = {}
    for action in refused:
        if own := [each for each in texts[action] if each not in common]:
            reasons.setdefault(" ".join(own), []).append(action)
        way = _way_to(enough[action], answers[action], record)
        ways.setdefault(way, []).append(action)
    return {
        "answers": {action: answer.allowed for action, answer in answers.items()},
        "may_change": "change" in allowed,
        "may_request": "change" in refused and record.object_key in SHARES,
        "sentences": [
            owner_sentence(record, user),
            seen_because(answers["view"]),
            *([str(_CAN[tuple(allowed)])] if allowed else []),
            *(excepted(user, record) if "change" in allowed else ()),
            *(str(_CANNOT[tuple(verbs)]) % {"why": text} for text, verbs in reasons.items()),
        ],
        "ways": [
            str(_TO[verbs[0]]) % {"way": f"{text[0].lower()}{text[1:]}"} if len(ways) > 1 else text
            for text, verbs in ways.items()
        ],
    }


def excepted(user: User, record: Record) -> Iterator[str]:
    """Yield that this person may edit a record by an exception alone, and until when (B15)."""
    if record.pk not in user.grants.given.get((record.object_key, EXCEPTED), ()):
        return
    stage: Any = getattr(record, "stage_id", None)
    rows = StageException.objects.filter(
        live(), user=user, object=record.object_key, record=record.pk, stage=stage
    )
    for made in rows:
        yield gettext("Its stage is locked; an exception lets you edit it %(end)s.") % {
            "end": end_of(made.until)
        }


_CAN = {
    ("change",): gettext_lazy("You can change it."),
    ("delete",): gettext_lazy("You can delete it."),
    ("change", "delete"): gettext_lazy("You can change and delete it."),
}
_CANNOT = {
    ("change",): gettext_lazy("You cannot change it. %(why)s"),
    ("delete",): gettext_lazy("You cannot delete it. %(why)s"),
    ("change", "delete"): gettext_lazy("You cannot change or delete it. %(why)s"),
}
# Said where one and the other take different steps; the step begins in small letters.
_TO = {
    "change": gettext_lazy("To change it: %(way)s"),
    "delete": gettext_lazy("To delete it: %(way)s"),
}


def _way_to(found: Suggestion | None, refused: Explanation, record: Record) -> str:
    """Return what would be enough for the reader; where a team might be, without saying which."""
    if found is not None:
        return found.sentence()
    denying = refused.denying_codes
    if "stage" in denying <= {"stage", "unseen"} and chosen_editors(record)[0]:
        return str(ONLY_A_TEAM)
    return str(MORE_THAN_ONE)
