"""Screens of teams and their tree."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from accounts import access, operations, proposals, undo
from accounts.forms import TeamForm
from accounts.modeladmin import opened, user_of
from accounts.models import Team, User
from accounts.review import require_reviewed
from accounts.team_steps import ChangesMembers
from accounts.team_tree import TreeChangeList, with_people


@admin.register(Team)
class TeamAdmin(ChangesMembers):
    """Teams and their tree."""

    list_display = ("name_in_tree", "people_main", "people_extra", "owned")
    in_palette, palette_icon = 2, "account_tree"
    search_fields = ("name",)
    picker_fields = ("name",)
    sortable_by = ("name_in_tree",)
    few_rows = True
    form = TeamForm
    fields = ("name", "parent")
    change_form_before_template: Any = "accounts/as_opened.html"
    change_form_outer_after_template: Any = "accounts/team_members.html"

    def asked_fields(self, request: HttpRequest) -> frozenset[str]:
        """Let whoever governs people ask by teams: “Who can see this” of a record does."""
        governs = access.allows_any(user_of(request), "change", User)
        return frozenset({"parent"} if governs else ())

    def as_it_stands(self, obj: Model) -> str:
        assert isinstance(obj, Team)
        return operations.as_it_stands(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_people(super().get_queryset(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return TreeChangeList

    @admin.display(description=gettext_lazy("Name"), ordering="name")
    def name_in_tree(self, obj: Any) -> SafeString:
        return format_html(
            '<span class="tree-name" style="--depth: {}">{}{}</span>',
            obj.position.depth,
            obj.name,
            _below(obj.position.above, is_shown=obj.is_found),
        )

    @admin.display(description=gettext_lazy("Main members"), ordering="people_main")
    def people_main(self, obj: Any) -> int:
        return int(obj.people_main)

    @admin.display(description=gettext_lazy("Extra members"), ordering="people_extra")
    def people_extra(self, obj: Any) -> int:
        return int(obj.people_extra)

    @admin.display(description=gettext_lazy("Owned records"))
    def owned(self, obj: Any) -> str:
        return ", ".join(obj.owned) or "–"

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values = form.cleaned_data
        made = operations.create_team(
            actor=user_of(request), name=values["name"], parent=values["parent"]
        )
        obj.pk = made.pk

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values, actor = form.cleaned_data, user_of(request)
        stored = Team.objects.select_related("parent").get(pk=obj.pk)
        # Where a team hangs is for super admins: whoever else tries is refused by the operation.
        is_moved = stored.parent != values["parent"] and operations.is_free(actor)
        carry_out = partial(
            operations.change_team,
            obj,
            actor=actor,
            name=values["name"],
            parent=values["parent"],
            as_opened=opened(request),
        )
        if is_moved:
            operations.require_as_opened(stored, opened(request))
            proposal = proposals.team_moved(stored, values["parent"], actor=actor)
            require_reviewed(request, proposal, carry_out)
        before = undo.of_place(stored)
        carry_out()
        if is_moved:
            undo.offer(request, undo.IN_EFFECT, before)

    def remove(self, request: HttpRequest, obj: Any) -> None:
        operations.delete_team(obj, actor=user_of(request))


def _below(above: Sequence[str], *, is_shown: bool) -> str | SafeString:
    """Say below which teams one stands: for screen readers, and in what a search found."""
    if not above:
        return ""
    look = "below card-text" if is_shown else "on-enter"
    said = gettext("below %(teams)s") % {"teams": " › ".join(above)}
    return format_html('<span class="{}"> {}</span>', look, said)
