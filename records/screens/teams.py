"""Where what people work on still names a team, which is then not deleted (R106, E24, E55)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import Model

from accounts.modeladmin import page_address
from accounts.models import Team
from accounts.operations import Place
from records import kinds
from records.models import SHARES, Property, StageRule
from records.models.properties import field_of
from records.models.shares import live


def places(team: Team) -> Iterator[Place]:
    """Yield where a team is named: rules, fields, and live shares by their number.

    For the super admin who deletes it. Fills the slot `accounts.operations.where_named`.
    """
    rules = StageRule.objects.filter(teams=team).select_related("pipeline").order_by("pipeline")
    if names := [rule.pipeline.name for rule in rules]:
        words = f"{_number(len(names), 'stage rule')} ({', '.join(names)})"
        yield Place(words, _page([rule.pipeline for rule in rules]))
    fields = Property.objects.filter(grants__team=team).distinct()
    if names := [_label(field) for field in fields]:
        words = f"the access to {_number(len(names), 'field')} ({', '.join(names)})"
        yield Place(words, _page(list(fields)))
    for key, (_, to_teams) in SHARES.items():
        # Of a record in the recycle bin nobody can end a share.
        rows = to_teams._default_manager.filter(live(), group=team, content_object__deleted_at=None)
        if number := rows.count():
            yield Place(
                _number(number, f"share of a {key}", f"shares of {kinds.plural_of(key).lower()}")
            )


def _page(rows: Sequence[Model]) -> str:
    """Return the page of the one row, or the list where there are several."""
    one = ("change", rows[0].pk) if len(rows) == 1 else ("changelist",)
    return page_address(rows[0], *one)


def _number(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _label(row: Property) -> str:
    kind = kinds.named(row.object)
    field = field_of(row.object, row.name)
    if kind is None or field is None:
        return f"{row}, which is gone"
    return kind.label_of(field.name)
