"""Changing many people at once: one page that names them and says what follows, then the operation.

The list's actions change nothing: they lead to that page. What it sends is carried out person by
person in one transaction (`operations.change_many`), and whoever was left out is named with why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts import access, audit, invitations, operations, undo
from accounts.addresses import page_address
from accounts.audit import Actor
from accounts.consequences import warning_of_what_follows
from accounts.editor.pages import MOST_AT_ONCE as MOST_EDITED
from accounts.invitation_pages import links_page
from accounts.keys import is_key
from accounts.many_steps import FOR_SUPER_ADMINS, GRAVE, MANY, ManyForm, ManyStep
from accounts.modeladmin import AccessModelAdmin, opened, user_of
from accounts.models import User
from accounts.operations import AccountsError, Outcome
from accounts.people import role_of, team_names_of
from accounts.review import (
    Proposal,
    at_once,
    edits_further,
    is_reviewed,
    page_of,
    page_until_confirmed,
)
from accounts.words import counted

MOST_AT_ONCE = 500
"""How many people are changed at once at most; the page names each of them."""
MOST_NAMED = 20
"""So many of them the page of the review names."""
SOME_REFUSED = gettext_lazy(
    "The change is refused for some of these people, so nothing was saved. Below is what it does "
    "without them; confirm it, or cancel."
)


class ChangesMany(AccessModelAdmin):
    """A list of people with an Actions menu for the ticked ones."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        if self.has_change_permission(request):
            edit = (_edit_permissions, "edit_permissions", gettext("Edit permissions"))
            actions |= {
                "edit_permissions": edit,
                **{
                    name: (_action(name), name, step.title)
                    for name, step in MANY.items()
                    if name not in FOR_SUPER_ADMINS or operations.is_free(user_of(request))
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
        """Lead to the page that asks about these people of the list.

        By an address that says whom, so that *Back* leads here and sends nothing once more.
        """
        keys = list(people.order_by().values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(keys) > MOST_AT_ONCE:
            messages.error(
                request,
                gettext("At most %(count)s people are changed at once. Narrow the list first.")
                % {"count": MOST_AT_ONCE},
            )
            return HttpResponseRedirect(request.get_full_path())
        query = urlencode({"people": ",".join(map(str, keys))}, safe=",")
        return HttpResponseRedirect(f"{page_address(User, f'many_{name}')}?{query}")

    def many_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Ask, and carry out what was asked, or show the page once more with what was wrong."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        is_sent = request.method == "POST"
        sent = request.POST if is_sent else request.GET
        if not is_sent and "people" not in sent:
            messages.info(request, gettext("Tick the people in the list first."))
            return HttpResponseRedirect(page_address(User, "changelist"))
        keys = sent.get("people", "").split(",")
        if len(keys) > MOST_AT_ONCE or not all(map(is_key, keys)):
            raise BadRequest("These are not people of the list.")
        people = self._these(request, [int(key) for key in keys])
        form = MANY[name].form(sent if is_sent else None, user=user_of(request))
        if is_sent and form.is_valid() and not edits_further(request):
            try:
                if MANY[name].review is not None:
                    return self._reviewed(request, name, people, form.cleaned_data)
                with warning_of_what_follows(request):
                    outcome = self._changed(request, name, people, form.cleaned_data)
            except AccountsError as refusal:
                form.add_error(None, str(refusal))
            else:
                return self._answer(request, name, outcome)
        return self._asked(request, name, people, form)

    def _reviewed(
        self, request: HttpRequest, name: str, people: QuerySet[User], values: dict[str, Any]
    ) -> HttpResponse:
        """Show what follows, and take the step with exactly those people once it is confirmed.

        Whoever is left out is so before it is confirmed: where the operation refuses one of them,
        nothing is saved, and the page is shown without them.
        """
        actor, step = user_of(request), MANY[name]
        if not is_reviewed(request):
            operations.require_many_as_opened(people, opened(request))
        try:
            with at_once():
                kept, left_out = _split(list(people), step, actor)
                if not kept:
                    return self._answer(request, name, Outcome(skipped=left_out))
                proposal = _proposal(name, kept, values, left_out, actor)

                def carry_out() -> Outcome:
                    outcome = self._changed(request, name, self._only(request, kept), values)
                    if outcome.skipped:
                        raise _Refused(outcome)
                    return outcome

                if page := page_until_confirmed(request, proposal, carry_out):
                    return page
                before = step.before(kept)
                with warning_of_what_follows(request):
                    outcome = carry_out()
        except _Refused as refused:
            for refusal in refused.outcome.refusals:
                audit.write_down(refusal)
            audit.written.set(0)
            gone = {each.pk for each, _ in refused.outcome.skipped}
            kept = [each for each in kept if each.pk not in gone]
            left_out = [*left_out, *refused.outcome.skipped]
            if not kept:
                return self._answer(request, name, Outcome(skipped=left_out))
            proposal = _proposal(name, kept, values, left_out, actor)
            anew = str(SOME_REFUSED) if is_reviewed(request) else ""
            return page_of(request, proposal, proposal.preview(), anew)
        if outcome.changed:
            done = MANY[name].done % {"count": len(outcome.changed)}
            undo.offer(request, done, before)
            outcome = replace(outcome, changed=[])
        return self._answer(request, name, outcome)

    def _only(self, request: HttpRequest, people: Sequence[User]) -> QuerySet[User]:
        return self._these(request, [each.pk for each in people])

    def _these(self, request: HttpRequest, keys: list[int]) -> QuerySet[User]:
        """Return these people as far as they are in reach; whoever is not is as absent."""
        found: QuerySet[User] = self.get_queryset(request).filter(pk__in=keys)
        return found.order_by(*self.get_ordering(request))

    def _changed(
        self, request: HttpRequest, name: str, people: QuerySet[User], values: dict[str, Any]
    ) -> Outcome:
        def step(target: User, actor: Actor) -> object:
            return MANY[name].run(target, actor=actor, **values)

        # Who was reviewed stands as the page said; the mark of its preview says so.
        shown = opened(request) if MANY[name].review is None else None
        return operations.change_many(people, actor=user_of(request), step=step, as_opened=shown)

    def _asked(
        self, request: HttpRequest, name: str, people: QuerySet[User], form: ManyForm
    ) -> HttpResponse:
        step, rows = MANY[name], list(people)
        context = {
            **self.admin_site.each_context(request),
            "title": step.title,
            "opts": self.opts,
            "step": step,
            "variant": "danger" if name in GRAVE else "primary",
            "text": step.text() if callable(step.text) else step.text,
            "form": form,
            "url": page_address(User, f"many_{name}"),
            "people": [
                {
                    "person": each,
                    "role": role_of(each),
                    "teams": team_names_of(each),
                    "status": "" if each.is_active else gettext("deactivated"),
                }
                for each in rows
            ],
            "keys": ",".join(str(each.pk) for each in rows),
            "as_opened": operations.many_as_they_stand(rows),
            "back": page_address(User, "changelist"),
        }
        return TemplateResponse(request, "accounts/many_people.html", context)

    def _answer(self, request: HttpRequest, name: str, outcome: Outcome) -> HttpResponse:
        """Say what was done; a page of its own where somebody was left out."""
        back = page_address(User, "changelist")
        if outcome.changed:
            messages.success(request, MANY[name].done % {"count": len(outcome.changed)})
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("%(step)s: who was left out") % {"step": MANY[name].title},
            "opts": self.opts,
            "skipped": outcome.skipped,
            "back": back,
        }
        if name == "invite" and outcome.changed and not invitations.go_by_mail():
            return links_page(request, context, outcome.changed, outcome.skipped)
        if outcome.unchanged:
            number = len(outcome.unchanged)
            said = ngettext(
                "There was nothing to change for %(count)s person.",
                "There was nothing to change for %(count)s people.",
                number,
            )
            messages.info(request, said % {"count": number})
        if not outcome.skipped:
            return HttpResponseRedirect(back)
        return TemplateResponse(request, "accounts/many_people_done.html", context)


class _Refused(Exception):
    """The operation refuses some of those for whom the change was confirmed."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def _split(
    people: Sequence[User], step: ManyStep, actor: User
) -> tuple[list[User], list[tuple[User, str]]]:
    """Return whom the actor may change in this way, and who is left out, each with why."""
    rows = User.objects.filter(pk__in=[each.pk for each in people])
    why = dict(step.why_not(people))
    for row, found in access.refused(rows, actor, step.asks):
        why[row.pk] = gettext("You may not change them: %(why)s.") % {"why": found.why_not[0]}
    left_out = [(each, why[each.pk]) for each in people if each.pk in why]
    return [each for each in people if each.pk not in why], left_out


def _proposal(
    name: str,
    people: Sequence[User],
    values: dict[str, Any],
    left_out: Sequence[tuple[User, str]],
    actor: User,
) -> Proposal:
    """Return what is proposed for these people, with who is left out of it."""
    review = MANY[name].review
    assert review is not None
    proposal = review(people, values, actor, page_address(User, "changelist"))
    names = ", ".join(map(str, people[:MOST_NAMED]))
    more = len(people) - MOST_NAMED
    who = gettext("For %(names)s and %(count)s more.") if more > 0 else gettext("For %(names)s.")
    of_whom = [who % {"names": names, "count": counted(more)}] if len(people) > 1 else []
    return replace(
        proposal,
        said=[*proposal.said, *of_whom],
        warnings=[
            gettext("%(person)s is left out. %(why)s") % {"person": each, "why": why}
            for each, why in left_out
        ],
        # With these people from now on, as they stand now.
        fresh={
            "people": ",".join(str(each.pk) for each in people),
            "as_opened": operations.many_as_they_stand(people),
        },
    )


def _edit_permissions(
    model_admin: ChangesMany, request: HttpRequest, queryset: QuerySet[User]
) -> HttpResponse:
    """Lead to the editor, with the ticked people (R1, E14)."""
    keys = list(queryset.order_by().values_list("pk", flat=True)[: MOST_EDITED + 1])
    if len(keys) > MOST_EDITED:
        messages.error(
            request,
            gettext("At most %(count)s people are edited at once. Narrow the list first.")
            % {"count": MOST_EDITED},
        )
        return HttpResponseRedirect(request.get_full_path())
    query = "&".join(f"person={key}" for key in keys)
    return HttpResponseRedirect(f"{reverse('admin:edit_permissions')}?{query}")


def _action(name: str) -> Callable[..., HttpResponse]:
    def ask(model_admin: ChangesMany, request: HttpRequest, queryset: QuerySet[User]) -> Any:
        return model_admin.ask_about_many(request, name, queryset)

    return ask
