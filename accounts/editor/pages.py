"""The pages of the permissions editor: choose what to change, change it, see what follows, save.

/admin/permissions/people/?person=3&person=5    one person, or several at once
/admin/permissions/sets/?set=2&set=7            several permission sets at once
/admin/permissions/undo/                        take the last change back
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts import access, audit, changes, operations, preview
from accounts.changes import State
from accounts.consequences import warning_of_what_follows
from accounts.editor.form import PermissionsForm, limits_of
from accounts.editor.tabs import permission_tabs
from accounts.editor.warnings import warnings_of
from accounts.keys import whole_number
from accounts.modeladmin import person
from accounts.models import PermissionSet, User
from accounts.operations import AccountsError
from accounts.preview import words

MOST_AT_ONCE = 300
"""So many people are edited together at most."""
MOST_SHOWN = 20
"""Of so many people at most the review says what changes for each."""
NOTHING = "Nothing was changed: every permission is as it was."
UNDO = "accounts.editor.undo"
UNDO_AGE = 3600
"""For so many seconds a change can be taken back in one click."""

Choice = Sequence[User] | Sequence[PermissionSet]


def editor_pages() -> list[URLPattern]:
    """Return the addresses of the editor."""
    view = admin.site.admin_view
    return [
        path("accounts/user/permissions/", view(edit_people), name="edit_permissions"),
        path("accounts/permissionset/permissions/", view(edit_sets), name="edit_sets"),
        path("accounts/user/permissions/undo/", view(undo), name="undo_permissions"),
    ]


@dataclass(frozen=True, slots=True)
class Task:
    """What is edited: people or sets, what each of them says now, and how it is saved."""

    actor: User
    chosen: Choice
    states: Sequence[State]
    as_opened: str
    title: str
    text: str
    address: str
    back: str

    @property
    def is_of_people(self) -> bool:
        return isinstance(self.chosen[0], User)

    def save(self, wanted: Mapping[str, Any], reason: str, as_opened: str) -> list[str]:
        """Carry the change out; return in words what was narrowed."""
        edit: Any = operations.edit_permissions if self.is_of_people else operations.edit_sets
        said: list[str] = edit(
            self.chosen, actor=self.actor, changes=wanted, reason=reason, as_opened=as_opened
        )
        return said


def edit_people(request: HttpRequest) -> HttpResponse:
    """Change what one person may do, or what several may do at once (R1, R5, E14)."""
    actor = person(request)
    keys = _keys(request, "person")
    seen = access.permitted(User.objects.filter(pk__in=keys), actor, "view")
    rows = seen.select_related("permission_set__based_on").order_by(*User._meta.ordering or ())
    people = list(access.marked(rows, actor, "change"))
    if not people or len(people) != len(keys):
        raise Http404
    for each in people:
        if not cast(Any, each).may_change:
            found = access.explain(actor, "change", each).decisive
            raise PermissionDenied(
                f"You may not change the permissions of {each}: {found[0].because}."
            )
    one = people[0] if len(people) == 1 else None
    address = f"{reverse('admin:edit_permissions')}?{_query('person', people)}"
    if one is not None and _asks_first(request, one):
        return _choice_page(request, actor, one, address)
    title = f"Permissions of {one}" if one else f"Permissions of {len(people)} people"
    text = ", ".join(str(each) for each in people) if one is None else _where_from(one)
    back = reverse("admin:accounts_user_changelist")
    states = changes.stored_each(each.permission_set_id for each in people)
    task = Task(
        actor,
        people,
        [states[each.permission_set_id] for each in people],
        operations.permissions_as_they_stand(people),
        title,
        text,
        f"{address}&detach=1" if one else address,
        reverse("admin:accounts_user_change", args=[one.pk]) if one else back,
    )
    return _edit(request, task)


def edit_sets(request: HttpRequest) -> HttpResponse:
    """Change several permission sets at once, for everybody who has one of them (E13)."""
    actor = person(request)
    keys = _keys(request, "set")
    rows = PermissionSet.objects.named().filter(pk__in=keys)
    sets = list(access.permitted(rows, actor, "change"))
    if not sets or len(sets) != len(keys):
        raise Http404
    states = changes.stored_each(keys)
    task = Task(
        actor,
        sets,
        [states[each.pk] for each in sets],
        operations.sets_as_they_stand(sets),
        f"Permissions of {len(sets)} sets" if len(sets) > 1 else f"Permissions of “{sets[0]}”",
        ", ".join(str(each) for each in sets),
        f"{reverse('admin:edit_sets')}?{_query('set', sets)}",
        reverse("admin:accounts_permissionset_changelist"),
    )
    return _edit(request, task)


def _keys(request: HttpRequest, name: str) -> set[int]:
    """Return the keys in the address; absent, too many and wrong ones are all the same answer."""
    given = request.GET.getlist(name)
    keys = set(map(whole_number, given))
    if not given or 0 in keys or len(keys) > MOST_AT_ONCE:
        raise Http404
    return keys


def _query(name: str, rows: Iterable[Any]) -> str:
    return "&".join(f"{name}={row.pk}" for row in rows)


def _where_from(user: User) -> str:
    stored = user.permission_set
    if stored is None:
        return "Has no permission set. What is saved here is for this person alone."
    if stored.owner_id is None:
        return f"Begins as the set “{stored}” says; from then on it is for this person alone."
    return f"Own permissions, {stored}." if stored.based_on else "Own permissions."


# --- The question before --------------------------------------------------------------------------


def _asks_first(request: HttpRequest, user: User) -> bool:
    """Tell whether to ask: change the set for all its people, or this person alone (Q26)?"""
    stored = user.permission_set
    return stored is not None and stored.owner_id is None and "detach" not in request.GET


def _choice_page(request: HttpRequest, actor: User, user: User, address: str) -> HttpResponse:
    stored = user.permission_set
    assert stored is not None
    context = {
        **admin.site.each_context(request),
        "title": f"Permissions of {user}",
        "user_shown": user,
        "set": stored,
        "holders": stored.people.filter(is_active=True).count(),
        "may_edit_set": access.allows(actor, "change", stored),
        "set_address": reverse("admin:accounts_permissionset_change", args=[stored.pk]),
        "own_address": f"{address}&detach=1",
        "back": reverse("admin:accounts_user_change", args=[user.pk]),
    }
    return TemplateResponse(request, "accounts/editor_choice.html", context)


# --- Edit, see what follows, save -----------------------------------------------------------------


def _edit(request: HttpRequest, task: Task) -> HttpResponse:
    if request.method != "POST":
        return _form_page(request, task, _form(task))
    if "save" in request.POST:
        return _saved(request, task)
    form = _form(task, request.POST)
    if "again" in request.POST:
        return _form_page(request, task, _form(task, begin=_sent_changes(request)))
    if not form.is_valid():
        return _form_page(request, task, form)
    wanted = form.changes()
    if not wanted:
        messages.info(request, NOTHING)
        return _form_page(request, task, form)
    return _review_page(request, task, wanted, request.POST.get("as_opened", ""))


def _form(task: Task, data: Any = None, begin: Mapping[str, Any] | None = None) -> PermissionsForm:
    first = task.states[0]
    shown = changes.after(first.scopes, first.tools, begin) if begin else None
    form = PermissionsForm(data, states=task.states, limits=limits_of(task.actor), begin=shown)
    if begin:
        for name in form.fields:
            widget: Any = form.fields[name].widget
            widget.ticked = set(begin)
    return form


def _form_page(request: HttpRequest, task: Task, form: PermissionsForm) -> HttpResponse:
    context = {
        **_context(request, task),
        "form": form,
        "several": form.several,
        "as_opened": request.POST.get("as_opened") or task.as_opened,
        "has_locked": bool(form.locked),
        "tabs": permission_tabs("What is saved takes effect at once."),
    }
    return TemplateResponse(request, "accounts/editor.html", context)


def _review_page(
    request: HttpRequest,
    task: Task,
    wanted: Mapping[str, Any],
    as_opened: str,
    refusal: str = "",
) -> HttpResponse:
    """Show what the change says and what follows from it, before anything is written (B4)."""
    what_if, follows = None, []
    try:
        what_if = _what_if(task, wanted)
    except AccountsError as found:
        refusal = refusal or str(found)
    if what_if is not None:
        follows = words.summary(what_if)
    first = task.states[0]
    said = changes.in_words(wanted, before=first if len(task.states) == 1 else None)
    narrowed: dict[str, None] = {}
    for state in task.states:
        narrowed |= dict.fromkeys(changes.narrowed_by(state.scopes, state.tools, wanted))
    context = {
        **_context(request, task),
        "said": said,
        "narrowed": list(narrowed),
        "warnings": warnings_of(task.states, wanted),
        "wanted": json.dumps(wanted),
        "as_opened": as_opened,
        "reason": request.POST.get("reason", ""),
        "follows": follows,
        "each": _of_each(what_if),
        "confirm": what_if.confirmation_needed if what_if else None,
        "refusal": refusal,
    }
    return TemplateResponse(request, "accounts/editor_review.html", context)


def _what_if(task: Task, wanted: Mapping[str, Any]) -> preview.Preview | None:
    """Return what this change would do; None for who does not see all that it counts.

    A delegated administrator would learn from it how many records there are beyond their own.
    """
    if not task.actor.is_superuser:
        return None
    asked: Any = preview.permissions if task.is_of_people else preview.sets
    found: preview.Preview = asked(task.chosen, wanted, actor=task.actor)
    return found


def _of_each(what_if: preview.Preview | None) -> list[tuple[str, str]]:
    """Return name and words of those for whom something changes, at most `MOST_SHOWN`."""
    if what_if is None:
        return []
    return [
        (str(effect.person), "; ".join(words.of_one(effect)))
        for effect in what_if.outcome.effects[:MOST_SHOWN]
    ]


def _saved(request: HttpRequest, task: Task) -> HttpResponse:
    wanted, as_opened = _sent_changes(request), request.POST.get("as_opened", "")
    back, events = _undo_token(task), audit.written.get()
    try:
        if (what_if := _what_if(task, wanted)) is not None:
            preview.require_confirmed(what_if, request.POST.get("confirm"))
        with warning_of_what_follows(request):
            narrowed = task.save(wanted, request.POST.get("reason", ""), as_opened)
    except AccountsError as refusal:
        return _review_page(request, task, wanted, as_opened, str(refusal))
    if narrowed:
        messages.warning(request, f"Narrowed on saving. {'; '.join(narrowed)}.")
    if audit.written.get() == events:
        messages.info(request, NOTHING)
        return HttpResponseRedirect(task.back)
    messages.success(
        request,
        format_html(
            'Saved, and in effect. <form method="post" action="{}" class="undo"><input '
            'type="hidden" name="csrfmiddlewaretoken" value="{}"><input type="hidden" '
            'name="undo" value="{}"><button class="text-link">Undo</button></form>',
            reverse("admin:undo_permissions"),
            get_token(request),
            back(),
        ),
    )
    return HttpResponseRedirect(task.back)


def _sent_changes(request: HttpRequest) -> dict[str, Any]:
    """Return the changes that the review page carried along; raise where they are none of ours."""
    try:
        sent = json.loads(request.POST.get("changes", ""))
        return changes.validated(sent)
    except (ValueError, AccountsError, RecursionError):
        raise Http404 from None


def _context(request: HttpRequest, task: Task) -> dict[str, Any]:
    return {
        **admin.site.each_context(request),
        "title": task.title,
        "text": task.text,
        "address": task.address,
        "back": task.back,
        "is_of_people": task.is_of_people,
        "count": len(task.chosen),
    }


# --- Undo -----------------------------------------------------------------------------------------


def _undo_token(task: Task) -> Any:
    """Return what makes the token after the change: what to go back to, and from what."""
    model = "person" if task.is_of_people else "set"
    rows = [
        {
            "key": each.pk,
            "set": _set_of(each),
            "before": [state.scopes, list(state.tools)],
        }
        for each, state in zip(task.chosen, task.states, strict=True)
    ]

    def token() -> str:
        stands = _mark(model, [row["key"] for row in rows])
        data = {"by": task.actor.pk, "of": model, "rows": rows, "stands": stands}
        return signing.dumps(data, salt=UNDO, compress=True)

    return token


def _set_of(each: Any) -> int | str | None:
    """Return the named set that a person has; None for no set, and a word for one's own."""
    if isinstance(each, PermissionSet) or each.permission_set is None:
        return None
    return each.permission_set.pk if each.permission_set.owner_id is None else operations.OWN


def _mark(model: str, keys: Sequence[int]) -> str:
    if model == "person":
        return operations.permissions_as_they_stand(User.objects.filter(pk__in=keys))
    return operations.sets_as_they_stand(PermissionSet.objects.filter(pk__in=keys))


def undo(request: HttpRequest) -> HttpResponse:
    """Take one's own last change back, while nothing newer touched the same permissions."""
    if request.method != "POST":
        raise Http404
    actor = person(request)
    try:
        data = signing.loads(request.POST.get("undo", ""), salt=UNDO, max_age=UNDO_AGE)
    except signing.BadSignature:
        data = {"by": None}
    of_people = data.get("of") == "person"
    name = "accounts_user" if of_people else "accounts_permissionset"
    back = HttpResponseRedirect(reverse(f"admin:{name}_changelist"))
    if data["by"] != actor.pk:
        messages.error(request, "This change can be taken back no more. Nothing was saved.")
        return HttpResponseRedirect(reverse("admin:index"))
    try:
        with warning_of_what_follows(request):
            operations.take_back(data["of"], data["rows"], actor=actor, stands=data["stands"])
    except AccountsError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, "Taken back: the permissions are as they were before.")
    return back
