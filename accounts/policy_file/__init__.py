"""The policy of an account as a file: who may do what, shown, compared and applied as a whole.

`manage.py policy_show`, `policy_plan` and `policy_apply` are its commands. Layers above add their
sections to the slot `sections`.
"""

from accounts.policy_file.naming import File, people_of, teams_of
from accounts.policy_file.new_permissions import NEW_PERMISSIONS
from accounts.policy_file.permission_sets import PERMISSION_SETS
from accounts.policy_file.reading import BadPolicy, Plain, PolicyError, Written, said
from accounts.policy_file.sections import (
    Difference,
    Section,
    Step,
    Verb,
    difference,
    sections,
)
from accounts.policy_file.teams import TEAMS
from accounts.policy_file.whole import Planned, Refused, apply, plan, shown

__all__ = [
    "NEW_PERMISSIONS",
    "PERMISSION_SETS",
    "TEAMS",
    "BadPolicy",
    "Difference",
    "File",
    "Plain",
    "Planned",
    "PolicyError",
    "Refused",
    "Section",
    "Step",
    "Verb",
    "Written",
    "apply",
    "difference",
    "people_of",
    "plan",
    "said",
    "sections",
    "shown",
    "teams_of",
]
