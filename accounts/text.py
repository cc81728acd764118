"""What people write: one way to write each letter, and only characters that somebody sees.

An invisible character makes two names of one look, turns a sentence round, or breaks a line of a
log; PostgreSQL keeps no NUL at all.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TypeVar

from django.utils.translation import gettext, gettext_lazy

T = TypeVar("T")

BREAKS = "\n\r\t"
"""What a text of several lines may have beside what is seen."""

# Emoji are put together with the one, Persian and other scripts are spelt with the other.
_JOINERS = "\u200c\u200d"
# They choose among the looks of the character before: of an emoji, of a Mongolian letter.
_CHOOSERS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_HANGS_ON = re.compile(f"[{_JOINERS}{_CHOOSERS}]")
_KEYCAP = "\u20e3"
# England, Scotland and Wales: a black flag and their codes in characters nobody sees alone. Other
# codes look like the black flag, and anything could be hidden in them.
_FLAGS = re.compile(
    "\U0001f3f4(?:"
    + "|".join("".join(chr(0xE0000 + ord(c)) for c in code) for code in ("gbeng", "gbsct", "gbwls"))
    + ")\U000e007f"
)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_CALLED = {
    "\n": gettext_lazy("a line break"),
    "\r": gettext_lazy("a line break"),
    "\t": gettext_lazy("a tab"),
}
_NEVER_JOINED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO")
# What Unicode calls Default_Ignorable_Code_Point, whatever its category: no font draws any of it.
# The fillers of Hangul stand below, joiners and choosers above. Codes without a character yet are
# in it too: one that is given to them is not seen either.
_IGNORED = re.compile(
    "[\u00ad\u034f\u061c\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
# Letters and signs by their category, and yet blank: of Hangul, Braille, notes, Egyptian, Khitan.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159\U00013441\U00013442\U00016fe4")


def one_form(text: T) -> T:
    """Return a text with one way to write each letter (NFC): é is not e and an accent.

    Anything but text comes back as it is.
    """
    if isinstance(text, str) and not text.isascii():
        return unicodedata.normalize("NFC", text)  # type: ignore[return-value]  # a text for a text
    return text


def normal_email(text: str) -> str:
    """Return an e-mail address as log-ins are stored and looked up, however it was typed."""
    return unicodedata.normalize("NFKC", text).strip().lower()


def hidden_character(text: str, *, allowed: str = "") -> str:
    """Return the first character nobody sees, apart from `allowed` ones; empty where none is."""
    at = hidden_at(text, allowed=allowed)
    return "" if at is None else text[at]


def hidden_at(text: str, *, allowed: str = "") -> int | None:
    """Return where the first character stands that nobody sees, apart from `allowed` ones."""
    # As long as before, so that places stay what they are.
    text = _FLAGS.sub(lambda flag: "x" * len(flag[0]), text)
    # By the few different characters of a text, so that a whole file is looked through at once.
    hidden = [
        text.index(letter)
        for letter in set(text) - {*allowed, *_JOINERS}
        if unicodedata.category(letter) in _HIDDEN or _IGNORED.match(letter)
    ]
    # Where nothing is seen at all, that is what is wrong with the text (`trouble`).
    if not text.isascii() and shows(text):
        hidden += [text.index(letter) for letter in _BLANK.intersection(text) - {*allowed}]
        hidden += [found.start() for found in _HANGS_ON.finditer(text) if not _joins(text, found)]
    return min(hidden, default=None)


def _joins(text: str, found: re.Match[str]) -> bool:
    """Tell whether a joiner or chooser does something: between Latin letters it only deceives."""
    at = found.start()
    before, after = text[max(at - 1, 0) : at], text[at + 1 : at + 2]
    if not before or before.isspace():
        return False
    category, is_joiner = unicodedata.category(before), found[0] in _JOINERS
    if category == "Lo":
        return not (is_joiner and unicodedata.name(before, "").startswith(_NEVER_JOINED))
    if is_joiner:
        return category in ("So", "Sk", "Mn", "Mc", "Me")
    return after == _KEYCAP or (not before.isascii() and category[0] in "SPM") or before == "ℹ"


def named(letter: str) -> str:
    """Return how a character that nobody sees is called: “U+200B, zero width space”."""
    # Unicode names characters in English alone.
    name = _CALLED.get(letter) or unicodedata.name(letter, "").lower()
    if not name:
        name = gettext("a control character")
    return f"U+{ord(letter):04X}, {name}"


def shows(text: str) -> bool:
    """Tell whether any character of a text leaves a mark."""
    return any(
        unicodedata.category(each)[0] not in "ZM"
        and unicodedata.category(each) not in _HIDDEN
        and not _IGNORED.match(each)
        and each not in _BLANK
        for each in text
    )


def trouble(text: str, *, allowed: str = "") -> str:
    """Return why a text cannot be kept, in a sentence that says what to do; empty where it can.

    An empty text is nobody's trouble; one of which nothing is seen is.
    """
    if letter := hidden_character(text, allowed=allowed):
        return gettext(
            "There is a character in it that nobody sees (%(character)s). Type it anew."
        ) % {"character": named(letter)}
    if text and not shows(text):
        return gettext("Nothing of it can be seen. Type it anew, or leave it empty.")
    return ""
