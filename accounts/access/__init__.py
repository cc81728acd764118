"""The single definition of who may do what, as SQL with reasons (B1).

A model lists its rules for a person and an action: `Model.access_rules(person, action)`. The
readers below turn that list into answers, so that a list, a check, a mark, an explanation and an
export can never disagree (B1). Nothing else in the product decides about access.

Writing a rule: its `Q` touches the row's own columns, `IN` lists and `Exists`, never a to-many
join (Django answers `filter(~Q(join))` and `Case(When(~Q(join)))` differently); it does not branch
in Python on the person but asks the abstract one below.
"""

from accounts.access.askers import ACCOUNT, ANYONE, Among, Anyone, Loaded
from accounts.access.grants import (
    SCOPE_COLUMNS,
    Given,
    Grants,
    forget_what_was_made,
    given_one_by_one,
    load_grants,
    noted,
    somebody,
    still_holds,
    stored_user,
)
from accounts.access.names import nameable, recycled, teams_told
from accounts.access.readers import (
    allows,
    allows_any,
    answered,
    answered_of,
    explain,
    explain_any,
    explain_each,
    marked,
    permitted,
    refused,
    rows_about,
)
from accounts.access.rules import (
    ACTIONS,
    ASSOCIATE,
    EXPORT,
    LEVELS,
    RESTORE,
    SCOPE_OF,
    condition_for,
    rules_for,
    scope_rules,
)
from accounts.access.tools import (
    ToolScope,
    allows_any_in_app,
    asked,
    has_perm,
    holds_tool,
    tool_scope,
)
from accounts.access.who import ROW, given_to, holders, of_anyone_and_record, who_can
from accounts.asker import Asker
from accounts.prepared import Keys
from accounts.rule import ALWAYS, CODES, NEVER, Explanation, Finding, Rule, condition, settled

__all__ = [
    "ACCOUNT",
    "ACTIONS",
    "ALWAYS",
    "ANYONE",
    "ASSOCIATE",
    "CODES",
    "EXPORT",
    "LEVELS",
    "NEVER",
    "RESTORE",
    "ROW",
    "SCOPE_COLUMNS",
    "SCOPE_OF",
    "Among",
    "Anyone",
    "Asker",
    "Explanation",
    "Finding",
    "Given",
    "Grants",
    "Keys",
    "Loaded",
    "Rule",
    "ToolScope",
    "allows",
    "allows_any",
    "allows_any_in_app",
    "answered",
    "answered_of",
    "asked",
    "condition",
    "condition_for",
    "explain",
    "explain_any",
    "explain_each",
    "forget_what_was_made",
    "given_one_by_one",
    "given_to",
    "has_perm",
    "holders",
    "holds_tool",
    "load_grants",
    "marked",
    "nameable",
    "noted",
    "of_anyone_and_record",
    "permitted",
    "recycled",
    "refused",
    "rows_about",
    "rules_for",
    "scope_rules",
    "settled",
    "somebody",
    "still_holds",
    "stored_user",
    "teams_told",
    "tool_scope",
    "who_can",
]
