"""Trying a failed export again, with the consent that it has."""

from __future__ import annotations

from django.db.models.functions import Now
from django.utils.translation import gettext, ngettext

from accounts import access, audit, clock
from accounts.models import User
from accounts.words import counted
from exports import policy, purpose
from exports.models import ExportRequest
from exports.steps import (
    OUT_OF_REACH,
    NotAllowed,
    S,
    WrongState,
    tell,
    transition,
)
from exports.writers import manifest


def try_again(export: ExportRequest, *, actor: User) -> None:
    """Let a failed export be written after all, as its requester or a super admin.

    Consent is neither given nor lengthened by it: the worker asks, before it writes, everything
    that it asks of any export. What needed none must be within the limits of now, a purpose must be
    there where one is required by now, and a request is as old as it is: days in which nobody
    decided would have ended it. Its records count towards the limits from now on: they leave now.
    """
    with audit.step("export.try_again", actor, export) as person:
        export.refresh_from_db()
        if not access.allows(person, "view", export):
            raise NotAllowed(str(OUT_OF_REACH))
        if person.pk != export.requester_id and not person.is_superuser:
            raise NotAllowed(
                gettext("Only who asked for an export, or a super admin, tries it again.")
            )
        _check(export)
        transition(
            export,
            actor=person,
            action="export.try_again",
            to=S.APPROVED,
            from_=[S.FAILED],
            released_again_at=Now(),
            tries=0,
            setbacks=0,
            folder_failures=0,
            worker="",
            lease_until=None,
            ended_at=None,
            ended_because="",
        )
        if person.pk != export.requester_id:
            said = {"name": person.get_full_name(), "export": export.name}
            tell(
                [export.requester],
                lambda: gettext("%(name)s lets your export “%(export)s” be tried again.") % said,
                export,
                subject=lambda: gettext("Your export is tried again"),
            )


def _check(export: ExportRequest) -> None:
    """Raise where the export may not run with what consent it has."""
    if export.status != S.FAILED or export.ended_at is None:
        raise WrongState(gettext("Only an export that failed is tried again. Reload the page."))
    if (clock.database_now() - export.ended_at).days >= export.lapse_days:
        days = ngettext(
            "It failed more than %(days)s day ago. Ask for the export again.",
            "It failed more than %(days)s days ago. Ask for the export again.",
            export.lapse_days,
        )
        raise WrongState(days % {"days": counted(export.lapse_days)})
    if not manifest.is_as_frozen(export):
        raise WrongState(
            gettext("The request was changed outside the product. Ask for the export again.")
        )
    gate = policy.Gate(export.requester)
    if gate.wants_purpose(approval_needed=export.approval_needed) and purpose.trouble(
        export.message
    ):
        raise WrongState(
            gettext(
                "By now such an export needs a purpose, and this one has none. Ask for the export "
                "again, and say what the file is for."
            )
        )
    if export.approval_needed:
        return
    policy.one_at_a_time(export.requester)
    needed, _ = policy.approval(
        export.requester, export.record_count, export.sensitive_fields, besides=export
    )
    if needed:
        raise WrongState(gettext("By now this export needs approval. Ask for the export again."))
