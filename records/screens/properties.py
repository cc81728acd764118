"""The screen of fields, for super admins: who may read and edit one, and how secret it is (E24)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import access
from accounts.modeladmin import AccessForm, AccessModelAdmin, opened, user_of
from accounts.models import Team, User
from accounts.picked import PickedField, Picking
from accounts.pickers import offers
from records import kinds, operations
from records.models import Property, PropertyGrant
from records.models.properties import field_of
from records.operations import RecordError

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LEVELS = PropertyGrant.Level


def _for_fields(model: type[Model]) -> Callable[[User, int], QuerySet[Any] | None]:
    """Return for whom a field may be, for whoever lays that down."""
    return lambda user, key: (
        model._default_manager.all() if access.allows_any(user, "add", Property) else None
    )


offers |= {"field_people": _for_fields(User), "field_teams": _for_fields(Team)}


def _people(label: StrOrPromise) -> PickedField:
    return PickedField("field_people", User, required=False, label=label)


def _teams(label: StrOrPromise) -> PickedField:
    return PickedField(
        "field_teams",
        Team,
        required=False,
        label=label,
        help_text=gettext_lazy("Members count, main and extra; teams above are not implied."),
    )


class PropertyForm(Picking, AccessForm):
    """What is said about one field."""

    viewer_teams = _teams(gettext_lazy("Teams that may view"))
    viewer_people = _people(gettext_lazy("People who may view"))
    editor_teams = _teams(gettext_lazy("Teams that may view and edit"))
    editor_people = _people(gettext_lazy("People who may view and edit"))

    class Meta:
        model = Property
        fields = ("access", "sensitive", "highly_sensitive")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        grants: list[tuple[str, int | None, int | None]] = []
        if self.instance.pk is not None:
            grants = list(self.instance.grants.values_list("level", "user", "team"))
        for level, kind in ((LEVELS.VIEW, "viewer"), (LEVELS.EDIT, "editor")):
            rows = [(user, team) for stored, user, team in grants if stored == level]
            self.initial[f"{kind}_people"] = [user for user, _ in rows if user]
            self.initial[f"{kind}_teams"] = [team for _, team in rows if team]
        for field in self.fields.values():
            if isinstance(field, PickedField) and self.request is not None:
                # Whoever may view may edit from now on, deactivated or not.
                kept = [user for _, user, _ in grants if user]
                field.open_to(user_of(self.request), kept=() if "teams" in field.offer else kept)

    def clean(self) -> dict[str, Any]:
        """Highly sensitive is sensitive too, whether or not both were switched on."""
        cleaned = super().clean()
        cleaned["sensitive"] = bool(cleaned.get("sensitive") or cleaned.get("highly_sensitive"))
        return cleaned


class NewPropertyForm(PropertyForm):
    """A field about which nothing was said yet."""

    field = forms.ChoiceField(label=gettext_lazy("Field"), widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "field" not in self.fields:
            return
        said = set(Property.objects.values_list("object", "name"))
        self.fields["field"].choices = [  # type: ignore[attr-defined]  # a choice field
            ("", gettext("Choose a field")),
            *((kind.plural, choices) for kind in kinds.every() if (choices := _fields(kind, said))),
        ]


def _fields(kind: kinds.Kind, said: set[tuple[str, str]]) -> list[tuple[str, str]]:
    return [
        (f"{kind.key}.{field.name}", kind.label_of(field.name))
        for field in operations.restrictable(kind.model)
        if (kind.key, field.name) not in said
    ]


@admin.register(Property)
class PropertyAdmin(AccessModelAdmin):
    """Which fields differ from “everyone views and edits them”."""

    refusals = (RecordError, *AccessModelAdmin.refusals)
    list_display = ("label", "kind", "access", "sensitive", "highly_sensitive")
    list_filter = ("sensitive", "highly_sensitive")
    sortable_by = ()
    form = PropertyForm
    change_form_before_template = "accounts/as_opened.html"
    readonly_fields = ("label",)
    compressed_fields = True
    fieldsets = (
        (None, {"fields": ("label", "access")}),
        (
            gettext_lazy("Chosen people and teams"),
            {
                "fields": (
                    ("viewer_teams", "editor_teams"),
                    ("viewer_people", "editor_people"),
                ),
                "classes": ("only-chosen",),
                "description": gettext_lazy(
                    "Whoever is chosen on both sides may edit. Nobody else learns that the field "
                    "exists, apart from super admins."
                ),
            },
        ),
        (gettext_lazy("Sensitivity"), {"fields": ("sensitive", "highly_sensitive")}),
    )
    add_fieldsets = ((None, {"fields": ("field", "access")}), *fieldsets[1:])

    # “View” of a field is about its values (Property.access_rules), so the screen asks for what
    # only super admins have: laying a restriction down.
    def may(self, request: HttpRequest, action: str, obj: Model | str | None = None) -> bool:
        return access.allows_any(user_of(request), "add", Property)

    def as_it_stands(self, obj: Model) -> str:
        assert isinstance(obj, Property)
        return operations.field_as_it_stands(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows if self.may(request, "view") else rows.none()

    what_becomes = cast(
        "str", gettext_lazy("Its rule is removed. The audit log keeps that it was there.")
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A field is opened again, not deleted, unless there is no such field any more."""
        return isinstance(obj, Property) and obj.is_stale and self.may(request, "delete", obj)

    def remove(self, request: HttpRequest, obj: Any) -> None:
        operations.forget_property(obj, actor=user_of(request))

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = NewPropertyForm
        return super().get_form(request, obj, change, **kwargs)

    @display(description=cast("str", gettext_lazy("Field")))
    def label(self, obj: Property) -> str:
        field = field_of(obj.object, obj.name)
        if field is None:
            said = gettext("%(field)s (gone: there is no such field any more; delete this)")
            return said % {"field": obj.name}
        return field.title

    @display(description=cast("str", gettext_lazy("Object")))
    def kind(self, obj: Property) -> str:
        return kinds.plural_of(obj.object)

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        object_key, _, name = form.cleaned_data["field"].partition(".")
        made = self._restrict(request, object_key, name, form, operations.NOTHING_SAID)
        obj.pk, obj.object, obj.name = made.pk, made.object, made.name

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        self._restrict(request, obj.object, obj.name, form, opened(request))

    def _restrict(
        self, request: HttpRequest, object_key: str, name: str, form: Any, as_opened: str
    ) -> Property:
        values = form.cleaned_data
        return operations.restrict_property(
            actor=user_of(request),
            object=object_key,
            name=name,
            access=values["access"],
            viewers=[*values["viewer_people"], *values["viewer_teams"]],
            editors=[*values["editor_people"], *values["editor_teams"]],
            sensitive=values["sensitive"],
            highly_sensitive=values["highly_sensitive"],
            as_opened=as_opened,
        )
