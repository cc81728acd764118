"""Django's and Unfold's hooks answered by access.py, once, for every screen of the product.

Each hook names the leak it closes (the line numbers of Django and Unfold stand in the project's
leak list). Screens derive from `AccessModelAdmin` and contain no rule and no `Q`.

Its classes stand in a chain, each in a module named after its noun: `rights` (which rows, what may
be done), `fields` (of a record's page), `lists`, `saving`, and `screen`, the whole with its pages
and slots.
"""

from accounts.addresses import page_address
from accounts.modeladmin.columns import DOTS, Displayed, plain_column, veiled_column, years
from accounts.modeladmin.forms import AccessForm, AccessInline, FormFields
from accounts.modeladmin.lists import (
    SORTED_COLUMN,
    AccessChangeList,
)
from accounts.modeladmin.relations import (
    RESTRICTED,
    Names,
    names,
    related_model,
    relation,
    row_pages,
    safe_column,
    shown,
)
from accounts.modeladmin.requests import NOTHING_CHANGED, opened, say_saved, user_of
from accounts.modeladmin.screen import AccessModelAdmin

__all__ = [
    "DOTS",
    "NOTHING_CHANGED",
    "RESTRICTED",
    "SORTED_COLUMN",
    "AccessChangeList",
    "AccessForm",
    "AccessInline",
    "AccessModelAdmin",
    "Displayed",
    "FormFields",
    "Names",
    "names",
    "opened",
    "page_address",
    "plain_column",
    "related_model",
    "relation",
    "row_pages",
    "safe_column",
    "say_saved",
    "shown",
    "user_of",
    "veiled_column",
    "years",
]
