"""Rules that only records have, as `Rule`s: so far the edit rule of a pipeline's stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q

from accounts.access import Rule
from records.models.pipelines import StageRule

if TYPE_CHECKING:
    from accounts.access import Person

# Everything that changes the record itself; viewing, logging activities and associating from the
# other side stay possible (R108, R109, Q41).
BOUND_BY_STAGE = frozenset({"change", "delete", "merge"})


def stage_rules(person: Person, action: str) -> list[Rule]:
    """Deny changing a record in a locked stage to whom its pipeline's rule does not name (R105).

    Asked of the stored stage, so one save cannot move a record out and edit it (Q40). Team members
    count main and extra, evaluated live; teams above are not implied (Q42).
    """
    if action not in BOUND_BY_STAGE:
        return []
    named_users = StageRule.users.through.objects.filter(
        user_id=person.id(depth=3), stagerule__editors=StageRule.Editors.CHOSEN
    )
    named_teams = StageRule.teams.through.objects.filter(
        team__in=person.teams(depth=3), stagerule__editors=StageRule.Editors.CHOSEN
    )
    locked = (
        StageRule.stages.through.objects.filter(stagerule__enabled=True)
        .exclude(stagerule__in=named_users.values("stagerule"))
        .exclude(stagerule__in=named_teams.values("stagerule"))
        .values("stage")
    )
    return [
        Rule(
            "stage",
            False,
            Q(stage__in=locked) & ~person.is_superuser(),
            "the record stands in a locked stage, and the pipeline's rule does not name the person",
        )
    ]
