"""`make messages`: what the product says, collected into a catalogue for each app and language.

Every text in code stands in `gettext` or one of its sisters, every text of a template in
`{% translate %}` or `{% blocktranslate %}`. A template belongs to the app its folder is called
after, all others to crmperms. The theme ships no catalogues: what it says and Django has no words
for goes to crmperms too. Translations that nobody asks for any more are taken out; new texts come
in without one, and `tests/claims/test_messages.py` names them.
"""

from __future__ import annotations

import ast
import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import django
import unfold
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "crmperms", "exports", "records")
LANGUAGES = ("de",)
TEMPLATES = ROOT / "templates"
THEME = (
    *(f"templates/unfold/{part}" for part in ("helpers", "layouts", "widgets")),
    "templates/admin",
    "templates/registration",
    "contrib/filters/templates",
)
"""Which of the theme's templates draw something here."""
THEME_CODE = (".", "mixins", "templatetags", "contrib/filters", "contrib/filters/admin")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
# Which argument is what: a `c` marks the context.
KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), None),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}

_TEXT = r"""u?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
CALL = re.compile(rf" (?P<function>n?p?gettext|_)\((?P<texts>{_TEXT}(?:, {_TEXT})*)")


def sources(app: str) -> Iterator[Path]:
    """Return the files whose texts stand in an app's catalogue."""
    for path in sorted((ROOT / app).rglob("*.py")):
        if "migrations" not in path.parts:
            yield path
    for path in sorted((ROOT / "templates").rglob("*.html")):
        folder = path.relative_to(ROOT / "templates").parts[0]
        if (folder if folder in APPS else "crmperms") == app:
            yield path


def collected(app: str) -> Catalog:
    """Return every text of an app, with the files it stands in."""
    catalog = Catalog(fuzzy=False)
    for path in sources(app):
        for function, said in _in_file(path):
            _keep(catalog, function, said, str(path.relative_to(ROOT)))
    if app == "crmperms":
        _collect_of_theme(catalog)
    return catalog


def _collect_of_theme(catalog: Catalog) -> None:
    """Add what the theme says, where Django’s own catalogues have no words for it."""
    theme = Path(unfold.__file__).parent
    drawn = [theme / each for each in THEME]
    pages = {each for folder in drawn for each in folder.rglob("*.html")}
    ours = {theme / "templates" / each.relative_to(TEMPLATES) for each in TEMPLATES.rglob("*.html")}
    code = [each for folder in THEME_CODE for each in (theme / folder).glob("*.py")]
    for path in sorted([*code, *(pages - ours)]):
        for function, said in _in_file(path):
            first = said[0] if isinstance(said, tuple) else said
            if first not in djangos_own():
                _keep(catalog, function, said, str(Path("unfold", path.relative_to(theme))))


@cache
def djangos_own() -> frozenset[str]:
    """Return the texts that Django itself translates."""
    home = Path(django.__file__).parent
    found: set[str] = set()
    for part in ("conf", "contrib/admin", "contrib/auth", "contrib/humanize"):
        path = home / part / "locale" / LANGUAGES[0] / "LC_MESSAGES" / "django.po"
        with path.open("rb") as file:
            for each in read_po(file):
                if each.string:
                    found.add(each.id if isinstance(each.id, str) else each.id[0])
    return frozenset(found)


def _in_file(path: Path) -> Iterator[tuple[str, object]]:
    text = path.read_text()
    return _in_template(text) if path.suffix == ".html" else _in_code(text)


def _in_code(text: str) -> Iterator[tuple[str, object]]:
    for _, function, said, _ in extract_python(io.BytesIO(text.encode()), KEYWORDS, [], {}):
        yield function, said


def _in_template(text: str) -> Iterator[tuple[str, object]]:
    """Return the calls that Django makes of a template; the rest of it is no Python."""
    for call in CALL.finditer(templatize(text)):
        yield call["function"], ast.literal_eval(f"({call['texts']},)")


def _keep(catalog: Catalog, function: str, said: object, path: str) -> None:
    every = said if isinstance(said, tuple) else (said,)
    context = None
    if "pgettext" in function:
        context, *rest = every
        every = tuple(rest)
    texts = every[: 2 if "ngettext" in function or "npgettext" in function else 1]
    if all(isinstance(each, str) and each for each in texts):
        catalog.add(
            texts if len(texts) > 1 else texts[0], locations=[(path, None)], context=context
        )


def file_of(app: str, language: str) -> Path:
    return ROOT / app / "locale" / language / "LC_MESSAGES" / "django.po"


def kept(app: str, language: str) -> Catalog:
    """Return an app's catalogue as it is stored, an empty one where there is none."""
    path = file_of(app, language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def brought_up_to_date(app: str, language: str) -> Catalog:
    """Return an app's catalogue with the texts of today and the translations it has of them."""
    had, now = kept(app, language), collected(app)
    catalog = Catalog(locale=language, fuzzy=False, header_comment="")
    catalog.project, catalog.revision_date = "crmperms", None
    for message in now:
        if message.id:
            before = had.get(message.id, message.context)
            translated = before.string if before is not None else ""
            catalog.add(
                message.id,
                translated,
                locations=message.locations,
                flags=message.flags,
                context=message.context,
            )
    return catalog


def as_text(catalog: Catalog) -> bytes:
    """Return a catalogue as it is stored: by text, without line numbers or moments."""
    out = io.BytesIO()
    write_po(out, catalog, width=100, sort_output=True, include_lineno=False, omit_header=True)
    header = (
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Language: {catalog.locale}\\n"\n'
        f'"Plural-Forms: {catalog.plural_forms}\\n"\n\n'
    )
    return header.encode() + out.getvalue()


def compiled(catalog: Catalog) -> bytes:
    """Return a catalogue as it is loaded; the same one for the same texts, whenever that is."""
    out = io.BytesIO()
    catalog.creation_date = catalog.revision_date = LONG_AGO
    write_mo(out, catalog)
    return out.getvalue()


def untranslated(catalog: Catalog) -> list[str]:
    """Return the texts without a translation, plural ones by their singular."""
    return [
        message.id if isinstance(message.id, str) else message.id[0]
        for message in catalog
        if message.id
        and not (message.string if isinstance(message.id, str) else all(message.string))
    ]


def main() -> int:
    missing = 0
    for app in APPS:
        for language in LANGUAGES:
            catalog = brought_up_to_date(app, language)
            path = file_of(app, language)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(as_text(catalog))
            path.with_suffix(".mo").write_bytes(compiled(kept(app, language)))
            left = untranslated(catalog)
            missing += len(left)
            print(f"{app}, {language}: {len(catalog)} texts, {len(left)} without a translation")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
