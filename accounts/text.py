"""Which characters may stand in what people write: those that somebody sees.

An invisible character makes two names of one look, turns a sentence round, or breaks a line of a
log; PostgreSQL keeps no NUL at all.
"""

from __future__ import annotations

import unicodedata

BREAKS = "\n\r\t"
"""What a text of several lines may have beside what is seen."""

# Emoji are put together with the one, Persian and other scripts are spelt with the other.
_JOINERS = "\u200c\u200d"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_CALLED = {"\n": "a line break", "\r": "a line break", "\t": "a tab"}
# Letters and signs by their category, and yet blank.
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"


def hidden_character(text: str, *, allowed: str = "") -> str:
    """Return the first character nobody sees, apart from `allowed` ones; empty where none is."""
    # By the few different characters of a text, so that a whole file is looked through at once.
    hidden = {
        letter
        for letter in set(text) - {*allowed, *_JOINERS}
        if unicodedata.category(letter) in _HIDDEN
    }
    return min(hidden, key=text.index, default="")


def named(letter: str) -> str:
    """Return how a character that nobody sees is called: “U+200B, zero width space”."""
    name = _CALLED.get(letter) or unicodedata.name(letter, "a control character").lower()
    return f"U+{ord(letter):04X}, {name}"


def shows(text: str) -> bool:
    """Tell whether any character of a text leaves a mark."""
    return any(
        unicodedata.category(each)[0] not in "ZM"
        and unicodedata.category(each) not in _HIDDEN
        and each not in _BLANK
        for each in text
    )


def trouble(text: str, *, allowed: str = "") -> str:
    """Return why a text cannot be kept, in a sentence that says what to do; empty where it can.

    An empty text is nobody's trouble; one of which nothing is seen is.
    """
    if letter := hidden_character(text, allowed=allowed):
        return f"There is a character in it that nobody sees ({named(letter)}). Type it anew."
    if text and not shows(text):
        return "Nothing of it can be seen. Type it anew, or leave it empty."
    return ""
