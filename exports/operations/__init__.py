"""Asking for an export, deciding on it, ending it, fetching it: one function and one event each.

Whoever comes second gets `WrongState`, which says who was first (Q12). Nobody decides on their own
request, super admins included (Q6, B7): that is asked before anything else, and a constraint stands
behind it.
"""

from exports.deciders import approvers_for, chosen_last
from exports.operations.again import try_again
from exports.operations.asking import request_export
from exports.operations.deciding import (
    Conditions,
    approve,
    last_let_in,
    reject,
    still_valid,
    why_not_decide,
)
from exports.operations.delegating import (
    arrange_delegate,
    begin_delegations,
    end_delegate,
    with_delegates,
)
from exports.operations.ending import (
    cancel,
    cancel_by_system,
    end_with_requester,
    recall,
    tell_it_is_over,
)
from exports.operations.fetching import open_download, open_to, why_not_download
from exports.operations.previews import Preview, Sample, first_rows, preview
from exports.operations.profiles import delete_profile, profiles_of, save_profile
from exports.operations.setting import (
    InvalidSetting,
    alert_about,
    change_policy,
    set_alert,
)
from exports.operations.wishes import FORMATS, Format
from exports.steps import (
    ApproversNeeded,
    ExportError,
    InvalidRequest,
    NotAllowed,
    NothingToExport,
    PurposeNeeded,
    SelfApproval,
    WrongState,
)

__all__ = [
    "FORMATS",
    "ApproversNeeded",
    "Conditions",
    "ExportError",
    "Format",
    "InvalidRequest",
    "InvalidSetting",
    "NotAllowed",
    "NothingToExport",
    "Preview",
    "PurposeNeeded",
    "Sample",
    "SelfApproval",
    "WrongState",
    "alert_about",
    "approve",
    "approvers_for",
    "arrange_delegate",
    "begin_delegations",
    "cancel",
    "cancel_by_system",
    "change_policy",
    "chosen_last",
    "delete_profile",
    "end_delegate",
    "end_with_requester",
    "first_rows",
    "last_let_in",
    "open_download",
    "open_to",
    "preview",
    "profiles_of",
    "recall",
    "reject",
    "request_export",
    "save_profile",
    "set_alert",
    "still_valid",
    "tell_it_is_over",
    "try_again",
    "why_not_decide",
    "why_not_download",
    "with_delegates",
]
