"""What keeps workers from their work: told once when it begins, and once when it is over.

The database remembers it, so that neither another worker nor a restart tells it again.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from accounts.notices import Said, tell_super_admins
from exports.models import Trouble


@transaction.atomic
def begin(key: str, why: str, *, text: Said, subject: Said) -> int:
    """Write down that there is trouble, once more; tell super admins where it is new.

    `why` is kept and for who looks into the database; `text` is what people are told.

    Return how often it was met in a row.
    """
    known, is_new = Trouble.objects.get_or_create(pk=key, defaults={"why": why})
    Trouble.objects.filter(pk=key).update(failures=F("failures") + 1, why=why)
    if is_new:
        tell_super_admins(text, subject=subject, mail=text)
    return known.failures + 1


@transaction.atomic
def end(key: str, *, text: Said, subject: Said) -> bool:
    """Forget a trouble that is over, and tell super admins; return whether there was one."""
    if not Trouble.objects.filter(pk=key).delete()[0]:
        return False
    tell_super_admins(text, subject=subject, mail=text)
    return True
