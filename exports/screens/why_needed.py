"""Why an export needs consent, and what would do without: sentences beside what `Gate` finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts.models import User
from accounts.words import counted, listed
from exports import operations, tables
from exports.policy import Need
from records import query_words
from records.models.properties import FieldKey, flagged_keys

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

REASONS: dict[str, StrOrPromise] = {
    "sensitive": gettext_lazy("It contains sensitive data; such an export always needs approval."),
    "above_threshold": gettext_lazy("It has more records than may be exported without approval."),
    "above_daily": gettext_lazy(
        "With it you export more records in 24 hours than you may without approval."
    ),
    "above_weekly": gettext_lazy(
        "With it you export more records in 7 days than you may without approval."
    ),
    "same_hands": gettext_lazy(
        "One person made your account, reactivated it, or set its password or e-mail address in "
        "the last 7 days, or you did so for others. Accounts in one pair of hands share the limits "
        "of one person; with this export they exceed one of them."
    ),
    "rules_changed": gettext_lazy(
        "In the last 24 hours you changed the rules for exports, or your own right to export "
        "without approval; or somebody did who made your account or opened it in the last 30 "
        "days. For so long your exports need the approval that anybody’s would need, by the rules "
        "of before and of now."
    ),
    "second_person": gettext_lazy(
        "With it you export so many records in 24 hours that everybody needs a second person’s "
        "approval."
    ),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason in words, and the smallest step that does away with it; empty where none does."""

    said: str
    way_out: str


def reasons(found: operations.Preview, user: User, *, ticked: frozenset[str]) -> Iterator[Reason]:
    """Yield every reason of a preview, read by the person whose it is.

    `ticked`: the columns that were chosen one by one, and so can be left out by a click.
    """
    for need in found.needs:
        steps = list(_steps(found, need, user, ticked))
        said = gettext("This reason goes away if you %(steps)s.")
        way_out = said % {"steps": listed(steps)} if steps and all(steps) else ""
        yield Reason(_said(found, need, user), way_out)


def _said(found: operations.Preview, need: Need, user: User) -> str:
    """Say why, and which sensitive fields only the list itself reads (Q5)."""
    said = [str(REASONS[need.code])]
    if need.code != "sensitive":
        return said[0]
    if lifted := found.sensitive_fields - flagged_keys():
        counts = gettext(
            "%(fields)s: the flag was taken away in the last 24 hours, by you or by somebody "
            "who made or opened your account, and for so long it still counts."
        )
        said.append(counts % {"fields": _called(found, lifted, user)})
    if elsewhere := found.sensitive_fields.difference(*(c.reads for c in found.columns)):
        read = gettext("Its filters, search or order read sensitive fields: %(fields)s.")
        said.append(read % {"fields": _called(found, elsewhere, user)})
    return " ".join(said)


def _called(found: operations.Preview, keys: Iterable[FieldKey], user: User) -> str:
    return ", ".join(tables.called(found.wish.model, sorted(keys), user))


def _steps(
    found: operations.Preview, need: Need, user: User, ticked: frozenset[str]
) -> Iterator[str]:
    """Yield what a person would do about one reason, all of it together; an empty step: nothing."""
    if need.sensitive:
        fields = found.sensitive_fields & need.sensitive
        yield from _without_fields(found, fields, user, ticked)
    if need.most is not None:
        narrow = ngettext(
            "narrow the list to %(count)s record",
            "narrow the list to at most %(count)s records",
            need.most,
        )
        yield narrow % {"count": counted(need.most)} if need.most else ""


def _without_fields(
    found: operations.Preview, fields: frozenset[FieldKey], user: User, ticked: frozenset[str]
) -> Iterator[str]:
    columns = [column for column in found.columns if column.reads & fields]
    if len(columns) == len(found.columns):
        yield ""  # nothing would be left to export
    elif columns:
        said = gettext("choose the columns yourself, without %(columns)s")
        if all(column.name in ticked for column in columns):
            said = gettext("untick %(columns)s")
        yield said % {"columns": listed(str(column.label) for column in columns)}
    wish = found.wish
    labels, searches, sorts = query_words.parts_reading(wish.model, wish.query, fields, user=user)
    if labels:
        said = ngettext(
            "take the filter %(names)s away", "take the filters %(names)s away", len(labels)
        )
        yield said % {"names": listed(labels)}
    if searches:
        yield gettext("do without the search")
    if sorts:
        yield gettext("sort the list by something else")
