"""The pieces of forms that come again and again, put together without a template.

A box, a list of choices or a label takes Django a quarter of a millisecond by its template, and a
page has dozens. The same text is written here, to the byte; what surrounds a piece is read off its
template, once. Whatever is not known here is still drawn by its template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from django.forms.renderers import TemplatesSetting
from django.http import HttpRequest
from django.template.loader import get_template
from django.utils.formats import localize
from django.utils.html import conditional_escape
from django.utils.safestring import SafeData

INPUT, OPTION = "django/forms/widgets/input.html", "django/forms/widgets/select_option.html"
Piece = Callable[[dict[str, Any]], str | None]


class Renderer(TemplatesSetting):
    """Django's renderer of forms, with short ways for the most frequent pieces."""

    def render(
        self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None
    ) -> str:
        piece = PIECES.get(template_name)
        if piece is not None and (text := piece(context)) is not None:
            return text.strip()
        return super().render(template_name, context, request)


def _as_text(value: Any) -> str:
    """Return what a template makes of `value|stringformat:"s"`."""
    text = "%s" % (str(value) if isinstance(value, tuple) else value)
    return text if isinstance(value, SafeData) else conditional_escape(text)


def _attributes(attributes: Mapping[str, Any]) -> str:
    return "".join(
        f" {conditional_escape(name)}"
        if value is True
        else f' {conditional_escape(name)}="{_as_text(value)}"'
        for name, value in attributes.items()
        if value is not False
    )


def _input(widget: dict[str, Any]) -> str:
    value = "" if widget["value"] is None else f' value="{_as_text(widget["value"])}"'
    kind, name = conditional_escape(widget["type"]), conditional_escape(widget["name"])
    return f'<input type="{kind}" name="{name}"{value}{_attributes(widget["attrs"])}>'


def _option(widget: dict[str, Any]) -> str:
    label, value = conditional_escape(localize(widget["label"])), _as_text(widget["value"])
    return f'<option value="{value}"{_attributes(widget["attrs"])}>{label}</option>'


def _boxed(template_name: str) -> Piece:
    """Return what draws a box for text, inside of what its template puts around the box."""

    def piece(context: dict[str, Any]) -> str | None:
        widget = context["widget"]
        if any(widget.get(each) for each in ("prefix", "prefix_icon", "suffix", "suffix_icon")):
            return None
        before, after = _around_a_box(template_name)
        return f"{before}{_input(widget)}{after}"

    return piece


def _chosen(template_name: str) -> Piece:
    """Return what draws a list of choices; None for one in groups, or with choices of its own."""

    def piece(context: dict[str, Any]) -> str | None:
        widget = context["widget"]
        options: list[str] = []
        for group, choices, _ in widget["optgroups"]:
            if group or any(each["template_name"] != OPTION for each in choices):
                return None
            options += map(_option, choices)
        before, first, between, last, after = _around_choices(template_name)
        name, attributes = conditional_escape(widget["name"]), _attributes(widget["attrs"])
        inside = f"{first}{between.join(options)}{last}" if options else after
        return f'{before}<select name="{name}"{attributes}>{inside}'

    return piece


def _label(context: dict[str, Any]) -> str:
    label = conditional_escape(localize(context["label"]))
    if not context["use_tag"]:
        return label
    tag = conditional_escape(context["tag"])
    return f"<{tag}{_attributes(context['attrs'] or {})}>{label}</{tag}>"


def _no_errors(context: dict[str, Any]) -> str | None:
    return None if context["errors"] else ""


def _several(context: dict[str, Any]) -> str | None:
    """Draw two boxes that belong together."""
    drawn = []
    for widget in context["widget"]["subwidgets"]:
        piece = PIECES.get(widget["template_name"])
        if piece is None or (text := piece({"widget": widget})) is None:
            return None
        drawn.append(text)
    return f'<div class="range">{"".join(drawn)}</div>'


# --- What templates put around a piece ------------------------------------------------------------


def _sample(template_name: str, **widget: Any) -> str:
    sample = {"name": "N", "type": "T", "value": None, "attrs": {}, **widget}
    return str(get_template(template_name).render({"widget": sample}))


@cache
def _around_a_box(template_name: str) -> tuple[str, str]:
    before, _, after = _sample(template_name).partition('<input type="T" name="N">')
    return before, after


@cache
def _around_choices(template_name: str) -> tuple[str, str, str, str, str]:
    """Return what stands before the element, the first choice, another, its end, and with none."""
    opening = '<select name="N">'
    option = {"value": "V", "label": "L", "attrs": {}, "template_name": OPTION}
    before, _, after = _sample(template_name, optgroups=[]).partition(opening)
    two = _sample(template_name, optgroups=[("", [option, option], 0)]).partition(opening)[2]
    first, between, last = two.split(_option(option))
    return before, first, between, last, after


PIECES: dict[str, Piece] = {
    **{
        name: _boxed(name)
        for name in (
            "django/forms/widgets/checkbox.html",
            "django/forms/widgets/email.html",
            "django/forms/widgets/hidden.html",
            "django/forms/widgets/number.html",
            "django/forms/widgets/text.html",
            "unfold/widgets/date.html",
            "unfold/widgets/text.html",
        )
    },
    "django/forms/widgets/select.html": _chosen("django/forms/widgets/select.html"),
    "unfold/widgets/select.html": _chosen("unfold/widgets/select.html"),
    "django_filters/widgets/multiwidget.html": _several,
    "django/forms/label.html": _label,
    "django/forms/errors/list/ul.html": _no_errors,
}
