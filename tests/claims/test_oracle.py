"""The product against the oracle: hundreds of made-up worlds, every reader, every answer (B1)."""

import ast
import json
import sys
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.support import catalogue_rows, oracle, oracle_data, oracle_writes
from tests.support.cases import CASES
from tests.support.changes import CHANGES
from tests.support.compared import compare
from tests.support.smaller import smaller
from tests.support.steps import opened_by_each
from tests.support.tally import Tally
from tests.support.world_rows import known_codes
from tests.support.worlds import (
    CHANGE_NAMES,
    OWNED,
    TEAM,
    Person,
    Record,
    Set,
    Share,
    TeamIn,
    World,
    made_by,
    worlds,
)

# Some sixty in all; `make prove` gives each database 20,000.
WORLDS = 40 if connection.vendor == "sqlite" else 24


ORACLE = {oracle: 190, oracle_data: 220, oracle_writes: 130, catalogue_rows: 210}


@pytest.mark.parametrize(("part", "longest"), ORACLE.items())
def test_oracle_knows_nothing_of_the_product_and_is_short(part: ModuleType, longest: int) -> None:
    source = Path(str(part.__file__)).read_text()
    assert len(source.splitlines()) <= longest
    imported, parts = set(), {each.__name__ for each in ORACLE}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module not in parts:
            imported.add((node.module or "").partition(".")[0])
    assert imported <= sys.stdlib_module_names


def test_worlds_draw_from_every_change_there_is() -> None:
    assert set(CHANGE_NAMES) == set(CHANGES)


def test_same_draws_make_the_same_world() -> None:
    assert repr(made_by(Random("1/7"))) == repr(made_by(Random("1/7")))
    assert repr(made_by(Random("1/7"))) != repr(made_by(Random("1/8")))


def test_world_that_disagrees_is_made_smaller() -> None:
    """Made up: one about a record of person 1, and a share that nothing hangs on."""
    owned = (Record(1, owner=2), Record(2, owner=1), Record(3), Record(4, owner=1))
    world = World(
        sets=(Set(tools=("crm.export",)), Set(tools=("audit.view",))),
        people=(Person(1), Person(2)),
        records={"deal": owned},
        shares=(Share("deal", 2, ("user", 2)), Share("deal", 3, ("user", 1))),
        changes=(("valued", 1), ("linked", 2)),
    )
    small = smaller(world, lambda each: any(r.owner == 1 for r in each.records["deal"]))
    assert [(r.owner, r.id in (2, 4)) for r in small.records["deal"]] == [(1, True)]
    assert (small.shares, small.changes, [one.tools for one in small.sets]) == ((), (), [(), ()])
    assert smaller(world, lambda each: False) is world


def test_single_step_takes_nothing_away() -> None:
    """World 9 of seed 1: Team only without the box opened less than Owned only with it."""
    scopes = {"view": (TEAM, True), "change": (TEAM, True), "merge": (OWNED, True)}
    world = World(
        sets=(Set({"deal": scopes}),),
        people=(Person(1, 0, (1,)), Person(2, 0, (1,))),
        teams=(TeamIn(1),),
        records={"deal": (Record(1, owner=2), Record(2), Record(3), Record(4))},
    )
    enough = opened_by_each(world, 1, "deal", "merge", 1)
    assert enough == {("owner", None): 4, ("box", TEAM): 4}


@pytest.mark.django_db
@pytest.mark.parametrize("case", sorted(CASES))
def test_case_that_once_told_right_from_wrong(case: str) -> None:
    compare(CASES[case], Tally(), people=len(CASES[case].people))


@pytest.mark.django_db
def test_product_and_oracle_agree(record_property: Any) -> None:
    tally = Tally()

    @seed(20)
    @settings(
        max_examples=WORLDS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(worlds())
    def agree(world: World) -> None:
        compare(world, tally)

    agree()
    record_property("oracle", str(tally))
    assert tally.worlds >= WORLDS
    # Every reason decides often enough to have been tried.
    assert {code for code in known_codes() if tally.share(code) < 0.2} == set()
    # Worlds changed, files were written and fetched afterwards.
    assert tally.changes.total() > tally.worlds / 3
    assert tally.compared["export: rows"] >= 3
    # As `make prove` puts it together from its processes.
    assert Tally.from_json(json.loads(json.dumps(tally.to_json()))) == tally
