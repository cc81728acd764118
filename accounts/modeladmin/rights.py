"""Who may do what on a screen: Django's and Unfold's questions, answered by the access engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.admin.utils import unquote
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from unfold.admin import ModelAdmin

from accounts import access
from accounts.keys import whole_number
from accounts.modeladmin.forms import FormFields
from accounts.modeladmin.requests import kept, once, user_of
from accounts.models import User


class RightsAdmin(FormFields, ModelAdmin):  # type: ignore[misc]  # Unfold's formfield_overrides
    """Which rows a screen has, and what may be done with each."""

    read_with: ClassVar[tuple[str, ...]] = ()
    """Relations whose names are public, read in one query with the record of a page."""

    # Unfold keeps the request on this object, which all threads share (L74).
    @property
    def request(self) -> HttpRequest:
        raise AttributeError("The request is an argument; kept here it would be somebody else's.")

    @request.setter
    def request(self, value: HttpRequest) -> None:
        """Keep nothing."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return access.permitted(super().get_queryset(request), user_of(request), "view")

    def may(self, request: HttpRequest, action: str, obj: Model | str | None = None) -> bool:
        """Ask the engine; Unfold passes a key as text where it means the object (L63)."""
        if isinstance(obj, str | int):
            row: Model | None = self.get_object(request, unquote(str(obj)))
            return row is not None and self.may(request, action, row)
        if obj is None or obj.pk is None:
            return access.allows_any(user_of(request), action, self.model)
        if request.method not in ("GET", "HEAD"):
            return access.allows(user_of(request), action, obj)
        key = ("allows", action, type(obj), obj.pk)
        return once(request, key, lambda: access.allows(user_of(request), action, obj))

    def keep_answers(self, request: HttpRequest, obj: Model, answers: Mapping[str, bool]) -> None:
        """Ask nothing once more, while this page is read, that the engine has answered of a row."""
        kept(request).update({("allows", a, type(obj), obj.pk): yes for a, yes in answers.items()})

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

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        if from_field is not None and from_field != self.opts.pk.name:
            return None
        if not (key := whole_number(str(object_id))):
            return None

        def read() -> Model | None:
            rows = self.with_relations(self.get_queryset(request), request)
            # In any order, since it is one row: the list's own has several terms to put into SQL.
            found: Model | None = rows.filter(pk=key).order_by("pk").first()
            return found

        if request.method not in ("GET", "HEAD"):
            return read()
        # Asked several times while a page is made; a form that is posted changes what it gets.
        return once(request, ("object", self.model, key), read)

    def with_relations(self, rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        """Return rows with what the page of one of them reads besides."""
        return rows.select_related(*self.read_with)

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

    def reasons(self, request: HttpRequest, obj: Model, action: str) -> list[str]:
        """Return why this person may not do this, in sentences."""
        explanation = access.explain(user_of(request), action, obj)
        return [gettext("Refused: %(why)s.") % {"why": because} for because in explanation.why_not]
