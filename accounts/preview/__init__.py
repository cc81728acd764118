"""What-if: what a change to permissions, teams or super admins would do, before it is saved (B4).

Each function is named after a change and takes what its operation takes. Nothing is written: the
same rules are asked about the people as they would be (`standings`), which conditions differ is
found out (`comparing`, `conditions`), and what is gained and lost is counted in the database
(`counting`, `effects`). Whoever may make a change may see what it would do; the counts are over all
records, also those that the actor does not see.
"""

from accounts.preview.effects import Opened, Outcome
from accounts.preview.result import Preview, require_confirmed
from accounts.preview.rights import (
    assignment,
    permissions,
    set_as,
    set_deleted,
    sets,
    super_admin_made,
    super_admin_removed,
)
from accounts.preview.teams import memberships, team_deleted, team_moved

__all__ = [
    "Opened",
    "Outcome",
    "Preview",
    "assignment",
    "memberships",
    "permissions",
    "require_confirmed",
    "set_as",
    "set_deleted",
    "sets",
    "super_admin_made",
    "super_admin_removed",
    "team_deleted",
    "team_moved",
]
