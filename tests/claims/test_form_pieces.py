"""Pieces of forms drawn without a template are what their templates draw, to the byte."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.forms.renderers import TemplatesSetting
from django.test import RequestFactory
from django.utils.safestring import SafeString, mark_safe

from accounts import form_pieces
from accounts.form_pieces import PIECES, Renderer
from records import filters
from records.models import Contact, Deal
from tests.support.company import TinyCompany

ODD = '<b> & "quoted" ’'
ATTRIBUTES: dict[str, Any] = {
    "id": "id_name",
    "required": True,
    "disabled": False,
    "title": ODD,
    "data-n": 12_345,
    "data-none": None,
    "class": mark_safe("a &amp; b"),
    ODD: ("a", ODD),
}
VALUES = [None, "", "text", ODD, 12_345, 0.5, True, mark_safe("&lt;")]
LABELS = ["Rep", ODD, 12_345, 1234.5, mark_safe("<i>x</i>")]


def option(value: Any, label: Any, **attrs: Any) -> dict[str, Any]:
    template = "django/forms/widgets/select_option.html"
    return {"value": value, "label": label, "attrs": attrs, "template_name": template}


def widget(**given: Any) -> dict[str, Any]:
    some = {"name": ODD, "type": "text", "value": "x", "attrs": ATTRIBUTES, "is_hidden": False}
    return {"widget": {**some, **given}}


def choices(name: str) -> list[dict[str, Any]]:
    """Return lists of choices: none, one, several, in groups."""
    several = [option(value, label, selected=True) for value in VALUES for label in LABELS]
    groups = [
        [],
        [(None, several[:1], 0)],
        [(None, [each], place) for place, each in enumerate(several)],
        [("A group", several[:2], 0), (None, several[2:3], 1)],
    ]
    return [widget(optgroups=each) for each in groups]


def samples(name: str) -> list[dict[str, Any]]:
    """Return what a template may be asked to draw."""
    if name.endswith("select.html"):
        return choices(name)
    if name.endswith("label.html"):
        return [
            {"field": None, "label": label, "attrs": attrs, "use_tag": use_tag, "tag": "label"}
            for label in LABELS
            for attrs in (ATTRIBUTES, {}, None)
            for use_tag in (True, False)
        ]
    if name.endswith("ul.html"):
        return [{"errors": [], "error_class": "errorlist"}]
    boxes = [widget(value=value, type=kind) for value in VALUES for kind in ("text", "date", ODD)]
    if name.endswith("multiwidget.html"):
        text, unknown = "unfold/widgets/text.html", "unfold/widgets/textarea.html"
        parts = [{**box["widget"], "template_name": text} for box in boxes]
        return [
            widget(subwidgets=parts),
            widget(subwidgets=[parts[0], {**parts[1], "template_name": unknown}]),
        ]
    return [*boxes, widget(prefix="€", suffix_icon="euro")]


def differs(name: str) -> bool:
    """Tell whether anything is drawn otherwise than by its template."""
    by_templates, ours = TemplatesSetting(), Renderer()
    return any(
        ours.render(name, sample) != by_templates.render(name, sample) for sample in samples(name)
    )


@pytest.mark.parametrize("name", sorted(PIECES))
def test_piece_is_what_its_template_draws(name: str) -> None:
    assert not differs(name)


@pytest.mark.parametrize("name", sorted(set(PIECES) - {"django/forms/errors/list/ul.html"}))
def test_piece_that_escapes_nothing_would_be_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form_pieces, "conditional_escape", SafeString)
    assert differs(name)


def test_every_form_and_filter_sheet_is_drawn_as_by_templates(c: TinyCompany) -> None:
    request = RequestFactory().get("/")
    request.user = c.sam
    forms = [
        screen.get_form(request)()
        for screen in admin.site._registry.values()
        if screen.has_add_permission(request)
    ]
    for model in (Contact, Deal):
        rows = model._default_manager.none()
        forms.append(filters.bound(model, request.GET, rows, user=c.sam).form)
    pieces = 0
    for form in forms:
        drawn = [(str(box), str(box.label_tag()), str(box.errors)) for box in form]
        form.renderer = TemplatesSetting()
        assert drawn == [(str(box), str(box.label_tag()), str(box.errors)) for box in form]
        pieces += len(drawn)
    assert pieces > 50
