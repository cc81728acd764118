"""Fields in which several people or teams are found by typing, and stand there as chips.

A page holds those that are chosen, and no list of all: it is as long in a company of five hundred
as in one of five. Without a script the same is done by boxes: one looks for a name, the page comes
back with what it found, and one ticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.widgets import AutocompleteMixin, get_select2_language
from django.db.models import Model, Q, QuerySet
from django.forms.utils import ErrorDict
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from accounts.finding import with_words
from accounts.keys import KeysField, is_key, label_of, whole_number
from accounts.modeladmin.requests import user_of
from accounts.models import User
from accounts.paging import CappedPaginator
from accounts.people import named
from accounts.pickers import rows_of

LONGEST_TERM = 80
MOST_FOUND = 20
FIND = "_find"
"""The button that looks for a name, where no script does."""


def found(rows: QuerySet[Any], term: str) -> QuerySet[Any]:
    """Return the rows with these words in their names, in the order of names."""
    term = term[:LONGEST_TERM]
    if issubclass(rows.model, User):
        return named(rows, term)
    rows = with_words(rows, term, getattr(rows.model, "name_fields", ("name",)))
    return rows.order_by(*(rows.model._meta.ordering or ()))


class PickView(AutocompleteJsonView):
    """Answers the fields below: the rows of an offer that a term finds, page by page.

    An offer that is none of this person's, and one that is none, are refused alike.
    """

    kwargs: dict[str, str]
    rows: QuerySet[Any] | None = None

    def process_request(self, request: HttpRequest) -> tuple[str, None, None, str]:
        """Read whose rows are asked for; of no model's field, unlike Django's."""
        of = whole_number(request.GET.get("of"))
        self.rows = rows_of(self.kwargs["offer"], user_of(request), of)
        return request.GET.get("term", ""), None, None, "pk"

    def has_perm(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.rows is not None

    def get_queryset(self) -> Any:
        assert self.rows is not None
        return found(self.rows, self.term)

    def get_paginator(self, *args: Any, **kwargs: Any) -> CappedPaginator:
        return CappedPaginator(*args, **kwargs)

    def serialize_result(self, obj: Model, to_field_name: str) -> dict[str, str]:
        return {"id": str(obj.pk), "text": label_of(obj)}


class ChipSelect(AutocompleteMixin, forms.SelectMultiple):
    """Django's picker of several, for an offer; without a script a search and boxes."""

    template_name = "accounts/chips.html"
    rows: QuerySet[Any] | None = None
    address = ""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        # Not the mixin's: this is of no model's field.
        forms.SelectMultiple.__init__(self, attrs)
        self.term = ""

    @property
    def i18n_name(self) -> str | None:  # of the language of now
        return get_select2_language()

    def get_url(self) -> str:
        return self.address

    def use_required_attribute(self, initial: Any) -> bool:
        """Let the form say what is missing: a browser cannot point at a list that is not shown."""
        return False

    def build_attrs(
        self, base_attrs: dict[str, Any], extra_attrs: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        attrs = forms.SelectMultiple.build_attrs(self, base_attrs, extra_attrs)
        return {
            **attrs,
            "class": "admin-autocomplete chip-select",
            "data-ajax--cache": "true",
            "data-ajax--delay": 250,
            "data-ajax--type": "GET",
            "data-ajax--url": self.get_url(),
            "data-field-name": attrs.get("id", "").removeprefix("id_"),
            "data-theme": "admin-autocomplete",
            "data-placeholder": gettext("Type a name"),
            "data-width": "100%",
            "lang": self.i18n_name or "en",
        }

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Read the boxes where there is no script, and the list of the picker where there is."""
        self.term = data.get(f"{name}-term", "")
        sent = f"{name}-box" if f"{name}-boxes" in data else name
        return super().value_from_datadict(data, files, sent)

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        """Return what is chosen, and nothing else."""
        return [(None, [self._option(name, row, True) for row in self._chosen(value)], 0)]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        chosen = [option for _, options, _ in context["widget"]["optgroups"] for option in options]
        keys = [option["value"] for option in chosen]
        context |= {
            "boxes": [*chosen, *(self._option(name, row, False) for row in self._found(keys))],
            "term": self.term,
            "find": FIND,
            "was_looked_for": bool(self.term),
        }
        return context

    def _chosen(self, value: Sequence[str]) -> Iterable[Model]:
        keys = [each for each in value if is_key(each)]
        return self.choices.queryset.filter(pk__in=keys) if keys else ()

    def _found(self, keys: Sequence[Any]) -> Iterable[Model]:
        if not self.term or self.rows is None:
            return ()
        return found(self.rows.exclude(pk__in=keys), self.term)[:MOST_FOUND]

    def _option(self, name: str, row: Model, is_chosen: bool) -> dict[str, Any]:
        label = label_of(row)
        return self.create_option(name, row.pk, label, is_chosen, 0)


class PickedField(KeysField):
    """Several people or teams of an offer; who is chosen already stays, deactivated ones too."""

    widget = ChipSelect

    def __init__(self, offer: str, model: type[Model], **kwargs: Any) -> None:
        self.offer = offer
        super().__init__(queryset=model._default_manager.none(), **kwargs)

    def open_to(self, user: User, key: int = 0, *, kept: Iterable[int] = ()) -> QuerySet[Any]:
        """Take what the offer has for this person now, and these; return what is offered.

        Called by the form, which knows who fills it in and what it is about (`key`).
        """
        assert self.queryset is not None
        every: QuerySet[Any] = self.queryset.model._default_manager.all()
        offered = rows_of(self.offer, user, key)
        rows = every.none() if offered is None else offered
        self.queryset = every.filter(Q(pk__in=rows.order_by().values("pk")) | Q(pk__in=list(kept)))
        widget: Any = self.widget  # an instance, where Django's stub has a class
        widget.rows = rows
        widget.address = reverse("admin:pick", args=[self.offer]) + (f"?of={key}" if key else "")
        return rows


class Picking:
    """A form with such fields: to look for a name sends it, and neither checks nor saves it."""

    data: Any
    is_bound: bool
    _errors: Any
    cleaned_data: dict[str, Any]

    @property
    def looks_for_a_name(self) -> bool:
        return self.is_bound and FIND in self.data

    def full_clean(self) -> None:
        if not self.looks_for_a_name:
            super().full_clean()  # type: ignore[misc]  # a mixin
            return
        self._errors, self.cleaned_data = ErrorDict(), {}

    def is_valid(self) -> bool:
        is_fine: bool = super().is_valid()  # type: ignore[misc]  # a mixin
        return is_fine and not self.looks_for_a_name
