"""What people, and records, are called, as the database writes it (Q31).

The same text as `User.get_full_name` and `Record.__str__`, so that a million names need no million
objects; a test holds them together. A record without a name is called by its kind, in the
language that is active: files are written in the installation's (statement.py).
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, TextField, Value
from django.db.models.functions import Cast, Coalesce, Concat, NullIf

from accounts.models import User
from records.models import Record

BLANKS = "".join(chr(number) for number in range(0x3001) if chr(number).isspace())
"""What `str.strip` takes away; a TRIM of either database takes spaces alone."""


class Stripped(models.Func):
    """Text without the blanks around it, as `str.strip` makes it."""

    function = "TRIM"
    arity = 2

    def __init__(self, text: Any, **extra: Any) -> None:
        super().__init__(text, Value(BLANKS), output_field=TextField(), **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, function="BTRIM", **extra)


def name_of(model: type[models.Model]) -> models.Expression:
    """Return the name of a row; a model that is called by anything else is a mistake of ours."""
    if model is User:
        return Coalesce(_together("first_name", "last_name"), F("email"), output_field=TextField())
    if not issubclass(model, Record) or model.__str__ is not Record.__str__:
        raise TypeError(f"No export knows what a {model.__name__} is called.")
    number = Concat(
        Value(f"{model._meta.verbose_name} "), Cast("pk", TextField()), output_field=TextField()
    )
    return Coalesce(_together(*model.name_fields), number, output_field=TextField())


def _together(*fields: str) -> models.Expression:
    """Return these fields with a space between them; NULL where nothing is left."""
    parts: list[Any] = [F(fields[0])]
    for field in fields[1:]:
        parts += [Value(" "), F(field)]
    text = Concat(*parts, output_field=TextField()) if len(parts) > 1 else parts[0]
    return NullIf(Stripped(text), Value(""), output_field=TextField())
