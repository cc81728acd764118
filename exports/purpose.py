"""What counts as a purpose: the sentence in which a requester says what the file is for."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext, ngettext

from accounts.words import counted

LEAST = 8
"""How many letters and digits a purpose has at least: “Taxes 2026” is one, a dot is none."""


def trouble(text: str) -> str:
    """Return why a text is no purpose, in a sentence that says what to do; empty where it is one.

    Spaces and signs do not count, nor does one letter or sign over and over again.
    """
    letters = [each for each in text if unicodedata.category(each)[0] in "LN"]
    if len(letters) >= LEAST and len({each.casefold() for each in letters}) > 1:
        return ""
    if not letters:
        return gettext("Say what the file is for. %(least)s") % {"least": least()}
    return gettext("Say more of what the file is for. %(least)s") % {"least": least()}


def least() -> str:
    """Return, in a sentence, how long a purpose is at least."""
    said = ngettext(
        "It needs at least %(count)s letter or digit.",
        "It needs at least %(count)s letters or digits.",
        LEAST,
    )
    return said % {"count": counted(LEAST)}
