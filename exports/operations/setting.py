"""What super admins set: when exports need consent (R111, R112), and what they hear of (E47)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext, gettext_lazy

from accounts import access, audit
from accounts.addresses import page_address
from accounts.models import User
from accounts.notices import one_line, tell_super_admins
from accounts.operations import InvalidChange
from accounts.rights import keep
from accounts.words import counted, either
from exports.left_to_decide import leaving_somebody_to_decide
from exports.models import ExportPolicy, ExportRequest, GateChange, LargeExportAlert
from exports.models.policy import GateRules
from exports.policy import GATE, current
from exports.steps import InvalidRequest, NotAllowed, WrongState, in_words, tell

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LONGEST_DAYS = 3650
MOST_RECORDS = 2**31 - 1
MOST_ALERT = 275_000


class InvalidSetting(InvalidRequest):
    """A setting has no such value; `field` names it, so that a form can say so beside it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Settings(TypedDict, total=False):
    """What `change_policy` takes: only what shall change, everything else stays."""

    require_approval: bool
    threshold: int
    lapse_days: int
    file_days: int
    most_downloads: int
    daily_records: int | None
    weekly_records: int | None
    second_person_above: int | None
    purpose_required: str


Value = bool | int | str | None
# Name → what is said where it is no such number, the least and the most it may be.
_NUMBERS = {
    "threshold": (
        gettext_lazy("The record threshold must be a whole number from %(least)s to %(most)s."),
        *(0, MOST_RECORDS),
    ),
    "lapse_days": (
        gettext_lazy(
            "The days until a request lapses must be a whole number from %(least)s to %(most)s."
        ),
        *(1, LONGEST_DAYS),
    ),
    "file_days": (
        gettext_lazy("The days a file stays must be a whole number from %(least)s to %(most)s."),
        *(1, 30),
    ),
    "most_downloads": (
        gettext_lazy("The downloads of a file must be a whole number from %(least)s to %(most)s."),
        *(1, 100),
    ),
}
# The same for what may be empty: nothing is limited then.
_LIMITS = {
    "daily_records": (
        gettext_lazy(
            "The records per person in 24 hours must be a whole number from %(least)s to %(most)s."
        ),
        *(1, MOST_RECORDS),
    ),
    "weekly_records": (
        gettext_lazy(
            "The records per person in 7 days must be a whole number from %(least)s to %(most)s."
        ),
        *(1, MOST_RECORDS),
    ),
    "second_person_above": (
        gettext_lazy(
            "The records above which a second person is needed must be a whole number from "
            "%(least)s to %(most)s."
        ),
        *(0, MOST_RECORDS),
    ),
}


def change_policy(*, actor: User, version: int, **wanted: Unpack[Settings]) -> ExportPolicy:
    """Write the policy as a super admin wants it; waiting requests are not released by it (Q10).

    `version` is the one that was read: a form that is out of date changes nothing. Refused where a
    waiting request would be left with nobody who may decide on it (B7).
    """
    with audit.step("export_policy.change", actor) as person:
        policy = current()
        if not access.allows(person, "change", policy):
            raise NotAllowed(gettext("Only a super admin changes when exports need approval."))
        changed = {
            name: {"from": getattr(policy, name), "to": value}
            for name, value in checked(policy, wanted).items()
            if getattr(policy, name) != value
        }
        moves = GATE & set(changed)
        with leaving_somebody_to_decide(InvalidRequest, person) if moves else nullcontext():
            if moves:
                _remember(policy, person)
            _write(policy, person, version, changed)
        policy.refresh_from_db()
    return policy


@contextmanager
def new_permissions_arrive_on(person: User) -> Iterator[None]:
    """Count “HubSpot-compatible: all on” as a change of the rules: who switches it moved a gate.

    What opens exports never arrives on by it; what else comes with a later version, nobody knows
    now. Fills the slot `accounts.operations.arrivals.on_all_on`.
    """
    with leaving_somebody_to_decide(InvalidChange, person):
        _remember(current(), person)
        yield


def _remember(before: ExportPolicy, person: User) -> None:
    """Keep who changes the gate and how it stood, for whoever decides or exports from now on."""
    keep(GateChange, person, **{name: getattr(before, name) for name in GATE})


def _write(policy: ExportPolicy, person: User, version: int, changed: dict[str, Any]) -> None:
    values = {name: change["to"] for name, change in changed.items()}
    rows = ExportPolicy.objects.filter(pk=policy.pk, version=version)
    if not rows.update(version=F("version") + int(bool(changed)), **values):
        raise WrongState(
            gettext(
                "Somebody changed this policy meanwhile. Open the page again, read what holds now, "
                "and make your change there."
            )
        )
    if changed:
        audit.record("export_policy.change", actor=person, on=policy, data={"changed": changed})
        _tell_super_admins(person, changed)


def _tell_super_admins(person: User, changed: dict[str, Any]) -> None:
    """Tell the other super admins who changed the rules, and from what to what."""
    labels = {field.name: field.verbose_name for field in ExportPolicy._meta.fields}
    name = person.get_full_name()

    def text() -> str:
        said = [
            gettext("%(setting)s, %(before)s before, %(now)s now")
            % {
                "setting": labels[setting],
                "before": _in_words(each["from"]),
                "now": _in_words(each["to"]),
            }
            for setting, each in changed.items()
        ]
        return gettext("%(name)s changed the rules for exports: %(changes)s.") % {
            "name": name,
            "changes": "; ".join(said),
        }

    tell_super_admins(
        text,
        page_address(ExportPolicy, "changelist"),
        but=[person.pk],
        subject=lambda: gettext("The rules for exports were changed"),
        mail=lambda: (
            gettext("%(name)s changed when exports need approval. Look whether it is meant.")
            % {"name": one_line(name)}
        ),
        place=lambda: gettext("Settings, Approvals"),
    )


def _in_words(value: Value) -> str:
    if isinstance(value, str):
        return str(GateRules.Purpose(value).label)
    if value is None:
        return gettext("no limit")
    if isinstance(value, bool):
        return gettext("on") if value else gettext("off")
    return counted(value)


def checked(policy: ExportPolicy, wanted: Settings) -> dict[str, Value]:
    """Return what is wanted where all of it makes sense; raise `InvalidSetting` where it does not.

    The two limits are looked at together, whichever of them is to change.
    """
    values: dict[str, Any] = {}
    for name, value in wanted.items():
        if name == "require_approval":
            values[name] = bool(value)
        elif name == "purpose_required":
            values[name] = _one_of(name, value)
        elif name in _NUMBERS:
            values[name] = _whole(name, value, *_NUMBERS[name])
        elif name in _LIMITS:
            values[name] = None if value is None else _whole(name, value, *_LIMITS[name])
        else:
            raise TypeError(f"There is no setting {name!r}.")
    daily = values.get("daily_records", policy.daily_records)
    weekly = values.get("weekly_records", policy.weekly_records)
    if daily is not None and weekly is not None and weekly < daily:
        raise InvalidSetting(
            "weekly_records",
            gettext(
                "The records per person in 7 days cannot be fewer than those in 24 hours "
                "(%(daily)s). Raise the one, or lower the other."
            )
            % {"daily": counted(daily)},
        )
    return values


def _one_of(field: str, value: object) -> str:
    if value not in GateRules.Purpose.values:
        refusal = gettext("Choose of which exports a purpose is required: %(choices)s.")
        raise InvalidSetting(field, refusal % {"choices": either(GateRules.Purpose.values)})
    return str(value)


def _whole(field: str, number: object, refusal: StrOrPromise, least: int, most: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
        raise InvalidSetting(field, refusal % {"least": counted(least), "most": counted(most)})
    return number


# --- Alerts for large exports ---------------------------------------------------------------------


def set_alert(*, actor: User, records: int | None) -> None:
    """Let a super admin hear of exports with more records than this; None: of none (E47)."""
    with audit.step("export_alert.set", actor) as person:
        if not (person.is_active and person.is_superuser):
            raise NotAllowed(gettext("Only super admins are told about large exports."))
        if records is not None:
            refusal = gettext(
                "The records of your alert must be a whole number from %(least)s to %(most)s."
            )
            records = _whole("records", records, refusal, 0, MOST_ALERT)
        stored = LargeExportAlert.objects.filter(user=person)
        before = stored.values_list("records", flat=True).first()
        if records == before:
            return
        if records is None:
            stored.delete()
        else:
            LargeExportAlert.objects.update_or_create(user=person, defaults={"records": records})
        data = {"from": before, "to": records}
        audit.record("export_alert.set", actor=person, on=person, data=data)


@transaction.atomic
def alert_about(export: ExportRequest) -> None:
    """Tell each super admin who wants to hear of an export of this size; once, at the request."""
    listening = User.objects.filter(
        is_active=True, is_superuser=True, large_export_alert__records__lt=export.record_count
    ).exclude(pk=export.requester_id)

    def text() -> str:
        said = gettext("Large export: %(name)s exports “%(export)s”, %(records)s.")
        if export.approval_needed:
            said = gettext(
                "Large export: %(name)s requests approval to export “%(export)s”, %(records)s."
            )
        return said % {
            "name": export.requester.get_full_name(),
            "export": export.name,
            "records": in_words(export.record_count),
        }

    tell(listening, text, export, subject=lambda: gettext("A large export"))
