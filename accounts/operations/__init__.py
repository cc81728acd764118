"""Every change to people, teams and permission sets: one function, one transaction, one event.

Who may do it is asked of access.py; a named system actor (seeding, import) passes and is logged.
"""

from accounts.account_errors import AccountsError, InvalidChange, LastSuperAdmin, NotAllowed
from accounts.entered import line
from accounts.held import (
    Scopes,
    clamped,
    grants_of,
    narrowed,
    scopes_of,
    ticked_along,
    to_be_stored,
    unknown_in,
)
from accounts.marks import mark
from accounts.notices import notify, read_notices
from accounts.operations.arrivals import (
    arrival_policy,
    decide_arrival,
    receive_permissions,
    set_all_on,
)
from accounts.operations.editing import (
    edit_permissions,
    edit_sets,
    permissions_as_they_stand,
    sets_as_they_stand,
)
from accounts.operations.frame import (
    Place,
    on_leaving,
    on_permissions_changing,
    require,
    require_super_admin,
    where_named,
)
from accounts.operations.granting import is_free
from accounts.operations.importing import import_people
from accounts.operations.invitations import accept_invitation, invite
from accounts.operations.log_ins import end_log_in, end_other_log_ins
from accounts.operations.many import (
    Outcome,
    change_many,
    many_as_they_stand,
    require_many_as_opened,
)
from accounts.operations.memberships import (
    add_to_team,
    remove_from_team,
    set_main_team,
    set_teams,
)
from accounts.operations.opened import as_it_stands, require_as_opened
from accounts.operations.own_settings import choose_settings, keep_list_place
from accounts.operations.partner_admins import (
    make_partner_admin,
    remove_partner_admin,
    why_no_partner_admins,
)
from accounts.operations.passwords import (
    change_own_password,
    lift_log_in_pause,
    require_fit_password,
    reset_own_password,
    set_password,
)
from accounts.operations.people import change_person, create_person, deactivate, reactivate
from accounts.operations.sets import assign_set, change_set, create_set, delete_set
from accounts.operations.super_admins import make_super_admin, remove_super_admin
from accounts.operations.taking_back import OWN, as_touched, take_back
from accounts.operations.teams import (
    change_team,
    create_team,
    delete_team,
    merge_teams,
    places_of,
    rewrite_reach,
)

__all__ = [
    "OWN",
    "AccountsError",
    "InvalidChange",
    "LastSuperAdmin",
    "NotAllowed",
    "Outcome",
    "Place",
    "Scopes",
    "accept_invitation",
    "add_to_team",
    "arrival_policy",
    "as_it_stands",
    "as_touched",
    "assign_set",
    "change_many",
    "change_own_password",
    "change_person",
    "change_set",
    "change_team",
    "choose_settings",
    "clamped",
    "create_person",
    "create_set",
    "create_team",
    "deactivate",
    "decide_arrival",
    "delete_set",
    "delete_team",
    "edit_permissions",
    "edit_sets",
    "end_log_in",
    "end_other_log_ins",
    "grants_of",
    "import_people",
    "invite",
    "is_free",
    "keep_list_place",
    "lift_log_in_pause",
    "line",
    "make_partner_admin",
    "make_super_admin",
    "many_as_they_stand",
    "mark",
    "merge_teams",
    "narrowed",
    "notify",
    "on_leaving",
    "on_permissions_changing",
    "permissions_as_they_stand",
    "places_of",
    "reactivate",
    "read_notices",
    "receive_permissions",
    "remove_from_team",
    "remove_partner_admin",
    "remove_super_admin",
    "require",
    "require_as_opened",
    "require_fit_password",
    "require_many_as_opened",
    "require_super_admin",
    "reset_own_password",
    "rewrite_reach",
    "scopes_of",
    "set_all_on",
    "set_main_team",
    "set_password",
    "set_teams",
    "sets_as_they_stand",
    "take_back",
    "ticked_along",
    "to_be_stored",
    "unknown_in",
    "where_named",
    "why_no_partner_admins",
]
