"""Changes of permissions by key: what they make of what is held, and the sentences about them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts import catalogue, changes
from accounts.changes import NOTHING, State, UnknownChange
from accounts.operations import InvalidChange, clamped, scopes_of, to_be_stored
from accounts.places import LEVELS, Sort, places
from tests.support.factories import SetFactory

OWNED, TEAM, EVERYTHING = 1, 2, 3


def held(scopes: dict[str, dict[str, Any]] | None = None, *tools: str) -> State:
    """Return what a set with these scopes and tools stores."""
    rows = {key: clamped(row) for key, row in (scopes or {}).items()}
    return State(rows, tuple(map(str, sorted(to_be_stored(tools)))))


def test_each_sort_of_key_is_written_and_the_rest_stays() -> None:
    before = held(
        {"deal": {"view": TEAM, "change": OWNED}, "contact": {"view": OWNED}},
        "audit.view",
        "crm.workflows:delete",
        "sales.forecast:view=team",
    )
    after = changes.after(
        *before,
        {
            "crm.deal.change": "team",
            "crm.deal.view.unassigned": True,
            "crm.deal.change.unassigned": True,
            "crm.deal.add": True,
            "crm.export": True,
            "crm.workflows": ["edit"],
            "sales.forecast:view": "owned",
            "sales.forecast:view.unassigned": True,
        },
    )
    assert after == held(
        {
            "deal": {
                "add": True,
                "view": TEAM,
                "view_unassigned": True,
                "change": TEAM,
                "change_unassigned": True,
            },
            "contact": {"view": OWNED},
        },
        "audit.view",
        "crm.export",
        "crm.workflows:edit",
        "crm.workflows:view",
        "sales.forecast:view=owned+unassigned",
    )


def test_what_is_capped_is_narrowed_and_said() -> None:
    before = held({"deal": {"view": EVERYTHING, "change": EVERYTHING}})
    lower = {"crm.deal.view": "team", "sales.forecast:edit": "team"}
    after = changes.after(*before, lower)
    # From Everything to Team only: unassigned ones were among them, and stay (Q47).
    boxes = {"view_unassigned": True, "change_unassigned": True}
    assert after == held({"deal": {"view": TEAM, "change": TEAM, **boxes}})
    assert changes.narrowed_by(*before, lower) == [
        "Deals: Edit from Everything to Team only, which is as wide as View",
        "Forecast: Edit from Team only to None, as wide as View",
    ]
    assert changes.difference(before, after) == {
        "crm.deal.view": "team",
        "crm.deal.view.unassigned": True,
        "crm.deal.change": "team",
        "crm.deal.change.unassigned": True,
    }
    assert changes.narrowed_by(*before, {"crm.export": True}) == []


def test_a_tool_narrowed_with_its_view_keeps_unassigned_ones_as_scopes_do() -> None:
    before = held({}, "sales.forecast:view=everything", "sales.forecast:edit=everything")
    after = changes.after(*before, {"sales.forecast:view": "team"})
    assert after.tools == (
        "sales.forecast:edit=team+unassigned",
        "sales.forecast:view=team+unassigned",
    )
    without = {"sales.forecast:view": "team", "sales.forecast:view.unassigned": False}
    assert changes.after(*before, without).tools == (
        "sales.forecast:edit=team",
        "sales.forecast:view=team",
    )


def test_box_goes_with_a_level_that_has_none_unless_it_is_named() -> None:
    before = held({"deal": {"view": TEAM, "view_unassigned": True}})
    assert changes.after(*before, {"crm.deal.view": "none"}).scopes["deal"] == clamped({})
    assert changes.narrowed_by(*before, {"crm.deal.view": "none"}) == []
    named = {"crm.deal.view": "none", "crm.deal.view.unassigned": True}
    assert changes.narrowed_by(*before, named) == [
        "Deals: View covers no unassigned ones, because it is None"
    ]
    nothing = {"sales.forecast:view.unassigned": True}
    assert changes.after(*NOTHING, nothing) == NOTHING
    assert changes.narrowed_by(*NOTHING, nothing) == [
        "Forecast: View, unassigned ones: nothing, because the level is None"
    ]


def test_changes_are_said_in_short_sentences() -> None:
    before = held({"deal": {"view": EVERYTHING, "change": OWNED}}, "crm.workflows:view")
    change = {
        "crm.export": True,
        "crm.deal.change": "team",
        "crm.deal.view": "team",
        "crm.deal.view.unassigned": True,
        "crm.workflows": ["edit"],
        "crm.deal.add": False,
    }
    assert changes.in_words(change, before=before) == [
        "View on deals: Everything → Team only, with unassigned ones",
        "Edit on deals: Owned only → Team only",
        "Workflows: View → View, Edit",
        "Export: No → Yes",
    ]
    # Without a word on the box it is ticked, so it is said; what leaves them out says so by itself.
    level = {"crm.deal.view": "owned"}
    assert changes.in_words(level, before=before) == [
        "View on deals: Everything → Owned only, with unassigned ones"
    ]
    assert changes.in_words(level | {"crm.deal.view.unassigned": False}, before=before) == [
        "View on deals: Everything → Owned only",
        "View on deals, unassigned ones: Yes → No",
    ]
    assert changes.in_words({"crm.deal.change": "team"}, before=before) == [
        "Edit on deals: Owned only → Team only"
    ]
    assert changes.in_words({"crm.deal.view.unassigned": True}) == [
        "View on deals, unassigned ones: Yes"
    ]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"crm.exprt": True}, "No permission can be given as “crm.exprt”. Did you mean crm.export"),
        ({"crm.deal.veiw": "team"}, "Did you mean crm.deal.view"),
        ({"crm.deal.add.unassigned": True}, "No permission can be given as"),
        ({"crm.workflows:edit": True}, "Did you mean crm.workflows?"),
        ({"sales.forecast": "team"}, "Did you mean sales.forecast:view or sales"),
        ({7: True}, "No permission can be given as “7”."),
        ({"crm.deal.view": 2}, "crm.deal.view takes one of none, owned, team, everything, not 2."),
        ({"crm.deal.view": "Team"}, "crm.deal.view takes one of none, owned, team, everything"),
        ({"crm.deal.view": ["team"]}, "crm.deal.view takes one of none, owned, team, everything"),
        ({"crm.deal.view.unassigned": 1}, "takes true or false, not 1."),
        ({"crm.export": "yes"}, "crm.export takes true or false, not 'yes'."),
        ({"crm.export": None}, "crm.export takes true or false, not None."),
        ({"crm.workflows": "edit"}, "takes a list of any of view, edit, delete, not 'edit'."),
        ({"crm.workflows": ["edit", "own"]}, "takes a list of any of view, edit, delete"),
        ({"crm.workflows": [["edit"]]}, "takes a list of any of view, edit, delete"),
        (["crm.export"], "Changes are given by key"),
    ],
)
def test_bad_input_is_refused_by_a_sentence(wrong: Any, said: str) -> None:
    with pytest.raises(InvalidChange) as refused:
        changes.after({}, (), wrong)
    assert said in str(refused.value)


def test_unknown_keys_are_unknown_permissions_of_the_catalogue_too() -> None:
    with pytest.raises(catalogue.UnknownPermission):
        changes.validated({"crm.nothing_of_this_name": True})
    assert issubclass(UnknownChange, InvalidChange)


@pytest.mark.django_db
def test_what_the_catalogue_does_not_know_any_more_is_left_out() -> None:
    kept = SetFactory(scopes={"deal": {"view": TEAM}, "yacht": {"view": TEAM}}, tools=["crm.gone"])
    before = changes.stored(kept)
    assert set(before.scopes) == {"deal", "yacht"}
    assert changes.after(*before, {}) == held({"deal": {"view": TEAM}})
    assert changes.after(*before, {}).scopes["deal"] == scopes_of(kept)["deal"]
    assert changes.stored(None) == NOTHING


@st.composite
def any_changes(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {}
    known = places()
    crowded = [key for key in known if key.startswith(("crm.deal.", "sales.forecast"))]
    keys = st.sampled_from([*crowded, *known])
    for key in draw(st.lists(keys, max_size=12, unique=True)):
        place = known[key]
        if place.sort is Sort.LEVEL:
            made[key] = draw(st.sampled_from(list(LEVELS)))
        elif place.sort in (Sort.BOX, Sort.SWITCH):
            made[key] = draw(st.booleans())
        else:
            tool = catalogue.TOOLS[place.tool]
            given_ones = [name.partition(":")[2] for name in catalogue.keys_to_give(tool)]
            if place.sort is Sort.OPTIONS:
                made[key] = draw(st.lists(st.sampled_from(given_ones)))
            else:
                made[key] = draw(st.sampled_from(["", *given_ones]))
    return made


@settings(max_examples=60, deadline=None, database=None)
@given(any_changes(), any_changes())
def test_the_difference_of_two_states_makes_one_of_the_other(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    before, later = changes.after(*NOTHING, first), changes.after(*NOTHING, second)
    change = changes.difference(before, later)
    made = changes.after(*before, change)
    assert changes.difference(made, later) == {}
    rows = {key: made.scopes.get(key, clamped({})) for key in later.scopes}
    assert (rows, made.tools) == (later.scopes, later.tools)
    assert changes.narrowed_by(*before, change) == []
    assert len(changes.in_words(change, before=before)) <= len(change)
    assert changes.after(*later, {}) == later
