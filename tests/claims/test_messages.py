"""Every catalogue says all that the product says, in every language, and says what is meant."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from django.conf import settings
from django.utils import formats
from django.utils.formats import get_format_modules

from tests.support import messages

ROOT = messages.ROOT
CATALOGUES = [(app, language) for app in messages.APPS for language in messages.LANGUAGES]
PARTS = re.compile(r"%\(\w+\)[sd]|%%|%[sd]|\{\w*\}")
TAGS = re.compile(r"</?\w+")
LAZY = {"gettext_lazy", "ngettext_lazy", "pgettext_lazy", "npgettext_lazy", "gettext_noop"}
AT_ONCE = {"gettext", "ngettext", "pgettext", "npgettext"}


def each_message(app: str, language: str) -> Iterator[Message]:
    yield from (message for message in messages.kept(app, language) if message.id)


def forms_of(message: Message) -> list[tuple[str, str]]:
    """Return each text with its translation; of a plural, the last one with all that follow."""
    if isinstance(message.id, str):
        return [(message.id, message.string)]
    one, many = message.id
    return [(one, message.string[0]), *((many, said) for said in message.string[1:])]


@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_catalogue_is_of_today_and_whole(app: str, language: str) -> None:
    now = messages.brought_up_to_date(app, language)
    assert messages.untranslated(now) == []
    stored = messages.file_of(app, language)
    assert messages.as_text(now) == stored.read_bytes(), "Run `make messages`."
    compiled = messages.compiled(messages.kept(app, language))
    assert compiled == stored.with_suffix(".mo").read_bytes(), "Run `make messages`."


def _parts(text: str) -> list[object]:
    """Return what a text and its translation have in common: parts, tags, white space around."""
    found = [sorted(pattern.findall(text)) for pattern in (PARTS, TAGS)]
    return [*found, text[:1].isspace(), text[-1:].isspace()]


@pytest.mark.parametrize(("app", "language"), CATALOGUES)
def test_translation_has_the_parts_of_its_text(app: str, language: str) -> None:
    wrong = [
        f"{text!r} → {said!r}"
        for message in each_message(app, language)
        for text, said in forms_of(message)
        if _parts(text) != _parts(said)
    ]
    assert wrong == []


def test_the_themes_own_words_are_collected_from_templates_and_code() -> None:
    texts = {message.id for message in messages.collected("crmperms")}
    assert {"Welcome back to", "Select value", "Expand row", "Date"} <= texts


def test_parts_are_found() -> None:
    """A control: what the test above compares."""
    assert PARTS.findall("%(a)s of %(b)d, 5 %% {c}") == ["%(a)s", "%(b)d", "%%", "{c}"]
    assert TAGS.findall("<b>x</b><br>") == ["<b", "</b", "<br"]


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_one_text_is_translated_in_one_way(language: str) -> None:
    """Catalogues are merged when they are loaded: of two translations one would win by chance."""
    said: dict[tuple[str | None, object], dict[object, list[str]]] = defaultdict(dict)
    for app in messages.APPS:
        for message in each_message(app, language):
            key = (message.context, message.id if isinstance(message.id, str) else message.id[0])
            said[key].setdefault(str(message.string), []).append(app)
    assert {key: ways for key, ways in said.items() if len(ways) > 1} == {}


def test_every_language_has_catalogues_and_formats() -> None:
    languages = [code for code, _ in settings.LANGUAGES]
    assert [code for code in languages if not code.startswith("en")] == list(messages.LANGUAGES)
    named = {
        name
        for code in languages
        for module in get_format_modules(code)
        if module.__name__.startswith("crmperms.")
        for name in vars(module)
        if name.endswith("_FORMAT")
    }
    assert "LONG_MOMENT_FORMAT" in named
    for code in languages:
        ours = [each for each in get_format_modules(code) if each.__name__.startswith("crmperms.")]
        assert len(ours) == 1, code
        assert {name for name in vars(ours[0]) if name.endswith("_FORMAT")} == named
        assert formats.get_format("DECIMAL_SEPARATOR", code) in ".,"


# --- How texts are marked -------------------------------------------------------------------------


def modules() -> list[Path]:
    found = [path for app in messages.APPS for path in sorted((ROOT / app).rglob("*.py"))]
    return [path for path in found if "migrations" not in path.parts]


def faults_in(source: str) -> list[str]:
    """Return what is wrong with how a module marks its texts, by line."""
    found: list[str] = []
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "django.utils.translation"
        ):
            found += [f"{node.lineno}: {n.name} as {n.asname}" for n in node.names if n.asname]
        if isinstance(node, ast.JoinedStr):
            # What extracts texts does not look into f-strings.
            found += [f"{call.lineno}: inside an f-string" for call in _calls(node, AT_ONCE | LAZY)]
    found += [f"{call.lineno}: at import" for call in _at_import(tree)]
    for call in _calls(tree, AT_ONCE | LAZY):
        number = {"n": 2, "p": 2}.get(_name(call)[0], 1) + (_name(call)[:2] == "np")
        texts = call.args[:number]
        if not all(map(_is_literal, texts)):
            found.append(f"{call.lineno}: no literal text")
    return found


def _is_literal(text: ast.expr) -> bool:
    """Tell whether a text can be collected; what `gettext_noop` marked has a name in capitals."""
    if isinstance(text, ast.Name):
        return text.id.isupper()
    return isinstance(text, ast.Constant) and isinstance(text.value, str)


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _calls(tree: ast.AST, names: set[str]) -> list[ast.Call]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _name(n) in names]


def _at_import(tree: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls that translate while a module is loaded, by whoever's language that is."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            ran = (*child.decorator_list, *child.args.defaults, *child.args.kw_defaults)
            yield from _at_import(ast.Tuple([part for part in ran if part is not None]))
        elif not isinstance(child, ast.Lambda):
            if isinstance(child, ast.Call) and _name(child) in AT_ONCE:
                yield child
            yield from _at_import(child)


def test_texts_are_marked_so_that_they_are_found_and_spoken_by_the_reader() -> None:
    faults = {
        str(path.relative_to(ROOT)): found
        for path in modules()
        if (found := faults_in(path.read_text()))
    }
    assert faults == {}


@pytest.mark.parametrize(
    "wrong",
    [
        "from django.utils.translation import gettext as _",
        "TITLE = gettext('Dashboard')",
        "class A:\n    label = gettext('Label')",
        "def f(text=gettext('x')): ...",
        "def f():\n    return f'{gettext(\"x\")}'",
        "def f(x):\n    return gettext(x)",
        "def f(x):\n    return ngettext('a', x, 2)",
    ],
)
def test_a_wrong_mark_is_found(wrong: str) -> None:
    """A control of the test above."""
    assert len(faults_in(wrong)) == 1


@pytest.mark.parametrize(
    "right",
    [
        "TITLE = gettext_lazy('Dashboard')",
        "def f():\n    return gettext('x')",
        "f = lambda: gettext('x')",
        "NEWS = gettext_noop('News')\ndef f():\n    return gettext(NEWS)",
        "def f(n):\n    return npgettext('c', 'a', 'b', n)",
    ],
)
def test_a_right_mark_is_none(right: str) -> None:
    assert faults_in(right) == []


def test_compiled_catalogue_is_the_same_whenever_it_is_made() -> None:
    catalog = Catalog(locale="de")
    catalog.add("a", "b")
    assert messages.compiled(catalog) == messages.compiled(catalog)


# --- What an operation refuses is read by whoever asked for it ------------------------------------


def refusals_in(text: str) -> Iterator[int]:
    """Yield the lines in which an error is raised with words that nobody translates."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            for said in node.exc.args:
                parts = said.values if isinstance(said, ast.JoinedStr) else [said]
                words = [each.value for each in parts if isinstance(each, ast.Constant)]
                if any(isinstance(each, str) and " " in each.strip() for each in words):
                    yield node.lineno


OF_PROGRAMS = re.compile(r"raise (TypeError|ValueError|RuntimeError)\(")
"""What only a mistake of ours brings about."""


def test_no_operation_refuses_in_words_that_are_in_no_catalogue() -> None:
    found = []
    for path in (
        path for app in messages.APPS for path in (ROOT / app / "operations").glob("*.py")
    ):
        text = path.read_text()
        lines = text.splitlines()
        found += [
            f"{path.relative_to(ROOT)}:{line}"
            for line in refusals_in(text)
            if not OF_PROGRAMS.search(lines[line - 1])
        ]
    assert found == []


def test_a_refusal_in_plain_words_is_found() -> None:
    """A control of the test above."""
    assert list(refusals_in("raise Invalid('Choose one of them.')")) == [1]
    assert list(refusals_in("raise Invalid(f'{name} is deactivated.')")) == [1]
    assert list(refusals_in("raise Invalid(gettext('Choose one of them.'))")) == []
    assert list(refusals_in("raise Invalid(f'{label}: {found}')")) == []
