"""A list narrowed by a form: a white list of parameters, each value checked before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import BadRequest
from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext, gettext_lazy

from accounts import days
from accounts.chips import Chip, chips_of, value_in_words
from accounts.day_input import DayInput
from accounts.keys import is_key
from accounts.log_values import with_words
from accounts.modeladmin import AccessModelAdmin, user_of
from accounts.models import User
from accounts.pickers import PickerSelect, Purpose, offered

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

INCOMPLETE = "incomplete"
"""The code of an error that the filters of a list have only together."""

first_moment = days.first_moment
last_moment = days.moment_after
"""The end of a day, for `__lt`: the day's own moments are all before it."""


def day_field(label: StrOrPromise, *, required: bool = False) -> forms.DateField:
    """Return a field for a day that becomes a moment."""
    said = {"invalid": gettext_lazy("Write the day as 2026-12-31.")}
    return forms.DateField(
        label=label,
        required=required,
        widget=DayInput,
        validators=[days.check_day],
        error_messages=said,
    )


class ListForm(forms.Form):
    """The filters of a list; every field is optional."""

    picked: ClassVar[dict[str, Any]] = {}
    """Field → the foreign key of the list's model that it asks by, with a picker."""

    def __init__(self, data: QueryDict, *, user: User, site: admin.AdminSite) -> None:
        super().__init__(data)
        self.user, self.site = user, site
        for name, db_field in self.picked.items():
            field: Any = self.fields[name]
            rows = db_field.related_model._default_manager.all()
            field.queryset = offered(rows, user, Purpose.ASK)
            field.widget = PickerSelect(db_field, site, Purpose.ASK)
            field.widget.choices = field.choices


class NumberedForm(ListForm):
    """Filters among which one thing is asked for by its number, and by its kind."""

    kind_and_number: ClassVar[tuple[str, str]]
    """The two fields; one is no question without the other."""
    no_such_number: ClassVar[StrOrPromise]
    no_kind: ClassVar[StrOrPromise]
    no_number: ClassVar[StrOrPromise]

    def clean(self) -> dict[str, Any]:
        """Ask for both, the kind and the number, where one is given."""
        wanted = super().clean() or self.cleaned_data
        of_kind, by_number = self.kind_and_number
        kind, number = wanted.get(of_kind, ""), wanted.get(by_number, "")
        if number and not is_key(number):
            self._refuse(by_number, self.no_such_number)
        elif number and not kind:
            self._refuse(of_kind, self.no_kind)
        elif kind and not number:
            self._refuse(by_number, self.no_number)
        return wanted

    def _refuse(self, name: str, said: StrOrPromise) -> None:
        self.add_error(name, forms.ValidationError(str(said), code=INCOMPLETE))


class FormFilter(admin.ListFilter):
    """All filters of a list as a single entry of the admin's filter sheet."""

    title = gettext_lazy("filters")
    parameter_name = "filters"
    template = "accounts/list_filters.html"
    form_class: ClassVar[type[ListForm]]
    narrowing: ClassVar[dict[str, tuple[str, Any]]] = {}
    """Field → the look-up it stands for, and what makes a value of it."""

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: Any,
        model_admin: AccessModelAdmin,
    ) -> None:
        super().__init__(request, params, model, model_admin)  # type: ignore[arg-type]  # Django passes lists of values
        data = QueryDict(mutable=True)
        for name in self.known_parameters(request):
            if values := [value for value in params.pop(name, []) if value]:
                data.setlist(name, values)
        used: dict[str, Any] = dict(data.lists())  # Any, since it is read for emptiness only
        self.used_parameters = used
        self.user, self.request = user_of(request), request
        self.form = self.form_class(data, user=self.user, site=model_admin.admin_site)

    @classmethod
    def known_parameters(cls, request: HttpRequest) -> list[str]:
        """Return the parameters of an address that this filter reads."""
        return list(cls.form_class.base_fields)

    @classmethod
    def asked_fields(cls, request: HttpRequest) -> frozenset[str]:
        """Return the foreign keys by which its pickers ask."""
        return frozenset(db_field.name for db_field in cls.form_class.picked.values())

    @property
    def media(self) -> forms.Media:
        """What its widgets need in the browser."""
        return self.form.media

    @cached_property
    def chips(self) -> list[Chip]:
        """What the list is narrowed by, to be taken away again."""
        return chips_of(self.request, self.form, self.used_parameters, value_in_words)

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [*self.form_class.base_fields]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the list; an unknown value is a 400, a mistyped day a message and no rows.

        So is what `clean` of the form refuses with the code `incomplete`.
        """
        if not self.form.is_valid():
            wrong = self.form.errors.as_data()
            if not all(self._is_mistyped(name, errors[0]) for name, errors in wrong.items()):
                raise BadRequest("This list has no such filter.")
            for name, errors in wrong.items():
                label = self.form.fields[name].label
                messages.error(
                    request,
                    gettext("%(label)s: %(what)s")
                    % {"label": label, "what": errors[0].messages[0]},
                )
            return queryset.none()
        return self.narrowed(queryset, self.form.cleaned_data)

    def _is_mistyped(self, name: str, error: forms.ValidationError) -> bool:
        return isinstance(self.form.fields[name], forms.DateField) or error.code == INCOMPLETE

    def narrowed(self, queryset: QuerySet[Any], wanted: dict[str, Any]) -> QuerySet[Any]:
        """Return the rows that these checked values leave, as `narrowing` says."""
        for name, (lookup, value) in self.narrowing.items():
            if wanted[name]:
                queryset = queryset.filter(**{lookup: value(wanted[name])})
        return queryset

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:  # type: ignore[override]  # a form, not links
        """Hand the drawn form to the template."""
        yield {"form": self.form, "selected": bool(self.used_parameters)}


class LogAdmin(AccessModelAdmin):
    """A list of what happened, the newest first: by number, or by time where that is quicker.

    Numbers are handed out as time goes by, but for what was written in the same moment. A page of a
    span that ended long ago lies behind all that came since by number, and by time in an index.
    """

    time_column: ClassVar[str] = "at"
    in_time_if_asked: ClassVar[tuple[str, ...]] = ("at_after", "at_before")
    """Filters of which an index has the rows in the order of time."""
    among: ClassVar[Q | None] = None
    """The condition of the indexes of what is searched, where they have one."""

    def get_ordering(self, request: HttpRequest) -> Any:
        if any(request.GET.get(name) for name in self.in_time_if_asked):
            return [f"-{self.time_column}", "-pk"]
        return super().get_ordering(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the values that have every word first, and then their rows."""
        fields = self.get_search_fields(request)
        return with_words(queryset, search_term, fields, self.among) if fields else queryset, False
