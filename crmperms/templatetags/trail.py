"""Where a page is: its name, and the way to it, in the words of the menu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template
from django.db.models import Model
from django.template import Context
from django.urls import NoReverseMatch, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext

from accounts.keys import label_of

register = template.Library()


@dataclass(frozen=True, slots=True)
class Crumb:
    """One step of the way to a page; without a link it is a group of the menu."""

    title: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Trail:
    """The name of a page, which is its only H1, and the way to it from the top of the menu."""

    name: str
    crumbs: tuple[Crumb, ...]

    @property
    def title(self) -> str:
        """What the browser's tab says: the name, and which record the page is about."""
        about = [c.title for c in self.crumbs[2:]]
        return " | ".join([str(self.name), *map(str, about)])


@register.simple_tag(takes_context=True)
def trail(context: Context) -> Trail:
    """Return where the page is that is being drawn."""
    group, item = _active(context.get("sidebar_navigation") or [])
    crumbs = [Crumb(group["title"])] if group.get("title") else []
    if not item:
        return Trail(_name(context), ())
    if item["link"] == context["request"].path:
        return Trail(item["title"], tuple(crumbs))
    # A page that began at a list leads back to it as it was narrowed.
    crumbs.append(Crumb(item["title"], str(context.get("came_from") or item["link"])))
    record, name = _record(context), _name(context)
    if record and label_of(record) != name:
        crumbs.append(Crumb(label_of(record), _page_of(record)))
    return Trail(name, tuple(crumbs))


def _active(groups: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    for group in groups:
        for item in group["items"]:
            if item["active"]:
                return group, item
    return {}, {}


def _name(context: Context) -> str:
    """Return what the page is called: the page of a record by the record's name."""
    if context.get("add") and context.get("opts"):
        return gettext("New %(name)s") % {"name": context["opts"].verbose_name}
    record = _record(context)
    if record and "adminform" in context:
        return capfirst(label_of(record))
    return str(context.get("title") or "")


def _record(context: Context) -> Model | None:
    """Return the record that a page is about, under the names that Django's pages use."""
    found = context.get("original") or context.get("object")
    return found if isinstance(found, Model) else None


def _page_of(record: Model) -> str:
    options = record._meta
    try:
        # Not by `page_address`: Django loads this module before there are screens.
        return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[record.pk])
    except NoReverseMatch:
        return ""
