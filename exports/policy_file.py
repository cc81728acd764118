"""The section of a policy file that says when exports need consent."""

from __future__ import annotations

from typing import cast

from django.utils import translation

from accounts.models import User
from accounts.policy_file import Difference, File, Plain, Section, Step, Verb, Written, difference
from exports.models import ExportPolicy
from exports.models.policy import GateRules
from exports.operations.setting import InvalidSetting, Settings, Value, change_policy, checked
from exports.policy import current
from exports.steps import ExportError

SWITCH, PURPOSE = "require_approval", "purpose_required"
KEYS = ExportPolicy.always_visible


def _show() -> dict[str, Plain]:
    policy = current()
    return {name: getattr(policy, name) for name in KEYS}


def _plan(wanted: Written, file: File) -> list[Step]:
    """Return the step to the settings that are written; what is left out stays as it is."""
    before, asked = current(), _read(wanted)

    def take(actor: User) -> None:
        change_policy(actor=actor, version=before.version, **asked)

    changes = tuple(
        _difference(name, getattr(before, name), value)
        for name, value in _checked(before, asked, wanted).items()
        if getattr(before, name) != value
    )
    return [Step(Verb.CHANGE, "Approval of exports", take, changes)] if changes else []


def _read(wanted: Written) -> Settings:
    given = wanted.mapping(KEYS, "setting")
    values = {name: _value(name, given[name]) for name in KEYS if name in given}
    # Of the kinds that the file has; what they may be is asked by `checked`.
    return cast("Settings", values)


def _value(name: str, written: Written) -> Value:
    if name == PURPOSE:
        return written.one_of(GateRules.Purpose.values, "choice")
    return written.flag() if name == SWITCH else written.number()


def _checked(before: ExportPolicy, asked: Settings, wanted: Written) -> dict[str, Value]:
    try:
        return checked(before, asked)
    except InvalidSetting as refusal:
        place = wanted.mapping().get(refusal.field, wanted)
        raise place.refused(str(refusal)) from None


def _difference(name: str, *values: Value) -> Difference:
    with translation.override("en"):  # as all that commands print
        label = str(ExportPolicy._meta.get_field(name).verbose_name).capitalize()  # type: ignore[union-attr]  # a column
    return difference(name, label, *("no limit" if each is None else each for each in values))


APPROVALS = Section("approvals", _show, _plan, (ExportError,))
