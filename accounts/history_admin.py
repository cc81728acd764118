"""The permission history's screen: which permission, from, to, by whom, when and why (E17).

For super admins. There is no export of it: what leaves the product has a gate.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import CharField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Concat
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts import audit_words, catalogue
from accounts.keys import KeyField
from accounts.letters import folded
from accounts.list_forms import FormFilter, ListForm, LogAdmin, day_field, first_moment, last_moment
from accounts.log_values import values_in
from accounts.models import PermissionChange, User
from accounts.models.history import BEGAN, IS_CHANGE
from accounts.permission_history import (
    ACTIVE,
    EXTRA,
    MAIN,
    NO,
    OWN,
    PARENT,
    PARTNER_ADMIN,
    SET,
    SUPER_ADMIN,
    TEAM,
    YES,
    of_person,
    referred_to,
)

MOST_KEY = 10**15
"""No key is as large; a database can count as far."""

LABELS = {
    SET: gettext_lazy("Permission set"),
    TEAM: gettext_lazy("Team"),
    SUPER_ADMIN: gettext_lazy("Super admin"),
    PARTNER_ADMIN: gettext_lazy("Partner admin"),
    ACTIVE: gettext_lazy("Active"),
    PARENT: gettext_lazy("Team above"),
}
SAID = {
    OWN: gettext_lazy("own permissions"),
    YES: gettext_lazy("yes"),
    NO: gettext_lazy("no"),
    MAIN: pgettext_lazy("how somebody is in a team", "main"),
    EXTRA: pgettext_lazy("how somebody is in a team", "extra"),
    "owned": pgettext_lazy("level", "owned"),
    "team": pgettext_lazy("level", "team"),
    "everything": pgettext_lazy("level", "everything"),
}
"""Values that are kept as codes, in words."""


def in_words(permission: str) -> str:
    """Return how a permission is read; by its key where the catalogue does not have it any more."""
    if permission in LABELS:
        return str(LABELS[permission])
    key = permission.removesuffix(catalogue.UNASSIGNED)
    try:
        name = catalogue.name_of(key)
    except (catalogue.UnknownPermission, KeyError):
        return permission
    if key == permission:
        return name
    return gettext("%(permission)s, unassigned ones") % {"permission": name}


def _said(row: PermissionChange, value: str) -> str:
    """Return a value of a row in words: of a set or a team its name."""
    name = referred_to(row, value)
    return str(SAID.get(name if name == OWN else value, name)) or "–"


def _beginning_with(text: str) -> tuple[str, ...]:
    """Return the permissions of the history that begin with a text, whatever its case."""
    start = folded(text)
    return values_in(
        PermissionChange, "permission", lambda key: folded(key).startswith(start), IS_CHANGE
    )


class HistoryForm(ListForm):
    """The filters of the history."""

    picked: ClassVar[dict[str, Any]] = {
        "person": PermissionChange._meta.get_field("person"),
        "actor": PermissionChange._meta.get_field("actor"),
    }

    person = KeyField(
        label=gettext_lazy("Person, and the sets they had"),
        required=False,
        queryset=User.objects.none(),
        empty_label=gettext_lazy("Everybody"),
    )
    actor = KeyField(
        label=audit_words.WHO,
        required=False,
        queryset=User.objects.none(),
        empty_label=gettext_lazy("Everybody"),
    )
    permission = forms.CharField(
        label=gettext_lazy("Permission"),
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": gettext_lazy("crm.deal, crm.export, team…")}
        ),
    )
    at_after = day_field(pgettext_lazy("a first day", "From"))
    at_before = day_field(pgettext_lazy("a last day", "To"))
    set_key = forms.IntegerField(
        label=gettext_lazy("Permission set no."),
        required=False,
        min_value=1,
        max_value=MOST_KEY,
        widget=forms.HiddenInput,
    )


class HistoryFilter(FormFilter):
    """All filters of the history."""

    form_class = HistoryForm
    narrowing: ClassVar[dict[str, tuple[str, Any]]] = {
        "actor": ("actor", lambda chosen: chosen.pk),
        "permission": ("permission__in", _beginning_with),
        "at_after": ("at__gte", first_moment),
        "at_before": ("at__lt", last_moment),
        "set_key": ("set_key", int),
    }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows = super().queryset(request, queryset)
        chosen = self.form.cleaned_data.get("person")
        return rows.filter(of_person(chosen)) if chosen else rows


@admin.register(PermissionChange)
class PermissionChangeAdmin(LogAdmin):
    """Every change there was; nobody writes it here."""

    list_display = ("time", "who", "whose", "which", "was", "became", "reason")
    list_display_links = ("time",)
    change_list_template = "records/change_list.html"
    list_filter = (HistoryFilter,)
    search_fields = ("name", "permission")
    search_help_text = gettext_lazy("Search set, team or permission")
    sortable_by = ()
    among = IS_CHANGE
    show_add_link = False
    fields = ("time", "who", "whose", "which", "was", "became", "reason")
    readonly_fields = ("time", "who", "whose", "which", "was", "became")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        owners = User.objects.filter(own_permissions=OuterRef("set_key"))
        name = owners.values(
            full=Concat("first_name", Value(" "), "last_name", output_field=CharField())
        )
        rows: QuerySet[Any] = super().get_queryset(request).select_related("actor", "person")
        named: QuerySet[Any] = rows.filter(IS_CHANGE).annotate(set_owner=Subquery(name))
        return named

    @admin.display(description=audit_words.TIME)
    def time(self, obj: PermissionChange) -> str:
        return localize(timezone.localtime(obj.at))

    @admin.display(description=audit_words.WHO)
    def who(self, obj: PermissionChange) -> str:
        if obj.system == BEGAN:
            return gettext("as it stood when the history began")
        return audit_words.who(obj.actor, obj.system)

    @admin.display(description=audit_words.OBJECT)
    def whose(self, obj: PermissionChange) -> str:
        """Name the person, the set or the team that was changed."""
        if obj.person:
            return str(obj.person)
        if obj.set_key and obj.name == OWN:
            owner = getattr(obj, "set_owner", None)  # none once they have another set
            if owner:
                return gettext("Own permissions of %(person)s") % {"person": owner}
            return gettext("Own permissions")
        said = gettext("Permission set “%(name)s”") if obj.set_key else gettext("Team “%(name)s”")
        return said % {"name": obj.name}

    @admin.display(description=gettext_lazy("Permission"))
    def which(self, obj: PermissionChange) -> str:
        """Say which permission in words, with its key."""
        words = in_words(obj.permission)
        if obj.person_id and obj.team_key:
            words = gettext("%(what)s “%(name)s”") % {"what": words, "name": obj.name}
        return format_html('{}<span class="code">{}</span>', words, obj.permission)

    @admin.display(description=pgettext_lazy("a value of before", "From"))
    def was(self, obj: PermissionChange) -> str:
        return _said(obj, obj.before)

    @admin.display(description=pgettext_lazy("a value of now", "To"))
    def became(self, obj: PermissionChange) -> str:
        return _said(obj, obj.after)
