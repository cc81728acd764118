"""The pages of the permissions editor: choose what to change, change it, see what follows, save.

/admin/permissions/people/?person=3&person=5    one person, or several at once
/admin/permissions/sets/?set=2&set=7            several permission sets at once
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_noop, ngettext

from accounts import access, audit, changes, operations, preview, undo
from accounts.addresses import page_address
from accounts.changes import State
from accounts.consequences import warning_of_what_follows
from accounts.editor.form import PermissionsForm, limits_of
from accounts.editor.tabs import permission_tabs
from accounts.editor.warnings import warnings_of
from accounts.keys import whole_number
from accounts.modeladmin import user_of
from accounts.models import KnownPermission, PermissionSet, User
from accounts.operations import AccountsError, NotAllowed
from accounts.review import (
    Proposal,
    at_once,
    page_of,
    page_until_confirmed,
    previewed,
    rehearse,
)
from accounts.words import counted

MOST_AT_ONCE = 300
"""So many people are edited together at most."""
LATE = gettext_noop(
    "Somebody changed these permissions while you had them open. Nothing was saved; open them "
    "again to see what they say now."
)
NOTHING = gettext_noop("Nothing was changed: every permission is as it was.")

Choice = Sequence[User] | Sequence[PermissionSet]


def editor_pages() -> list[URLPattern]:
    """Return the addresses of the editor."""
    view = admin.site.admin_view
    return [
        path("accounts/user/permissions/", view(edit_people), name="edit_permissions"),
        path("accounts/permissionset/permissions/", view(edit_sets), name="edit_sets"),
        path("accounts/user/permissions/undo/", view(undo.undo), name="undo_permissions"),
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
    arrival: str = ""
    """The permission that came with an upgrade and is decided on by saving, where one is."""

    @property
    def is_of_people(self) -> bool:
        return isinstance(self.chosen[0], User)

    def save(self, wanted: Mapping[str, Any], reason: str, as_opened: str) -> list[str]:
        """Carry the change out; return in words what was narrowed."""
        if self.arrival:
            return operations.decide_arrival(
                self.arrival,
                actor=self.actor,
                sets=cast(Sequence[PermissionSet], self.chosen),
                changes=wanted,
                reason=reason,
                as_opened=as_opened,
            )
        edit: Any = operations.edit_permissions if self.is_of_people else operations.edit_sets
        said: list[str] = edit(
            self.chosen, actor=self.actor, changes=wanted, reason=reason, as_opened=as_opened
        )
        return said


def edit_people(request: HttpRequest) -> HttpResponse:
    """Change what one person may do, or what several may do at once (R1, R5, E14)."""
    actor = user_of(request)
    keys = _keys(request, "person")
    seen = access.permitted(User.objects.filter(pk__in=keys), actor, "view")
    rows = seen.select_related("permission_set__based_on").order_by(*User._meta.ordering or ())
    people = list(access.marked(rows, actor, "change"))
    if not people or len(people) != len(keys):
        raise Http404
    for each in people:
        if not cast(Any, each).may_change:
            why = access.explain(actor, "change", each).why_not
            text = gettext("You may not change the permissions of %(name)s: %(reason)s.")
            raise PermissionDenied(text % {"name": each, "reason": why[0]})
    one = people[0] if len(people) == 1 else None
    address = f"{reverse('admin:edit_permissions')}?{_query('person', people)}"
    if one is not None and _asks_first(request, one):
        return _choice_page(request, actor, one, address)
    title = _permissions_of(str(one)) if one else _permissions_of_people(len(people))
    text = ", ".join(str(each) for each in people) if one is None else _where_from(one)
    back = page_address(User, "changelist")
    states = changes.stored_each(each.permission_set_id for each in people)
    task = Task(
        actor,
        people,
        [states[each.permission_set_id] for each in people],
        operations.permissions_as_they_stand(people),
        title,
        text,
        f"{address}&detach=1" if one else address,
        page_address(User, "change", one.pk) if one else back,
    )
    return edit(request, task)


def edit_sets(request: HttpRequest) -> HttpResponse:
    """Change several permission sets at once, for everybody who has one of them (E13)."""
    task = task_of_sets(user_of(request), _keys(request, "set"), arrival=request.GET.get("new", ""))
    return edit(request, task)


def task_of_sets(actor: User, keys: set[int], arrival: str = "") -> Task:
    """Return what is edited where these sets are; raise `Http404` for one that is out of reach.

    `arrival` is what came with an upgrade and is decided on by saving them.
    """
    rows = PermissionSet.objects.named().filter(pk__in=keys)
    sets = list(access.permitted(rows, actor, "change"))
    if not sets or len(sets) != len(keys):
        raise Http404
    if arrival and not is_arrival(actor, arrival):
        raise Http404
    states = changes.stored_each(keys)
    query = _query("set", sets) + (f"&{urlencode({'new': arrival})}" if arrival else "")
    back = "admin:new_permissions" if arrival else "admin:accounts_permissionset_changelist"
    return Task(
        actor,
        sets,
        [states[each.pk] for each in sets],
        operations.sets_as_they_stand(sets),
        _permissions_of_sets(sets),
        ", ".join(str(each) for each in sets),
        f"{reverse('admin:edit_sets')}?{query}",
        reverse(back),
        arrival,
    )


def is_arrival(actor: User, subject: str) -> bool:
    """Tell whether this came with an upgrade, for whoever may decide on it."""
    new = access.permitted(KnownPermission.objects.new(), actor, "change")
    return new.filter(subject=subject).exists()


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
        return gettext("Has no permission set. What is saved here is for this person alone.")
    if stored.owner_id is None:
        text = gettext(
            "Begins as the set “%(set)s” says; from then on it is for this person alone."
        )
        return text % {"set": stored}
    if stored.based_on:
        return gettext("Own permissions, based on %(set)s.") % {"set": stored.based_on}
    return gettext("Own permissions.")


def _permissions_of(name: str) -> str:
    return gettext("Permissions of %(name)s") % {"name": name}


def _permissions_of_people(count: int) -> str:
    text = ngettext("Permissions of %(count)s person", "Permissions of %(count)s people", count)
    return text % {"count": counted(count)}


def _permissions_of_sets(sets: Sequence[PermissionSet]) -> str:
    if len(sets) == 1:
        return gettext("Permissions of “%(set)s”") % {"set": sets[0]}
    text = ngettext("Permissions of %(count)s set", "Permissions of %(count)s sets", len(sets))
    return text % {"count": counted(len(sets))}


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
        "title": _permissions_of(str(user)),
        "user_shown": user,
        "set": stored,
        "holders": stored.people.filter(is_active=True).count(),
        "may_edit_set": access.allows(actor, "change", stored),
        "set_address": page_address(PermissionSet, "change", stored.pk),
        "own_address": f"{address}&detach=1",
        "back": page_address(User, "change", user.pk),
    }
    return TemplateResponse(request, "accounts/editor_choice.html", context)


# --- Edit, see what follows, save -----------------------------------------------------------------


def edit(request: HttpRequest, task: Task) -> HttpResponse:
    """Show the form, then what follows, then save; the address carries what is edited."""
    if request.method != "POST":
        return form_page(request, task)
    if "save" in request.POST:
        return _saved(request, task)
    form = _form(task, request.POST)
    if "again" in request.POST:
        return form_page(request, task, _form(task, begin=_sent_changes(request)))
    if not form.is_valid():
        return form_page(request, task, form)
    wanted = form.changes()
    if not wanted:
        messages.info(request, gettext(NOTHING))
        return form_page(request, task, form)
    is_late = request.POST.get("as_opened") not in (None, task.as_opened)
    return review_page(request, task, wanted, gettext(LATE) if is_late else "")


def _form(task: Task, data: Any = None, begin: Mapping[str, Any] | None = None) -> PermissionsForm:
    first = task.states[0]
    shown = changes.after(first.scopes, first.tools, begin) if begin else None
    form = PermissionsForm(data, states=task.states, limits=limits_of(task.actor), begin=shown)
    if begin:
        for name in form.fields:
            widget: Any = form.fields[name].widget
            widget.ticked = set(begin)
    return form


def form_page(
    request: HttpRequest, task: Task, form: PermissionsForm | None = None
) -> HttpResponse:
    """Show the editor, with what was typed where there is a form of that."""
    form = form or _form(task)
    context = {
        **_context(request, task),
        "form": form,
        "several": form.several,
        "as_opened": request.POST.get("as_opened") or task.as_opened,
        "has_locked": bool(form.locked),
        "has_limits": form.has_limits,
        "tabs": permission_tabs(gettext("What is saved takes effect at once.")),
    }
    return TemplateResponse(request, "accounts/editor.html", context)


def _proposal(task: Task, wanted: Mapping[str, Any]) -> Proposal:
    """Return what the change says, for the page that shows what follows from it (B4)."""
    first = task.states[0]
    asked: Any = preview.permissions if task.is_of_people else preview.sets
    return Proposal(
        title=task.title,
        heading=_heading(task),
        said=changes.in_words(wanted, before=first if len(task.states) == 1 else None),
        preview=lambda: asked(task.chosen, wanted, actor=task.actor),
        back=task.back,
        effect=_effect(task),
        warnings=warnings_of(task.states, wanted),
        asks_why=True,
        fresh={"changes": json.dumps(wanted)},
        renewed={"as_opened": task.as_opened},
        address=task.address if task.arrival else "",
    )


def _heading(task: Task) -> str:
    count = len(task.chosen)
    if count == 1:
        return gettext("What changes")
    text = ngettext("For %(count)s set: %(names)s", "For %(count)s sets: %(names)s", count)
    if task.is_of_people:
        text = ngettext("For %(count)s person: %(names)s", "For %(count)s people: %(names)s", count)
    return text % {"count": counted(count), "names": task.text}


def _effect(task: Task) -> str:
    """Return when what is changed takes effect, and for whom beside those who were chosen."""
    if task.is_of_people:
        return gettext("It takes effect at once.")
    if len(task.chosen) == 1:
        return gettext("It takes effect at once, for everybody who has this set.")
    return gettext("It takes effect at once, for everybody who has one of these sets.")


def review_page(
    request: HttpRequest, task: Task, wanted: Mapping[str, Any], refusal: str = ""
) -> HttpResponse:
    """Show what the change says and what follows from it, before anything is written (B4).

    Nothing but the refusal where the change is refused outright; it is rehearsed to find that out.
    """
    proposal = _proposal(task, wanted)
    if "as_opened" not in request.POST:  # no form was opened before it
        proposal = replace(proposal, fresh={**proposal.fresh, **proposal.renewed})
    as_opened = request.POST.get("as_opened", task.as_opened)
    try:
        with at_once():
            found = previewed(request, proposal)
            if not refusal:
                rehearse(lambda: task.save(wanted, "", as_opened))
    except AccountsError as why:
        return page_of(request, proposal, None, refusal or str(why))
    return page_of(request, proposal, found, refusal)


def _saved(request: HttpRequest, task: Task) -> HttpResponse:
    wanted, as_opened = _sent_changes(request), request.POST.get("as_opened", "")
    proposal = _proposal(task, wanted)
    before, events = undo.of_permissions(task.chosen), audit.written.get()
    try:
        with at_once():
            # As they stand by now: so it is saved from the page, if that is shown anew.
            again = partial(task.save, wanted, "", task.as_opened)
            if page := page_until_confirmed(request, proposal, again):
                return page
            with warning_of_what_follows(request):
                narrowed = task.save(wanted, request.POST.get("reason", ""), as_opened)
    except NotAllowed as refusal:
        return page_of(request, proposal, None, str(refusal))
    except AccountsError as refusal:
        return review_page(request, task, wanted, str(refusal))
    if narrowed:
        said = gettext("Narrowed on saving. %(what)s.") % {"what": "; ".join(narrowed)}
        messages.warning(request, said)
    if audit.written.get() == events:
        messages.info(request, gettext(NOTHING))
        return HttpResponseRedirect(task.back)
    undo.offer(request, gettext("Saved, and in effect."), before)
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
