"""Passwords: what it costs to check one, and which ones are refused."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, gettext_lazy

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

HASHES_AT_ONCE = 2
"""In one process; more threads than that would not be quicker and need memory each."""

LONGEST_PASSWORD = 500

LIKE_NAME = gettext_lazy("This is too much like the name of the account. Choose another password.")
LIKE_EMAIL = gettext_lazy(
    "This is too much like the e-mail address of the account. Choose another password."
)

_turns = threading.BoundedSemaphore(HASHES_AT_ONCE)
# Held for the hashing alone: a write transaction may be open around it, and must not wait here for
# a thread that waits for the database.


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id within the memory of a small server; older hashes are made anew at the next log-in.

    Django's own cost is 100 MiB a hash, so 32 threads that hash need 3,063 MiB (measured); of
    these, two at once in a process, 81 MiB. OWASP asks for 19 MiB at least with two passes. Not
    less than 33 MiB here: below that glibc keeps the memory in every thread that ever hashed
    (16 threads with 19 MiB, two at once: 317 MiB).
    """

    time_cost = 2
    memory_cost = 34 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _turns:
            return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        with _turns:
            return bool(super().verify(password, encoded))


class OwnNameValidator:
    """Refuses a password that is a person's own name or e-mail, or nearly so.

    Compared without accents, signs and spaces, in one case and in plain letters, so that neither
    `ＡＮＮＡ.Lee` nor `Lee, Anna 1` gets round it.
    """

    MOST_ALIKE = 0.7  # as Django's own validator

    def validate(self, password: str, user: Any = None) -> None:
        if user is None:
            return
        typed = _letters(password)
        for refusal, own in _own_words(user):
            if _is_alike(typed, own):
                raise ValidationError(refusal, code="password_too_similar")

    def get_help_text(self) -> str:
        return gettext("Not your own name or e-mail address.")


class FaultsOfNewPassword:
    """A form in which a new password is typed twice: what is wrong with it is said of the first.

    Django says it of the second, so that whoever reads it corrects the repetition alone.
    """

    def validate_password_for_user(self, user: Any, password_field_name: str = "") -> None:
        # Of the form that this is mixed into.
        super().validate_password_for_user(user, "new_password1")  # type: ignore[misc]


class LengthLimit:
    """Refuses a password that is longer than anybody types: checking one must stay cheap."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > LONGEST_PASSWORD:
            raise ValidationError(
                gettext("At most %(count)s characters. Choose a shorter password.")
                % {"count": LONGEST_PASSWORD},
                code="password_too_long",
            )

    def get_help_text(self) -> str:
        return gettext("At most %(count)s characters.") % {"count": LONGEST_PASSWORD}


def _letters(text: str) -> str:
    """Return the letters and digits of a text alone, in one case and without accents."""
    plain = unicodedata.normalize("NFKD", text[:LONGEST_PASSWORD]).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def _own_words(user: Any) -> Iterator[tuple[StrOrPromise, str]]:
    """Yield what a password may not be like, each with what is said of one that is."""
    first, last = _letters(user.first_name), _letters(user.last_name)
    for name in (first, last, first + last, last + first):
        yield LIKE_NAME, name
    local, _, domain = user.email.partition("@")
    for part in (local, domain, local + domain):
        yield LIKE_EMAIL, _letters(part)


def _is_alike(typed: str, own: str) -> bool:
    if not typed or not own:
        return False
    # A short name in a long password is no likeness, and not worth the comparison (as Django).
    if len(typed) >= 10 * len(own) or len(own) >= 10 * len(typed):
        return False
    return SequenceMatcher(a=typed, b=own).ratio() >= OwnNameValidator.MOST_ALIKE
