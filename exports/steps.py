"""How an export moves from one state to the next, and how it is refused: the ground of operations.

Every state change is one conditional UPDATE; its event and what people are told of it stand in the
same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts import access, audit, errors
from accounts.access import NEVER
from accounts.audit import Actor, System
from accounts.models import User
from accounts.notices import Said, notify, one_line
from accounts.text import BREAKS, hidden_character, named, one_form, shows
from accounts.to_decide import Key
from accounts.words import counted
from exports.models import ExportRequest

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SYSTEM = System("exports")
S = ExportRequest.Status
RUNNING = (S.PENDING, S.APPROVED, S.PROCESSING)
LONGEST_TEXT = 2000
KIND = "export"
"""What notices say of which kind of request they are about (`accounts.to_decide`)."""
PAGE = "admin:exports_exportrequest_change"
LOG = "admin:exports_exportrequest_changelist"
OUT_OF_REACH = gettext_lazy("There is no such export, or it is out of your reach.")


class ExportError(errors.Refusal):
    """Something about an export was refused; the message says what, and what to do."""


class NotAllowed(ExportError, errors.NotAllowed):
    """The actor may not do this; the code says why to the log."""


class SelfApproval(NotAllowed):
    """Somebody wanted to decide on their own request (Q6)."""

    code = "self_approval"


class WrongState(ExportError):
    """Somebody was quicker, or the export does not stand where this step starts (Q12)."""


class InvalidRequest(ExportError):
    """What was asked for cannot be: an unknown column or filter, a missing reason."""

    def __init__(self, text: StrOrPromise, field: str = "") -> None:
        super().__init__(text)
        self.field = field
        """Which field of a form it is about, where it is about one."""


class NothingToExport(InvalidRequest):
    """No record is left after permission, filter and choice."""


class ApproversNeeded(InvalidRequest):
    """The export needs consent, and nobody who could give it was chosen (Q11)."""


class PurposeNeeded(InvalidRequest):
    """It has to be said what the file is for, and it was not."""


class TooManyExports(InvalidRequest):
    """The person asked for as many exports as 24 hours may have (E37)."""


def mine(export: ExportRequest) -> Q:
    """Hold while the export is still in this worker's attempt."""
    return Q(attempt=export.attempt, status=S.PROCESSING)


@transaction.atomic
def transition(
    export: ExportRequest,
    *,
    actor: Actor,
    action: str,
    to: str,
    from_: Sequence[str],
    where: Q | None = None,
    data: dict[str, Any] | None = None,
    text: str = "",
    **fields: Any,
) -> None:
    """Move an export from one state to the next and record it; every state change is made here.

    Of two that race exactly one wins; the other gets `WrongState`. The instance is read again.
    """
    rows = ExportRequest.objects.filter(where or Q(), pk=export.pk, status__in=from_)
    if not rows.update(status=to, version=F("version") + 1, **fields):
        raise WrongState(standing(export))
    audit.record(action, actor=actor, on=export, data={"to": to, **(data or {})}, text=text)
    export.refresh_from_db()


def standing(export: ExportRequest, more: str = "") -> str:
    """Say what became of an export, and `more`, for somebody who comes too late (Q12)."""
    export.refresh_from_db()
    said = gettext(
        "Nothing was changed: this export is not as you saw it any more. Its state is now "
        "“%(status)s”."
    ) % {"status": export.get_status_display()}
    again = ""
    if export.status == S.PENDING:
        again = gettext("Look at it as it is now before you decide.")
    return " ".join(filter(None, (said, _happened(export), more, again)))


def _happened(export: ExportRequest) -> str:
    """Say what brought an export where it is; empty where nothing did."""
    if export.status == S.RECALLED and export.ended_at:
        name = export.requester.get_full_name()
        return gettext("%(name)s recalled it on %(moment)s.") % {
            "name": name,
            "moment": _at(export.ended_at),
        }
    if export.status in (S.CANCELLED, S.LAPSED, S.FAILED) and export.ended_at:
        return gettext("It ended on %(moment)s: %(why)s") % {
            "moment": _at(export.ended_at),
            "why": export.why_it_ended,
        }
    if export.decided_by is not None and export.decided_at:
        said = gettext("%(name)s approved it on %(moment)s.")
        if export.status == S.REJECTED:
            said = gettext("%(name)s rejected it on %(moment)s.")
        name = export.decided_by.get_full_name()
        return said % {"name": name, "moment": _at(export.decided_at)}
    if export.status == S.PENDING and export.waits_again_because:
        said = gettext("An earlier decision was undone: %(why)s")
        return said % {"why": export.why_it_waits_again}
    return ""


def _at(moment: datetime) -> str:
    return date_format(timezone.localtime(moment), "LONG_MOMENT_FORMAT")


def tell(
    people: Iterable[User],
    text: Said,
    export: ExportRequest,
    *,
    subject: Callable[[], str],
) -> None:
    """Tell people a sentence with a link to the export, in the step's transaction (R129, R130).

    Both are said in each one's language. `subject` heads the e-mail, which says in words of ours
    which export it is: `text` may quote what a person wrote, and stays in the product (L88).
    """
    link = reverse(PAGE, args=[export.pk])

    def mail() -> str:
        return gettext(
            "%(subject)s.\n\n"
            "Export: %(export)s, #%(number)s\n"
            "Requested by: %(requester)s\n"
            "Status: %(status)s"
        ) % {
            "subject": one_line(subject()),
            "export": one_line(export.name),
            "number": export.pk,
            "requester": one_line(export.requester.get_full_name()),
            "status": export.get_status_display(),
        }

    def place() -> str:
        return gettext("Export log, #%(number)s") % {"number": export.pk}

    about = about_export(export)
    notify(list(people), text, link, subject=subject, mail=mail, place=place, about=about)


def about_export(export: ExportRequest) -> Key:
    """Return what notices about an export bear."""
    return Key(KIND, export.pk)


def hidden_notices(user: User) -> Q:
    """Hold for notices of standing in for an approver, which link to the whole log.

    Of who does not decide on exports. Fills the slot `accounts.notices.hidden`.
    """
    if access.holds_tool(user, "crm.export_approver"):
        return NEVER
    return Q(about="", link__startswith=reverse(LOG))


def readable(user: User, keys: QuerySet[Any]) -> QuerySet[Any]:
    """Return the keys of exports that this person sees, among these keys."""
    rows = ExportRequest.objects.filter(pk__in=keys).order_by()
    return access.permitted(rows, user, "view").values("pk")


def in_words(count: int) -> str:
    """Return `1 record`, `2 records`, `1,234 records`."""
    return ngettext("%(count)s record", "%(count)s records", count) % {"count": counted(count)}


def words(text: str) -> str:
    """Return what a person wrote, trimmed and in one form; empty where nothing is seen.

    Raises where it is too long, or holds a character that nobody sees; lines and tabs may be.
    """
    text = one_form(text.strip())
    if len(text) > LONGEST_TEXT:
        most = gettext("Write at most %(most)s characters.")
        raise InvalidRequest(most % {"most": LONGEST_TEXT})
    if letter := hidden_character(text, allowed=BREAKS):
        raise InvalidRequest(
            gettext("This text has a character that nobody sees (%(letter)s). Write it anew.")
            % {"letter": named(letter)}
        )
    return text if shows(text) else ""
