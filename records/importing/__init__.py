"""Bringing another CRM's tables in: read and checked as a whole first, then written as a whole.

`parse` knows files and no database, `apply` is the operation; `manage.py import_crm` is their
voice.
"""

from accounts.table_rows import Broken, ImportRefused
from records.importing.organisation import Report
from records.importing.tables import Parsed, parse
from records.importing.writing import apply

__all__ = ["Broken", "ImportRefused", "Parsed", "Report", "apply", "parse"]
