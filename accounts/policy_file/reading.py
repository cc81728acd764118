"""Reading YAML strictly: every value knows where it stands, and nothing is guessed.

PyYAML finds the values; what they are is decided here. YAML takes `no` for false, `1:30` for 90 and
the later of two equal keys for the only one: a name or a limit would change unnoticed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from accounts.text import one_form, trouble

Plain = None | bool | int | str | list[Any] | dict[str, Any]
"""What a file is made of; the values of lists and mappings are such values again."""

MOST_CHARACTERS = 5_000_000
DEEPEST = 12
LONGEST_SAID = 100
_NUMBER = re.compile(r"0|[1-9][0-9]{0,11}")
_TAG = "tag:yaml.org,2002:"


class PolicyError(Exception):
    """Something about a policy file was refused; nothing was applied."""


class BadPolicy(PolicyError):
    """A file that cannot be read as a policy; the message says where, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Written:
    """One value of the file, and where it stands."""

    value: bool | int | str | tuple[Written, ...] | dict[str, Written] | None
    line: int
    path: tuple[str, ...] = ()

    def refused(self, why: str) -> BadPolicy:
        """Return the error to raise for this value: the place, and a sentence."""
        return _refused(self.line, self.path, why)

    def mapping(self, known: Collection[str] | None = None, noun: str = "key") -> _Mapping:
        """Return the values by key; raise for anything else, and for keys that are not `known`."""
        if not isinstance(self.value, dict):
            raise self.refused(f"write names with their values here, not {self._kind}. {EMPTY}")
        for key, value in self.value.items():
            if known is not None and key not in known:
                raise value.refused(unknown(noun, key, known))
        return self.value

    def text(self) -> str:
        """Return a line of text."""
        if not isinstance(self.value, str):
            raise self.refused(f"write text here, not {self._kind}. Quotes make text of anything.")
        return self.value

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.refused(f"write true or false here, not {self._kind}.")
        return self.value

    def number(self) -> int | None:
        """Return a whole number, or None where `null` stands for no limit."""
        if self.value is None:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.refused(f"write a whole number here, like 100, not {self._kind}.")
        return self.value

    def one_of(self, known: Collection[str], noun: str) -> str:
        """Return a text that is one of these."""
        text = self.text()
        if text not in known:
            raise self.refused(unknown(noun, text, known))
        return text

    def texts(self) -> Iterator[Written]:
        """Yield the texts of a list, no two of them the same."""
        if not isinstance(self.value, tuple):
            raise self.refused(f"write a list here, not {self._kind}. An empty one is [].")
        seen = set()
        for each in self.value:
            if each.text() in seen:
                raise each.refused(f"{said(each.text())} stands here twice. Write it once.")
            seen.add(each.text())
            yield each

    @property
    def _kind(self) -> str:
        if self.value is None:
            return "nothing"
        if isinstance(self.value, bool):
            return "true or false"
        kinds = {int: "a number", str: "text", tuple: "a list", dict: "names with values"}
        return kinds[type(self.value)]


_Mapping = Mapping[str, Written]
EMPTY = "Where there are none, write {}."


def read(text: str) -> Written:
    """Return what a file says; raise `BadPolicy` where it is not YAML of this kind."""
    if len(text) > MOST_CHARACTERS:
        raise BadPolicy("This file is too long to be a policy. Nothing was read.")
    try:
        _check_events(text)
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        what = " ".join(filter(None, (error.context, error.problem)))
        raise _refused(line, (), f"this is not YAML: {what}.") from None
    except yaml.YAMLError as error:
        raise BadPolicy(f"This is not YAML: {' '.join(str(error).split())}.") from None
    if node is None:
        raise BadPolicy("This file is empty. A policy that says nothing at all is written {}.")
    return _written(node, node.start_mark.line + 1, ())


def unknown(noun: str, name: str, known: Collection[str]) -> str:
    """Return that there is no such thing, with the nearest names that there are."""
    near = difflib.get_close_matches(name[:LONGEST_SAID], list(known), n=3, cutoff=0.5)
    if near:
        return f"there is no {noun} {said(name)}. Did you mean {' or '.join(map(said, near))}?"
    if 0 < len(known) <= 12:
        return f"there is no {noun} {said(name)}. There are {', '.join(map(said, sorted(known)))}."
    return f"there is no {noun} {said(name)}."


def said(name: str) -> str:
    """Return a name in quotes, fit for a terminal: cut where it is long, and in one line."""
    short = name if len(name) <= LONGEST_SAID else f"{name[:LONGEST_SAID]}…"
    return f"“{''.join(letter if letter.isprintable() else '�' for letter in short)}”"


def _refused(line: int, path: tuple[str, ...], why: str) -> BadPolicy:
    where = " → ".join(said(step)[1:-1] for step in path)
    return BadPolicy(f"Line {line}{f', {where}' if where else ''}: {why}")


def _check_events(text: str) -> None:
    """Raise for what is not written out, and for what is nested deeper than a policy is.

    Asked of the events, which are read one by one: making values of a bomb would set it off.
    """
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        mark = event.start_mark
        line = mark.line + 1 if mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _refused(line, (), "references (& and *) are not read. Write each value out.")
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None):
            raise _refused(line, (), "tags (!) are not read. Leave them out.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise _refused(line, (), "this is nested too deep for a policy.")


def _written(node: yaml.Node, line: int, path: tuple[str, ...]) -> Written:
    if isinstance(node, yaml.MappingNode):
        return Written(_by_key(node, path), line, path)
    if isinstance(node, yaml.SequenceNode):
        items = (_written(each, each.start_mark.line + 1, path) for each in node.value)
        return Written(tuple(items), line, path)
    assert isinstance(node, yaml.ScalarNode)  # there is no fourth kind
    return Written(_scalar(node, line, path), line, path)


def _by_key(node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, Written]:
    found: dict[str, Written] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise _refused(line, path, "a name must be a line of text.")
        key = _scalar(key_node, line, path)
        if not isinstance(key, str):
            why = f"{said(key_node.value)} is not read as text. Put the name in quotes."
            raise _refused(line, path, why)
        if not key:
            raise _refused(line, path, "a name is missing before the colon.")
        if key in found:
            first = found[key].line
            why = f"{said(key)} stands here twice, first in line {first}. Keep one of them."
            raise _refused(line, path, why)
        found[key] = _written(value_node, line, (*path, key))
    return found


def _scalar(node: yaml.ScalarNode, line: int, path: tuple[str, ...]) -> bool | int | str | None:
    """Return a value of a kind that nobody can mistake; raise for one to be read in two ways."""
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind == "str":
        text = one_form(text)
        if why := trouble(text):
            raise _refused(line, path, f"{said(text)} cannot be kept. {why}")
        return text
    if kind == "null" and text in ("null", "~", ""):
        return None
    if kind == "bool" and text in ("true", "false"):
        return text == "true"
    if kind == "int" and _NUMBER.fullmatch(text):
        return int(text)
    why = f"{said(text)} can be read in more than one way. Put it in quotes if it is a name"
    ways = {"bool": "; otherwise write true or false", "int": "; otherwise write it like 100"}
    raise _refused(line, path, f"{why}{ways.get(kind, '')}.")
