"""Changing many people at once: one page that names them and says what follows, then the operation.

The list's actions change nothing: they lead to that page. What it sends is carried out person by
person in one transaction (`operations.change_many`), and whoever was left out is named with why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import invitations, operations
from accounts.audit import Actor
from accounts.consequences import warning_of_what_follows
from accounts.editor.pages import MOST_AT_ONCE as MOST_EDITED
from accounts.invitation_pages import links_page
from accounts.keys import KeyField, is_key
from accounts.modeladmin import AccessModelAdmin, opened, person
from accounts.models import PermissionSet, Team, User
from accounts.operations import AccountsError, Outcome
from accounts.people import role_of, sets_to_give, team_names_of

MOST_AT_ONCE = 500
"""How many people are changed at once at most; the page names each of them."""


class ManyForm(forms.Form):
    """What is asked beside the people; nothing, unless a step adds fields."""

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data)
        self.user = user


class SetForm(ManyForm):
    """Which permission set they get."""

    permission_set = KeyField(
        queryset=PermissionSet.objects.none(),
        widget=UnfoldAdminSelectWidget,
        empty_label="Choose a set",
    )

    def __init__(self, data: Any, *, user: User) -> None:
        super().__init__(data, user=user)
        sets: Any = self.fields["permission_set"]  # a field of keys has a queryset
        sets.queryset = sets_to_give(user)


class TeamForm(ManyForm):
    """Which team they get."""

    team = KeyField(
        queryset=Team.objects.all(), widget=UnfoldAdminSelectWidget, empty_label="Choose a team"
    )


@dataclass(frozen=True, slots=True)
class ManyStep:
    """One change that can be made to many people: how it asks, and what carries it out."""

    title: str
    text: str | Callable[[], str]
    """What follows for each of them, before it is done."""
    done: tuple[str, str]
    """What was done, behind “1 person ” and “3 people ”."""
    run: Callable[..., object]
    """The operation for one person, the values of the form by keyword."""
    form: type[ManyForm] = ManyForm


MANY: dict[str, ManyStep] = {
    "assign_set": ManyStep(
        "Give a permission set",
        "From now on each of them may do exactly what the set says; what they have now is "
        "replaced. For a super admin it counts from the day they are one no more.",
        ("has the permission set now.", "have the permission set now."),
        operations.assign_set,
        SetForm,
    ),
    "set_main_team": ManyStep(
        "Set the main team",
        "Each of them leaves their main team of now and keeps their extra teams. The members of "
        "the new team, and of the teams above it, see what they own as far as “Team only” goes.",
        ("has the main team now.", "have the main team now."),
        operations.set_main_team,
        TeamForm,
    ),
    "add_to_team": ManyStep(
        "Add to a team",
        "Each of them becomes an extra member and keeps all teams of now. They see what its "
        "members own, and its members see what they own, as far as “Team only” goes.",
        ("is in the team now.", "are in the team now."),
        operations.add_to_team,
        TeamForm,
    ),
    "invite": ManyStep(
        "Send invitations",
        invitations.what_follows,
        ("is invited now.", "are invited now."),
        operations.invite,
    ),
    "deactivate": ManyStep(
        "Deactivate",
        "Their open sessions end at once, and so do their waiting exports. Records and history "
        "stay, and their teams keep seeing them.",
        ("is deactivated now.", "are deactivated now."),
        operations.deactivate,
    ),
    "reactivate": ManyStep(
        "Reactivate",
        "They may log in again, with the rights their permission sets give now.",
        ("may log in again.", "may log in again."),
        operations.reactivate,
    ),
}


FOR_SUPER_ADMINS = frozenset({"promote", "demote", "deactivate", "reactivate"})
"""Steps that no delegated administrator takes (R91, E51): they are not offered to them."""


class ChangesMany(AccessModelAdmin):
    """A list of people with an Actions menu for the ticked ones."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        if self.has_change_permission(request):
            edit = (_edit_permissions, "edit_permissions", "Edit permissions")
            actions |= {
                "edit_permissions": edit,
                **{
                    name: (_action(name), name, step.title)
                    for name, step in MANY.items()
                    if name not in FOR_SUPER_ADMINS or operations.is_free(person(request))
                },
            }
        return actions

    def many_urls(self) -> list[URLPattern]:
        """Return the addresses of the pages that ask; ahead of all that begin with a key."""
        return [
            path(f"many/{name}/", self._many_view(name), name=f"accounts_user_many_{name}")
            for name in MANY
        ]

    def _many_view(self, name: str) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest) -> HttpResponse:
            return self.many_view(request, name)

        return self.admin_site.admin_view(view)

    def ask_about_many(
        self, request: HttpRequest, name: str, people: QuerySet[User]
    ) -> HttpResponse:
        """Show the page that asks about these people of the list."""
        keys = list(people.order_by().values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(keys) > MOST_AT_ONCE:
            messages.error(
                request,
                f"At most {MOST_AT_ONCE} people are changed at once. Narrow the list first.",
            )
            return HttpResponseRedirect(request.get_full_path())
        form = MANY[name].form(None, user=person(request))
        return self._asked(request, name, self._these(request, keys), form)

    def many_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Carry out what the page asked, or show it once more with what was wrong."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            messages.info(request, "Tick the people in the list first.")
            return HttpResponseRedirect(reverse("admin:accounts_user_changelist"))
        keys = request.POST.get("people", "").split(",")
        if len(keys) > MOST_AT_ONCE or not all(map(is_key, keys)):
            raise BadRequest("These are not people of the list.")
        people = self._these(request, [int(key) for key in keys])
        form = MANY[name].form(request.POST, user=person(request))
        if form.is_valid():
            try:
                with warning_of_what_follows(request):
                    outcome = self._changed(request, name, people, form.cleaned_data)
            except AccountsError as refusal:
                form.add_error(None, str(refusal))
            else:
                return self._answer(request, name, outcome)
        return self._asked(request, name, people, form)

    def _these(self, request: HttpRequest, keys: list[int]) -> QuerySet[User]:
        """Return these people as far as they are in reach; whoever is not is as absent."""
        found: QuerySet[User] = self.get_queryset(request).filter(pk__in=keys)
        return found.order_by(*self.get_ordering(request))

    def _changed(
        self, request: HttpRequest, name: str, people: QuerySet[User], values: dict[str, Any]
    ) -> Outcome:
        def step(target: User, actor: Actor) -> object:
            return MANY[name].run(target, actor=actor, **values)

        return operations.change_many(
            people, actor=person(request), step=step, as_opened=opened(request)
        )

    def _asked(
        self, request: HttpRequest, name: str, people: QuerySet[User], form: ManyForm
    ) -> HttpResponse:
        step, rows = MANY[name], list(people)
        context = {
            **self.admin_site.each_context(request),
            "title": step.title,
            "opts": self.opts,
            "step": step,
            "text": step.text() if callable(step.text) else step.text,
            "form": form,
            "url": reverse(f"admin:accounts_user_many_{name}"),
            "people": [
                {
                    "person": each,
                    "role": role_of(each),
                    "teams": team_names_of(each),
                    "status": "" if each.is_active else "deactivated",
                }
                for each in rows
            ],
            "keys": ",".join(str(each.pk) for each in rows),
            "as_opened": operations.many_as_they_stand(rows),
            "back": reverse("admin:accounts_user_changelist"),
        }
        return TemplateResponse(request, "accounts/many_people.html", context)

    def _answer(self, request: HttpRequest, name: str, outcome: Outcome) -> HttpResponse:
        """Say what was done; a page of its own where somebody was left out."""
        back = reverse("admin:accounts_user_changelist")
        if outcome.changed:
            done = MANY[name].done[len(outcome.changed) != 1]
            messages.success(request, f"{_number(outcome.changed)} {done}")
        context = {
            **self.admin_site.each_context(request),
            "title": f"{MANY[name].title}: who was left out",
            "opts": self.opts,
            "skipped": outcome.skipped,
            "back": back,
        }
        if name == "invite" and outcome.changed and not invitations.go_by_mail():
            return links_page(request, context, outcome.changed, outcome.skipped)
        if outcome.unchanged:
            messages.info(request, f"There was nothing to change for {_number(outcome.unchanged)}.")
        if not outcome.skipped:
            return HttpResponseRedirect(back)
        return TemplateResponse(request, "accounts/many_people_done.html", context)


def _number(people: list[User]) -> str:
    return "1 person" if len(people) == 1 else f"{len(people):,} people"


def _edit_permissions(
    model_admin: ChangesMany, request: HttpRequest, queryset: QuerySet[User]
) -> HttpResponse:
    """Lead to the editor, with the ticked people (R1, E14)."""
    keys = list(queryset.order_by().values_list("pk", flat=True)[: MOST_EDITED + 1])
    if len(keys) > MOST_EDITED:
        messages.error(
            request, f"At most {MOST_EDITED} people are edited at once. Narrow the list first."
        )
        return HttpResponseRedirect(request.get_full_path())
    query = "&".join(f"person={key}" for key in keys)
    return HttpResponseRedirect(f"{reverse('admin:edit_permissions')}?{query}")


def _action(name: str) -> Callable[..., HttpResponse]:
    def ask(model_admin: ChangesMany, request: HttpRequest, queryset: QuerySet[User]) -> Any:
        return model_admin.ask_about_many(request, name, queryset)

    return ask
