"""Screens of people, teams and permission sets, for super admins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import lazy
from unfold.decorators import display

from accounts import access, catalogue, log_in, operations
from accounts.create_first import create_first
from accounts.forms import (
    ConfirmForm,
    DemoteForm,
    NewPersonForm,
    PasswordForm,
    PermissionSetForm,
    PersonForm,
    TeamForm,
    tool_labels,
)
from accounts.modeladmin import AccessModelAdmin, opened, person, say_saved
from accounts.models import Membership, PermissionSet, Team, User
from accounts.operations import AccountsError
from accounts.ordering import empty_last
from accounts.people import BY_NAME
from accounts.permission_pages import history_address

admin.site.unregister(Group)


@contextmanager
def _warning_of_what_follows(request: HttpRequest) -> Iterator[None]:
    """Say what there is to be warned of after a change, and was not before it."""
    before = _warnings(request)
    yield
    for warning in _warnings(request):
        if warning not in before:
            messages.warning(request, warning)


def _warnings(request: HttpRequest) -> list[str]:
    return [warning for told in AccessModelAdmin.warnings for warning in told(person(request))]


@admin.register(User)
class PersonAdmin(AccessModelAdmin):
    """People: who they are, what set they have, which teams they are in."""

    list_display = ("name", "email", "role", "team_names", "is_active", "last_login")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("first_name", "last_name", "email")
    search_help_text = "Search name or e-mail"
    picker_fields = ("first_name", "last_name")
    sortable_by = ("name", "email", "last_login")
    form = PersonForm
    change_form_before_template = "accounts/as_opened.html"
    change_form_outer_before_template = "accounts/person_steps.html"
    fieldsets = (
        (None, {"fields": (("first_name", "last_name"), "email")}),
        ("What this person may do", {"fields": ("permission_set",)}),
        ("Teams", {"fields": ("main_team", "extra_teams")}),
    )
    add_fieldsets = (
        (None, {"fields": (("first_name", "last_name"), ("email", "password"))}),
        *fieldsets[1:],
    )

    def as_it_stands(self, obj: Model) -> str:
        assert isinstance(obj, User)
        return operations.as_it_stands(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return rows.select_related("permission_set").prefetch_related("memberships__team")

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return BY_NAME

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = NewPersonForm
        return super().get_form(request, obj, change, **kwargs)

    @display(description="Name", ordering="first_name")
    def name(self, obj: User) -> str:
        return obj.get_full_name()

    @display(description="Permissions")
    def role(self, obj: User) -> str:
        if obj.is_superuser:
            return "Super admin"
        return str(obj.permission_set or "–")

    @display(description="Teams")
    def team_names(self, obj: User) -> str:
        memberships = list(obj.memberships.all())
        main = [str(m.team) for m in memberships if m.is_main]
        extra = [f"{m.team} (extra)" for m in memberships if not m.is_main]
        return ", ".join(main + extra) or "–"

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values = form.cleaned_data
        made = operations.create_person(
            actor=person(request),
            email=values["email"],
            first_name=values["first_name"],
            last_name=values["last_name"],
            permission_set=values["permission_set"],
            main_team=values["main_team"],
            extra_teams=values["extra_teams"],
            password=values["password"] or None,
        )
        obj.pk = made.pk

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values, actor = form.cleaned_data, person(request)
        with _warning_of_what_follows(request):
            operations.change_person(
                obj,
                actor=actor,
                email=values["email"],
                first_name=values["first_name"],
                last_name=values["last_name"],
                as_opened=opened(request),
            )
            operations.assign_set(obj, actor=actor, permission_set=values["permission_set"])
        operations.set_teams(
            obj, actor=actor, main_team=values["main_team"], extra_teams=values["extra_teams"]
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody is deleted: deactivating keeps their records, and the log names them for ever."""
        return False

    # Steps that need a question ----------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        steps = [
            path(f"<path:object_id>/{name}/", self._step(name), name=f"accounts_user_{name}")
            for name in STEPS
        ]
        return [*steps, *super().get_urls()]

    def _step(self, name: str) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            return self.step_view(request, object_id, name)

        return self.admin_site.admin_view(view)

    def step_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Ask, and on POST carry the step out."""
        target: User = self.found(request, object_id)
        if not self.has_change_permission(request, target):
            return self.refuse(request, target, "change")
        step = STEPS[name]
        if name == "demote" and not PermissionSet.objects.exists():
            return create_first(
                request,
                PermissionSet,
                title=step["title"],
                missing="There is no permission set yet that they could have from then on.",
                back=reverse("admin:accounts_user_change", args=[target.pk]),
            )
        form = step["form"](request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                with _warning_of_what_follows(request):
                    step["run"](target, actor=person(request), **form.cleaned_data)
            except AccountsError as refusal:
                messages.error(request, str(refusal))
            else:
                say_saved(request, step["done"].format(target.get_full_name()))
            return HttpResponseRedirect(reverse("admin:accounts_user_change", args=[target.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": step["title"],
            "opts": self.opts,
            "original": target,
            "form": form,
            "text": step["text"],
            "button": step["title"],
            "back": reverse("admin:accounts_user_change", args=[target.pk]),
        }
        return TemplateResponse(request, "accounts/step.html", context)

    def record_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().record_context(request, obj)
        if obj is not None:
            names = ["password"]
            names.append("demote" if obj.is_superuser else "promote")
            names.append("deactivate" if obj.is_active else "reactivate")
            if log_in.is_paused(obj.email):
                names.append("lift_pause")
            context["steps"] = [
                {
                    "title": STEPS[name]["title"],
                    "url": reverse(f"admin:accounts_user_{name}", args=[obj.pk]),
                }
                for name in names
                if (obj.is_active or name in ("reactivate", "password"))
                # Nobody demotes or deactivates themselves.
                and (obj != request.user or name not in ("demote", "deactivate"))
            ]
            link = {"title": "Permission history", "url": history_address(person=obj.pk)}
            context["steps"].append(link)
        return context


STEPS: dict[str, dict[str, Any]] = {
    "password": {
        "title": "Set password",
        "text": "The person's open sessions end, and only the new password works.",
        "form": PasswordForm,
        "run": operations.set_password,
        "done": "{} has a new password.",
    },
    "promote": {
        "title": "Make super admin",
        "text": "Super admins may see and do everything. If one task needs a super admin, it is "
        "safer to let an existing one do it than to raise somebody.",
        "form": ConfirmForm,
        "run": operations.make_super_admin,
        "done": "{} is a super admin now.",
    },
    "demote": {
        "title": "Remove super admin",
        "text": "There is no way back to what the person had before: choose what they may do now.",
        "form": DemoteForm,
        "run": operations.remove_super_admin,
        "done": "{} is no super admin any more.",
    },
    "deactivate": {
        "title": "Deactivate",
        "text": "Open sessions end at once, waiting exports are cancelled. Records and history "
        "stay, and the person's team keeps seeing them.",
        "form": ConfirmForm,
        "run": operations.deactivate,
        "done": "{} is deactivated.",
    },
    "reactivate": {
        "title": "Reactivate",
        "text": "The person may log in again, with the rights their permission set gives now.",
        "form": ConfirmForm,
        "run": operations.reactivate,
        "done": "{} may log in again.",
    },
    "lift_pause": {
        "title": "End the log-in pause",
        "text": "There were too many wrong passwords, so this person has to wait before the next "
        "try. End it only if they tell you themselves that it was them: it may have been somebody "
        "who guesses. The audit log has every attempt.",
        "form": ConfirmForm,
        "run": operations.lift_log_in_pause,
        "done": "{} may try again at once.",
    },
}


@admin.register(Team)
class TeamAdmin(AccessModelAdmin):
    """Teams and their tree."""

    list_display = ("name", "parent", "member_count")
    search_fields = ("name",)
    picker_fields = ("name",)
    sortable_by = ("name",)
    form = TeamForm
    fields = ("name", "parent")
    change_form_before_template = "accounts/as_opened.html"
    change_form_outer_after_template = "accounts/team_members.html"

    def asked_fields(self, request: HttpRequest) -> frozenset[str]:
        """Let whoever governs people ask by teams: “Who can see this” of a record does."""
        governs = access.allows_any(person(request), "change", User)
        return frozenset({"parent"} if governs else ())

    def as_it_stands(self, obj: Model) -> str:
        assert isinstance(obj, Team)
        return operations.as_it_stands(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).annotate(people=Count("memberships"))
        return rows

    @display(description="Members")
    def member_count(self, obj: Any) -> int:
        return int(obj.people)

    def record_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().record_context(request, obj)
        if obj is not None:
            rows = Membership.objects.filter(team=obj).select_related("user")
            by_name = [f"user__{name}" for name in User._meta.ordering or ()]
            context["members"] = rows.order_by("-is_main", *empty_last(Membership, by_name))
        return context

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values = form.cleaned_data
        made = operations.create_team(
            actor=person(request), name=values["name"], parent=values["parent"]
        )
        obj.pk = made.pk

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values = form.cleaned_data
        operations.change_team(
            obj,
            actor=person(request),
            name=values["name"],
            parent=values["parent"],
            as_opened=opened(request),
        )

    def remove(self, request: HttpRequest, obj: Any) -> None:
        operations.delete_team(obj, actor=person(request))


def _permission_tabs() -> str:
    """Return what stands above the permissions of a set: tabs, a box to search in, the R9 line."""
    tabs = [
        {"key": tab.lower(), "label": tab, "anchor": f"permissions-{tab.lower()}"}
        for tab in catalogue.TABS
    ]
    context = {
        "tabs": tabs,
        "inbox": catalogue.INBOX,
        "reference": reverse("admin:permission_reference"),
    }
    return render_to_string("accounts/permission_tabs.html", context)


# Fieldsets are read before there are addresses.
permission_tabs = lazy(_permission_tabs, str)


MOST_NAMED = 6
"""How many tools of a set its row in the list names."""


@admin.register(PermissionSet)
class PermissionSetAdmin(AccessModelAdmin):
    """Permission sets: one row per kind of record, one column per action, and the tools."""

    list_display = ("name", "description", "tool_names", "people_count")
    search_fields = ("name",)
    picker_fields = ("name",)
    sortable_by = ("name",)
    form = PermissionSetForm
    fieldsets = (
        (None, {"fields": (("name", "description"),)}),
        (None, {"description": permission_tabs(), "fields": ("scopes", "tools")}),
    )
    compressed_fields = False
    change_form_before_template = "accounts/as_opened.html"
    change_form_outer_before_template = "accounts/set_steps.html"

    def record_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().record_context(request, obj)
        if obj is not None:
            link = {"title": "Permission history", "url": history_address(set_key=obj.pk)}
            context["steps"] = [link]
        return context

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        active = Count("people", filter=Q(people__is_active=True))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(holders=active)
        return rows.prefetch_related("tools")

    @display(description="Tools")
    def tool_names(self, obj: PermissionSet) -> str:
        names = (
            tool.key if catalogue.is_known(tool.key, tool.option) else tool.as_grant.name
            for tool in obj.tools.all()
        )
        labels = tool_labels(names)
        more = len(labels) - MOST_NAMED
        rest = [f"and {more} more"] if more > 0 else []
        return ", ".join([*labels[:MOST_NAMED], *rest]) or "–"

    @display(description="Active people")
    def people_count(self, obj: Any) -> int:
        return int(obj.holders)

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        made = operations.create_set(actor=person(request), **_permissions(form))
        obj.pk = made.pk
        _say_what_was_narrowed(request, form)

    def as_it_stands(self, obj: Model) -> str:
        assert isinstance(obj, PermissionSet)
        return operations.as_it_stands(obj)

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        with _warning_of_what_follows(request):
            operations.change_set(
                obj,
                actor=person(request),
                as_opened=opened(request),
                remove_unknown=form.cleaned_data.get("remove_unknown", False),
                **_permissions(form),
            )
        _say_what_was_narrowed(request, form)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Offer to remove what is unknown where there is anything."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is not None and operations.unknown_in(obj):
            fieldsets = [*fieldsets, ("Unknown permissions", {"fields": ["remove_unknown"]})]
        return fieldsets

    def remove(self, request: HttpRequest, obj: Any) -> None:
        operations.delete_set(obj, actor=person(request))


def _permissions(form: forms.Form) -> dict[str, Any]:
    names = ("name", "description", "scopes", "tools")
    return {name: form.cleaned_data[name] for name in names}


def _say_what_was_narrowed(request: HttpRequest, form: forms.Form) -> None:
    if narrowed := operations.narrowed(form.cleaned_data["scopes"]):
        messages.warning(request, f"Narrowed on saving. {'; '.join(narrowed)}.")
    if along := operations.ticked_along(form.cleaned_data["tools"]):
        messages.warning(request, f"Completed on saving. {'; '.join(along)}.")


from accounts import audit_admin, history_admin  # noqa: E402, F401
