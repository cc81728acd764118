"""What the access engine tells of people and kinds rather than of one record; kills its mutants."""

from functools import partial
from typing import Any

import pytest
from django.db.models import Model, Q, QuerySet

from accounts import access
from accounts.models import User
from records.models import Company, Contact, Deal, Level
from records.operations.sharing import share
from tests.support.catalogue_rows import BY_KEY, CHOICE, SWITCH
from tests.support.company import TinyCompany
from tests.support.factories import SetFactory


def emails(*names: str) -> set[str]:
    return {f"{name}@example.com" for name in names}


def test_who_was_given_a_tool_is_asked_of_each_tool(c: TinyCompany) -> None:
    """One after the other: the second answer is not the first one, kept."""
    expected = {
        "audit.view": emails("sam", "sue", "otto"),
        "crm.export_approver": emails("sam", "sue", "axel", "mona"),
        "crm.export_without_approval": emails("sam", "sue", "xena"),
    }
    said = {tool: set(access.given_to(tool).values_list("email", flat=True)) for tool in expected}
    assert said == expected


def test_whoever_was_given_the_last_of_several_options_is_found_by_each(c: TinyCompany) -> None:
    """Loaded, and anyone: of some options, each one is asked, and not the first alone."""
    choices = {key: options for key, (_, _, sort, options) in BY_KEY.items() if sort == CHOICE}
    switches = [key for key, (_, _, sort, _) in BY_KEY.items() if sort == SWITCH]
    tools = [*switches, *(f"{key}:{options[-1]}" for key, options in choices.items())]
    User.objects.filter(pk=c.nils.pk).update(permission_set=SetFactory(name="Last", tools=tools))
    more = 0
    for key, options in choices.items():
        for asked in (key, *(f"{key}:{option}" for option in options)):
            found = access.holders(asked).filter(pk__in=[c.nils.pk, c.ruth.pk])
            said = [p for p in (c.fresh("nils"), c.fresh("ruth")) if access.holds_tool(p, asked)]
            assert list(found) == said, asked
            more += bool(said)
    assert more > len(choices)


TOLD = [
    ("sam", Company, ("North", "North A", "South")),
    ("eve", Company, ("North", "North A", "South")),
    ("mona", Company, ("North", "North A", "South")),
    ("mona", Deal, ("North", "North A")),
    ("rita", Deal, ("North A",)),
    ("ella", Deal, ("North A", "South")),
    ("lena", Deal, ()),
    ("lena", Contact, ("North", "North A", "South")),
    ("nils", Deal, ()),
    ("fred", Deal, ("North A",)),  # Everything, and deactivated
]


@pytest.mark.parametrize(("who", "model", "teams"), TOLD)
def test_teams_are_told_whose_records_may_be_viewed(
    c: TinyCompany, who: str, model: type[Model], teams: tuple[str, ...]
) -> None:
    """One's own teams and those below; every team for whoever views every record of the kind."""
    assert tuple(sorted(map(str, access.teams_told(c.fresh(who), model)))) == teams


def test_partner_admin_is_told_every_team(c: TinyCompany) -> None:
    User.objects.filter(pk=c.nils.pk).update(is_partner_admin=True)
    assert access.teams_told(c.fresh("nils"), Deal).count() == 3


# Findings that need no row, of what the person holds alone: those that hold, and those that do not.
NO_ROW = [
    ("rita", "add", True, {"everything"}, {"inactive", "superuser", "partner_admin", "no_scope"}),
    ("nils", "add", False, {"no_scope"}, {"inactive", "superuser", "partner_admin", "everything"}),
    ("sam", "add", True, {"superuser"}, {"inactive", "partner_admin", "everything", "no_scope"}),
    ("fred", "add", False, {"inactive", "everything"}, {"superuser", "partner_admin", "no_scope"}),
    (
        *("rita", "view", True, set()),
        {"inactive", "superuser", "partner_admin", "everything", "no_scope", "shared"},
    ),
]


@pytest.mark.parametrize(("who", "action", "may", "hold", "rest"), NO_ROW)
def test_explanation_without_a_record_says_what_is_settled(
    c: TinyCompany, who: str, action: str, may: bool, hold: set[str], rest: set[str]
) -> None:
    """Of a rep who views, whether they own it is left to the record; all else is said."""
    told = access.explain_any(c.fresh(who), action, Deal)
    assert told.allowed is may
    assert {f.code for f in told.findings if f.holds} == hold
    assert {f.code for f in told.findings if not f.holds} == rest
    assert all(f.because for f in told.findings)


def test_same_question_about_two_kinds_has_two_answers(c: TinyCompany) -> None:
    rita, deal, contact = c.fresh("rita"), c.deals["ritas"], c.contacts["cora"]
    for record, name in ((deal, "name"), (contact, "last_name"), (deal, "name")):
        called = partial(names_of, type(record), name)
        assert access.rows_about(rita, "called", record, called) == [(getattr(record, name),)]
        asked = partial(is_called, name, "Rita's", "Cable")
        said = access.answered_of(rita, "called", record, asked)
        assert said == (record is deal, record is contact)


def names_of(model: type[Model], name: str, key: Any) -> QuerySet[Any]:
    return model._base_manager.filter(pk=key).values_list(name)


def is_called(name: str, *values: str) -> list[Q]:
    return [Q(**{name: value}) for value in values]


def test_share_with_a_team_reaches_those_whose_main_team_it_is(c: TinyCompany) -> None:
    """Ella is in it besides: she sees none of it, by no reader (E55)."""
    deal = c.deals["monas"]
    before = set(access.who_can("view", deal))
    share(deal, actor=c.mona, team=c.teams["north_a"], level=Level.VIEW)
    assert set(access.who_can("view", deal)) - before == {c.rita, c.nora}
    for name, may in (("rita", True), ("nora", True), ("ella", False), ("rob", False)):
        assert access.allows(c.fresh(name), "view", deal) is may
