"""A mark of what a page showed, by which it is known whether anything is otherwise by now."""

from __future__ import annotations

import json

from django.utils.crypto import salted_hmac


def mark(said: object) -> str:
    """Return a mark of what a form showed; another one as soon as anything of it is changed.

    Keyed: it goes to a browser, whose person may not be allowed to read all that it is made of.
    """
    text = json.dumps(said, sort_keys=True, default=str)
    return salted_hmac("accounts.operations.mark", text, algorithm="sha256").hexdigest()
