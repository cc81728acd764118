"""What people enter as a name or an e-mail address: in one form, or refused with what to do."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, validate_email
from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_lazy

from accounts.account_errors import InvalidChange
from accounts.models import User
from accounts.text import normal_email, one_form, trouble

EMAIL_TAKEN = gettext_lazy("Another person logs in with this e-mail address. Choose another one.")


def line(label: str, text: str) -> str:
    """Return a single line of text, trimmed and in one form; raise where nobody sees all of it."""
    text = one_form(text.strip())
    if found := trouble(text):
        raise InvalidChange(gettext("%(label)s: %(what)s") % {"label": label, "what": found})
    return text


def free_name(text: str, others: QuerySet[Any], before: str = "") -> str:
    """Return a name as it is stored; empty where there is none, or one of the others has it.

    What differs in case or in spaces alone is one name for whoever reads it. Kept as it was
    `before`, it is nobody else's.
    """
    name = " ".join(line(gettext("Name"), text).split())
    taken = name != before and others.filter(name__folded=name).exists()
    return "" if taken else name


def fit_email(email: str) -> str:
    """Return a log-in as it is stored; raise where it is no e-mail address."""
    email = normal_email(line(gettext("E-mail"), email))
    longest = User._meta.get_field("email").max_length
    try:
        validate_email(email)
        MaxLengthValidator(longest)(email)
    except ValidationError:
        raise InvalidChange(
            gettext(
                "This is not an e-mail address of at most %(longest)s characters. Write it like "
                "name@example.com."
            )
            % {"longest": longest}
        ) from None
    return email
