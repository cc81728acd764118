"""The first hour of an installation: what is still missing, and one page that makes a beginning.

What is done is told by what is there, never by a stored flag: whoever deletes the last team reads
again that there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy

from accounts import access
from accounts.modeladmin import user_of
from accounts.models import PermissionSet, Team, User
from accounts.words import listed
from crmperms import starter
from exports.models import ExportPolicy
from records import kinds
from records.models import Stage


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the check list."""

    title: str
    text: str
    url: str
    done: bool


def check_list(user: User) -> list[Step]:
    """Return what a new installation needs, for super admins and while any of it is missing."""
    if not access.allows_any(user, "add", PermissionSet):
        return []
    staged = [kind for kind in kinds.every() if kind.is_staged]
    each = listed(gettext("every %(kind)s") % {"kind": kind.noun} for kind in staged)
    there = _what_is_there(user, staged)
    steps = [
        Step(title, text, reverse(address), there[name])
        for name, title, text, address in (
            (
                "pipelines",
                gettext("Pipelines for %(kinds)s") % {"kinds": listed(k.nouns for k in staged)},
                gettext("%(records)s stands in a stage of one.") % {"records": capfirst(each)},
                "admin:set_up",
            ),
            (
                "sets",
                gettext("Permission sets"),
                gettext("What people with the same task may see, edit and take out."),
                "admin:set_up",
            ),
            (
                "teams",
                gettext("Teams"),
                gettext("People with the scope “Team only” see what their team owns."),
                "admin:accounts_team_add",
            ),
            (
                "people",
                gettext("Users"),
                gettext("Somebody beside the super admins, with a permission set."),
                "admin:accounts_user_add",
            ),
            (
                "approvals",
                gettext("Approvals for exports"),
                gettext("Off, everybody with the permission Export exports without approval."),
                "admin:exports_exportpolicy_changelist",
            ),
        )
    ]
    return [] if all(step.done for step in steps) else steps


def _what_is_there(user: User, staged: list[kinds.Kind]) -> dict[str, bool]:
    """Return which parts of an installation exist; one query."""
    asked = {
        **{kind.key: Stage.objects.filter(pipeline__object=kind.key) for kind in staged},
        "sets": PermissionSet.objects.named(),
        "teams": Team.objects.all(),
        "people": User.objects.filter(
            is_active=True, is_superuser=False, permission_set__isnull=False
        ),
        "approvals": ExportPolicy.objects.filter(require_approval=True),
    }
    questions = {f"has_{name}": Exists(rows) for name, rows in asked.items()}
    row: Mapping[str, object] = User.objects.filter(pk=user.pk).values(**questions).get()
    there = {name: bool(row[f"has_{name}"]) for name in asked}
    return {**there, "pipelines": all(there[kind.key] for kind in staged)}


class SetUpForm(forms.Form):
    """What to make; one box each."""

    chosen = forms.MultipleChoiceField(
        choices=lambda: [(each.key, each.name) for each in starter.STARTERS],
        error_messages={
            "required": gettext_lazy("Nothing is ticked. Tick what you want to have, or go back."),
            "invalid_choice": gettext_lazy("This page does not offer that. Open it again."),
        },
    )


def set_up_page(request: HttpRequest) -> HttpResponse:
    """Offer permission sets and pipelines to begin with, and make those that were ticked."""
    user = user_of(request)
    if not access.allows_any(user, "add", PermissionSet):
        raise PermissionDenied
    form = SetUpForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        made = starter.set_up(form.cleaned_data["chosen"], actor=user)
        if made:
            said = gettext("Made: %(names)s. Change them as you like.")
            messages.success(request, said % {"names": ", ".join(made)})
        else:
            said = gettext("All of this was there already; nothing was made.")
            messages.info(request, said)
        return HttpResponseRedirect(reverse("admin:index"))
    ticked = request.POST.getlist("chosen") if form.is_bound else None
    pipelines, sets = (_boxes(each, ticked) for each in (starter.PIPELINES, starter.SETS))
    context = {
        **admin.site.each_context(request),
        "title": gettext("Set up"),
        "form": form,
        "groups": [
            (gettext("Pipelines"), pipelines),
            (gettext("Permission sets"), sets),
        ],
        "is_complete": all(box["is_there"] for box in (*pipelines, *sets)),
    }
    return TemplateResponse(request, "crmperms/set_up.html", context)


def _boxes(starters: tuple[starter.Starter, ...], ticked: list[str] | None) -> list[dict[str, Any]]:
    """Return the boxes of one group: all ticked at first, apart from what is there already."""
    boxes = []
    for each in starters:
        is_there = each.exists()
        is_ticked = not is_there and (ticked is None or each.key in ticked)
        kind = isinstance(each, starter.StarterPipeline) and kinds.named(each.object)
        nouns = kind.nouns if kind else ""
        box = {"starter": each, "nouns": nouns, "is_there": is_there, "is_ticked": is_ticked}
        boxes.append(box)
    return boxes
