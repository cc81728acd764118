"""A plan told to people, in sentences, and to programs, as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from accounts.policy_file.sections import Difference, Step, Verb
from accounts.policy_file.whole import Planned

WOULD = {
    Verb.CREATE: "would be created",
    Verb.CHANGE: "would be changed",
    Verb.DELETE: "would be deleted",
}
WAS = {Verb.CREATE: "was created", Verb.CHANGE: "was changed", Verb.DELETE: "was deleted"}


def steps_of(planned: Planned) -> list[Step]:
    """Return the steps in the order in which they are told: by section, and there by name."""
    return [step for _, steps in planned for step in sorted(steps, key=lambda step: step.what)]


def sentences(planned: Planned, becomes: dict[Verb, str]) -> Iterator[str]:
    """Yield a line for each step, and below it one for each difference."""
    for step in steps_of(planned):
        people = f" ({_people(step.people)})" if step.people else ""
        yield f"{step.what} {becomes[step.verb]}{people}{':' if step.differences else '.'}"
        for each in step.differences:
            yield f"  {_difference(step, each)}"
        if step.note and becomes is WOULD:
            yield f"  {step.note}"


def _people(count: int) -> str:
    return "1 active person has it" if count == 1 else f"{count:,} active people have it"


def _difference(step: Step, each: Difference) -> str:
    if step.verb is Verb.CREATE:
        return f"{each.what}: {each.after}"
    return f"{each.what}: from {each.before} to {each.after}"


def values(planned: Planned) -> dict[str, Any]:
    """Return the plan as plain values: `changes`, and `steps` as they are told."""
    steps = [
        {
            "section": section.key,
            "verb": step.verb.value,
            "what": step.what,
            "people": step.people,
            "note": step.note,
            "differences": [
                {"key": each.key, "what": each.what, "from": each.before, "to": each.after}
                for each in step.differences
            ],
        }
        for section, steps in planned
        for step in sorted(steps, key=lambda step: step.what)
    ]
    return {"changes": bool(steps), "steps": steps}
