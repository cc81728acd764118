"""What people are told: in their inbox, and by e-mail where that is set up (R129, R130).

Each is told in their own language. A notice and its e-mail are written in the transaction of what
they tell of: told exactly what was done, whatever is killed. Sending is mail.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext, gettext_noop

from accounts import languages, to_decide
from accounts.access import Loaded
from accounts.models import Notice, Outbox, User
from accounts.to_decide import Key

LONGEST_NOTICE = 300
LONGEST_SUBJECT = 150
NEWS = gettext_noop("News for you in crmperms")
CONCERNS_YOU = gettext_noop("Something in crmperms concerns you.")
INBOX = gettext_noop("Notifications")
MARK = gettext_noop("This e-mail holds no data; crmperms asks you to log in before it shows any.")

Said = str | Callable[[], str]
"""A text, or what returns it in the language, and with the time zone, that are active then."""

hidden: list[Callable[[User], Q]] = []
"""A slot for upper layers: which notices about no request this person may not read any more.

Asked whenever notices are read, counted or sent, and not when they were written (S36, L88)."""


def readable(user: User, told: QuerySet[Notice]) -> QuerySet[Notice]:
    """Return those of these notices that this person may read now; the others are as absent.

    They come back with the right. Asked of all that is counted, so that counts and pages agree.
    """
    return _without_hidden(user, told.filter(to_decide.readable(user, told)))


def _without_hidden(user: User, told: QuerySet[Notice]) -> QuerySet[Notice]:
    if not user.is_superuser:
        told = told.filter(for_super_admins=False)
    for ask in hidden:
        told = told.exclude(ask(user))
    return told


@transaction.atomic
def notify(
    people: Iterable[User],
    text: Said,
    link: str = "",
    *,
    subject: Said = lambda: gettext(NEWS),
    mail: Said = lambda: gettext(CONCERNS_YOU),
    place: Said = lambda: gettext(INBOX),
    way_in: Said = "",
    by_mail: bool = True,
    about: Key | None = None,
    for_super_admins: bool = False,
    address: str = "",
) -> None:
    """Tell active people a sentence, with a link to where they can act (R129, R130).

    What is given as a function is called once for all people of one language and time zone, under
    these: a function of what is known already, since it is called for each such group.

    `subject` and `mail` go to mailboxes that nobody governs: no data of a record may stand in
    them, no value of a filter and no words that a person wrote (L88). `place` says where to look
    where no address can be given; `way_in` stands instead of both. Not `by_mail` is what only
    settles an earlier notice, or can wait until somebody looks. What is `for_super_admins` is gone
    for who is none any more. An `address` is where e-mail goes instead of to the person's own.
    """
    told = [person for person in people if person.is_active]
    sends_mail = settings.MAIL_ENABLED and by_mail
    texts: dict[tuple[str, str], tuple[str, str, str]] = {}
    for person in told:
        if (person.language, person.time_zone) not in texts:
            with languages.read_by(person):
                body = _body(link, mail, place, way_in) if sends_mail else ""
                heading = one_line(_said(subject))[:LONGEST_SUBJECT] if sends_mail else ""
                said = shortened(_said(text)), heading, body
            texts[person.language, person.time_zone] = said
    of_each = [texts[person.language, person.time_zone] for person in told]
    notices = Notice.objects.bulk_create(
        Notice(
            user=person, text=said, link=link, for_super_admins=for_super_admins, **_about(about)
        )
        for person, (said, _, _) in zip(told, of_each, strict=True)
    )
    # Not by the clock of this machine: mail that waits for days is given up by it.
    Notice.objects.filter(pk__in=[notice.pk for notice in notices]).update(created_at=Now())
    if sends_mail:
        Outbox.objects.bulk_create(
            Outbox(notice=notice, subject=heading, text=body, next_try_at=Now(), address=address)
            for notice, person, (_, heading, body) in zip(notices, told, of_each, strict=True)
            if address or person.email
        )


def tell_super_admins(
    text: Said, link: str = "", *, but: Collection[int] = (), **mail: Said
) -> None:
    """Tell every active super admin, apart from these by their keys, as `notify` does."""
    them = list(User.objects.filter(is_active=True, is_superuser=True).exclude(pk__in=but))
    notify(them, text, link, for_super_admins=True, **mail)  # type: ignore[arg-type]  # texts alone


def _said(text: Said) -> str:
    return text() if callable(text) else text


def _body(link: str, mail: Said, place: Said, way_in: Said) -> str:
    way = _said(way_in) or _way_in(link, _said(place))
    parts = (_said(mail), "", way, "", "-- ", gettext(MARK), "")
    return "\n".join(parts)


def _about(key: Key | None) -> dict[str, str | int]:
    return {} if key is None else {"about": key.kind, "about_id": key.pk}


def inbox(user: User) -> QuerySet[Notice]:
    """Return what a person was told and may read now, newest first, of each request the last."""
    told = Notice.objects.filter(user=user)
    # It follows from the person's rights and from the kinds there are, and took Django a tenth of
    # the dashboard to put together.
    question = ("readable notices", *to_decide.kinds.values())
    may_read = Loaded(user).once(question, lambda: to_decide.readable(user, told))
    return _last(_without_hidden(user, told.filter(may_read)))


def unread(user: User) -> QuerySet[Notice]:
    """Return those of `inbox` that the person has not marked as read."""
    return _last(readable(user, _new(user)))


def last_told(user: User, keys: Iterable[Key]) -> dict[Key, Notice]:
    """Return what a person was told last of each of these requests, which they may read of."""
    rows = _last(Notice.objects.filter(user=user).filter(to_decide.among(keys)))
    return {Key(row.about, row.about_id): row for row in rows.order_by() if row.about_id}


def _last(told: QuerySet[Notice]) -> QuerySet[Notice]:
    """Leave out what a later notice about the same request replaces."""
    later = Notice.objects.filter(
        user=OuterRef("user"),
        about=OuterRef("about"),
        about_id=OuterRef("about_id"),
        pk__gt=OuterRef("pk"),
    )
    return told.filter(~Exists(later.order_by()))


def read_notices(*, actor: User) -> int:
    """Mark everything this person was told as read; return how many were new."""
    return _new(actor).update(read_at=Now())


def read_notice(notice: Notice, *, actor: User) -> None:
    """Mark one notice as read, and all of the same request; somebody else's stay as they are."""
    mine = Q(pk=notice.pk)
    if notice.about:
        mine |= Q(about=notice.about, about_id=notice.about_id)
    _new(actor).filter(mine).update(read_at=Now())


def read_about(key: Key, *, actor: User) -> None:
    """Mark what this person was told of one request as read: they have just dealt with it."""
    _new(actor).filter(about=key.kind, about_id=key.pk).update(read_at=Now())


def _new(user: User) -> QuerySet[Notice]:
    return Notice.objects.filter(user=user, read_at=None)


def one_line(text: str) -> str:
    """Return a text without line breaks: a name must not begin a line, or a header, of its own."""
    return " ".join(text.split())


def shortened(text: str) -> str:
    """Return a text that fits into a notice, and that shows where it was cut."""
    return text if len(text) <= LONGEST_NOTICE else f"{text[: LONGEST_NOTICE - 1]}…"


def _way_in(link: str, place: str) -> str:
    if link and settings.SITE_URL:
        opened = gettext("Open it in crmperms:")
        return f"{opened}\n{settings.SITE_URL}{link}"
    return gettext("To read it, log in to crmperms and open: %(place)s.") % {"place": place}
