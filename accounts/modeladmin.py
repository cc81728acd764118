"""Django's and Unfold's hooks answered by access.py, once, for every screen of the product.

Each hook names the leak it closes (the line numbers of Django and Unfold stand in the project's
leak list). Screens derive from `AccessModelAdmin` and contain no rule and no `Q`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters, InlineModelAdmin
from django.contrib.admin.utils import flatten_fieldsets, quote, unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import BadRequest, FieldDoesNotExist, PermissionDenied
from django.db.models import Field, ForeignKey, Model, QuerySet, Value
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import access, audit, numbers
from accounts.finding import with_words
from accounts.keys import KeyField, KeysField, is_key, label_of, whole_number
from accounts.models import User
from accounts.operations import AccountsError
from accounts.ordering import empty_last
from accounts.paging import CappedCount, CappedPaginator
from accounts.pickers import PickerSelect, Purpose

RESTRICTED = "restricted record"
NOTHING_CHANGED = "Nothing was changed: it was stored like this already."
SORTED_COLUMN = re.compile(r"-?[0-9]{1,2}")
"""A part of a list's order: the number of a column, as the admin writes it."""

Displayed = str | Callable[[Any], Any]


def person(request: HttpRequest) -> User:
    """Return who asks; every address but the log-in page demands a log-in."""
    assert isinstance(request.user, User)
    return request.user


def say_saved(request: HttpRequest, text: str) -> None:
    """Say what was saved, or that there was nothing to change."""
    if audit.written.get():
        messages.success(request, text)
    else:
        messages.info(request, NOTHING_CHANGED)


def opened(request: HttpRequest) -> str:
    """Return the mark of what was open when this form was filled in; empty where none was sent."""
    return request.POST.get("as_opened", "")


# --- Relations that show only what may be named (L1, L29) -----------------------------------------


class Names:
    """Which related rows of a request may be named, asked once per model and set of keys."""

    def __init__(self, user: User) -> None:
        self.user = user
        self._known: dict[type[Model], dict[int, bool]] = {}
        self._in_bin: dict[type[Model], set[int]] = {}

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
        self.learn(model, [key])
        return key is not None and self._known[model][key]

    def is_in_bin(self, model: type[Model], key: int | None) -> bool:
        """Tell whether this related row is out of sight only because it was deleted."""
        self.learn(model, [key])
        return key in self._in_bin.get(model, ())


def names(request: HttpRequest) -> Names:
    """Return this request's memory of what may be named."""
    if not hasattr(request, "_names"):
        request._names = Names(person(request))  # type: ignore[attr-defined]  # a memo of this request
    return request._names  # type: ignore[attr-defined, no-any-return]  # a memo of this request


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
        return label_of(getattr(obj, field.name)) if in_bin else RESTRICTED
    if getattr(related, "names_are_public", False):
        return str(getattr(obj, field.name))
    try:
        url = reverse(
            f"admin:{related._meta.app_label}_{related._meta.model_name}_change", args=[quote(key)]
        )
    except NoReverseMatch:
        return str(getattr(obj, field.name))
    return format_html('<a class="text-link" href="{}">{}</a>', url, getattr(obj, field.name))


def safe_column(request: HttpRequest, model: type[Model], name: str) -> Callable[[Any], Any]:
    """Return a column that shows a relation safely; sortable only where its names are public."""
    field = relation(model, name)
    assert field is not None
    related = related_model(field)

    def column(obj: Model) -> str:
        return shown(request, obj, field)

    column.__name__ = name
    column.short_description = field.verbose_name  # type: ignore[attr-defined]  # read by the admin
    if getattr(related, "names_are_public", False):
        ordering = related._meta.ordering
        column.admin_order_field = f"{name}__{ordering[0]}" if ordering else name  # type: ignore[attr-defined]  # read by the admin
    return column


# --- Highly sensitive values (E30) ----------------------------------------------------------------

DOTS = "••••"


def veiled_column(model: type[Model], name: str) -> Callable[[Any], Any]:
    """Return a column, or a read-only form field, that says nothing about its value."""

    def column(obj: Model) -> str:
        return DOTS

    column.__name__ = name
    column.short_description = model._meta.get_field(name).verbose_name  # type: ignore[attr-defined, union-attr]  # read by the admin; a concrete field
    return column


def years(model: type[Model]) -> tuple[str, ...]:
    """Return the fields of a model that hold years: their thousands are not separated."""
    return getattr(model, "years", ())


def plain_column(name: str, label: str) -> Callable[[Any], Any]:
    """Return a read-only form field that shows a year as it is written: 2017, and not 2,017."""

    def column(obj: Model) -> str:
        value = getattr(obj, name)
        return "–" if value is None else str(value)

    column.__name__ = name
    column.short_description = label  # type: ignore[attr-defined]  # read by the admin
    return column


# --- Lists ----------------------------------------------------------------------------------------


class AccessChangeList(ChangeList):
    """A list that orders only by columns declared sortable, and never leaves its pages (L12)."""

    model_admin: AccessModelAdmin

    def get_filters_params(self, params: Any = None) -> Any:
        """Parameters of the page that are no filters stay out of the query."""
        wanted = super().get_filters_params(params)
        extra = self.model_admin.extra_parameters
        return {name: value for name, value in wanted.items() if name not in extra}

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        extra = self.model_admin.extra_parameters
        return super().get_query_string(new_params, [*(remove or ()), *extra])

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        wanted = self.params.get("o", "")
        self.params["o"] = ".".join(part for part in wanted.split(".") if self._sortable(part))
        ordering = super().get_ordering(request, queryset)
        # The kind's own order too goes by no field that the person may not read there (L13).
        names = {str(name).removeprefix("-") for name in ordering}
        if names & self.model_admin._unasked(request):
            return ["pk"]
        # An order that nobody asked for is the model's own, as its indexes have it.
        return empty_last(self.model, ordering) if self.params["o"] else ordering

    def _sortable(self, part: str) -> bool:
        if not SORTED_COLUMN.fullmatch(part):
            return False  # “--3” would be another column here than where it is read again
        number = int(part.removeprefix("-"))
        if number >= len(self.list_display):
            return False
        column = self.list_display[number]
        return self.sortable_by is None or column in self.sortable_by

    def get_results(self, request: HttpRequest) -> None:
        self.page_num = max(self.page_num, 1)
        try:
            super().get_results(request)
        except IncorrectLookupParameters:
            # A page that is no more (rows were lost meanwhile) is the last one, not an error. Not
            # asked beforehand: that counted every list twice.
            paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
            self.page_num = paginator.num_pages
            super().get_results(request)
        self.page_num = min(self.page_num, self.paginator.num_pages)
        if isinstance(self.paginator.count, CappedCount):
            self.result_count = self.paginator.count
        self.result_list = list(self.result_list)
        self.model_admin.before_rows_are_shown(request, self.result_list)
        for name in self.model_admin.relations_shown(request):
            field = relation(self.model, name)
            assert field is not None
            names(request).learn(
                related_model(field), [getattr(row, field.attname) for row in self.result_list]
            )


# --- Forms ----------------------------------------------------------------------------------------


class AccessForm(forms.ModelForm):  # type: ignore[type-arg]  # Django does not let it be subscripted
    """A form that shows a refused operation's message and keeps everything that was typed."""

    request: HttpRequest | None = None
    """Set on the form of a page; the rows of an inline have none."""
    veiled: ClassVar[frozenset[str]] = frozenset()
    """Highly sensitive fields: the form never holds their stored value (E30)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            return
        for name in self.veiled & set(self.fields):
            # An empty answer is then no change, and the stored value stays.
            self.initial[name] = None
            self.fields[name].required = False
            self.fields[name].widget.attrs["placeholder"] = DOTS
            self.fields[name].help_text = "Not shown here. Empty: the value stays as it is."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        refusal = getattr(self.request, "refusal", None)
        if refusal is not None:
            name = getattr(refusal, "field", None)
            if name in self.fields:
                # In the form's own words: a choice refused late reads as one that is absent.
                said = self.fields[name].error_messages.get("invalid_choice", str(refusal))
                raise forms.ValidationError({name: said})
            raise forms.ValidationError(str(refusal))
        return cleaned

    def validate_unique(self) -> None:
        """Leave uniqueness to the operations: asking here tells of rows out of reach (L36)."""


class FieldAccess:
    """How fields of a form behave, for model admins and inlines alike."""

    model: type[Model]
    form: type[forms.ModelForm[Any]] = AccessForm
    view_on_site = False

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer, and accept, only what may be named (L21, L22, L26)."""
        related = related_model(db_field)
        rows = kwargs.get("queryset")
        rows = related._default_manager.all() if rows is None else rows
        kwargs["queryset"] = access.nameable(rows, person(request))
        if (kept := self._kept(request, db_field)) is not None:
            # What it is linked with lies in the bin: it may stay so, or be linked elsewhere.
            kwargs["queryset"] |= access.recycled(rows.filter(pk=kept), person(request))
        kwargs.setdefault("form_class", KeyField)
        if db_field.name in self.get_autocomplete_fields(request):  # type: ignore[attr-defined]  # a mixin
            site = self.admin_site  # type: ignore[attr-defined]  # a mixin
            kwargs.setdefault("widget", PickerSelect(db_field, site, Purpose.CHOOSE))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]  # a mixin

    def _kept(self, request: HttpRequest, db_field: ForeignKey[Any, Any]) -> int | None:
        """Return the key that this page's object has in this field, if it lies in the bin."""
        obj = getattr(request, "_object_of_form", None)
        key = getattr(obj, db_field.attname) if isinstance(obj, db_field.model) else None
        in_bin = key is not None and names(request).is_in_bin(related_model(db_field), key)
        return key if in_bin else None

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        related: type[Model] = db_field.related_model
        kwargs["queryset"] = access.nameable(related._default_manager.all(), person(request))
        kwargs.setdefault("form_class", KeysField)
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]  # a mixin

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Read numbers as they are typed; take away the links beside a select.

        Those are drawn by model, not by row (L28).
        """
        if (number := numbers.form_class(db_field)) is not None:
            kwargs.setdefault("form_class", number)
            kwargs.setdefault("widget", UnfoldAdminTextInputWidget)
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]  # a mixin
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field


class AccessInline(FieldAccess, TabularInline):  # type: ignore[misc]  # Unfold's formfield_overrides
    """Rows of a parent, for parents that whoever may change them may change whole.

    Rows with rights of their own never stand in an inline (L46, L47).
    """

    extra = 0
    can_delete = True
    show_change_link = False

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Name every field for those who do not see the head of its column."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs.setdefault("aria-label", str(field.label))
        return field

    def _may(self, request: HttpRequest, obj: Model | None) -> bool:
        if obj is None or obj.pk is None:
            return True
        return access.allows(person(request), "change", obj)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, obj)


# --- The model admin ------------------------------------------------------------------------------


class AccessModelAdmin(FieldAccess, ModelAdmin):  # type: ignore[misc]  # Unfold's formfield_overrides
    """The base of every screen: rows, fields, actions and answers by the access engine."""

    # Any, since Unfold gives these the type of their empty values, which no screen could replace.
    add_fieldsets: Any = ()
    change_form_before_template: Any = None
    change_form_after_template: Any = None
    change_form_outer_before_template: Any = None
    change_form_outer_after_template: Any = None
    list_after_template: Any = None

    refusals: ClassVar[tuple[type[Exception], ...]] = (AccountsError,)
    """What this floor's operations raise; shown on the form, with everything typed kept."""

    record_panels: ClassVar[list[Callable[[HttpRequest, Model], str]]] = []
    """A slot for upper floors: pieces of HTML below a record (exports that contained it, …)."""
    list_tools: ClassVar[
        list[Callable[[HttpRequest, AccessModelAdmin], dict[str, Any] | None]]
    ] = []
    """A slot for upper floors: links above a list ({title, url, icon}), or None."""

    warnings: ClassVar[list[Callable[[User], list[str]]]] = []
    """A slot for upper floors: what a super admin is warned of, as people and rights stand now."""

    row_actions: ClassVar[dict[str, tuple[Callable[..., Any], str]]] = {}
    """A slot for upper floors: actions on ticked rows, name → (function, description)."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0  # no list leaves its pages; “all” is no parameter either
    list_filter_submit = True
    list_fullwidth = True
    actions: Sequence[Any] = ()
    extra_parameters: ClassVar[tuple[str, ...]] = ()
    """Query parameters of this list beside page, order, search and its filters' own."""
    what_becomes = "It is deleted for good. The audit log keeps that it was there."
    """What deleting one of these does, for the page that asks."""
    in_palette = False
    """Whether the command palette finds rows of this model."""
    picker_fields: ClassVar[tuple[str, ...]] = ()
    """What a picker elsewhere may search by: names and nothing else (R7)."""
    associated: ClassVar[tuple[str, ...]] = ()
    """Relations of other records to this one (`deals`), which may be linked from here (R109 b)."""
    read_with: ClassVar[tuple[str, ...]] = ()
    """Relations whose names are public, read in one query with the record of a page."""

    # Unfold keeps the request on this object, which all threads share (L74).
    @property
    def request(self) -> HttpRequest:
        raise AttributeError("The request is an argument; kept here it would be somebody else's.")

    @request.setter
    def request(self, value: HttpRequest) -> None:
        """Keep nothing."""

    # Who may do what --------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return access.permitted(super().get_queryset(request), person(request), "view")

    def may(self, request: HttpRequest, action: str, obj: Model | str | None = None) -> bool:
        """Ask the engine; Unfold passes a key as text where it means the object (L63)."""
        if isinstance(obj, str | int):
            row: Model | None = self.get_object(request, unquote(str(obj)))
            return row is not None and self.may(request, action, row)
        if obj is None or obj.pk is None:
            return access.allows_any(person(request), action, self.model)
        if request.method not in ("GET", "HEAD"):
            return access.allows(person(request), action, obj)
        memo: dict[tuple[str, type[Model], Any], bool] = request.__dict__.setdefault("_allowed", {})
        key = (action, type(obj), obj.pk)
        if key not in memo:
            memo[key] = access.allows(person(request), action, obj)
        return memo[key]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may(request, "delete", obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Answer for the anonymous reader of the log-in page too (L65)."""
        return isinstance(request.user, User) and self.may(request, "view")

    # Which fields there are (RC3): upper floors answer, every hook below subtracts -------------

    def hidden_fields(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields that do not exist for this person, name included (B6)."""
        return frozenset()

    def fixed_fields(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields whose values this person may read and not write."""
        return frozenset()

    def veiled_fields(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields whose values appear only after a click (E30)."""
        return frozenset()

    def dotted_fields(self, request: HttpRequest, obj: Model) -> frozenset[str]:
        """Return the fields that this record's page shows as dots and leaves as they are."""
        return frozenset()

    # Pickers ----------------------------------------------------------------------------------

    def chosen_fields(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields that this person may fill in by a picker, on whichever row."""
        user = person(request)
        if not any(access.allows_any(user, action, self.model) for action in ("add", "change")):
            return frozenset()
        return frozenset(self.get_autocomplete_fields(request)) - self.hidden_fields(request)

    def asked_fields(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields by which this person may ask: those of pickers among the filters."""
        if not self.has_view_permission(request):
            return frozenset()
        filters = self.get_list_filter(request)
        return frozenset().union(
            *(entry.asked_fields(request) for entry in filters if hasattr(entry, "asked_fields"))
        )

    def before_rows_are_shown(self, request: HttpRequest, rows: list[Any]) -> None:
        """Look at the rows of a list's page before any of their values is drawn."""

    def _unasked(self, request: HttpRequest) -> frozenset[str]:
        """Return the fields that no list is narrowed or ordered by: it would tell their values."""
        return self.hidden_fields(request) | self.veiled_fields(request)

    # Lists ------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        # Any, since Unfold promises a list where Django wants the class of one.
        return AccessChangeList

    def relations_shown(self, request: HttpRequest) -> list[str]:
        """Return the foreign keys among this list's columns."""
        hidden = self.hidden_fields(request)
        return [
            n  # type: ignore[misc]  # relation() takes names only
            for n in self.list_display
            if n not in hidden and relation(self.model, n) is not None
        ]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Show relations only by names the person may read (L1), and no hidden field (RC3)."""
        hidden, veiled = self.hidden_fields(request), self.veiled_fields(request)
        return [
            veiled_column(self.model, name)
            if name in veiled
            else safe_column(request, self.model, name)
            if relation(self.model, name)
            else name
            for name in super().get_list_display(request)
            if name not in hidden
        ]

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Order by no field whose values the person may not read there (L12)."""
        unasked = self._unasked(request)
        return [
            name
            for name in super().get_sortable_by(request)
            if name not in unasked
            and getattr(getattr(self, str(name), None), "admin_order_field", None) not in unasked
        ]

    def get_list_filter(self, request: HttpRequest) -> Any:
        unasked = self._unasked(request)
        return [
            entry
            for entry in super().get_list_filter(request)
            if not (isinstance(entry, str) and entry in unasked)
        ]

    def get_search_fields(self, request: HttpRequest) -> Any:
        unasked = self._unasked(request)
        return [name for name in super().get_search_fields(request) if name not in unasked]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by words, as exports and pickers do; Django's own look-ups know fewer letters."""
        fields = self.get_search_fields(request)
        return with_words(queryset, search_term, fields) if fields else queryset, False

    def get_list_select_related(self, request: HttpRequest) -> list[str] | bool:
        return self.relations_shown(request) or False

    def list_parameters(self, request: HttpRequest) -> set[str]:
        """Return every query parameter this list knows; any other is refused (L8–L11)."""
        known = {"p", "o", "q", "e", *self.extra_parameters}
        for entry in self.get_list_filter(request):
            if isinstance(entry, str):
                known |= {f"{entry}__exact"}
        return known | self._sheet_parameters(request)

    def _sheet_parameters(self, request: HttpRequest) -> set[str]:
        """Return the parameters that filter sheets of ours read: their forms check each value."""
        known: set[str] = set()
        for entry in self.get_list_filter(request):
            if isinstance(entry, type) and hasattr(entry, "known_parameters"):
                known |= set(entry.known_parameters(request))
        return known

    def check_address(self, request: HttpRequest, *also: str) -> None:
        """Raise `BadRequest` for what no page of this list ever wrote into its address.

        `also` names parameters of a page that takes the list's address further.
        """
        unknown = set(request.GET) - self.list_parameters(request) - set(also)
        # PostgreSQL raises at a NUL, wherever Django itself reads one.
        plain = set(request.GET) - self._sheet_parameters(request)
        if unknown or any("\x00" in each for name in plain for each in request.GET.getlist(name)):
            raise BadRequest("This list has no such filter.")
        order = request.GET.get("o", "").split(".")
        if any(part and not SORTED_COLUMN.fullmatch(part) for part in order):
            raise BadRequest("This list has no such order.")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return request is not None and lookup in self.list_parameters(request)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        # Pickers ask by the column: a team's key is that of the group it extends.
        return to_field in (self.opts.pk.name, self.opts.pk.attname)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer what this class and the slot declare: deleting many is a tool of its own."""
        actions = dict(super().get_actions(request))
        actions.pop("delete_selected", None)
        for name, (function, description) in self.row_actions.items():
            if function.offered(request, self):  # type: ignore[attr-defined]  # part of the slot's contract
                actions[name] = (function, name, description)
        return actions

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse; an action or a wrong address redirects
        if not self.has_view_permission(request):
            raise PermissionDenied
        self.check_address(request)
        if not all(is_key(key) for key in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("These are not ticked rows of a list.")
        tools = [tool(request, self) for tool in self.list_tools]
        context = {"list_tools": [t for t in tools if t], **(extra_context or {})}
        context.setdefault("title", str(self.opts.verbose_name_plural).capitalize())
        answer = super().changelist_view(request, context)
        shown = getattr(answer, "context_data", None) or {}
        if "cl" in shown:
            # The admin includes what its own widgets need, and nothing of the filters' widgets.
            for each in shown["cl"].filter_specs:
                shown["media"] += getattr(each, "media", forms.Media())
        return answer

    # One record -------------------------------------------------------------------------------

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        if from_field is not None and from_field != self.opts.pk.name:
            return None
        rows = self.get_queryset(request).select_related(*self.read_with)
        if not (key := whole_number(str(object_id))):
            return None
        if request.method not in ("GET", "HEAD"):
            return rows.filter(pk=key).first()
        # Asked several times while a page is made; a form that is posted changes what it gets.
        memo: dict[tuple[type[Model], Any], Any] = request.__dict__.setdefault("_objects", {})
        if (self.model, key) not in memo:
            memo[self.model, key] = rows.filter(pk=key).first()
        return memo[self.model, key]

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        """Answer for absent and for hidden: the same 404 without a word (RC4)."""
        raise Http404

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """Return the object in reach, or raise the one 404 for absent and hidden."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        return obj

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if {"_saveasnew", "dataset", "_popup", "_to_field"} & {*request.POST, *request.GET}:
            raise BadRequest("This form has no such button.")  # L34, L61, L18
        obj = None
        if object_id is None:
            if not self.has_add_permission(request):
                raise PermissionDenied
        else:
            obj = self.found(request, object_id)
            if request.method == "POST" and not self.has_change_permission(request, obj):
                return self.refuse(request, obj, "change")
        context = {**self.record_context(request, obj), **(extra_context or {})}
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except self.refusals as refusal:
            if isinstance(refusal, PermissionDenied) and obj is not None:
                return self.refuse(request, obj, "change", str(refusal))
            # Shown on the form, with everything that was typed (see AccessForm.clean).
            request.refusal = refusal  # type: ignore[attr-defined]  # for this request's form
            context["refusal"] = type(refusal).__name__
            return super().changeform_view(request, object_id, form_url, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Include what panels beside the form need in the browser, as the form's own widgets do."""
        context["media"] += context.get("panels_media", forms.Media())
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    def record_context(self, request: HttpRequest, obj: Model | None) -> dict[str, Any]:
        """Return what a record's page shows beside its form."""
        context: dict[str, Any] = {"show_save_and_add_another": False}
        if obj is not None:
            panels = [panel(request, obj) for panel in self.record_panels]
            context["record_panels"] = [panel for panel in panels if panel]
            # Once more what was opened, where a form was refused: to send it again is not to have
            # read what it says now.
            context["as_opened"] = opened(request) or self.as_it_stands(obj)
        return context

    def as_it_stands(self, obj: Model) -> str:
        """Return a mark of what this form writes, for screens whose operation compares it.

        They show it by the template `accounts/as_opened.html` and hand over what `opened` returns.
        """
        return ""

    def reasons(self, request: HttpRequest, obj: Model, action: str) -> list[str]:
        """Return why this person may not do this, in sentences."""
        explanation = access.explain(person(request), action, obj)
        return [f"Refused: {finding.because}." for finding in explanation.decisive]

    def refuse(
        self, request: HttpRequest, obj: Model, action: str, message: str = "", verb: str = ""
    ) -> HttpResponse:
        """Answer 403 with the reasons, and write the refusal down.

        `verb` names what was refused where it is not the action itself: sharing asks for `change`.
        """
        user = person(request)
        reasons = [message] if message else self.reasons(request, obj, action)
        codes = [f.code for f in access.explain(user, action, obj).decisive]
        audit.record_refusal(
            f"{self.opts.model_name}.{verb or action}",
            actor=user,
            code=codes[0] if codes else "out_of_reach",
            on=obj,
        )
        context = {
            **self.admin_site.each_context(request),
            "title": "Nothing was changed",
            "opts": self.opts,
            "original": obj,
            "verb": verb or action,
            "reasons": reasons,
            "entered": entered(request, self._offered(request, obj)),
        }
        return TemplateResponse(request, "admin/refused.html", context, status=403)

    def _offered(self, request: HttpRequest, obj: Model) -> set[str]:
        """Return the names of this page's own fields."""
        fields = flatten_fieldsets(self.get_fieldsets(request, obj))
        return {getattr(field, "__name__", field) for field in fields}

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        request._object_of_form = obj  # type: ignore[attr-defined]  # for this request's fields
        form = super().get_form(request, obj, change, **kwargs)
        own = {"request": request, "veiled": self.veiled_fields(request)}
        return type(form.__name__, (form,), own)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Take no values from the address: they would name any row by its key (L25, L26)."""
        return {}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out hidden fields and show relations that are only shown safely (L23, L29, L32)."""
        locked = self._locked(request, obj)
        absent = self._absent(request, obj)
        fieldsets = [
            (title, {**options, "fields": self._safe(options["fields"], locked, absent)})
            for title, options in super().get_fieldsets(request, obj)
        ]
        return [(title, options) for title, options in fieldsets if options["fields"]]

    def _safe(
        self, fields: Iterable[Any], locked: dict[str, Displayed], absent: frozenset[str]
    ) -> list[Any]:
        safe: list[Any] = []
        for field in fields:
            if isinstance(field, list | tuple):
                if row := self._safe(field, locked, absent):
                    safe.append(tuple(row))
            elif field not in absent:
                safe.append(locked.get(field, field))
        return safe

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep hidden fields out of the form even where a screen declares no fieldsets (L31)."""
        declared = super().get_exclude(request, obj)
        absent = self._absent(request, obj)
        return [*(declared or ()), *sorted(absent)] if absent else declared

    def _absent(self, request: HttpRequest, obj: Model | None) -> frozenset[str]:
        """Return the fields this page does not have; a new record has none that is only read."""
        hidden = self.hidden_fields(request)
        if obj is None or obj.pk is None:
            return hidden | self.fixed_fields(request)
        return hidden

    def _locked(self, request: HttpRequest, obj: Model | None) -> dict[str, Displayed]:
        """Return what this page shows and does not edit, by name: dots, and related names."""
        covered = self._covered(request, obj)
        shown = dict.fromkeys(self._shown_only(request, obj), False) | dict.fromkeys(covered, True)
        return {n: safe_readonly(request, self.model, n, dots) for n, dots in shown.items()}

    def _covered(self, request: HttpRequest, obj: Model | None) -> frozenset[str]:
        """Return the fields this page shows as dots and does not edit."""
        if obj is None or obj.pk is None:
            return frozenset()
        veiled = self.veiled_fields(request)
        if veiled and self.has_change_permission(request, obj):
            veiled &= self.fixed_fields(request)
        return veiled | self.dotted_fields(request, obj)

    def _shown_only(self, request: HttpRequest, obj: Model | None) -> list[str]:
        """Return the foreign keys, and years, that this page shows and does not edit."""
        hidden = self.hidden_fields(request)
        all_of_them = [
            f.name
            for f in self.model._meta.fields
            if (isinstance(f, ForeignKey) or f.name in years(self.model)) and f.name not in hidden
        ]
        if obj is None or obj.pk is None:
            return []
        if not self.has_change_permission(request, obj):
            return all_of_them
        fixed = {*super().get_readonly_fields(request, obj), *self.fixed_fields(request)}
        return [n for n in all_of_them if n in fixed or self._hides_its_value(request, obj, n)]

    def _hides_its_value(self, request: HttpRequest, obj: Model, name: str) -> bool:
        """A value that may not be named is kept and not offered for change (RC6)."""
        if (field := relation(self.model, name)) is None:
            return False
        key, related = getattr(obj, field.attname), related_model(field)
        known = names(request)
        return key is not None and not (
            known.may_name(related, key) or known.is_in_bin(related, key)
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        absent = self._absent(request, obj)
        declared = [
            name for name in super().get_readonly_fields(request, obj) if name not in absent
        ]
        if obj is not None and obj.pk is not None:
            declared += sorted(self.fixed_fields(request) - set(declared))
        locked = self._locked(request, obj)
        return [*(name for name in declared if name not in locked), *locked.values()]

    # Writing ----------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand over to the operation; nothing here saves a row itself (RC2)."""
        if change:
            self.change(request, obj, form)
        else:
            self.create(request, obj, form)

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        """Call the operation that adds this object; the floor's screen says which."""
        raise PermissionDenied

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        """Call the operation that changes this object; the floor's screen says which."""
        raise PermissionDenied

    def remove(self, request: HttpRequest, obj: Any) -> None:
        """Call the operation that deletes this object; the floor's screen says which."""
        raise PermissionDenied

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        for formset in formsets:
            self.save_formset(request, form, formset, change=change)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Name what was added as it is stored: of what the form held, its name may be no part."""
        stored = self.model._base_manager.get(pk=obj.pk)
        return super().response_add(request, stored, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Say so where the operation found nothing to change."""
        if audit.written.get():
            return super().response_change(request, obj)
        self.message_user(request, NOTHING_CHANGED)
        if "_continue" in request.POST:
            return HttpResponseRedirect(request.get_full_path())
        return self.response_post_save_change(request, obj)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.found(request, object_id)
        if not self.has_delete_permission(request, obj):
            return self.refuse(request, obj, "delete")
        try:
            context = {"what_becomes": self.what_becomes, **(extra_context or {})}
            return super().delete_view(request, object_id, context)
        except self.refusals as refusal:
            if isinstance(refusal, PermissionDenied):
                return self.refuse(request, obj, "delete", str(refusal))
            self.message_user(request, str(refusal), level="error")
            return HttpResponseRedirect(request.path.removesuffix("delete/") + "change/")

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Name the record itself and nothing that hangs on it (L43)."""
        rows = [str(obj) for obj in objs]
        return rows, {str(self.opts.verbose_name_plural): len(rows)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.remove(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        raise PermissionDenied  # L41: deleting many is a tool of its own

    # Django's own log and history are not used: the audit log is the one trail (L64–L66) -------

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        raise Http404

    def get_inline_instances(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[InlineModelAdmin[Any, Any]]:
        inlines = super().get_inline_instances(request, obj)
        assert all(isinstance(inline, AccessInline) for inline in inlines)
        return inlines


def safe_readonly(
    request: HttpRequest, model: type[Model], name: str, dots: bool
) -> Callable[[Any], Any]:
    """Return a read-only form field that shows a relation safely, or a year, or dots.

    One object per request: the form and its list of read-only fields must name the same.
    """
    memo: dict[tuple[Any, ...], Any] = request.__dict__.setdefault("_safe_fields", {})
    if (model, name, dots) not in memo:
        label = str(model._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # a concrete field
        memo[model, name, dots] = (
            veiled_column(model, name)
            if dots
            else plain_column(name, label)
            if name in years(model)
            else safe_column(request, model, name)
        )
    return memo[model, name, dots]  # type: ignore[no-any-return]  # a memo of this request


def entered(request: HttpRequest, offered: set[str]) -> list[tuple[str, str]]:
    """Return what a person typed into a refused form, so that it is not lost; never a password.

    Only the fields `offered` to them, and rows of inlines: a posted name that is hidden from them
    and one that does not exist are passed over alike.
    """
    return [
        (name.replace("_", " ").capitalize(), str(value))
        for name, value in request.POST.items()
        if value
        and (name in offered or "-" in name)
        and name != "record_version"
        and not name.startswith(("_", "csrf", "initial-"))
        and "password" not in name
    ]
