"""The tiny company that most tests work in: few people, but one of each kind that matters."""

from dataclasses import dataclass, field

from django.utils import timezone

from accounts.models import PermissionSet, Rank, Team, User
from records.models import Company, Contact, Deal, Pipeline, Stage, StageRule
from tests.support.factories import (
    CompanyFactory,
    ContactFactory,
    DealFactory,
    PipelineFactory,
    SetFactory,
    StageFactory,
    TeamFactory,
    UserFactory,
)

NONE, OWNED, TEAM, EVERYTHING = Rank.NONE, Rank.OWNED, Rank.TEAM, Rank.EVERYTHING


@dataclass
class TinyCompany:
    """Everything by name: `c.rita`, `c.deals["ritas"]`, `c.stages["locked"]`."""

    sets: dict[str, PermissionSet] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    people: dict[str, User] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    deals: dict[str, Deal] = field(default_factory=dict)
    companies: dict[str, Company] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    pipeline: Pipeline = field(init=False)
    rule: StageRule = field(init=False)

    def __getattr__(self, name: str) -> User:
        try:
            return self.__dict__["people"][name]
        except KeyError:
            raise AttributeError(name) from None

    def fresh(self, name: str) -> User:
        """Return the person as a new request would load them."""
        return User.objects.get(pk=self.people[name].pk)


def found() -> TinyCompany:
    """Build the company.

    Teams: north > north_a, and south. Rita (rep) and Nora are in north_a, Mona (manager) in north,
    Rob in south, Ella in south and extra in north_a, Lena in none.
    """
    c = TinyCompany()
    c.sets = {
        "rep": SetFactory(
            name="Rep",
            scopes={
                "deal": {
                    "add": True,
                    "view": TEAM,
                    "view_unassigned": True,
                    "change": OWNED,
                    "delete": NONE,
                    "communicate": TEAM,
                    "merge": OWNED,
                },
                "contact": {"add": True, "view": EVERYTHING, "change": OWNED},
                "company": {"view": OWNED},
            },
            tools=["crm.export"],
        ),
        "manager": SetFactory(
            name="Manager",
            scopes={
                "deal": {
                    "add": True,
                    "view": TEAM,
                    "change": TEAM,
                    "delete": OWNED,
                    "communicate": TEAM,
                },
                "contact": {"view": EVERYTHING, "change": TEAM, "change_unassigned": True},
                "company": {"add": True, "view": EVERYTHING, "change": EVERYTHING},
            },
            tools=["crm.export", "crm.export_approver"],
        ),
        "everything": SetFactory(
            name="Everything",
            scopes={
                key: {
                    "add": True,
                    "view": EVERYTHING,
                    "change": EVERYTHING,
                    "delete": EVERYTHING,
                    "communicate": EVERYTHING,
                    "merge": EVERYTHING,
                }
                for key in ("deal", "contact", "company", "ticket")
            },
        ),
        "exempt": SetFactory(
            name="Exempt",
            scopes={"deal": {"view": EVERYTHING}},
            tools=["crm.export", "crm.export_without_approval"],
        ),
        "approver": SetFactory(name="Approver", tools=["crm.export_approver"]),
        "auditor": SetFactory(name="Auditor", tools=["audit.view", "audit.view_exports"]),
        "reader": SetFactory(name="Reader", scopes={"deal": {"view": EVERYTHING}}),
    }
    north = TeamFactory(name="North")
    c.teams = {
        "north": north,
        "north_a": TeamFactory(name="North A", parent=north),
        "south": TeamFactory(name="South"),
    }
    t, s = c.teams, c.sets
    c.people = {
        "sam": UserFactory(email="sam@example.com", is_superuser=True),
        "sue": UserFactory(email="sue@example.com", is_superuser=True),
        "mona": UserFactory(email="mona@example.com", permission_set=s["manager"], team=t["north"]),
        "rita": UserFactory(email="rita@example.com", permission_set=s["rep"], team=t["north_a"]),
        "nora": UserFactory(email="nora@example.com", permission_set=s["rep"], team=t["north_a"]),
        "rob": UserFactory(email="rob@example.com", permission_set=s["rep"], team=t["south"]),
        "ella": UserFactory(
            email="ella@example.com",
            permission_set=s["rep"],
            team=t["south"],
            extra=[t["north_a"]],
        ),
        "lena": UserFactory(email="lena@example.com", permission_set=s["rep"]),
        "eve": UserFactory(email="eve@example.com", permission_set=s["everything"]),
        "axel": UserFactory(email="axel@example.com", permission_set=s["approver"]),
        "xena": UserFactory(email="xena@example.com", permission_set=s["exempt"]),
        "otto": UserFactory(email="otto@example.com", permission_set=s["auditor"]),
        "ruth": UserFactory(email="ruth@example.com", permission_set=s["reader"]),
        "nils": UserFactory(email="nils@example.com"),
        "fred": UserFactory(
            email="fred@example.com",
            permission_set=s["everything"],
            is_active=False,
            team=t["north_a"],
        ),
    }
    c.pipeline = PipelineFactory(name="Sales")
    c.stages = {
        name: StageFactory(pipeline=c.pipeline, name=name.title(), position=position)
        for position, name in enumerate(("open", "locked", "chosen", "won"), 1)
    }
    c.rule = StageRule.objects.create(
        pipeline=c.pipeline, enabled=True, editors=StageRule.Editors.CHOSEN
    )
    c.rule.stages.set([c.stages["chosen"]])
    c.rule.users.set([c.people["rita"]])
    c.rule.teams.set([c.teams["south"]])
    second = PipelineFactory(name="Renewals")
    c.stages["vault"] = StageFactory(pipeline=second, name="Vault")
    vault = StageRule.objects.create(pipeline=second, enabled=True)
    vault.stages.set([c.stages["vault"]])
    off = StageRule.objects.create(pipeline=PipelineFactory(name="Old"), enabled=False)
    c.stages["off"] = StageFactory(pipeline=off.pipeline, name="Unlocked")
    off.stages.set([c.stages["off"]])

    p, st = c.people, c.stages
    c.companies = {
        "acme": CompanyFactory(name="Acme", owner=p["rita"]),
        "bolt": CompanyFactory(name="Bolt", owner=p["rob"]),
        "free": CompanyFactory(name="Freely"),
    }
    c.contacts = {
        "cora": ContactFactory(last_name="Cable", owner=p["rita"], phone="+49 30 1"),
        "carl": ContactFactory(last_name="Cork", phone="+49 30 2"),
    }
    c.deals = {
        "ritas": DealFactory(name="Rita's", owner=p["rita"], stage=st["open"]),
        "noras": DealFactory(name="Nora's", owner=p["nora"], stage=st["open"]),
        "robs": DealFactory(
            name="Rob's", owner=p["rob"], stage=st["open"], company=c.companies["bolt"]
        ),
        "monas": DealFactory(name="Mona's", owner=p["mona"], stage=st["open"]),
        "freds": DealFactory(name="Fred's", owner=p["fred"], stage=st["open"]),
        "unassigned": DealFactory(name="Nobody's", stage=st["open"]),
        "co_owned": DealFactory(
            name="Co-owned", owner=p["rob"], co_owner=p["rita"], stage=st["open"]
        ),
        "only_co": DealFactory(name="Only co-owned", co_owner=p["lena"], stage=st["open"]),
        "chosen": DealFactory(name="Chosen", owner=p["rita"], stage=st["chosen"]),
        "chosen_n": DealFactory(name="Chosen N", owner=p["nora"], stage=st["chosen"]),
        "chosen_s": DealFactory(name="Chosen S", owner=p["rob"], stage=st["chosen"]),
        "vault": DealFactory(name="Vault", owner=p["rita"], stage=st["vault"]),
        "off": DealFactory(name="Rule off", owner=p["nora"], stage=st["off"]),
        "deleted": DealFactory(
            name="Deleted", owner=p["rita"], stage=st["open"], deleted_at=timezone.now()
        ),
    }
    return c
