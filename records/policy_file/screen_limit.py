"""The section of the one limit for sensitive values on screens."""

from __future__ import annotations

from accounts.models import User
from accounts.policy_file import File, Plain, Section, Step, Verb, Written, difference
from records.operations import RecordError, screen_limit

KEY = "values_a_day"
LABEL = "Sensitive values per person and day"


def _show() -> dict[str, Plain]:
    return {KEY: screen_limit.current().values_a_day}


def _plan(wanted: Written, file: File) -> list[Step]:
    given = wanted.mapping((KEY,)).get(KEY)
    if given is None:
        return []
    before, after = screen_limit.current(), given.number()
    try:
        screen_limit.check_limit(after)
    except RecordError as refusal:
        raise given.refused(str(refusal)) from None

    def take(actor: User) -> None:
        screen_limit.set_screen_limit(actor=actor, values_a_day=after, version=before.version)

    if before.values_a_day == after:
        return []
    limits = ("no limit" if each is None else each for each in (before.values_a_day, after))
    return [
        Step(
            Verb.CHANGE,
            "Limit of sensitive values on screens",
            take,
            (difference(KEY, LABEL, *limits),),
        )
    ]


SCREEN_LIMIT = Section("screen_limit", _show, _plan, (RecordError,))
