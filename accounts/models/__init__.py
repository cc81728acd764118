"""Who people are, what they may do, and what they did."""

from accounts.models.arrivals import ArrivalPolicy, KnownPermission
from accounts.models.audit import AuditEvent, AuditText
from accounts.models.history import PermissionChange
from accounts.models.lease import Lease
from accounts.models.log_in import LogInCount
from accounts.models.notices import Notice, Outbox
from accounts.models.people import Membership, Team, TeamReach, User
from accounts.models.permissions import ObjectScope, PermissionSet, Rank, ToolGrant
from accounts.models.rights import Deed, RightsChange
from accounts.models.sent_forms import SentForm
from accounts.models.sessions import Session

__all__ = [
    "ArrivalPolicy",
    "AuditEvent",
    "AuditText",
    "Deed",
    "KnownPermission",
    "Lease",
    "LogInCount",
    "Membership",
    "Notice",
    "ObjectScope",
    "Outbox",
    "PermissionChange",
    "PermissionSet",
    "Rank",
    "RightsChange",
    "SentForm",
    "Session",
    "Team",
    "TeamReach",
    "ToolGrant",
    "User",
]
