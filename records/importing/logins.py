"""Log-ins invented from names: in Latin letters, with every letter that has one kept.

Which of several people with one log-in gets it as it is, and who a number, is `numbered`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import count

MAIL_DOMAIN = "crm.example"
LONGEST = 64
"""Characters before the @, by the standard for e-mail."""

# Letters that are no other letter with a mark, in small: a mark is taken off by its Unicode name.
_LETTERS = """
ß ss  æ ae  œ oe  þ th  ð d  ı i  ŋ ng  ĸ k  ə e  ǝ e  ɛ e  ɔ o  ƒ f
а a  б b  в v  г g  д d  е e  ж zh  з z  и i  й y  к k  л l  м m  н n  о o  п p  р r  с s  т t  у u
ф f  х kh  ц ts  ч ch  ш sh  щ shch  ы y  э e  ю yu  я ya  ё yo  і i  ї yi  є ye  ґ g  ў u  ј j
ђ dj  љ lj  њ nj  ћ c  џ dz  ѕ dz  ә a  ө o  ү u  һ h
α a  β v  γ g  δ d  ε e  ζ z  η i  θ th  ι i  κ k  λ l  μ m  ν n  ξ x  ο o  π p  ρ r  σ s  ς s
τ t  υ y  φ f  χ ch  ψ ps  ω o
"""
_SPELT = dict(zip(_LETTERS.split()[::2], _LETTERS.split()[1::2], strict=True))


def email_of(name: str) -> str:
    """Return the invented log-in of a person, first.last@crm.example; empty if none can be made."""
    words = (re.sub(r"[^a-z0-9-]", "", latin(word)).strip("-") for word in name.split())
    local = ".".join(word for word in words if word)[:LONGEST].rstrip(".-")
    return f"{local}@{MAIL_DOMAIN}" if local else ""


def numbered(names: Iterable[str], stored: Mapping[str, str]) -> dict[str, str]:
    """Return the log-in of each of these names; of those that share one, all but one get a number.

    `stored` has the names of people who have such log-ins already: whoever is stored under their
    name keeps what they have, wherever they stand in the table by now.
    """
    by_login: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        by_login.setdefault(email_of(name), []).append(name)
    found: dict[str, str] = {}
    for login, several in by_login.items():
        slots: list[str] = []
        for slot in _slots(login, {*by_login, *found.values()}):
            if len(slots) >= len(several) and slot not in stored:
                break
            slots.append(slot)
        known = {stored[slot]: slot for slot in reversed(slots) if slot in stored}
        kept = {name: known[name] for name in several if name in known}
        left = iter([slot for slot in slots if slot not in kept.values()])
        found |= {name: kept.get(name) or next(left) for name in several}
    return found


def _slots(login: str, taken: Collection[str]) -> Iterator[str]:
    """Yield a log-in, and then the same with a number, as long as nobody else has that one."""
    yield login
    for number in count(2):
        if (slot := _with_number(login, number)) not in taken:
            yield slot


def _with_number(login: str, number: int) -> str:
    local, _, domain = login.partition("@")
    return f"{local[: LONGEST - len(str(number))]}{number}@{domain}"


def plain(name: str) -> str:
    """Return a name in small Latin letters and digits alone, as it stands in an address."""
    return re.sub(r"[^a-z0-9]", "", latin(name))


def latin(word: str) -> str:
    """Return a word in small Latin letters, digits and what else it is made of."""
    small = unicodedata.normalize("NFC", word.lower())
    return "".join(map(_spelt, small))


def _spelt(letter: str) -> str:
    if letter in _SPELT:
        return _SPELT[letter]
    if letter.isascii():
        return letter
    taken_apart = unicodedata.normalize("NFKD", letter)
    if taken_apart != letter:
        return "".join(map(_spelt, taken_apart))
    # “ø” is no o with a mark to Unicode's tables, but is called “latin small letter o with stroke”.
    base, marked, _ = unicodedata.name(letter, "").partition(" WITH ")
    try:
        return _spelt(unicodedata.lookup(base)) if marked else ""
    except KeyError:
        return ""
