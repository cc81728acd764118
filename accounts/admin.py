"""Screens of people, for whoever governs them; the other screens of accounts register here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from accounts import access, audit, invitations, log_in, operations, proposals, undo
from accounts.addresses import page_address
from accounts.consequences import warning_of_what_follows
from accounts.create_first import create_first
from accounts.forms import (
    DemoteForm,
    NewPersonForm,
    PersonForm,
)
from accounts.import_pages import ImportsPeople
from accounts.invitation_pages import links_page
from accounts.many_people import ChangesMany
from accounts.many_steps import GRAVE
from accounts.modeladmin import opened, say_saved, user_of
from accounts.models import PermissionSet, User
from accounts.operations import AccountsError
from accounts.operations.employees import with_mark
from accounts.people import BY_NAME, role_of, team_names_of
from accounts.people_filters import PeopleFilter, status_of
from accounts.permission_pages import history_address
from accounts.person_steps import STEPS, edit_address, proposal_of, steps_with
from accounts.review import (
    at_once,
    edits_further,
    is_reviewed,
    page_until_confirmed,
    require_reviewed,
)

admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(ChangesMany, ImportsPeople):  # type: ignore[misc]  # Unfold's formfield_overrides
    """People: who they are, what set they have, which teams they are in."""

    logged_as = "person"
    change_list_template = "accounts/people_list.html"

    list_display = ("name", "email", "role", "team_names", "status", "last_log_in")
    list_filter = (PeopleFilter,)
    in_palette, palette_icon = 2, "group"
    search_fields = ("first_name", "last_name", "email")
    search_help_text = gettext_lazy("Search name or e-mail")
    picker_fields = ("first_name", "last_name")
    sortable_by = ("name", "email", "last_log_in")
    few_rows = True
    form = PersonForm
    change_form_before_template: Any = "accounts/as_opened.html"
    change_form_outer_before_template: Any = "accounts/person_steps.html"
    fieldsets = (
        (None, {"fields": (("first_name", "last_name"), "email")}),
        (gettext_lazy("What this person may do"), {"fields": ("permission_set",)}),
        (gettext_lazy("Teams"), {"fields": ("main_team", "extra_teams")}),
    )
    add_fieldsets: Any = (
        (None, {"fields": (("first_name", "last_name"), ("email", "password"), "invite")}),
        *fieldsets[1:],
    )

    def as_it_stands(self, obj: Model) -> str:
        assert isinstance(obj, User)
        return operations.as_it_stands(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = access.marked(super().get_queryset(request), user_of(request), "change")
        rows = with_mark(rows)
        return rows.select_related("permission_set__based_on").prefetch_related("memberships__team")

    def with_relations(self, rows: QuerySet[Any], request: HttpRequest) -> QuerySet[Any]:
        marked = access.marked(rows, user_of(request), "credentials")
        return super().with_relations(marked, request)

    def before_rows_are_shown(self, request: HttpRequest, rows: list[Any]) -> None:
        """Ask of the shown ones alone: PostgreSQL would read everybody's teams for the others."""
        shown = User.objects.filter(pk__in=[row.pk for row in rows]).order_by()
        opened = access.permitted(shown, user_of(request), "credentials")
        keys = set(opened.values_list("pk", flat=True))
        for row in rows:
            row.may_credentials = row.pk in keys

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Add the steps that this person may take with each row."""
        return [*super().get_list_display(request), self._steps_column(request)]

    def _steps_column(self, request: HttpRequest) -> Callable[[Any], Any]:
        actor = user_of(request)

        def steps(obj: Any) -> str | SafeString:
            if not obj.may_change:
                return ""
            return render_to_string(
                "accounts/person_menu.html",
                {"person": obj, "edit": edit_address(obj), "steps": steps_with(obj, actor)},
            )

        steps.short_description = gettext("Actions")  # type: ignore[attr-defined]  # read by the admin
        return steps

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        return BY_NAME

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = NewPersonForm
        return super().get_form(request, obj, change, **kwargs)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer the sets that may be given, and the one that this person has (R97)."""
        if db_field.name == "permission_set":
            obj = getattr(request, "_object_of_form", None)
            kept = obj.permission_set_id if isinstance(obj, User) else None
            rows = access.permitted(PermissionSet.objects.all(), user_of(request), "assign")
            kwargs["queryset"] = rows | PermissionSet.objects.filter(pk=kept or 0)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("Name"), ordering="first_name")
    def name(self, obj: User) -> str:
        return obj.get_full_name()

    @admin.display(description=gettext_lazy("Permissions"))
    def role(self, obj: User) -> str:
        return role_of(obj)

    @admin.display(description=gettext_lazy("Teams"))
    def team_names(self, obj: User) -> str:
        return team_names_of(obj)

    @admin.display(description=gettext_lazy("Status"))
    def status(self, obj: User) -> SafeString:
        text, look = status_of(obj)
        return format_html('<span class="chip {}">{}</span>', look, text)

    @admin.display(description=gettext_lazy("Last log-in"), ordering="last_login")
    def last_log_in(self, obj: User) -> Any:
        """Return the moment, which the list writes as it writes every other."""
        return obj.last_login or gettext("Never")

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values = form.cleaned_data
        made = operations.create_person(
            actor=user_of(request),
            email=values["email"],
            first_name=values["first_name"],
            last_name=values["last_name"],
            permission_set=values["permission_set"],
            main_team=values["main_team"],
            extra_teams=values["extra_teams"],
            password=values["password"] or None,
        )
        obj.pk = made.pk
        if values["invite"] and not values["password"]:
            operations.invite(made, actor=user_of(request))

    def response_add(
        self, request: HttpRequest, obj: User, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the link of an invitation at once where no e-mail brings it."""
        answer = super().response_add(request, obj, post_url_continue)
        stored = User.objects.get(pk=obj.pk)
        if stored.invited_at is None or invitations.go_by_mail():
            return answer
        # A new member of a team of one's own is somebody whose records one reaches: what follows is
        # drawn by the rights of now, or else it would not be shown.
        request.user = User.objects.get(pk=user_of(request).pk)
        return self._links_page(request, stored)

    def _links_page(self, request: HttpRequest, invited: User) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "back": page_address(User, "change", invited.pk),
        }
        return links_page(request, context, [invited])

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values, actor = form.cleaned_data, user_of(request)
        stored = User.objects.select_related("permission_set").get(pk=obj.pk)
        mark = operations.as_it_stands(stored)
        proposal = proposals.person_changed(stored, values, actor=actor, as_it_stands=mark)

        def carry_out() -> None:
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

        if proposal is not None:
            if not is_reviewed(request):
                operations.require_as_opened(stored, opened(request))
            require_reviewed(request, proposal, carry_out)
        before = (undo.of_permissions([stored]), undo.of_teams([stored])) if proposal else ()
        with warning_of_what_follows(request):
            carry_out()
        if before:
            undo.offer(request, undo.IN_EFFECT, *before)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody is deleted: deactivating keeps their records, and the log names them for ever."""
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        may_add = self.has_add_permission(request)
        url = page_address(User, "import") if may_add else ""
        return super().changelist_view(request, {"import_url": url, **(extra_context or {})})

    # Steps that need a question ----------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        steps = [
            path(f"<path:object_id>/{name}/", self._step(name), name=f"accounts_user_{name}")
            for name in STEPS
        ]
        return [*self.many_urls(), *self.import_urls(), *steps, *super().get_urls()]

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
        if step["form"] is DemoteForm and not PermissionSet.objects.named().exists():
            return create_first(
                request,
                PermissionSet,
                title=step["title"],
                missing=gettext(
                    "There is no permission set yet that they could have from then on."
                ),
                back=page_address(User, "change", target.pk),
            )
        form = step["form"](request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid() and not edits_further(request):
            before = None
            carry_out = partial(step["run"], target, actor=user_of(request), **form.cleaned_data)
            try:
                with at_once():
                    proposal = proposal_of(name, target, form.cleaned_data, user_of(request))
                    if proposal is not None:
                        if page := page_until_confirmed(request, proposal, carry_out):
                            return page
                        before = undo.of_status(name, [target])
                    with warning_of_what_follows(request):
                        carry_out()
            except AccountsError as refusal:
                messages.error(request, str(refusal))
            else:
                done = step["done"] % {"person": target.get_full_name()}
                if before is not None and audit.written.get():
                    undo.offer(request, done, before)
                else:
                    say_saved(request, done)
                if name == "invite" and not invitations.go_by_mail():
                    return self._links_page(request, target)
            return HttpResponseRedirect(page_address(User, "change", target.pk))
        context = {
            **self.admin_site.each_context(request),
            "title": step["title"],
            "opts": self.opts,
            "original": target,
            "form": form,
            "text": step["text"]() if callable(step["text"]) else step["text"],
            "button": step["title"],
            "variant": "danger" if name in GRAVE else "primary",
            "back": page_address(User, "change", target.pk),
        }
        return TemplateResponse(request, "accounts/step.html", context)

    def record_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().record_context(request, obj)
        if obj is not None:
            if obj.may_change or obj == user_of(request):
                context["access_page"] = reverse("admin:person_access", args=[obj.pk])
            context["editor"] = edit_address(obj)
            paused = ["lift_pause"] if log_in.is_paused(obj.email) else []
            context["steps"] = steps_with(obj, user_of(request), *paused)
            if operations.is_free(user_of(request)):
                begin = f"{reverse('admin:accounts_permissionset_add')}?begin=person-{obj.pk}"
                history = history_address(person=obj.pk)
                links = [
                    {"title": gettext("Permission history"), "url": history},
                    {"title": gettext("Copy to a new set"), "url": begin},
                ]
                # What ends somebody's access stands last.
                context["steps"] = sorted(
                    [*context["steps"], *links], key=lambda step: step.get("name") == "deactivate"
                )
        return context


# The screens of the log, of the history, of permission sets and of teams register themselves.
from accounts import audit_admin, history_admin, set_admin, team_admin  # noqa: E402, F401
