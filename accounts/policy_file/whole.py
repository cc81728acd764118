"""The whole file: shown, planned, applied. Each section does its part; here is what they share."""

from __future__ import annotations

from typing import Any

import yaml

from accounts.audit import operation
from accounts.models import User
from accounts.operations import require_super_admin
from accounts.policy_file.naming import File
from accounts.policy_file.reading import Plain, PolicyError, read
from accounts.policy_file.sections import Section, Step, Verb, sections
from accounts.rights import one_at_a_time

Planned = list[tuple[Section, list[Step]]]
"""The steps by section, in the order of the file."""

HEADING = """\
# The policy of a crmperms account: manage.py policy_plan and policy_apply read it.
# A section that is left out stays as it is. What is left out of permission_sets, teams, stage_rules
# and fields is taken away.
"""
NEVER_FOLDED = 1_000_000


class Refused(PolicyError):
    """An operation refused one of the steps, and all were taken back; the message says which."""


def shown() -> str:
    """Return the policy as it holds now, as a file. The same policy is always the same file."""
    policy: dict[str, Plain] = {section.key: section.show() for section in sections}
    return HEADING + yaml.dump(
        policy,
        Dumper=_WrittenOut,
        allow_unicode=True,
        default_flow_style=False,
        sort_keys=False,
        width=NEVER_FOLDED,
    )


class _WrittenOut(yaml.SafeDumper):
    """Writes a value out wherever it stands: references are not read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def plan(text: str) -> Planned:
    """Return what applying this file would do; raise `BadPolicy` where it cannot be read."""
    written = read(text)
    given = written.mapping([section.key for section in sections], "section")
    file = File(given)
    return [
        (section, section.plan(given[section.key], file))
        for section in sections
        if section.key in given
    ]


@operation("policy.apply")
def apply(text: str, *, actor: User) -> Planned:
    """Make the account as this file says, in one transaction, and return the steps taken.

    Through the operations of each part alone, as this super admin, so that each asks what it always
    asks and writes its own event. Raises `BadPolicy`, `accounts.operations.NotAllowed`, or
    `Refused`; nothing was changed then.
    """
    require_super_admin(actor)
    # Before anything is read: of two who apply files the second plans by what the first did.
    one_at_a_time("people")
    one_at_a_time("rights")
    planned = plan(text)
    for section, steps in planned:
        _take(section, [step for step in steps if step.verb is not Verb.DELETE], actor)
    for section, steps in reversed(planned):
        _take(section, [step for step in steps if step.verb is Verb.DELETE], actor)
    return planned


def _take(section: Section, steps: list[Step], actor: User) -> None:
    for step in steps:
        try:
            step.take(actor)
        except section.refusals as refusal:
            raise Refused(f"{step.what}, {step.verb}: {refusal} Nothing was applied.") from refusal
