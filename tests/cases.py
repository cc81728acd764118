"""Small worlds in which a rule was once wrong, or would be; kept for good.

What hypothesis shrinks a failure to is pasted here under the name of what it told apart.
"""

from tests.worlds import (
    EVERYTHING,
    NONE,
    OWNED,
    TEAM,
    FieldRule,
    Person,
    Record,
    Rule,
    Set,
    TeamIn,
    World,
)

EDITOR = Set({"deal": {"view": (EVERYTHING, False), "change": (EVERYTHING, False)}})
TEAM_EDITOR = Set({"deal": {"view": (TEAM, False), "change": (TEAM, False)}}, ("crm.export",))

CASES: dict[str, World] = {
    # Open fields once made the whole app appear to people who may view no record of it.
    "nobody may view anything, and a field is open to all": World(
        sets=(Set({"deal": {"view": (NONE, False)}}),),
        people=(Person(1, set=0), Person(2)),
        pipelines={1: "deal"},
        records={"deal": (Record(1, owner=1, stage=1),)},
        fields=(FieldRule("deal", "amount", "everyone_view"),),
    ),
    "the owner is three levels below": World(
        sets=(TEAM_EDITOR,),
        people=(Person(1, 0, (1,)), Person(2, 0, (2,)), Person(3, 0, (3,))),
        teams=(TeamIn(1), TeamIn(2, 1), TeamIn(3, 2)),
        pipelines={1: "deal"},
        records={"deal": (Record(1, owner=3, stage=1), Record(2, owner=1, stage=1))},
    ),
    "the owner is in two teams in reach": World(
        sets=(TEAM_EDITOR,),
        people=(Person(1, 0, (1, 2)), Person(2, 0, (1, 2)), Person(3, 0, (2,), has_main=False)),
        teams=(TeamIn(1), TeamIn(2)),
        pipelines={1: "deal"},
        records={"deal": (Record(1, owner=2, co_owner=3, stage=1),)},
    ),
    "two of the person's teams are named in the rule": World(
        sets=(EDITOR,),
        people=(Person(1, 0, (1, 2)), Person(2, 0), Person(3, superuser=True)),
        teams=(TeamIn(1), TeamIn(2)),
        pipelines={1: "deal"},
        rules=(Rule(1, stages=(1, 2), users=(1,), teams=(1, 2)),),
        records={"deal": (Record(1, stage=1), Record(2, stage=3))},
    ),
    "people are named, but super admins only": World(
        sets=(EDITOR,),
        people=(Person(1, 0), Person(2, 0, (1,)), Person(3, superuser=True)),
        teams=(TeamIn(1),),
        pipelines={1: "deal"},
        rules=(Rule(1, stages=(1,), editors="super_admins", users=(1,), teams=(1,)),),
        records={"deal": (Record(1, stage=1),)},
    ),
    "no owner, but a second one": World(
        sets=(Set({"deal": {"view": (OWNED, True), "change": (OWNED, True)}}),),
        people=(Person(1, 0), Person(2, 0)),
        pipelines={1: "deal"},
        records={"deal": (Record(1, co_owner=2, stage=1), Record(2, stage=1))},
    ),
    "edit was asked for wider than view": World(
        sets=(
            Set(
                {
                    "deal": {
                        "view": (OWNED, False),
                        "change": (EVERYTHING, False),
                        "delete": (TEAM, True),
                        "merge": (EVERYTHING, False),
                    }
                }
            ),
        ),
        people=(Person(1, 0, (1,)), Person(2, 0, (1,))),
        teams=(TeamIn(1),),
        pipelines={1: "deal"},
        records={"deal": (Record(1, owner=2, stage=1), Record(2, stage=1))},
    ),
}
