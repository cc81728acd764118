"""Which texts of a page are English although German has other words for them."""

from __future__ import annotations

import re

from babel.messages.catalog import Message

from tests.support import messages

WORD = re.compile(r"[A-Za-zÄÖÜäöüß]{2,}")


def as_pattern(text: str) -> str:
    """Return a text with parts as what it looks like on a page."""
    pieces = re.split(r"(%\(\w+\)[sd]|%[sd]|\{\w*\})", text.replace("%%", "%"))
    return "".join(".+?" if n % 2 else re.escape(piece) for n, piece in enumerate(pieces))


class English:
    """Recognizes the texts that German has other words for."""

    def __init__(self) -> None:
        self.plain: set[str] = set()
        german: set[str] = set()
        patterns = []
        for app in messages.APPS:
            for message in messages.kept(app, "de"):
                for text, said in _pairs(message):
                    german.add(" ".join(said.split()))
                    if text == said:
                        continue
                    words = re.sub(r"%\(\w+\)[sd]|<[^>]*>", "", text)
                    if "%(" not in text:
                        self.plain.add(" ".join(text.split()))
                    elif len(WORD.findall(words)) > 1 and "<" not in text:
                        patterns.append(as_pattern(" ".join(text.split())))
        # One word may be right in both.
        self.plain -= german
        self.pattern = re.compile("|".join(sorted(patterns, key=len, reverse=True)) or r"(?!)")

    def has(self, text: str) -> bool:
        return text in self.plain or self.pattern.fullmatch(text) is not None


def _pairs(message: Message) -> list[tuple[str, str]]:
    if not message.id:
        return []
    if isinstance(message.id, str):
        return [(message.id, message.string)]
    return list(zip(message.id, message.string, strict=False))
