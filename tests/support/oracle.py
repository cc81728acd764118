"""Who may do what, told a second time: plain loops over plain values, from the requirements alone.

Imports nothing of the product and knows no SQL. `worlds.World` says what a world is made of; every
answer below is slow, obvious, and cites the line of the requirements that it is written from. A new
kind of record is a row of OBJECTS, a new action a word in it. What was answered about exactly this
world, person and record is remembered: a world, once changed, is another one.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

from tests.support.catalogue_rows import Holding, has

NONE, OWNED, TEAM, EVERYTHING = range(4)

# §0: the objects, their actions, and whether they go through a pipeline.
FULL = "view add change delete communicate merge export associate restore"
OBJECTS = {
    "contact": (FULL, False),
    "company": (FULL, False),
    "deal": (FULL, True),
    "ticket": (FULL, True),
}
# §0, R20: what each scope may never exceed.
CAPPED_BY = {"change": "view", "delete": "view", "communicate": "view", "merge": "change"}
# R107, Q41: deleting and merging are editing, and so is taking back what was deleted; communicating
# (R109 c) and associating from the other record's side (R109 b) are not.
EDITING = {"change", "delete", "merge", "restore"}
# By whose scope an action goes that has none of its own: rows of an export by View (C-5).
BY_SCOPE_OF = {"export": "view", "associate": "change", "restore": "delete"}
# E55, Q29: what a share of each level gives.
SHARED = {"view": {"view"}, "edit": {"view", "change"}}
GRANTING = {"superuser", "partner_admin", "everything", "team", "owned", "unassigned", "shared"}
# E27: named, found and owned by; whoever sees the record sees these, sensitive or not.
NAMED = {"last_name", "name", "subject", "owner", "co_owner"}

remembered = lru_cache(2**14)


@remembered
def scope(world: Any, person: Any, object: str, action: str) -> tuple[int, bool]:
    """The scope and its Unassigned box, clamped by what caps it (R12, R13, R20, R26)."""
    asked = world.sets[person.set].scopes.get(object, {}) if person.set is not None else {}
    return within(asked, action)


def within(asked: Any, action: str) -> tuple[int, bool]:
    """What is left of the scopes asked for on one object, within what caps them (R20)."""
    if action == "add":  # yes or no; whoever may view nothing creates nothing (§0)
        may = asked.get("add", False) and within(asked, "view")[0] > NONE
        return (EVERYTHING if may else NONE), False
    rank, box = asked.get(action, (NONE, False))
    if action in CAPPED_BY:
        cap, cap_box = within(asked, CAPPED_BY[action])
        rank, box = min(rank, cap), box and (cap_box or cap == EVERYTHING)
    return rank, box and rank in (OWNED, TEAM)


def holding(world: Any, person: Any) -> Holding:
    """What the person's one set stores, named or their own (Q26): §1.7 says what it comes to."""
    delete = EVERYTHING if person.partner else scope(world, person, "contact", "delete")[0]
    if person.set is None:
        return Holding(superuser=person.superuser)
    stored = world.sets[person.set]
    tools = frozenset(stored.tools)
    return Holding(tools, stored.levels, delete, person.superuser, person.partner)


@remembered
def has_tool(world: Any, person: Any, tool: str) -> bool:
    """Whether the person has a permission with all that it needs (R40, R41, R90, Q33)."""
    return has(holding(world, person), tool)


def teams_below(world: Any, team: int) -> set[int]:
    """The team and every team under it, however deep (E21)."""
    found = {team}
    for other in world.teams:
        if other.parent == team:
            found |= teams_below(world, other.id)
    return found


@remembered
def mates(world: Any, person: Any) -> set[int]:
    """Members, main and extra, of the person's teams and of the teams below (R27, R28, Q23)."""
    reached: set[int] = set()
    for team in person.teams:
        reached |= teams_below(world, team)
    return {other.id for other in world.people if reached & set(other.teams)}


def excepted(world: Any, person: Any, object: str, record: Any) -> bool:
    """Whether this person may edit it in this very stage, for a time (B15)."""
    return any(
        (each.object, each.record, each.person, each.stage)
        == (object, record.id, person.id, record.stage)
        and not each.over
        for each in world.exceptions
    )


def locked(world: Any, person: Any, record: Any) -> bool:
    """Whether the stored stage is closed to this person (R105-R108, R110, Q40, Q42)."""
    for rule in world.rules:
        if rule.enabled and record.stage in rule.stages and not person.superuser:
            chosen = rule.editors == "chosen"
            if not (chosen and (person.id in rule.users or set(person.teams) & set(rule.teams))):
                return True
    return False


def shared(world: Any, person: Any, action: str, object: str, record: Any) -> bool:
    """Whether a share that has not ended gives this; for teams to main members only (E55)."""
    for share in world.shares:
        if (share.object, share.record) == (object, record.id) and not share.over:
            kind, key = share.to
            main = person.teams[0] if person.teams and person.has_main else None
            if key == (person.id if kind == "user" else main) and action in SHARED[share.level]:
                return scope(world, person, object, action)[0] > NONE
    return False


@remembered
def codes(world: Any, person: Any, action: str, object: str, record: Any) -> frozenset[str]:
    """The codes of all reasons that hold: all of them, not the first one hit."""
    asked = BY_SCOPE_OF.get(action, action)
    rank, box = scope(world, person, object, asked)
    owners = {record.owner, record.co_owner} - {None}  # R23: each of them is a full owner
    reasons = {
        "inactive": not person.active,
        "deleted": record.deleted != (action == "restore"),  # absent; the bin is what one restores
        "superuser": person.superuser,
        "partner_admin": person.partner,  # R101: every record, by status; E33: locked stages hold
        "everything": rank == EVERYTHING,
        "team": asked != "add" and rank >= TEAM and bool(owners & mates(world, person)),
        "owned": asked != "add" and rank >= OWNED and person.id in owners,
        "unassigned": box and not owners,  # Q20: only where every owner is empty
        "shared": shared(world, person, asked, object, record),
        "no_scope": rank == NONE and not (person.superuser or person.partner),
        "stage": OBJECTS[object][1] and action in EDITING and locked(world, person, record),
    }
    if action == "change" and excepted(world, person, object, record):
        reasons["stage"] = False  # to edit it or move it on, and nothing else
    if action == "export":
        reasons["no_scope"] |= not has_tool(world, person, "crm.export")
    if action not in ("view", "add", "export"):
        seen = replace(record, deleted=False) if record.deleted and action == "restore" else record
        reasons["unseen"] = not can(world, person, "view", object, seen)
    return frozenset(code for code, holding in reasons.items() if holding)


def decisive(holding: frozenset[str]) -> frozenset[str]:
    """What explains the verdict: all that takes away, else all that grants."""
    return holding - GRANTING or holding


def can(world: Any, person: Any, action: str, object: str, record: Any) -> bool:
    """Someone allows and nobody denies ("Canonical evaluation order")."""
    holding = codes(world, person, action, object, record)
    return bool(holding) and holding <= GRANTING


def can_any(world: Any, person: Any, action: str, object: str) -> bool:
    """Whether the object exists for this person at all, with this action (Q18, Q32)."""
    if action == "export" and not has_tool(world, person, "crm.export"):
        return False
    asked = BY_SCOPE_OF.get(action, action)
    without = person.superuser or person.partner
    return person.active and (without or scope(world, person, object, asked)[0] > NONE)


def field(world: Any, person: Any, object: str, name: str) -> str:
    """What the person may do with a field: nothing, "view" or "edit" (E24)."""
    rule = next((r for r in world.fields if (r.object, r.name) == (object, name)), None)
    if not person.active:
        return ""
    if person.superuser or rule is None:
        return "edit"
    if person.partner and rule.secret and rule.access != "chosen" and name not in NAMED:
        return ""  # Q37: no sensitive value unless granted
    if rule.access == "everyone_edit":
        return "edit"
    if rule.access != "chosen":
        return "view" if rule.access == "everyone_view" else ""
    mine = [("user", person.id), *(("team", team) for team in person.teams)]
    levels = [level for to, level in rule.grants if to in mine]
    return "edit" if "edit" in levels else "view" if levels else ""
