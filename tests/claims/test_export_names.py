"""Names that the database puts together are those that the objects have (Q31)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from exports.models import ExportRequest
from exports.writers.names import name_of
from records.models import Company, Contact
from tests.support.company import TinyCompany

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=TEXTS, last=TEXTS, blanks=st.text(" \t\x1f\u2003\u3000\x85", max_size=3))
def test_names_are_those_of_the_objects(c: TinyCompany, first: str, last: str, blanks: str) -> None:
    rows: list[tuple[Any, Callable[[Any], str]]] = [
        (User.objects.filter(pk=c.rita.pk), User.get_full_name),
        (Contact.objects.filter(pk=c.contacts["cora"].pk), str),
        (Company.objects.filter(pk=c.companies["acme"].pk), str),
    ]
    with transaction.atomic():
        for row, called in rows:
            names = {"name": blanks + first}
            if row.model is not Company:
                names = {"first_name": blanks + first, "last_name": last + blanks}
            row.update(**names)
            assert row.annotate(said=name_of(row.model)).get().said == called(row.get())
        transaction.set_rollback(True)


def test_what_is_called_by_something_else_is_no_name_of_ours() -> None:
    with pytest.raises(TypeError):
        name_of(ExportRequest)
