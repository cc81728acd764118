"""A form that is sent when its log-in is over: kept in the page, and sent once more after log-in.

Nothing of it is stored on the server: what was typed travels in the log-in page's own form, signed,
with who had typed it. Only that person gets it back; for anybody else it is dropped.

Who had typed it is known by the token that every form carries (CSRF). It is drawn anew at each
log-in, and a signed cookie says for whom it was drawn last. So a form whose token fits was opened
by that person, even where no session is left. Whoever logs in once more in the same browser goes
on with the same token: forms that are open in other tabs are still theirs, and can be saved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.apps import apps
from django.conf import settings
from django.contrib import admin, messages
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.text import capfirst
from django.utils.translation import gettext

FIELD = "late_form"
"""The hidden field of the log-in form that carries what was typed."""
ROOM = 16 * 1024
"""What is left free of the most that may be sent, for the rest of the log-in form."""

_COOKIE = "forms_of"
_SALT = "accounts.late_forms"
_NOT_TYPED = re.compile(
    r"^(_|csrf|initial-|as_opened$|record_version$|form_token$)|_FORMS$|-boxes$|password"
)
"""What a form sends that nobody typed, or that nobody may read over a shoulder."""


@dataclass(frozen=True, slots=True)
class LateForm:
    """What somebody sent when their log-in was over."""

    user_id: int
    address: str
    fields: tuple[tuple[str, str], ...]
    passwords: tuple[str, ...]
    """Names of fields in which a password was typed: it is not kept, and asked for again."""

    @property
    def typed(self) -> list[tuple[str, str]]:
        """What people read of it: (name, value)."""
        return typed(self.fields)


def typed(fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what somebody typed, by names as people read them; never a password."""
    return [
        (_label_of(name), value) for name, value in fields if value and not _NOT_TYPED.search(name)
    ]


def _label_of(name: str) -> str:
    """Return what a field of a form is called: as a field of this name is in our models.

    Which form it was is known by nothing but its address, whose page may be out of reach by now.
    """
    for model in apps.get_models():
        if not model.__module__.startswith("django."):
            for field in model._meta.fields:
                if field.name == name:
                    return str(capfirst(field.verbose_name))
    return name.replace("_", " ").capitalize()


def sent(request: HttpRequest) -> list[tuple[str, str]]:
    """Return what this request's form sent, as (name, value), but for its token."""
    return [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name != "csrfmiddlewaretoken"
    ]


def pack(request: HttpRequest, user_id: int) -> str:
    """Return what was sent as signed text for a hidden field; empty where it would be too long."""
    fields = sent(request)
    kept = [field for field in fields if "password" not in field[0]]
    passwords = [name for name, value in fields if "password" in name and value]
    text = signing.dumps(
        [user_id, request.get_full_path(), kept, passwords], salt=_SALT, compress=True
    )
    return text if len(text) < settings.DATA_UPLOAD_MAX_MEMORY_SIZE - ROOM else ""


def unpack(text: str) -> LateForm | None:
    """Return what `pack` made; None for anything else."""
    try:
        user_id, address, fields, passwords = signing.loads(text, salt=_SALT)
    except (signing.BadSignature, ValueError):
        return None
    return LateForm(user_id, address, tuple((n, v) for n, v in fields), tuple(passwords))


def answer(request: HttpRequest, late: LateForm) -> HttpResponse:
    """Show somebody who has just logged in what they sent before, to be sent with one press.

    Whoever else logs in reads that something was dropped, and nothing of what it was.
    """
    if late.user_id != request.user.pk:
        messages.warning(
            request,
            gettext(
                "Somebody else had filled in a form here before you logged in. It was dropped, and "
                "nothing of it was saved."
            ),
        )
        return HttpResponseRedirect(reverse("admin:index"))
    context = {**admin.site.each_context(request), "title": gettext("Not saved yet"), "late": late}
    return render(request, "accounts/send_again.html", context)


# --- Whose forms this browser has open ------------------------------------------------------------


def owner(request: HttpRequest) -> int:
    """Return the key of the person for whom this browser's token was drawn; 0 where nobody knows.

    A request whose token was checked comes from a form that this person opened.
    """
    said = request.get_signed_cookie(_COOKIE, default="", salt=_SALT)
    key, _, digest = str(said).partition(".")
    token = request.META.get("CSRF_COOKIE") or ""
    return int(key) if token and constant_time_compare(digest, _digest(token)) else 0


def remember_owner(request: HttpRequest, response: HttpResponse) -> None:
    """Let the browser keep for whom its token was drawn, with every page that has a form."""
    if not request.META.get("CSRF_COOKIE_NEEDS_UPDATE") or response.status_code >= 500:
        return
    if request.user.is_authenticated and owner(request) != request.user.pk:
        response.set_signed_cookie(
            _COOKIE,
            f"{request.user.pk}.{_digest(request.META['CSRF_COOKIE'])}",
            salt=_SALT,
            max_age=settings.CSRF_COOKIE_AGE,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def give_token(request: HttpRequest, before: str | None) -> None:
    """Go on with the token of before, where its owner has just logged in again; else the new one.

    Django draws a new one at each log-in, so that nobody from before it knows it. One of before
    was drawn for the same person, and stood on no page of anybody else.
    """
    if before:
        request.META["CSRF_COOKIE"] = before
    # Django's log-in view has put the new one on its own answer, which may not be the last one.
    request.META["CSRF_COOKIE_NEEDS_UPDATE"] = True


def _digest(token: str) -> str:
    return salted_hmac(_SALT, token, algorithm="sha256").hexdigest()
