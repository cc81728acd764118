"""Setting the demo company up through the operations, so that the log tells how it came to be.

Everything but the one finished file is a single transaction: an interrupted seeding leaves an
empty database, never half a company.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone, translation

from accounts import audit
from accounts import operations as accounts
from accounts.audit import System
from accounts.languages import ENGLISH
from accounts.models import AuditEvent, PermissionSet, Team, User
from accounts.rights import one_at_a_time
from crmperms.demo.cast import CAST, DOMAIN, PASSWORD, TEAMS
from crmperms.demo.world import (
    CAMPAIGN,
    FOR_CHOSEN,
    FORECAST,
    MISTAKE,
    PARTY,
    PIPELINES,
    PRESETS,
    SUPER_ADMINS_ONLY,
    Asked,
    World,
    deals_of,
    free_deals,
)
from exports import operations as exports
from exports import policy, worker
from exports.models import ExportRequest
from records import kinds
from records import operations as records
from records.models import Pipeline, Record, Stage, StageRule

ACTOR = System("seed_demo")
DONE = "demo.seed"
THRESHOLD = 100

People = dict[str, User]


class Standing(Enum):
    """What the database holds, seen from the demo company."""

    EMPTY = "empty"
    SEEDED = "seeded"
    FOREIGN = "foreign"
    """People, or what people made, that is not the demo company's."""


def standing() -> Standing:
    """Look whose database this is; the event of a seeding and the addresses tell it."""
    seeded = AuditEvent.objects.filter(action=DONE).exists()
    people = User.objects.all()
    if seeded:
        strangers = people.exclude(email__endswith=f"@{DOMAIN}").exists()
        return Standing.FOREIGN if strangers else Standing.SEEDED
    found = any(kind.model._base_manager.exists() for kind in kinds.every())
    found |= any(m._base_manager.exists() for m in (User, Team, PermissionSet, Pipeline))
    return Standing.FOREIGN if found else Standing.EMPTY


def is_seeded() -> bool:
    """Tell whether there is a demo company, whoever else is there."""
    return AuditEvent.objects.filter(action=DONE).exists()


@translation.override(ENGLISH)
def seed() -> Standing:
    """Set the demo company up where the database is empty; return what was found before.

    Anything else than `EMPTY` means that nothing was done.
    """
    with transaction.atomic():
        one_at_a_time("crmperms.demo")
        found = standing()
        if found is not Standing.EMPTY:
            return found
        people = _people()
        stages = _pipelines(people)
        counts = _records(people, stages)
        _days_work(people)
        _exports(people)
        audit.record(DONE, actor=ACTOR, data=counts)
    # Outside: a file is not undone with a transaction. If this is cut short, any worker does it.
    worker.run_once(upkeep=lambda stop: None)
    return found


# --- The organisation -----------------------------------------------------------------------------


def _people() -> People:
    teams: dict[str, Team] = {}
    for name, above in TEAMS.items():
        teams[name] = accounts.create_team(actor=ACTOR, name=name, parent=teams.get(above))
    sets = {str(preset.name): preset.make(ACTOR) for preset in PRESETS}
    people = {
        part.key: accounts.create_person(
            actor=ACTOR,
            email=part.email,
            first_name=part.first_name,
            last_name=part.last_name,
            permission_set=sets.get(part.preset),
            main_team=teams.get(part.main_team),
            extra_teams=[teams[name] for name in part.extra_teams],
            is_superuser=part.is_superuser,
        )
        for part in CAST
    }
    for person in people.values():
        accounts.require_fit_password(PASSWORD, person)
    # One hash for one shared password: Argon2 is slow on purpose.
    User.objects.filter(pk__in=[p.pk for p in people.values()]).update(
        password=make_password(PASSWORD)
    )
    return people


def _pipelines(people: People) -> dict[str, list[Stage]]:
    """Lay two pipelines for deals, each with a locked stage, and one for tickets (R105, R106)."""
    stages: dict[str, list[Stage]] = {}
    pipelines: dict[str, Pipeline] = {}
    named: dict[str, Stage] = {}
    for (kind, name), steps in PIPELINES.items():
        pipelines[name] = records.create_pipeline(actor=ACTOR, object=kind, name=name)
        for position, (step, outcome) in enumerate(steps, 1):
            stage = Stage(pipeline=pipelines[name], name=step, position=position, outcome=outcome)
            records.save_stages([stage], actor=ACTOR)
            stages.setdefault(kind, []).append(stage)
            named[step] = stage
    records.set_stage_rule(
        pipelines["New business"],
        actor=ACTOR,
        enabled=True,
        stages=[named[SUPER_ADMINS_ONLY]],
        editors=StageRule.Editors.SUPER_ADMINS,
    )
    records.set_stage_rule(
        pipelines["Renewals"],
        actor=ACTOR,
        enabled=True,
        stages=[named[FOR_CHOSEN]],
        editors=StageRule.Editors.CHOSEN,
        users=[people["manager"]],
        teams=[Team._base_manager.get(name="Sales South")],
    )
    return stages


# --- What they work on ----------------------------------------------------------------------------


def _records(people: People, stages: dict[str, list[Stage]]) -> dict[str, int]:
    world = World(people, stages, timezone.localdate())
    companies = [records.create(company, actor=ACTOR) for company in world.companies()]
    contacts = [records.create(contact, actor=ACTOR) for contact in world.contacts(companies)]
    deals = [records.create(deal, actor=ACTOR) for deal in world.deals(contacts)]
    tickets = [records.create(ticket, actor=ACTOR) for ticket in world.tickets(contacts)]
    return {
        "people": len(people),
        "companies": len(companies),
        "contacts": len(contacts),
        "deals": len(deals),
        "tickets": len(tickets),
    }


def _days_work(people: People) -> None:
    """Let people do some of their work, so that the log has more in it than a beginning."""
    rep, manager = people["rep"], people["manager"]
    signed = Stage.objects.get(name=SUPER_ADMINS_ONLY)
    raised, moved = deals_of(rep).filter(stage__name__in=("Qualified", "Proposal", "Negotiation"))[
        :2
    ]
    _change(raised, rep, amount=raised.amount and raised.amount + 500)
    # Everybody may move a deal into a locked stage, once they confirm that from then on only super
    # admins edit it (Q39).
    _change(moved, rep, confirmed=True, stage=signed, closed=timezone.localdate())
    _change(free_deals(manager)[0], manager, owner=people["north"])


def _change(record: Record, actor: User, *, confirmed: bool = False, **values: Any) -> None:
    records.change(
        record,
        actor=actor,
        values=values,
        version=record.version,
        confirm_hand_over=confirmed,
    )


# --- What leaves the house ------------------------------------------------------------------------


def _exports(people: People) -> None:
    """Switch approvals on, and leave one export in each state that people ask about (R111)."""
    admin, approver = people["admin"], people["approver"]
    exports.change_policy(
        actor=admin,
        version=policy.current().version,
        require_approval=True,
        threshold=THRESHOLD,
    )

    def ask(asked: Asked) -> ExportRequest:
        return exports.request_export(
            actor=people[asked.by],
            model=asked.model,
            approvers=[approver, admin],
            message=asked.message,
        )

    quarter = ask(FORECAST)
    exports.approve(
        quarter, actor=approver, version=quarter.version, note="Fine, as every quarter."
    )
    party = ask(PARTY)
    exports.reject(
        party,
        actor=approver,
        version=party.version,
        note="Invitations need no telephone numbers. Please leave that column out.",
    )
    mistake = ask(MISTAKE)
    exports.recall(mistake, actor=mistake.requester)
    ask(CAMPAIGN)
