"""Screens of permission sets: the list, the form with its tabs, what becomes of a deleted one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext, gettext_lazy, pgettext

from accounts import access, catalogue, changes, operations, proposals, undo
from accounts.addresses import page_address
from accounts.consequences import warning_of_what_follows
from accounts.editor.beginnings import beginnings, state_of
from accounts.editor.tabs import permission_tabs
from accounts.forms import PermissionSetForm, tool_labels
from accounts.keys import whole_number
from accounts.modeladmin import opened, user_of
from accounts.models import PermissionSet, User
from accounts.permission_pages import history_address
from accounts.review import edits_further, require_reviewed
from accounts.set_steps import GivesSets
from accounts.words import counted

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# Fieldsets are read before there are addresses.
tabs_of_set = lazy(permission_tabs, str)

MOST_NAMED = 6
"""How many tools of a set its row in the list names."""
KEPT = ("name", "description")
"""What was typed for a new set stays when something else to begin with is chosen."""


def permissions(note: StrOrPromise) -> Any:
    """Return the fieldset of all permissions; `note` says when what is saved takes effect."""
    return (None, {"description": tabs_of_set(note), "fields": ("scopes", "tools")})


@admin.register(PermissionSet)
class PermissionSetAdmin(GivesSets):
    """Permission sets: one row per kind of record, one column per action, and the tools."""

    logged_as = "set"
    list_display = ("name", "description", "tool_names", "people_count")
    in_palette, palette_icon = 2, "key"
    search_fields = ("name",)
    picker_fields = ("name",)
    sortable_by = ("name",)
    few_rows = True
    form = PermissionSetForm
    fieldsets = (
        (None, {"fields": (("name", "description"),)}),
        permissions(gettext_lazy("Changes take effect at once, for everybody who has this set.")),
    )
    add_fieldsets: Any = (
        fieldsets[0],
        permissions(gettext_lazy("The set takes effect for people as soon as they get it.")),
    )
    compressed_fields = False
    change_form_before_template: Any = "accounts/as_opened.html"
    change_form_outer_before_template: Any = "accounts/set_begin.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        active = Count("people", filter=Q(people__is_active=True))
        named: QuerySet[Any] = super().get_queryset(request).filter(owner=None)
        rows: QuerySet[Any] = named.annotate(holders=active)
        return rows.prefetch_related("tools")

    @admin.display(description=gettext_lazy("Tools"))
    def tool_names(self, obj: PermissionSet) -> str:
        names = (
            tool.key if catalogue.is_known(tool.key, tool.option) else tool.as_grant.name
            for tool in obj.tools.all()
        )
        labels = tool_labels(names)
        more = len(labels) - MOST_NAMED
        rest = [gettext("and %(count)s more") % {"count": counted(more)}] if more > 0 else []
        return ", ".join([*labels[:MOST_NAMED], *rest]) or "–"

    @admin.display(description=gettext_lazy("Active people"))
    def people_count(self, obj: Any) -> int:
        return int(obj.holders)

    # What whoever may not change a set reads in place of the form's fields of these names.

    @admin.display(description=gettext_lazy("CRM objects"))
    def scopes(self, obj: PermissionSet) -> str:
        return _lines(changes.State(_stored(obj).scopes, ()))

    @admin.display(description=gettext_lazy("Other permissions"))
    def tools(self, obj: PermissionSet) -> str:
        return _lines(changes.State({}, _stored(obj).tools))

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        people, actor = list(form.cleaned_data.get("people") or ()), user_of(request)

        def carry_out() -> None:
            made = operations.create_set(actor=actor, people=people, **_permissions(form))
            obj.pk = made.pk

        proposal = proposals.new_set(form.cleaned_data, people, actor=actor)
        require_reviewed(request, proposal, carry_out)
        carry_out()
        _say_what_was_narrowed(request, form)

    def as_it_stands(self, obj: Model) -> str:
        assert isinstance(obj, PermissionSet)
        return operations.as_it_stands(obj)

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        stored, actor = PermissionSet.objects.get(pk=obj.pk), user_of(request)
        proposal = proposals.set_changed(stored, form.cleaned_data, actor=actor)

        def carry_out() -> None:
            operations.change_set(
                obj,
                actor=actor,
                as_opened=opened(request),
                remove_unknown=form.cleaned_data.get("remove_unknown", False),
                **_permissions(form),
            )

        if proposal is not None:
            operations.require_as_opened(stored, opened(request))
            require_reviewed(request, proposal, carry_out)
        before = undo.of_permissions([stored])
        with warning_of_what_follows(request):
            carry_out()
        _say_what_was_narrowed(request, form)
        if proposal is not None:
            undo.offer(request, undo.IN_EFFECT, before)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin a new set as the address says: a template, another set, a person’s permissions."""
        state = state_of(user_of(request), request.GET.get("begin", ""))
        begun = {"scopes": state.scopes, "tools": list(state.tools)} if state else {}
        typed = {name: request.GET[name] for name in KEPT if name in request.GET}
        return {**begun, **typed}

    def record_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().record_context(request, obj)
        new = f"{reverse('admin:accounts_permissionset_add')}?begin="
        if obj is None:
            context["beginnings"] = beginnings(user_of(request))
            context["begin"] = request.GET.get("begin", "")
        else:
            give = page_address(PermissionSet, "give", obj.pk)
            context["steps"] = []
            if self.has_add_permission(request):
                copy = {"title": gettext("Copy this set"), "url": f"{new}set-{obj.pk}"}
                context["steps"].append(copy)
            if access.allows(user_of(request), "assign", obj):
                context["steps"].insert(
                    0, {"title": gettext("Give this set to people"), "url": give}
                )
            if operations.is_free(user_of(request)):
                history = history_address(set_key=obj.pk)
                link = {"title": gettext("Permission history"), "url": history}
                context["steps"].append(link)
        return context

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Offer people for a new set, and to remove what is unknown where there is anything."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None:
            fieldsets = [*fieldsets, (gettext("People"), {"fields": ["people"]})]
        if obj is not None and operations.unknown_in(obj):
            unknown = gettext("Unknown permissions")
            fieldsets = [*fieldsets, (unknown, {"fields": ["remove_unknown"]})]
        return fieldsets

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Ask for the set that its people get instead (Q26)."""
        if edits_further(request):
            return HttpResponseRedirect(request.path)
        key = whole_number(object_id)
        others = PermissionSet.objects.named().exclude(pk=key)
        holders = User.objects.filter(permission_set=key).count()
        context = {
            "what_becomes": gettext("It cannot be restored. The audit log keeps what it allowed."),
            "holders": holders,
            "replacements": list(others) if holders else [],
            **(extra_context or {}),
        }
        return super().delete_view(request, object_id, context)

    def remove(self, request: HttpRequest, obj: Any) -> None:
        key, actor = whole_number(request.POST.get("replacement")), user_of(request)
        replacement = PermissionSet.objects.named().filter(pk=key).first()
        carry_out = partial(operations.delete_set, obj, actor=actor, replacement=replacement)
        if replacement is not None and obj.people.exists():
            proposal = proposals.set_deleted(obj, replacement, actor=actor)
            require_reviewed(request, proposal, carry_out)
        carry_out()


def _stored(obj: PermissionSet) -> changes.State:
    """Return what a set stores, read once: the theme asks for what is only read several times."""
    if "stored" not in vars(obj):
        vars(obj)["stored"] = changes.stored(obj)
    return vars(obj)["stored"]  # type: ignore[no-any-return]  # what was put there


def _lines(state: changes.State) -> str:
    """Return what is held in words, a line for each permission."""
    said = changes.in_words(changes.difference(changes.NOTHING, state))
    return format_html_join(mark_safe("<br>"), "{}", ((each,) for each in said)) or pgettext(
        "options", "None"
    )


def _permissions(form: forms.Form) -> dict[str, Any]:
    names = ("name", "description", "scopes", "tools")
    return {name: form.cleaned_data[name] for name in names}


def _say_what_was_narrowed(request: HttpRequest, form: forms.Form) -> None:
    if narrowed := operations.narrowed(form.cleaned_data["scopes"]):
        said = gettext("Narrowed on saving. %(what)s.") % {"what": "; ".join(narrowed)}
        messages.warning(request, said)
    if along := operations.ticked_along(form.cleaned_data["tools"]):
        said = gettext("Completed on saving. %(what)s.") % {"what": "; ".join(along)}
        messages.warning(request, said)
