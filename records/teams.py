"""Where what people work on still names a team, which is then not deleted (R106, E24, E55)."""

from __future__ import annotations

from collections.abc import Iterator

from accounts import catalogue
from accounts.models import Team
from records.models import SHARES, Property, StageRule
from records.models.properties import field_of
from records.models.shares import live


def places(team: Team) -> Iterator[str]:
    """Yield where a team is named: rules, fields, and live shares by their number.

    For the super admin who deletes it. Fills the slot `accounts.operations.where_named`.
    """
    rules = StageRule.objects.filter(teams=team).select_related("pipeline").order_by("pipeline")
    if names := [rule.pipeline.name for rule in rules]:
        yield f"{_number(len(names), 'stage rule')} ({', '.join(names)})"
    fields = Property.objects.filter(grants__team=team).distinct()
    if names := [_label(field) for field in fields]:
        yield f"the access to {_number(len(names), 'field')} ({', '.join(names)})"
    for key, (_, to_teams) in SHARES.items():
        # Of a record in the recycle bin nobody can end a share.
        rows = to_teams._default_manager.filter(live(), group=team, content_object__deleted_at=None)
        if number := rows.count():
            yield f"{_number(number, f'share of a {key}', f'shares of {_plural(key)}')}"


def _number(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _plural(key: str) -> str:
    kind = catalogue.object_kind(key)
    return kind.plural.lower() if kind else key


def _label(row: Property) -> str:
    kind = catalogue.object_kind(row.object)
    field = field_of(row.object, row.name)
    if kind is None or field is None:
        return f"{row}, which is gone"
    return f"{kind.label}: {field.verbose_name}"
