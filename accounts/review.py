"""The page that shows what a change does before it is made: one for every change of rights (B4).

A view describes its change as a `Proposal` and calls `page_until_confirmed` in the transaction in
which it then carries the change out (`at_once`). The page sends back everything that was sent to
the view, and a mark of what it said. The change is made only where the preview still has that mark:
where anything is otherwise by then, the page is shown anew, and nothing is saved. Before the page
is shown, the change is rehearsed: what is refused to somebody, they do not review.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from accounts import access, audit, late_forms, rights
from accounts.marks import mark
from accounts.models import User
from accounts.operations import AccountsError, NotAllowed
from accounts.preview import Preview, require_confirmed, words
from accounts.rights import one_at_a_time

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SAVE = gettext_lazy("Save")
WHAT_CHANGES = gettext_lazy("What changes")
AT_ONCE = gettext_lazy("It takes effect at once.")
MOST_SHOWN = 20
"""Of so many people at most the page says what changes for each."""
MARK, NUMBER, AGAIN = "reviewed", "confirm", "again"
"""What the page adds to what was sent: the mark, the number that is typed, “Edit further”."""
ANSWER = "_confirm_hand_over"
"""What “yes” to a question sends: the mark of the question, see `accounts.errors.Unanswered`."""
CHANGED = gettext_noop(
    "Something was changed since you looked at this, so nothing was saved. What is said below is "
    "how it is now; confirm it, or cancel."
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that is shown before it is made."""

    title: str
    said: Sequence[str]
    """What it changes, in words."""
    preview: Callable[[], Preview]
    back: str
    """Where “Cancel” leads."""
    button: StrOrPromise = SAVE
    heading: StrOrPromise = WHAT_CHANGES
    effect: StrOrPromise = AT_ONCE
    """When it takes effect, and whom else it concerns."""
    more: Sequence[tuple[str, Sequence[str]]] = ()
    """What is said only to those who open it: a title, and lines below it, where there are any."""
    warnings: Sequence[str] = ()
    raised: Sequence[User] = ()
    """Of whom it is said who else could log in as them, beside whoever gets a guarded tool."""
    asks_why: bool = False
    """Whether a reason may be given, which the log keeps."""
    fresh: Mapping[str, str] = field(default_factory=dict)
    """Fields that are sent with another value than they came with."""
    renewed: Mapping[str, str] = field(default_factory=dict)
    """The same, where the page is shown anew: what was open before is what it says by then."""
    address: str = ""
    """Where it is sent; empty: to the view that shows it."""
    is_grave: bool = False
    """Whether its button is red, as that of deleting is."""
    last: StrOrPromise = ""
    """What cannot be taken back, and is said beside the button."""


class Unconfirmed(Exception):
    """What is saved by a form of the admin has to be reviewed first; carries the page of it."""

    def __init__(self, page: HttpResponse) -> None:
        super().__init__()
        self.page = page


class _Rehearsed(Exception):
    """Takes back what a rehearsal did."""


@contextmanager
def at_once() -> Iterator[None]:
    """Let nobody else change people, rights or teams between the preview and the change."""
    with audit.together():
        # In the order of the operations, which take them again.
        for what in ("people", "rights", "teams"):
            one_at_a_time(what)
        yield


def is_reviewed(request: HttpRequest) -> bool:
    """Tell whether this was sent from the page, so that it was read with what it said then."""
    return MARK in request.POST


def edits_further(request: HttpRequest) -> bool:
    """Tell whether somebody went from the page back to the form."""
    return AGAIN in request.POST


def sent_once_more(request: HttpRequest) -> list[tuple[str, str]]:
    """Return what a form sent, for a question that sends all of it along with its answer."""
    answers = (AGAIN, ANSWER)
    return [(name, value) for name, value in late_forms.sent(request) if name not in answers]


def page_until_confirmed(
    request: HttpRequest, proposal: Proposal, carry_out: Callable[[], object] | None = None
) -> HttpResponse | None:
    """Return the page that shows what follows; None once exactly that was confirmed.

    Inside `at_once`. Raises the `AccountsError` of a change that cannot be previewed, since it is
    refused. The log has that too: the operation, which would write it down, is not come to. What
    `carry_out` raises comes before the page as well; what it did is taken back.
    """
    found = previewed(request, proposal)
    confirmed = request.POST.get(MARK)
    if confirmed != found.mark and carry_out is not None:
        rehearse(carry_out)
    if confirmed and confirmed != found.mark:
        anew = replace(proposal, fresh={**proposal.fresh, **proposal.renewed})
        return page_of(request, anew, found, gettext(CHANGED))
    if not confirmed:
        return page_of(request, proposal, found)
    try:
        require_confirmed(found, request.POST.get(NUMBER))
    except AccountsError as unconfirmed:
        return page_of(request, proposal, found, str(unconfirmed))
    return None


def previewed(request: HttpRequest, proposal: Proposal) -> Preview:
    """Return what follows from a change; where that is refused, let the log have it."""
    try:
        found = proposal.preview()
    except NotAllowed as why:
        actor = User.objects.get(pk=str(request.user.pk))
        why.refused = why.refused or ("permission.change", actor, None)
        raise
    if others := _let_in(request, proposal, found):
        # Whoever could log in as somebody since the page was read is read of, too.
        pairs = [[other.pk, person.pk] for other, person in others]
        found = replace(found, mark=mark([found.mark, pairs]))
    return found


def rehearse(carry_out: Callable[[], object]) -> None:
    """Carry a change out and take it back: raises what it is refused with."""
    events = audit.written.get()
    try:
        with suppress(_Rehearsed), transaction.atomic():
            carry_out()
            raise _Rehearsed
    finally:
        audit.written.set(events)


def require_reviewed(
    request: HttpRequest, proposal: Proposal, carry_out: Callable[[], object]
) -> None:
    """Raise `Unconfirmed` until the change was confirmed, for forms that the admin saves."""
    for what in ("people", "rights", "teams"):
        one_at_a_time(what)
    if page := page_until_confirmed(request, proposal, carry_out):
        raise Unconfirmed(page)


def page_of(
    request: HttpRequest, proposal: Proposal, found: Preview | None, refusal: str = ""
) -> HttpResponse:
    """Return the page; without a preview where there is none, as the change is refused."""
    effects = found.outcome.effects if found else ()
    context = {
        **admin.site.each_context(request),
        "title": proposal.title,
        "proposal": proposal,
        "address": proposal.address or request.get_full_path(),
        "sent": _sent(request, proposal),
        "warnings": [*proposal.warnings, *_opened_by_others(request, proposal, found)],
        "refusal": refusal,
        "found": found,
        "follows": words.summary(found) if found else [],
        "each": [
            (str(effect.person), "; ".join(words.of_one(effect))) for effect in effects[:MOST_SHOWN]
        ],
        "left": max(0, len(effects) - MOST_SHOWN),
        "reason": request.POST.get("reason", ""),
    }
    return TemplateResponse(request, "accounts/review.html", context)


def _opened_by_others(
    request: HttpRequest, proposal: Proposal, found: Preview | None
) -> Iterator[str]:
    """Say who could use what is given, logged in as the one who gets it."""
    return in_words(_let_in(request, proposal, found))


def in_words(pairs: Sequence[tuple[User, User]]) -> Iterator[str]:
    """Yield a sentence for each who could log in as somebody; the first ones, of many."""
    text = gettext(
        "%(other)s made or reactivated the account of %(name)s in the last 30 days, or set its "
        "password or e-mail address, and could use what %(name)s gets. Set a password first that "
        "only %(name)s gets to know."
    )
    for other, person in pairs[:MOST_SHOWN]:
        yield text % {"other": other, "name": person}


def _let_in(
    request: HttpRequest, proposal: Proposal, found: Preview | None
) -> list[tuple[User, User]]:
    """Return who could log in as whom of those who get records, a guarded tool or a higher role."""
    effects = found.outcome.effects if found else ()
    people = {each.pk for each in proposal.raised}
    people |= {each.person.pk for each in effects if each.is_guarded or each.gains_records}
    return who_is_let_in(people, int(str(request.user.pk)))


def who_is_let_in(people: Collection[int], reader: int) -> list[tuple[User, User]]:
    """Return who could log in as whom of these, as far as the reader of this key is told.

    Super admins are left out: they may give it to themselves. So is the reader, who knows, and
    whomever the reader does not see. Whoever acted through somebody else is among them.
    """
    if not people:
        return []
    done = rights.let_in_by_others(person__in=access.Keys(people)).exclude(actor=reader)
    # By key: each row brings a person of its own.
    pairs = {
        (row.actor_id, row.person_id): (row.actor, row.person)
        for row in done.select_related("actor", "person").order_by("pk")
    }
    if not pairs:
        return []
    # Asked of these alone: SQLite goes through a sub-query of all users once for each person.
    others = User.objects.filter(pk__in={key for key, _ in pairs}, is_superuser=False)
    now = User.objects.get(pk=reader)
    named = set(access.permitted(others, now, "view").values_list("pk", flat=True))
    return [
        (each, person) for each, person in pairs.values() if each and person and each.pk in named
    ]


def _sent(request: HttpRequest, proposal: Proposal) -> list[tuple[str, str]]:
    """Return what was sent to the view, but for what the page itself asks."""
    own = {MARK, NUMBER, AGAIN, "save", *proposal.fresh, *(["reason"] * proposal.asks_why)}
    kept = [(name, value) for name, value in late_forms.sent(request) if name not in own]
    return [*kept, *proposal.fresh.items()]
