"""One click takes the last change of rights or teams back, while nothing newer touched the same.

What there was before travels in the message on the page, signed, for the one who made the change
and for an hour; nothing of it is kept on the server.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from accounts import audit, changes, operations, partner_steps
from accounts.audit import Actor
from accounts.consequences import warning_of_what_follows
from accounts.modeladmin import user_of
from accounts.models import PermissionSet, Team, User
from accounts.operations import AccountsError
from accounts.operations.memberships import team_data

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SALT = "accounts.undo"
AGE = 3600
"""For so many seconds a change can be taken back."""

IN_EFFECT = gettext_lazy("It is in effect.")
"""What is said beside the button where the screen itself says what was saved."""

Part = tuple[str, list[dict[str, Any]]]
"""What is to be as it was: the sort of change, and a row for each; see `operations.take_back`."""
LISTS = {
    "person": "accounts_user",
    "super admin": "accounts_user",
    "partner admin": "accounts_user",
    "teams": "accounts_user",
    "set": "accounts_permissionset",
    "place": "accounts_team",
}


def of_permissions(chosen: Iterable[User] | Iterable[PermissionSet]) -> Part:
    """Return what these people, or sets, hold now."""
    rows = list(chosen)
    people = [each for each in rows if isinstance(each, User)]
    keys = [each.permission_set_id if isinstance(each, User) else each.pk for each in rows]
    states, sets = changes.stored_each(keys), PermissionSet.objects.in_bulk([k for k in keys if k])
    found = [
        {
            "key": each.pk,
            **(_set_of(sets.get(key or 0)) if people else {"set": None}),
            "before": [states[key].scopes, list(states[key].tools)],
        }
        for each, key in zip(rows, keys, strict=True)
    ]
    return ("person" if people else "set"), found


def of_super_admins(people: Sequence[User]) -> Part | None:
    """Return who of these is a super admin now; None where making one could not be taken back.

    Whoever is no super admin any more has a named set: permissions of one's own, or none, are not
    given back by that.
    """
    return _status("super admin", people, {each.pk for each in people if each.is_superuser})


def of_partner_admins(people: Sequence[User]) -> Part | None:
    """Return who of these is a partner admin now; None as `of_super_admins` does."""
    return _status("partner admin", people, {each.pk for each in people if each.is_partner_admin})


def of_status(step: str, people: Sequence[User]) -> Part | None:
    """Return what a step that gives or takes a status changes, to be taken back to."""
    return (of_partner_admins if step in partner_steps.STEPS else of_super_admins)(people)


def _status(of: str, people: Sequence[User], who: Collection[int]) -> Part | None:
    _, rows = of_permissions(people)
    for row in rows:
        row["was"] = row["key"] in who
        if not row["was"] and row["set"] in (None, operations.OWN):
            return None
    return of, rows


def of_teams(people: Iterable[User]) -> Part:
    """Return which teams these people are in now."""
    return "teams", [{"key": each.pk, **team_data(each)} for each in people]


def of_place(team: Team) -> Part:
    """Return where this team hangs now."""
    return "place", [{"key": team.pk, "parent": team.parent_id}]


def _set_of(stored: PermissionSet | None) -> dict[str, Any]:
    """Return the named set that a person has; None for no set, and a word for one's own."""
    if stored is None or stored.owner_id is None:
        return {"set": stored and stored.pk}
    return {"set": operations.OWN, "based_on": stored.based_on_id}


def offer(request: HttpRequest, text: StrOrPromise, *parts: Part | None) -> None:
    """Say what was done, with a button that takes it back where it can be taken back."""
    kept = [part for part in parts if part is not None]
    if not kept or len(kept) < len(parts):
        messages.success(request, text)
        return
    messages.success(
        request,
        format_html(
            '{} <form method="post" action="{}" class="undo"><input type="hidden" '
            'name="csrfmiddlewaretoken" value="{}"><input type="hidden" name="undo" value="{}">'
            '<button class="text-link">{}</button></form>',
            text,
            reverse("admin:undo_permissions"),
            get_token(request),
            _token(user_of(request), kept),
            gettext("Undo"),
        ),
    )


def _token(actor: User, parts: Iterable[Part]) -> str:
    kept = [
        [of, rows, operations.as_touched(of, [row["key"] for row in rows], actor)]
        for of, rows in parts
    ]
    return signing.dumps({"by": actor.pk, "parts": kept}, salt=SALT, compress=True)


def undo(request: HttpRequest) -> HttpResponse:
    """Take one's own last change back, while nothing newer touched the same values."""
    if request.method != "POST":
        raise Http404
    actor = user_of(request)
    try:
        data = signing.loads(request.POST.get("undo", ""), salt=SALT, max_age=AGE)
    except signing.BadSignature:
        data = {"by": None}
    if data["by"] != actor.pk:
        said = gettext("This change can be taken back no more. Nothing was saved.")
        messages.error(request, said)
        return HttpResponseRedirect(reverse("admin:index"))
    try:
        with warning_of_what_follows(request):
            _all_back(data["parts"], actor)
    except AccountsError as refusal:
        messages.error(request, str(refusal))
    else:
        said = gettext("Taken back: the permissions are as they were before.")
        if data["parts"][0][0] in ("teams", "place"):
            said = gettext("Taken back: the teams are as they were before.")
        messages.success(request, said)
    return HttpResponseRedirect(reverse(f"admin:{LISTS[data['parts'][0][0]]}_changelist"))


def _all_back(parts: Iterable[Any], actor: Actor) -> None:
    with audit.together():
        for of, rows, stands in parts:
            operations.take_back(of, rows, actor=actor, stands=stands)
