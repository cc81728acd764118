"""The catalogue is complete, and what it comes to is what the requirements say (R40, R41, R42)."""

import random
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import access, catalogue, checks, operations
from accounts.access import ANYONE
from accounts.audit import System
from accounts.catalogue import evaluation
from accounts.models import ObjectScope, PermissionSet, ToolGrant, User
from accounts.operations import InvalidChange
from tests.support.catalogue_rows import (
    ASKABLE,
    BY_KEY,
    FOLLOWING,
    LEVELLED,
    PARENT_OF,
    ROWS,
    STORABLE,
    Holding,
    held,
    level,
)
from tests.support.company import TinyCompany
from tests.support.factories import SetFactory, UserFactory

# --- The declaration ------------------------------------------------------------------------------


def test_every_row_of_the_requirements_is_declared_as_it_stands_there() -> None:
    declared = {
        (
            tool.id,
            tool.key,
            tool.tab,
            str(tool.kind),
            tuple(o.key for o in tool.options if f"{tool.key}:{o.key}" not in FOLLOWING),
        )
        for tool in catalogue.TOOLS.values()
    }
    assert declared == set(ROWS)
    assert len(ROWS) == len({key for _, key, *_ in ROWS}) == 74
    children = {tool.id or tool.key: tool.parent for tool in catalogue.TOOLS.values()}
    parents = PARENT_OF | {"sales.goals": "sales.seat"}
    assert {number: parent for number, parent in children.items() if parent} == parents
    asked = {key for key in catalogue.known_keys() if key.count(".") == 1}
    assert asked == set(ASKABLE)
    given_keys = {key for tool in catalogue.TOOLS.values() for key in catalogue.keys_to_give(tool)}
    assert given_keys == {*STORABLE, *LEVELLED}
    assert catalogue.ACTION_IDS == {"communicate": "C-2"}


def test_every_permission_says_what_it_is_and_whether_anything_asks_it() -> None:
    keys = set(catalogue.known_keys())
    for tool in catalogue.TOOLS.values():
        assert tool.tab in catalogue.TABS
        assert tool.help.endswith(".") and tool.label and tool.section
        assert not (tool.asked_by and tool.asked_later), tool.key
        named = {tool.parent, tool.inert_without, tool.granting_requires, *tool.implies}
        named |= {*tool.presets, *(key for group in tool.requires for key in group)}
        named |= {k for o in tool.options for group in o.requires for k in group}
        assert named - {""} <= keys, tool.key
        if tool.parent:  # its parent is drawn above it, in the same section
            parent = catalogue.TOOLS[tool.parent]
            assert (parent.tab, parent.section) == (tool.tab, tool.section)
    high = {tool.key for tool in catalogue.TOOLS.values() if tool.risk is catalogue.Risk.HIGH}
    at_least = "crm.export crm.export_approver crm.export_without_approval crm.bulk_delete "
    at_least += "account.permanently_delete_contacts account.edit_users account.edit_teams "
    at_least += "account.access audit.view audit.view_exports account.view_as account.borrow"
    assert high >= set(at_least.split())
    assert {tool.key for tool in catalogue.TOOLS.values() if tool.default} == {
        "sales.custom_line_items",
        "sales.bulk_enroll_sequences",
    }


def test_what_is_said_to_be_asked_is_asked_by_our_own_code() -> None:
    """`asked_by` is no wish: the key stands in code outside the catalogue, and no other does."""
    root = Path(__file__).resolve().parents[2]
    told = {tool.key for tool in catalogue.TOOLS.values() if tool.asked_by}
    # A parent is asked with its children, whoever asks for one of them.
    told -= {tool.parent for tool in catalogue.TOOLS.values() if tool.key in told}
    asking = re.compile(
        r"""(?:holds|holds_tool|holders|has_perm)\(\s*(?:\w+,\s*)?"([a-z_.:]+)"|"""
        r"""^(?:DECIDE|EMPLOYEE|EXEMPT|TAKE_OUT|EDIT_\w+|USER_TABLE|BILLING) = "([a-z_.:]+)\"""",
        re.MULTILINE,
    )
    found = {
        one or other
        for folder in ("accounts", "records", "exports", "crmperms")
        for path in (root / folder).rglob("*.py")
        if "catalogue" not in path.relative_to(root).parts
        for one, other in asking.findall(path.read_text())
    }
    assert found == told


def test_a_mistyped_key_in_our_code_fails_the_check() -> None:
    assert checks.keys_in_our_code_are_permissions(None) == []
    right = """has_perm("crm.export") 'crm.deal.view' "crm.deal.export" {{ perms.crm.export }}
        DOMAIN = "crm.example" "sales.forecast:view=team" f"crm.{key}.view" audit.view()
        {"crm.deal.view.unassigned": True, "sales.forecast:view.unassigned": True}"""
    assert list(checks._unknown_keys(right)) == []
    wrong = ("crm.exprt", "crm.export:some", "crm.deal.vew", "sales.forecast:view=tea", "audit.x")
    wrong += ("crm.deal.add.unassigned",)
    for key in wrong:
        found = list(checks._unknown_keys(f"line 1\nperson.holds('{key}')"))
        assert [line for line, _ in found] == [2], key
    assert len(list(checks._unknown_keys("{% if perms.crm.exprt %}"))) == 1


# --- What is effective ----------------------------------------------------------------------------

RANKS = st.tuples(st.integers(1, 3), st.booleans()).map(lambda at: (at[0], at[1] and at[0] < 3))
PARENTS = sorted({*PARENT_OF.values(), "account.reports_and_dashboards", "crm.export"})
HOLDINGS = st.builds(
    lambda parents, some, levels, delete, superuser: Holding(
        parents | some, levels, delete, superuser
    ),
    st.frozensets(st.sampled_from(PARENTS), max_size=6),
    st.frozensets(st.sampled_from(STORABLE), max_size=30),
    st.dictionaries(st.sampled_from(LEVELLED), RANKS),
    st.sampled_from([0, 0, 1, 3]),
    st.sampled_from([False] * 5 + [True]),
)


def in_the_database(who: Holding, number: int) -> User:
    made = PermissionSet.objects.create(name=f"Random {number}")
    grants = dict.fromkeys(who.stored, (0, False)) | who.levels
    ToolGrant.objects.bulk_create(
        ToolGrant(
            permission_set=made,
            key=name.partition(":")[0],
            option=name.partition(":")[2],
            rank=rank,
            unassigned=box,
        )
        for name, (rank, box) in grants.items()
    )
    # What an earlier version stored grants nothing.
    ToolGrant.objects.create(permission_set=made, key="crm.flying", option="high")
    ToolGrant.objects.create(permission_set=made, key="crm.bulk_delete", option="edit")
    rank = who.contact_delete
    ObjectScope.objects.create(permission_set=made, object="contact", view=rank, delete=rank)
    return User.objects.create(
        email=f"random{number}@example.com", permission_set=made, is_superuser=who.superuser
    )


def _in_sql(conditions: dict[str, Q], people: list[User]) -> dict[int, set[str]]:
    """Return which of these conditions hold for each of these people, asked of anyone in SQL."""
    found: dict[int, set[str]] = {person.pk: set() for person in people}
    names = list(conditions)
    for start in range(0, len(names), 40):
        some = names[start : start + 40]
        row = User.objects.filter(pk=OuterRef("pk"))
        asked = {f"a{n}": Exists(row.filter(conditions[name])) for n, name in enumerate(some)}
        rows = User.objects.filter(pk__in=found).annotate(**asked).values_list("pk", *asked)
        for pk, *answers in rows:
            found[pk] |= {name for name, holds in zip(some, answers, strict=True) if holds}
    return found


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(whom=st.lists(HOLDINGS, min_size=4, max_size=12))
@pytest.mark.django_db(transaction=False)
def test_python_and_sql_and_the_requirements_agree_on_everybody(whom: list[Holding]) -> None:
    with transaction.atomic():
        people = [in_the_database(who, number) for number, who in enumerate(whom)]
        conditions = {asked: ANYONE.holds(asked) for asked in ASKABLE}
        for asked in LEVELLED:
            conditions |= {f"{asked}={rank}": ANYONE.holds(asked, rank) for rank in (1, 2, 3)}
            conditions[f"{asked}+"] = catalogue.effective_box(asked).asked_of(ANYONE)
        in_sql = _in_sql(conditions, people)
        for who, person in zip(whom, people, strict=True):
            expected = held(who)
            assert {asked for asked in ASKABLE if person.has_perm(asked)} == expected, who
            assert in_sql[person.pk] & set(ASKABLE) == expected, who
            for asked in LEVELLED:
                rank, box = level(who, asked)
                scope = access.tool_scope(person, asked)
                assert (scope.rank, scope.unassigned) == (rank, box), (who, asked)
                ranks = {each for each in (1, 2, 3) if f"{asked}={each}" in in_sql[person.pk]}
                assert ranks == set(range(1, rank + 1)), (who, asked)
                if rank in (1, 2):
                    assert (f"{asked}+" in in_sql[person.pk]) is box, (who, asked)
        transaction.set_rollback(True)


def test_keys_without_dependencies_ask_the_database_as_little_as_ever(c: TinyCompany) -> None:
    for key in ("crm.export", "crm.export_approver", "audit.view", "audit.view_exports"):
        assert str(access.holders(key).query).count("accounts_toolgrant") == 1, key
    person = c.fresh("xena")
    assert person.grants.tools == {"crm.export", "crm.export_without_approval"}
    assert (person.has_perm("crm.export"), person.has_perm("crm.workflows")) == (True, False)


def test_super_admins_have_the_parts_of_a_seat_only_with_a_seat(c: TinyCompany) -> None:
    assert c.sam.has_perm("account.borrow") and not c.sam.has_perm("sales.seat")
    assert not c.sam.has_perm("sales.forecast:view")
    # Whoever may do all with goals is given none without a seat (RP-4).
    assert c.sam.has_perm("reports.goals:edit") and not c.sam.has_perm("sales.goals:receive")
    UserFactory(permission_set=SetFactory(tools=["account.reports_and_dashboards"]))
    assert not access.holders("sales.goals:receive").exists()
    seat = SetFactory(tools=["sales.seat"])
    User.objects.filter(pk=c.sam.pk).update(permission_set=seat)
    sam = c.fresh("sam")
    assert sam.has_perm("sales.seat") and sam.has_perm("sales.playbooks:publish")
    assert set(access.holders("sales.goals:receive")) == {sam}
    assert access.tool_scope(sam, "sales.forecast:edit") == access.ToolScope(3, False)  # type: ignore[arg-type]
    assert set(access.holders("sales.forecast")) == {sam}


@dataclass(frozen=True)
class Plain:
    """Answers conditions from a `Holding` alone, without a database."""

    who: Holding

    def is_superuser(self) -> bool:
        return self.who.superuser

    def is_partner_admin(self) -> bool:
        return self.who.partner

    def at_least(self, object_key: str, action: str, rank: int) -> bool:
        return (object_key, action) == ("contact", "delete") and self.who.contact_delete >= rank

    def given(self, key: str, options: tuple[str, ...], rank: int = 0) -> bool:
        names = [f"{key}:{option}" if option else key for option in options]
        if rank:
            return any(self.who.levels.get(name, (0, False))[0] >= rank for name in names)
        return not self.who.stored.isdisjoint(names)

    def given_box(self, key: str, option: str) -> bool:
        return self.who.levels.get(f"{key}:{option}", (0, False))[1]


WITH_BOXES = [(1, False), (1, True), (2, False), (2, True), (3, False)]


def some_holdings() -> list[Holding]:
    """Return the same random sets every time."""
    chance = random.Random(5)
    # What an earlier version may have stored, and cannot be given: it grants nothing.
    odd = {"marketing.access", "marketing.cta:create", "marketing.forms:follow_up_email"}
    made = [
        Holding(frozenset(odd)),
        *(
            Holding(
                frozenset(
                    chance.sample(PARENTS, chance.randint(0, 6)) + chance.sample(STORABLE, 15)
                ),
                {name: chance.choice(WITH_BOXES) for name in LEVELLED if chance.random() < 0.6},
                chance.choice([0, 3]),
                chance.random() < 0.2,
            )
            for _ in range(60)
        ),
    ]
    others = (each for each in made if not each.superuser)
    # They reach every contact without a scope (R101).
    return [*made, *(replace(each, partner=True, contact_delete=3) for each in others)]


def is_right() -> bool:
    """Tell whether the catalogue says of random sets what the requirements' sentences say."""
    evaluation.effective.cache_clear()
    evaluation.given_or_super.cache_clear()
    evaluation.effective_box.cache_clear()
    conditions: dict[str, Any] = {asked: evaluation.effective(asked) for asked in ASKABLE}
    ranked: dict[str, Any] = {asked: evaluation.effective(asked, 3) for asked in LEVELLED}
    boxes: dict[str, Any] = {asked: evaluation.effective_box(asked) for asked in LEVELLED}
    return all(
        {asked for asked, when in conditions.items() if when.asked_of(Plain(who))} == held(who)
        and all(
            bool(when.asked_of(Plain(who))) is (level(who, asked)[0] == 3)
            for asked, when in ranked.items()
        )
        and all(
            bool(when.asked_of(Plain(who))) is level(who, asked)[1]
            for asked, when in boxes.items()
            if level(who, asked)[0] < 3
        )
        for who in some_holdings()
    )


KNOWN_WRONG: dict[str, tuple[object, str, object]] = {
    "children without their parent": (evaluation, "_conditions", lambda tool: []),
    "higher boxes without the lower ones": (catalogue.Tool, "higher", lambda tool, key: (key,)),
    "seats for super admins": (evaluation, "SEAT", "nothing"),
    "no seat, no tool, for partner admins": (evaluation, "of_partner_admins", lambda tool: False),
    "goals for partner admins": (
        evaluation,
        "of_partner_admins",
        lambda tool: tool.parent == "sales.seat" or "partner.access" in (tool.key, tool.parent),
    ),
    "all of what is required": (evaluation, "_one_of", lambda keys: evaluation.SuperAdmin()),
    "edit wider than view": (
        evaluation,
        "_stored",
        lambda tool, option, rank: evaluation.Given(
            tool.key,
            tool.higher(option.key) if option else evaluation._options_to_give(tool) or ("",),
            rank,
        ),
    ),
}


def test_only_levels_have_a_box() -> None:
    for key in ("crm.export", "crm.workflows:edit", "sales.forecast"):
        with pytest.raises(ValueError, match=f"“{key}” has no box Unassigned."):
            catalogue.effective_box(key)
    with pytest.raises(catalogue.UnknownPermission):
        catalogue.effective_box("sales.forecast:delete")


def test_wrong_evaluations_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the requirements' sentences are no copy of what the catalogue does."""
    assert is_right()
    for name, (where, what, wrong) in KNOWN_WRONG.items():
        with monkeypatch.context() as patch:
            patch.setattr(where, what, wrong)
            assert not is_right(), name
    evaluation.effective.cache_clear()
    evaluation.given_or_super.cache_clear()


# --- What is stored -------------------------------------------------------------------------------

SEED = System("test")


def stored_in(made: PermissionSet) -> set[str]:
    return {str(grant) for grant in operations.grants_of(made.pk)}


def test_higher_boxes_bring_the_lower_ones_and_edit_stays_within_view(db: None) -> None:
    tools = ["crm.workflows:delete", "marketing.social:own", "crm.import"]
    tools += ["sales.forecast:view=team+unassigned", "sales.forecast:edit=everything"]
    tools += ["reports.goals:edit=owned"]
    made = operations.create_set(actor=SEED, name="Many", tools=tools)
    assert stored_in(made) == {
        *("crm.workflows:view", "crm.workflows:edit", "crm.workflows:delete"),
        *("marketing.social:own", "crm.import"),
        *("sales.forecast:view=team+unassigned", "sales.forecast:edit=team"),
    }


WRONG = {
    "crm.exprt": "Did you mean crm.export",
    "crm.export:some": "no permission “crm.export:some”",
    "crm.workflows": "give crm.workflows:view, crm.workflows:edit, crm.workflows:delete",
    "marketing.seo:view": "cannot be given itself; give what it follows from",
    "marketing.cta:create": "cannot be given itself",
    "sales.forecast:view": "takes one of =owned, =team, =everything",
    "sales.forecast:view=none": "takes one of",
    "sales.forecast:view=everything+unassigned": "takes one of",
    "crm.export=team": "“crm.export” takes no level",
    "": "no permission “”",
}


def test_what_the_catalogue_does_not_have_is_refused_with_a_sentence(db: None) -> None:
    for tool, sentence in WRONG.items():
        with pytest.raises(InvalidChange, match=re.escape(sentence)):
            operations.create_set(actor=SEED, name="Wrong", tools=["crm.import", tool])
    two = ["marketing.social:all", "marketing.social:own"]
    with pytest.raises(InvalidChange, match="Choose one for Social publishing, not two"):
        operations.create_set(actor=SEED, name="Wrong", tools=two)
    assert not PermissionSet.objects.exists()


def test_the_database_refuses_levels_that_cannot_be(db: None) -> None:
    made = SetFactory()
    impossible: list[dict[str, Any]] = [{"rank": 4}, {"rank": 3, "unassigned": True}]
    for wrong in (*impossible, {"unassigned": True}):
        with pytest.raises(IntegrityError), transaction.atomic():
            ToolGrant.objects.create(
                permission_set=made, key="sales.forecast", option="view", **wrong
            )
    UserFactory(permission_set=made)
    assert BY_KEY["sales.forecast"][2] == "scope"
