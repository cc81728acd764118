"""Making a model a kind of record: its declaration is kept, and it gets its tables of shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.utils.text import capfirst

from accounts import catalogue
from records.kinds import Kind
from records.models.shares import share_tables

if TYPE_CHECKING:
    from records.models.base import Record

M = TypeVar("M", bound="type[Record]")


def declare(**told: Any) -> Callable[[M], M]:
    """Make a model a kind of record that every part of the product serves, after those before it.

    Takes what `Kind` has beside its model, by the same names; a field that is none is a KeyError at
    start-up. Works on a model's class: whoever is set up after all models finds all kinds there.
    """

    def declared(model: M) -> M:
        # Lazy: no language is chosen yet, and each reader has their own.
        told["label"] = capfirst(model._meta.verbose_name)
        told["plural"] = capfirst(model._meta.verbose_name_plural)
        catalogue.register(Kind(model.object_key, model, **told))
        share_tables(model)
        return model

    return declared
