"""A language in which whatever is translated stands in brackets, so that the rest is seen."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.functional import Promise
from django.utils.translation import trans_real

from tests.support.messages import APPS

OPENS, CLOSES = "⟦", "⟧"
CONTEXT = trans_real.CONTEXT_SEPARATOR


def bracketed(text: str) -> str:
    """Return a text as this language has it; what its context says is no part of it."""
    said = text.rpartition(CONTEXT)[2]
    return f"{OPENS}{said}{CLOSES}" if said else said


class PseudoCatalogue:
    """Stands for Django's catalogue of a language; every text is in it."""

    def __init__(self, code: str) -> None:
        self.code = code

    def gettext(self, text: str | Promise) -> str:
        return bracketed(str(text))

    def ngettext(self, one: str, many: str, number: int) -> str:
        return bracketed(one if number == 1 else many)

    def language(self) -> str:
        return self.code

    def to_language(self) -> str:
        return self.code


@contextmanager
def pseudo_language(code: str = "de") -> Iterator[None]:
    """Let a language of ours be the pseudo language, in this process."""
    kept = trans_real._translations.get(code)
    trans_real._translations[code] = PseudoCatalogue(code)
    forget_by_language()
    try:
        yield
    finally:
        forget_by_language()
        trans_real._translations.pop(code)
        if kept is not None:
            trans_real._translations[code] = kept


def forget_by_language() -> None:
    """Draw anew what the product keeps per language: this one goes by the name of another."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in APPS:
            continue
        for kept in list(vars(module).values()):
            if hasattr(kept, "cache_clear") and "language" in inspect.signature(kept).parameters:
                kept.cache_clear()
