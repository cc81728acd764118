"""Relations that show only what may be named (L1, L29)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.utils import quote
from django.core.exceptions import FieldDoesNotExist
from django.db.models import ForeignKey, Model, Value
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, URLPattern, path
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from accounts import access
from accounts.addresses import page_address
from accounts.keys import label_of
from accounts.modeladmin.requests import once, user_of
from accounts.models import User

RESTRICTED = gettext_lazy("restricted record")


def row_pages(screen: Any, **views: Callable[..., HttpResponse]) -> list[URLPattern]:
    """Return the addresses of further pages that each row of a screen has, by their names."""
    options, view = screen.opts, screen.admin_site.admin_view
    start = f"{options.app_label}_{options.model_name}"
    return [
        path(f"<path:object_id>/{name}/", view(page), name=f"{start}_{name}")
        for name, page in views.items()
    ]


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a page that each row of a model has: what stands before and after its key."""

    before: str
    after: str

    def of(self, row: Model) -> str:
        """Return the address of this row's page."""
        return f"{self.before}{quote(row.pk)}{self.after}"

    def opening(self, look: str) -> Callable[[Model], str]:
        """Return what opens a link to a row's page, in HTML; only the key differs between rows."""
        before, after = escape(self.before), escape(self.after)
        return lambda row: f'<a href="{before}{escape(quote(row.pk))}{after}" class="{look}">'

    @classmethod
    def to_change(cls, model: type[Model]) -> Address | None:
        """Return the address of the pages of a model's rows, or None where they have none."""
        try:
            before, _, after = page_address(model, "change", "0").rpartition("0")
        except NoReverseMatch:
            return None
        return cls(before, after)


class Names:
    """Which related rows of a request may be named, asked once per model and set of keys."""

    def __init__(self, user: User) -> None:
        self.user = user
        self._known: dict[type[Model], dict[int, bool]] = {}
        self._in_bin: dict[type[Model], set[int]] = {}
        self._addresses: dict[type[Model], Address | None] = {}

    def learn(self, model: type[Model], keys: Iterable[int | None]) -> None:
        """Ask about all these keys at once; a column of a list calls this with its page."""
        known = self._known.setdefault(model, {})
        unknown = {key for key in keys if key is not None} - set(known)
        if unknown and getattr(model, "names_are_public", False):
            known.update(dict.fromkeys(unknown, True))  # the keys come from rows in reach
        elif unknown:
            rows = model._default_manager.filter(pk__in=unknown).order_by()
            seen = access.nameable(rows, self.user).values_list("pk", Value(False))
            in_bin = access.recycled(rows, self.user).values_list("pk", Value(True))
            found = dict(seen.union(in_bin, all=True))
            known.update({key: found.get(key) is False for key in unknown})
            self._in_bin.setdefault(model, set()).update(k for k, binned in found.items() if binned)

    def may_name(self, model: type[Model], key: int | None) -> bool:
        """Tell whether this related row may be named."""
        if key not in self._known.get(model, ()):  # a list has asked about its whole page
            self.learn(model, [key])
        return key is not None and self._known[model][key]

    def is_in_bin(self, model: type[Model], key: int | None) -> bool:
        """Tell whether this related row is out of sight only because it was deleted."""
        self.learn(model, [key])
        return key in self._in_bin.get(model, ())

    def address(self, model: type[Model]) -> Address | None:
        """Return the address of related rows' pages; looked up once, not for each row."""
        if model not in self._addresses:
            self._addresses[model] = Address.to_change(model)
        return self._addresses[model]


def names(request: HttpRequest) -> Names:
    """Return this request's memory of what may be named."""
    return once(request, Names, lambda: Names(user_of(request)))


def relation(model: type[Model], name: object) -> ForeignKey[Any, Any] | None:
    """Return the model's foreign key of this name, or None for anything else."""
    if not isinstance(name, str):
        return None
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, ForeignKey) else None


def related_model(field: ForeignKey[Any, Any]) -> type[Model]:
    """Return the model a foreign key points at; `"self"` stands only until models are loaded."""
    related = field.related_model
    assert not isinstance(related, str)
    return related


def shown(request: HttpRequest, obj: Model, field: ForeignKey[Any, Any]) -> str | SafeString:
    """Return a related row's name, linked where its page opens for them; masked if hidden (Q31)."""
    key = getattr(obj, field.attname)
    if key is None:
        return "–"
    related = related_model(field)
    if not names(request).may_name(related, key):
        in_bin = names(request).is_in_bin(related, key)
        return label_of(getattr(obj, field.name)) if in_bin else str(RESTRICTED)
    if getattr(related, "names_are_public", False):
        return str(getattr(obj, field.name))
    if (address := names(request).address(related)) is None:
        return str(getattr(obj, field.name))
    row = getattr(obj, field.name)
    return format_html('<a class="text-link" href="{}">{}</a>', address.of(row), row)


def safe_column(request: HttpRequest, model: type[Model], name: str) -> Callable[[Any], Any]:
    """Return a column that shows a relation safely; sortable only where its names are public."""
    field = relation(model, name)
    assert field is not None
    related = related_model(field)

    known: dict[Any, str] = {}
    """What stands for each key of this page: many rows have the same owner."""

    def column(obj: Model) -> str:
        key = getattr(obj, field.attname)
        if key not in known:
            known[key] = shown(request, obj, field)
        return known[key]

    column.__name__ = name
    column.short_description = field.verbose_name  # type: ignore[attr-defined]  # read by the admin
    if getattr(related, "names_are_public", False):
        ordering = related._meta.ordering
        column.admin_order_field = f"{name}__{ordering[0]}" if ordering else name  # type: ignore[attr-defined]  # read by the admin
    return column
