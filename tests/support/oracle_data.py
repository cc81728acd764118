"""What is in records and what of it leaves, told a second time: lists, columns, cells and consent.

Like `oracle`, on which it stands: plain loops over plain values, nothing of the product, every
answer with the line of the requirements that it is written from.
"""

import unicodedata
from dataclasses import replace
from typing import Any

from tests.support.oracle import EVERYTHING, can, can_any, field, has_tool, scope, teams_below

# E36, Q31: what a record is called by, what the search looks in (R8), where relations lead to.
NAMED_BY = {
    "contact": ("first_name", "last_name"),
    "company": ("name",),
    "deal": ("name",),
    "ticket": ("subject",),
}
SEARCHED = {
    "contact": ("first_name", "last_name", "email"),
    "company": ("name", "domain"),
    "deal": ("name",),
    "ticket": ("subject",),
}
LEADS_TO = {
    "contact": {"company": "company"},
    "company": {"parent": "company"},
    "deal": {"company": "company", "contact": "contact"},
    "ticket": {"company": "company", "contact": "contact"},
}
OWNERS = ("owner", "co_owner")
# What a filter looks at, where it is not called by it (Q5).
LOOKS_AT = {"team": OWNERS, "unassigned": OWNERS, "owner": OWNERS, "pipeline": ("stage",)}
LOOKS_AT |= {"amount_min": ("amount",), "amount_max": ("amount",)}
# What lists and files are sorted by where no order is asked for; the others by the last change.
SORTED_BY = {"contact": ("last_name", "first_name"), "company": ("name",)}


# --- Fields ---------------------------------------------------------------------------------------


def secret(world: Any, kind: str, name: str) -> str:
    """How secret a field is: "", "sensitive" or "high" (R113, E30)."""
    return next((r.secret for r in world.fields if (r.object, r.name) == (kind, name)), "")


def askable(world: Any, person: Any, kind: str, name: str) -> bool:
    """Whether one may filter and sort by a field: not by a hidden or a veiled one (B6, E30)."""
    return bool(field(world, person, kind, name)) and secret(world, kind, name) != "high"


def has_column(world: Any, person: Any, kind: str, column: str) -> bool:
    """Whether an export may have this column, `company` or `company.sector` (S08, E36)."""
    way, _, rest = column.partition(".")
    open_way = bool(field(world, person, kind, way))
    return open_way and (not rest or bool(field(world, person, LEADS_TO[kind][way], rest)))


def is_offered(world: Any, person: Any, kind: str, column: str) -> bool:
    """Whether the dialog offers it: not where the related record can never be viewed (Q18)."""
    way, _, rest = column.partition(".")
    may = not rest or can_any(world, person, "view", LEADS_TO[kind][way])
    return may and has_column(world, person, kind, column)


def sensitive(world: Any, kind: str, columns: Any, query: dict[str, str]) -> set[str]:
    """Which sensitive fields these columns, filters, this search and order read (R113, Q5)."""
    read = set() if "o" in query else {(kind, each) for each in SORTED_BY.get(kind, ())}
    for column in columns:
        way, _, rest = column.partition(".")
        read.add((kind, way))
        if way in LEADS_TO[kind]:  # a name is made of fields, and writes them
            to = LEADS_TO[kind][way]
            read |= {(to, name) for name in ([rest] if rest else NAMED_BY[to])}
    for name, value in query.items():
        looks_at = {"q": SEARCHED[kind], "o": (value.lstrip("-"),)}.get(name) or LOOKS_AT.get(name)
        read |= {(kind, each) for each in looks_at or (name,)}
    return {f"{of}.{name}" for of, name in read if secret(world, of, name)}


# --- Lists ----------------------------------------------------------------------------------------


def find(world: Any, kind: str, key: Any) -> Any:
    """The record with this key, None where there is none."""
    return next((r for r in world.records.get(kind, ()) if r.id == key), None)


def is_refused(world: Any, person: Any, kind: str, name: str, value: str) -> bool:
    """Whether a filter does not exist for this person; hidden and absent are one (Q32, L8)."""
    if name == "q":
        return False
    looks_at = (value.lstrip("-"),) if name == "o" else LOOKS_AT.get(name, (name,))
    if not all(askable(world, person, kind, each) for each in looks_at):
        return True
    if name == "team":  # who is in a team is not public (R7)
        sees_all = person.superuser or person.partner
        rank = EVERYTHING if sees_all else scope(world, person, kind, "view")[0]
        mine = {below for team in person.teams for below in teams_below(world, team)}
        told = {team.id for team in world.teams} if rank == EVERYTHING else mine
        return int(value) not in told
    if name in LEADS_TO[kind]:
        to = LEADS_TO[kind][name]
        record = find(world, to, int(value))
        # What lies in the bin is still linked, and asked about by whoever would see it outside.
        outside = record and replace(record, deleted=False)
        return record is None or not can(world, person, "view", to, outside)
    return name == "owner" and int(value) not in {each.id for each in world.people}


def matches(world: Any, kind: str, record: Any, name: str, value: str) -> bool:
    """Whether a record is among what one filter or the search keeps."""
    owners = {record.owner, record.co_owner} - {None}
    if name == "q":  # every word in some field, whatever the case
        texts = [caseless(str(record.values.get(each, ""))) for each in SEARCHED[kind]]
        return all(any(caseless(word) in text for text in texts) for word in value.split())
    if name == "owner":
        return int(value) in owners
    if name == "team":
        return any(int(value) in each.teams for each in world.people if each.id in owners)
    if name == "unassigned":
        return (not owners) == (value == "yes")
    if name == "stage":
        return bool(record.stage == int(value))
    if name in LEADS_TO[kind]:
        return bool(record.links.get(name) == int(value))
    if name in ("amount_min", "amount_max"):
        amount = record.values.get("amount")
        if amount is None:
            return False
        return bool(amount >= int(value) if name == "amount_min" else amount <= int(value))
    return caseless(str(record.values.get(name, ""))) == caseless(value) or name == "o"


def caseless(text: str) -> str:
    """A text by Unicode's own folding; dotted and dotless i are one, as in either language."""
    whole = unicodedata.normalize("NFC", text).casefold()
    return whole.replace("i\u0307", "i").replace("\u0131", "i")


def listed(
    world: Any, person: Any, kind: str, action: str, query: dict[str, str]
) -> list[int] | None:
    """The keys of a narrowed list, in order where one was asked for; None where it is refused."""
    if any(is_refused(world, person, kind, name, value) for name, value in query.items()):
        return None
    found = [
        record
        for record in world.records[kind]
        if can(world, person, action, kind, record)
        and all(matches(world, kind, record, name, value) for name, value in query.items())
    ]
    found.sort(key=lambda record: -record.id)
    if order := query.get("o"):
        name = order.lstrip("-")
        down = order.startswith("-")
        found.sort(key=lambda record: record.values.get(name, ""), reverse=down)
        if down:  # what is equal stays newest first, both ways
            found.sort(key=lambda record: record.values.get(name, ""), reverse=True)
    return [record.id for record in found]


# --- Exports --------------------------------------------------------------------------------------


def cell(world: Any, person: Any, kind: str, record: Any, column: str) -> Any:
    """What a file has in one cell: nothing of a related record that may not be viewed (Q31, Q3)."""
    way, _, rest = column.partition(".")
    if not has_column(world, person, kind, column):
        return None
    if way not in LEADS_TO[kind]:
        return getattr(record, way) if way in ("id", *OWNERS, "stage") else record.values.get(way)
    to = LEADS_TO[kind][way]
    related = find(world, to, record.links.get(way))
    if related is None or not can(world, person, "view", to, related):
        return None
    if rest:
        return related.id if rest == "id" else related.values.get(rest)
    return " ".join(filter(None, (related.values.get(name) for name in NAMED_BY[to])))


def beside(world: Any, person: Any, kind: str, records: Any, columns: Any) -> set[tuple[str, int]]:
    """The related records of which a file with these columns holds something (B5, B11)."""
    return {
        (LEADS_TO[kind][way], record.links[way])
        for record in records
        for way in {column.partition(".")[0] for column in columns} & record.links.keys()
        if can(
            world,
            person,
            "view",
            LEADS_TO[kind][way],
            find(world, LEADS_TO[kind][way], record.links[way]),
        )
    }


def approval(world: Any, person: Any, count: int, flagged: Any) -> tuple[bool, str]:
    """Whether an export needs consent, and why (the table of §1.11; Q1, Q4, Q6)."""
    rules = world.policy
    if not rules.require:
        return False, "policy_off"
    if has_tool(world, person, "crm.export_without_approval"):
        above = rules.second_person_above is not None and count > rules.second_person_above
        return (True, "second_person") if above else (False, "exempt")
    if flagged:
        return True, "sensitive"
    if count > rules.threshold:
        return True, "above_threshold"
    above = rules.daily is not None and count > rules.daily
    return (True, "above_daily") if above else (False, "within_threshold")


def decides(world: Any, person: Any, requester: Any) -> bool:
    """Whether a person may decide on somebody's request; nobody on their own (R122, B7, Q6)."""
    tool = has_tool(world, person, "crm.export_approver")
    return bool(person.active and tool and person.id != requester.id)
