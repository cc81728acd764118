"""Policies as plain values, made by hypothesis: what a file of each says is what then holds."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from accounts import catalogue
from accounts.catalogue import Kind
from accounts.operations import clamped
from accounts.policy_file import grants

BOX = st.booleans()
LEVEL = st.integers(0, 3)
# Words that YAML takes for something else, and letters that a file must not lose.
NAMES = ("Lead", "no", "12", "1:30", "null", "~", "Ärzte: Süd", "# 1", "- a", "“Q”", "🙂", "a'b\"c")
LIMIT = st.none() | st.integers(1, 1_000_000)


@st.composite
def policies(draw: st.DrawFn, pipelines: dict[str, list[str]], people: list[str]) -> dict[str, Any]:
    """Return a policy as `policy_show` writes it, apart from the order of names."""
    names = st.sets(st.sampled_from(NAMES), max_size=4)
    teams = sorted(draw(names))
    sets = {name: draw(permission_sets()) for name in sorted(draw(names))}
    rules = {name: draw(stage_rules(pipelines[name], teams, people)) for name in pipelines}
    said = {name: rule for name, rule in rules.items() if rule != NO_RULE}
    return {
        "permission_sets": sets,
        "teams": {name: draw(place(teams[:number])) for number, name in enumerate(teams)},
        "new_permissions": {"all_on": draw(st.booleans())},
        "stage_rules": {"deal": said} if said else {},
        "fields": draw(fields(teams, people)),
        "screen_limit": {"values_a_day": draw(LIMIT)},
        "approvals": draw(approvals()),
    }


@st.composite
def permission_sets(draw: st.DrawFn) -> dict[str, Any]:
    scopes = {}
    for kind in draw(st.sets(st.sampled_from(sorted(k.key for k in catalogue.objects())))):
        row: dict[str, Any] = {"add": draw(BOX)}
        for action in catalogue.SCOPED_ACTIONS:
            row |= {action: draw(LEVEL), f"{action}_unassigned": draw(BOX)}
        scopes[kind] = clamped(row)
    tools = []
    for key in draw(st.sets(st.sampled_from(sorted(catalogue.TOOLS)), max_size=6)):
        given = sorted(catalogue.keys_to_give(catalogue.TOOLS[key]))
        if catalogue.TOOLS[key].kind is Kind.SCOPE:
            levels = ("owned", "team+unassigned", "team", "everything")
            given = [f"{option}={draw(st.sampled_from(levels))}" for option in given]
        if catalogue.TOOLS[key].kind is not Kind.SWITCH:
            most = 1 if catalogue.TOOLS[key].kind is Kind.CHOICE else 9
            given = sorted(draw(st.sets(st.sampled_from(given), max_size=most)) if given else ())
        tools += given
    granted = grants.written(grants.granted(scopes, map(catalogue.parse, tools)))
    description = draw(st.sampled_from(["", "What they do.", "yes", "a: b"]))
    said = {"description": description} if description else {}
    return said | ({"grants": granted} if granted else {})


def place(above: list[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.sampled_from([{}, *({"below": name} for name in above)])


NO_RULE = {"enabled": False, "editors": "super_admins"}


@st.composite
def stage_rules(
    draw: st.DrawFn, stages: list[str], teams: list[str], people: list[str]
) -> dict[str, Any]:
    chosen = draw(st.sets(st.sampled_from(stages)))
    lists = {
        "stages": [stage for stage in stages if stage in chosen],
        **draw(receivers(teams, people)),
    }
    editors = draw(st.sampled_from(["super_admins", "chosen"]))
    return {"enabled": draw(BOX), "editors": editors} | {k: v for k, v in lists.items() if v}


@st.composite
def receivers(draw: st.DrawFn, teams: list[str], people: list[str]) -> dict[str, list[str]]:
    some = {"teams": draw(some_of(teams)), "people": draw(some_of(people))}
    return {key: names for key, names in some.items() if names}


def some_of(names: list[str]) -> st.SearchStrategy[list[str]]:
    return st.sets(st.sampled_from(names)).map(sorted) if names else st.just([])


@st.composite
def fields(draw: st.DrawFn, teams: list[str], people: list[str]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for kind, name in sorted(draw(st.sets(st.sampled_from(FIELDS)))):
        access = draw(st.sampled_from(["everyone_edit", "everyone_view", "chosen", "super_admins"]))
        said: dict[str, Any] = {"access": access}
        secrecy = draw(st.integers(0, 2))
        said |= dict.fromkeys(("sensitive", "highly_sensitive")[:secrecy], True)
        if access == "chosen":
            viewers, editors = draw(receivers(teams, people)), draw(receivers(teams, people))
            for key, names in editors.items():
                left = [name for name in viewers.get(key, []) if name not in names]
                viewers = {**viewers, key: left}
            viewers = {key: names for key, names in viewers.items() if names}
            if not viewers and not editors:
                editors = {"people": [people[0]]}
            said |= {"viewers": viewers} if viewers else {}
            said |= {"editors": editors} if editors else {}
        if said != {"access": "everyone_edit"}:
            found.setdefault(kind, {})[name] = said
    return found


FIELDS = [("contact", "phone"), ("deal", "amount"), ("company", "revenue"), ("deal", "product")]


@st.composite
def approvals(draw: st.DrawFn) -> dict[str, Any]:
    daily = draw(LIMIT)
    weekly = draw(LIMIT)
    if daily is not None and weekly is not None:
        daily, weekly = sorted((daily, weekly))
    return {
        "require_approval": draw(BOX),
        "threshold": draw(st.integers(0, 1000)),
        "lapse_days": draw(st.integers(1, 30)),
        "file_days": draw(st.integers(1, 30)),
        "most_downloads": draw(st.integers(1, 100)),
        "daily_records": daily,
        "weekly_records": weekly,
        "second_person_above": draw(LIMIT),
        "purpose_required": draw(st.sampled_from(["never", "approval", "always"])),
    }
