"""Every permission of the product, declared once: the editor, the checks and the help read it here.

Two kinds: *scopes*, one per kind of record and action (`crm.deal.change`, kinds.py), and *tools*
(`crm.export`, `crm.workflows:edit`), one module per tab of the editor. Kinds of record are
registered by the layer that owns their model. `evaluation.py` says what is effective of what a
permission set stores; `words.py` says it to people.
"""

from accounts.catalogue.evaluation import Condition, effective, effective_box
from accounts.catalogue.grants import (
    BOX,
    GUARDED,
    LEVEL_NAMES,
    NAMESPACES,
    TOOLS,
    UNASSIGNED,
    Contradiction,
    Grant,
    UnknownPermission,
    completed,
    find,
    is_known,
    keys_to_give,
    known_keys,
    names_to_give,
    parse,
)
from accounts.catalogue.kinds import (
    ACTION_HELP,
    ACTION_IDS,
    ACTION_LABELS,
    ACTIONS,
    CAPPED_BY,
    SCOPED_ACTIONS,
    ObjectKind,
    kind_of,
    object_kind,
    objects,
    register,
)
from accounts.catalogue.types import (
    EVERYTHING,
    LEVELS,
    OWNED,
    TABS,
    TEAM,
    Kind,
    Option,
    Risk,
    Tool,
)
from accounts.catalogue.words import INBOX, beside_the_switch, name_of, reference, sentences

__all__ = [
    "ACTIONS",
    "ACTION_HELP",
    "ACTION_IDS",
    "ACTION_LABELS",
    "BOX",
    "CAPPED_BY",
    "EVERYTHING",
    "GUARDED",
    "INBOX",
    "LEVELS",
    "LEVEL_NAMES",
    "NAMESPACES",
    "OWNED",
    "SCOPED_ACTIONS",
    "TABS",
    "TEAM",
    "TOOLS",
    "UNASSIGNED",
    "Condition",
    "Contradiction",
    "Grant",
    "Kind",
    "ObjectKind",
    "Option",
    "Risk",
    "Tool",
    "UnknownPermission",
    "beside_the_switch",
    "completed",
    "effective",
    "effective_box",
    "find",
    "is_known",
    "keys_to_give",
    "kind_of",
    "known_keys",
    "name_of",
    "names_to_give",
    "object_kind",
    "objects",
    "parse",
    "reference",
    "register",
    "sentences",
]
