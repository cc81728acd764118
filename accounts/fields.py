"""Fields for what people write in a line: kept in one form, and listed in order of letters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models

from accounts.letters import ORDER
from accounts.text import normal_email, one_form

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
    _EmailField = models.EmailField[str, str]
else:  # cannot be subscripted at run time
    _CharField, _EmailField = models.CharField, models.EmailField


def _log_in(value: Any) -> Any:
    return normal_email(value) if isinstance(value, str) else value


class LineInput(forms.CharField):
    """A line of text in a form, in one form before anything is asked of it (its length, say)."""

    def to_python(self, value: Any) -> Any:
        return one_form(super().to_python(value))


class EmailInput(forms.EmailField):
    """An e-mail address in a form."""

    def to_python(self, value: Any) -> Any:
        return one_form(super().to_python(value))


class LogInInput(forms.EmailField):
    """The e-mail address somebody logs in with, in a form."""

    def to_python(self, value: Any) -> Any:
        return _log_in(super().to_python(value))


class _Kept:
    """A column of text in one form, whichever way it is written or asked for."""

    form_class: type[forms.CharField] = LineInput
    in_form: Callable[[Any], Any] = staticmethod(one_form)
    attname: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("db_collation", ORDER)
        super().__init__(*args, **kwargs)

    def to_python(self, value: Any) -> Any:
        return self.in_form(super().to_python(value))  # type: ignore[misc]  # a mixin

    def get_prep_value(self, value: Any) -> Any:
        return self.in_form(super().get_prep_value(value))  # type: ignore[misc]  # a mixin

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Let the instance have what its row has."""
        value = self.in_form(super().pre_save(model_instance, add))  # type: ignore[misc]  # a mixin
        setattr(model_instance, self.attname, value)
        return value

    def formfield(self, **kwargs: Any) -> Any:
        kwargs.setdefault("form_class", self.form_class)
        return super().formfield(**kwargs)  # type: ignore[misc]  # a mixin


class Line(_Kept, _CharField):  # type: ignore[misc]  # the mixin's hooks take what they are given
    """A line of text that somebody writes."""


class Email(_Kept, _EmailField):  # type: ignore[misc]  # as above
    """An e-mail address."""

    form_class: type[forms.CharField] = EmailInput


class LogIn(Email):
    """The e-mail address somebody logs in with: one person's, however it is typed."""

    form_class = LogInInput
    in_form = staticmethod(_log_in)
