"""What-if: what a change to permissions, teams or status would do, before it is saved (B4).

Each function is named after a change and takes what its operation takes. Nothing is written: the
same rules are asked about the people as they would be (`standings`), which conditions differ is
found out (`comparing`, `conditions`), and what is gained and lost is counted in the database
(`counting`, `effects`). Whoever may make a change may see what it would do, as far as they see the
records and people that it tells of (`result.previewed`).
"""

from accounts.preview.effects import Opened, Outcome
from accounts.preview.result import Preview, require_confirmed
from accounts.preview.rights import (
    assignment,
    partner_admin_made,
    partner_admin_removed,
    permissions,
    set_as,
    set_created,
    set_deleted,
    sets,
    super_admin_made,
    super_admin_removed,
)
from accounts.preview.teams import (
    main_team_set,
    memberships,
    person_as,
    team_deleted,
    team_joined,
    team_left,
    team_moved,
)

__all__ = [
    "Opened",
    "Outcome",
    "Preview",
    "assignment",
    "main_team_set",
    "memberships",
    "partner_admin_made",
    "partner_admin_removed",
    "permissions",
    "person_as",
    "require_confirmed",
    "set_as",
    "set_created",
    "set_deleted",
    "sets",
    "super_admin_made",
    "super_admin_removed",
    "team_deleted",
    "team_joined",
    "team_left",
    "team_moved",
]
