"""The page of a team: its members, who comes and who goes, and merging it into another team."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext, gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import access, operations, proposals, undo
from accounts.addresses import page_address
from accounts.keys import KeyField, whole_number
from accounts.modeladmin import AccessModelAdmin, say_saved, user_of
from accounts.models import Membership, Team, TeamReach, User
from accounts.operations import AccountsError
from accounts.ordering import empty_last
from accounts.picked import PickedField, Picking
from accounts.pickers import offers
from accounts.review import at_once, edits_further, page_until_confirmed
from accounts.team_tree import owned_by_each, people_seen_by
from accounts.words import counted

MOST_LISTED = 200
"""How many members the page of a team names; the list of people has the others."""


def _who_may_come(user: User, key: int) -> QuerySet[User] | None:
    """Return whom this person may put into the team that they may change."""
    team = access.permitted(Team.objects.filter(pk=key), user, "change").first()
    if team is None:
        return None
    there = Membership.objects.filter(team=team, user=OuterRef("pk"))
    return access.permitted(User.objects.all(), user, "change").exclude(Exists(there))


offers["team_members"] = _who_may_come


class AddMembersForm(Picking, forms.Form):
    """Who comes into a team, and how."""

    people = PickedField("team_members", User, label=gettext_lazy("People"))
    how = forms.ChoiceField(
        label=gettext_lazy("Membership"),
        choices=[
            ("extra", gettext_lazy("Extra members: keep their main team")),
            ("main", gettext_lazy("Main members: leave their main team")),
        ],
        initial="extra",
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy(
            "New members and present ones see each other’s records where their permission sets say "
            "“Team only”."
        ),
    )

    def __init__(self, data: Any, *, team: Team, user: User) -> None:
        super().__init__(data)
        offered = self.fields["people"].open_to(user, team.pk)  # type: ignore[attr-defined]  # a picked field
        if not offered.exists():
            self.fields["people"].help_text = gettext("There is nobody else whom you may add.")


class MergeForm(forms.Form):
    """Which team takes over."""

    into = KeyField(
        label=gettext_lazy("Merge into"),
        queryset=Team.objects.none(),
        widget=UnfoldAdminSelectWidget,
        empty_label=gettext_lazy("Choose a team"),
    )

    def __init__(self, data: Any, *, team: Team, user: User) -> None:
        super().__init__(data)
        branch = TeamReach.objects.filter(above=team).values("below")
        outside = Team.objects.exclude(pk__in=branch)
        self.fields["into"].queryset = access.permitted(outside, user, "change")  # type: ignore[attr-defined]  # a field of keys


class ChangesMembers(AccessModelAdmin):
    """A team's own page, with its members and what becomes of them."""

    def get_urls(self) -> list[URLPattern]:
        steps = {
            "add_members": self.add_members_view,
            "remove_member": self.remove_member_view,
            "merge": self.merge_view,
        }
        return [
            *(
                path(
                    f"<path:object_id>/{name}/",
                    self.admin_site.admin_view(view),
                    name=f"accounts_team_{name}",
                )
                for name, view in steps.items()
            ),
            *super().get_urls(),
        ]

    def record_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().record_context(request, obj)
        if obj is not None:
            members = list(_shown_members(obj, user_of(request))[: MOST_LISTED + 1])
            may_change = self.has_change_permission(request, obj)
            context |= {
                "members": members[:MOST_LISTED],
                "there_are_more": len(members) > MOST_LISTED,
                "owned": owned_by_each([obj], user_of(request)).get(obj.pk, []),
                "may_change": may_change,
                "may_merge": may_change and self.has_delete_permission(request, obj),
            }
        return context

    def add_members_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask who comes into the team, and on POST put them there."""
        team: Team = self.found(request, object_id)
        if not self.has_change_permission(request, team):
            return self.refuse(request, team, "change")
        posted = request.POST if request.method == "POST" else None
        form = AddMembersForm(posted, team=team, user=user_of(request))
        if form.is_valid() and not edits_further(request):
            try:
                return self._added(request, team, form.cleaned_data)
            except AccountsError as refusal:
                form.add_error(None, str(refusal))
        text = gettext("Choose who joins this team. Their other extra teams stay as they are.")
        return self._asked(request, team, form, gettext("Add members"), text, "accounts/step.html")

    def _added(self, request: HttpRequest, team: Team, values: dict[str, Any]) -> HttpResponse:
        """Put people into the team once what follows was confirmed: all of them, or nobody."""
        actor, people = user_of(request), list(values["people"])
        is_main = values["how"] == "main"
        run = operations.set_main_team if is_main else operations.add_to_team
        propose = proposals.main_team_set if is_main else proposals.team_joined
        proposal = propose(people, team, actor=actor, back=proposals.page_of_row(team))

        def carry_out() -> None:
            for each in people:
                run(each, actor=actor, team=team)

        with at_once():
            if page := page_until_confirmed(request, proposal, carry_out):
                return page
            before = undo.of_teams(people)
            carry_out()
        said = ngettext(
            "%(team)s has %(count)s member more.",
            "%(team)s has %(count)s members more.",
            len(people),
        )
        undo.offer(request, said % {"team": team, "count": counted(len(people))}, before)
        return _back(team)

    def remove_member_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take one person out of the team."""
        team: Team = self.found(request, object_id)
        if not self.has_change_permission(request, team):
            return self.refuse(request, team, "change")
        if request.method != "POST":
            return _back(team)
        key = whole_number(request.POST.get("person"))
        seen = User.objects.filter(pk__in=people_seen_by(user_of(request)))
        target = seen.filter(memberships__team=team, pk=key).first()
        if target is None:
            raise Http404
        if edits_further(request):
            return _back(team)
        actor, before = user_of(request), undo.of_teams([target])
        carry_out = partial(operations.remove_from_team, target, actor=actor, team=team)
        try:
            with at_once():
                proposal = proposals.team_left(target, team, actor=actor)
                if page := page_until_confirmed(request, proposal, carry_out):
                    return page
                carry_out()
        except AccountsError as refusal:
            messages.error(request, str(refusal))
        else:
            said = gettext("%(person)s is not in %(team)s any more.")
            undo.offer(request, said % {"person": target, "team": team}, before)
        return _back(team)

    def merge_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what a merger moves and what stands against it, and on POST carry it out."""
        team: Team = self.found(request, object_id)
        if not self.has_delete_permission(request, team):
            return self.refuse(request, team, "delete")
        posted = request.POST if request.method == "POST" else None
        form = MergeForm(posted, team=team, user=user_of(request))
        if form.is_valid() and not edits_further(request):
            into, actor = form.cleaned_data["into"], user_of(request)
            carry_out = partial(operations.merge_teams, team, into=into, actor=actor)
            try:
                with at_once():
                    proposal = proposals.team_merged(team, into, actor=actor)
                    if page := page_until_confirmed(request, proposal, carry_out):
                        return page
                    carry_out()
            except AccountsError as refusal:
                form.add_error(None, str(refusal))
            else:
                said = gettext("%(team)s is merged into %(into)s.")
                say_saved(request, said % {"team": team.name, "into": into})
                return _back(into)
        return self._asked(
            request, team, form, gettext("Merge into another team"), "", "accounts/merge_teams.html"
        )

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead on to the merger where there are members to move before the team can go."""
        if request.method != "POST":
            team = self.found(request, object_id)
            if _members(team).exists() or team.children.exists():
                messages.info(
                    request,
                    gettext(
                        "This team has members, or teams below it. Choose the team that they move "
                        "to; then this one is deleted."
                    ),
                )
                return HttpResponseRedirect(page_address(Team, "merge", team.pk))
        return super().delete_view(request, object_id, extra_context)

    def _asked(
        self,
        request: HttpRequest,
        team: Team,
        form: forms.Form,
        title: str,
        text: str,
        template: str,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": team,
            "form": form,
            "media": self.media + form.media,
            "text": text,
            "button": title,
            "back": page_address(Team, "change", team.pk),
        }
        if template == "accounts/merge_teams.html":
            members = list(_members(team)[: MOST_LISTED + 1])
            context |= {
                "members": members[:MOST_LISTED],
                "there_are_more": len(members) > MOST_LISTED,
                "below": list(team.children.all()),
                "places": operations.places_of(team),
            }
        return TemplateResponse(request, template, context)


def _members(team: Team) -> QuerySet[Membership]:
    """Return who is in a team: those with this main team first, each by name."""
    rows = Membership.objects.filter(team=team).select_related("user")
    by_name = [f"user__{name}" for name in User._meta.ordering or ()]
    return rows.order_by("-is_main", *empty_last(Membership, by_name))


def _shown_members(team: Team, user: User) -> QuerySet[Membership]:
    """Return who is in a team, for whom: names of teams are public, who is in them is not (R7)."""
    return _members(team).filter(user__in=people_seen_by(user))


def _back(team: Team) -> HttpResponse:
    return HttpResponseRedirect(page_address(Team, "change", team.pk))
