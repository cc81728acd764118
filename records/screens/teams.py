"""Where what people work on still names a team, which is then not deleted (R106, E24, E55)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import Model
from django.utils.translation import gettext, ngettext

from accounts.modeladmin import page_address
from accounts.models import Team
from accounts.operations import Place
from accounts.words import counted
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
        said = ngettext(
            "%(count)s stage rule (%(names)s)", "%(count)s stage rules (%(names)s)", len(names)
        )
        words = said % {"count": counted(len(names)), "names": ", ".join(names)}
        yield Place(words, _page([rule.pipeline for rule in rules]))
    fields = Property.objects.filter(grants__team=team).distinct()
    if names := [_label(field) for field in fields]:
        said = ngettext(
            "the access to %(count)s field (%(names)s)",
            "the access to %(count)s fields (%(names)s)",
            len(names),
        )
        words = said % {"count": counted(len(names)), "names": ", ".join(names)}
        yield Place(words, _page(list(fields)))
    for key, (_, to_teams) in SHARES.items():
        # Of a record in the recycle bin nobody can end a share.
        rows = to_teams._default_manager.filter(live(), group=team, content_object__deleted_at=None)
        if number := rows.count():
            yield Place(_shares(key, number))


def _page(rows: Sequence[Model]) -> str:
    """Return the page of the one row, or the list where there are several."""
    one = ("change", rows[0].pk) if len(rows) == 1 else ("changelist",)
    return page_address(rows[0], *one)


def _shares(key: str, number: int) -> str:
    kind = kinds.named(key)
    said = ngettext("%(count)s share of a %(kind)s", "%(count)s shares of %(kinds)s", number)
    noun, nouns = (kind.noun, kind.nouns) if kind else (key, key)
    return said % {"count": counted(number), "kind": noun, "kinds": nouns}


def _label(row: Property) -> str:
    kind = kinds.named(row.object)
    field = field_of(row.object, row.name)
    if kind is None or field is None:
        return gettext("%(field)s, which is gone") % {"field": row}
    return kind.label_of(field.name)
