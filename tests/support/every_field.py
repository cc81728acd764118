"""One record of a kind with every field filled, and another value for each field of everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import models
from django.db.models import Value
from django.db.models.functions import Cast, Concat

from accounts.models import User
from records.filter_sets import filter_set
from records.models import Company, Contact, Deal, Pipeline, Record, Stage, Ticket
from records.models.properties import FieldKey, field_key
from records.reads import kind_of
from tests.support.company import TinyCompany
from tests.support.factories import (
    CompanyFactory,
    ContactFactory,
    DealFactory,
    PipelineFactory,
    StageFactory,
    TicketFactory,
)

MODELS: tuple[type[Record], ...] = (Contact, Company, Deal, Ticket)
every_kind = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.object_key)
# Of these the rows themselves depend, whoever asks for what.
NOT_CHANGED = {"id", "deleted_at", "deleted_by", "version"}


def world(model: type[Record], c: TinyCompany) -> Record:
    """Make one record with every field filled and return it."""
    company = CompanyFactory(
        name="Canary Works", domain="canary.example", sector="steel", country="Peru", employees=3,
        revenue=3, founded=1933, owner=c.eve,
    )  # fmt: skip
    contact = ContactFactory(
        first_name="Kim", last_name="Canary", email="kim@canary.example", phone="3",
        job_title="Smith", city="Cusco",
    )  # fmt: skip
    owners = {"owner": c.rita, "co_owner": c.rob, "created_by": c.eve, "updated_by": c.eve}
    stage = StageFactory(pipeline=PipelineFactory(object=model.object_key))
    if model is Deal:
        return DealFactory(
            name="Canary", amount=5, stage=stage, product="Seed", company=company, contact=contact,
            opened=date(2026, 1, 2), closed=date(2026, 2, 3), **owners,
        )  # fmt: skip
    if model is Ticket:
        return TicketFactory(
            subject="Canary", priority="low", stage=stage, company=company, contact=contact,
            **owners,
        )  # fmt: skip
    if model is Company:
        return CompanyFactory(
            name="Canary", domain="own.example", sector="mining", country="Chile", employees=5,
            revenue=5, founded=1955, parent=company, **owners,
        )  # fmt: skip
    return ContactFactory(
        first_name="Own", last_name="Canary", email="own@example.com", phone="1", company=company,
        job_title="Digger", city="Lima", lifecycle="customer", **owners,
    )  # fmt: skip


def without(record: Record, field: str) -> int:
    """Return the key of a copy in which one field is empty."""
    copy = type(record)._base_manager.get(pk=record.pk)
    copy.pk = None
    setattr(copy, field, None)
    copy.save()
    return int(copy.pk)


def queries(model: type[Record], record: Any, c: TinyCompany) -> dict[str, list[str]]:
    """Return, by filter, queries that find the record of the world."""
    wanted = {
        "owner": [f"owner={c.rita.pk}", f"owner={c.rob.pk}"],
        "team": [f"team={c.teams['north_a'].pk}", f"team={c.teams['south'].pk}"],
        "unassigned": ["unassigned=no"],
        "created_at": ["created_at_after=2020-01-01"],
        "company": [f"company={getattr(record, 'company_id', 0)}"],
        "contact": [f"contact={getattr(record, 'contact_id', 0)}"],
        "lifecycle": ["lifecycle=customer"],
        "sector": ["sector=mining"],
        "country": ["country=chile"],
        "pipeline": [f"pipeline={record.stage.pipeline_id}"] if hasattr(record, "stage") else [],
        "outcome": ["outcome=open"] if hasattr(record, "stage") else [],
        "stage": [f"stage={getattr(record, 'stage_id', 0)}"],
        "closed": ["closed_after=2026-01-01"],
        "amount": ["amount_min=4", "amount_max=6"],
        "priority": ["priority=low"],
    }
    return {name: wanted[name] for name in filter_set(model).base_filters}


def another(field: Any) -> Any:
    """Return a value that no row of the world has."""
    if field.is_relation:
        if field.related_model is Stage:
            pipeline = PipelineFactory(object=field.model.object_key)
            return StageFactory(pipeline=pipeline, outcome=Stage.Outcome.WON).pk
        return PipelineFactory().pk if field.related_model is Pipeline else None
    if field.choices:
        return next(key for key, _ in field.choices if key not in ("low", "customer", "open"))
    if isinstance(field, models.DateTimeField):
        return datetime(1999, 9, 9, tzinfo=UTC)
    if isinstance(field, models.DateField):
        return date(1999, 9, 9)
    if isinstance(field, models.DecimalField | models.IntegerField):
        return Decimal(99)
    return "another"


UNIVERSE: tuple[type[models.Model], ...] = (*MODELS, User, Stage, Pipeline)


def changes(c: TinyCompany) -> Iterator[tuple[FieldKey, Callable[[], object]]]:
    """Return, for every field of everything that can be named, what gives it another value."""
    for model in UNIVERSE:
        named: tuple[str, ...] = getattr(model, "name_fields", ())
        parts = {part for path in named for part in path.split("__")}
        for field in model._meta.concrete_fields:
            if field.name in NOT_CHANGED or not (issubclass(model, Record) or field.name in parts):
                continue
            yield field_key(kind_of(model), field.name), partial(change_everywhere, model, field)


def change_everywhere(model: type[models.Model], field: Any) -> None:
    value = another(field)
    if value == "another":  # and another in each row, since some are there once
        value = Concat(Value("another "), Cast("pk", models.CharField()))
    model._base_manager.update(**{field.name: value})
