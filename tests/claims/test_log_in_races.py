"""A log-in is opened while its person becomes more: one comes first (R95)."""

from __future__ import annotations

import pytest

from accounts import access
from accounts.models import User
from tests.claims.test_team_tree import is_waiting, wait_until
from tests.support.company import EVERYTHING, TEAM, TinyCompany
from tests.support.exports_process import racers
from tests.support.factories import SetFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("what", ["super admin", "wider"])
def test_password_is_not_set_of_whoever_becomes_more_meanwhile(c: TinyCompany, what: str) -> None:
    """What was asked before it waited would be answered by what they were."""
    tools = ["account.access", "account.edit_users", "account.user_table"]
    scopes = {"deal": {"view": TEAM}}
    dora = UserFactory(
        email="dora@example.com",
        permission_set=SetFactory(name="Leads", scopes=scopes, tools=tools),
        team=c.teams["north"],
    )
    User.objects.filter(pk=c.rita.pk).update(email="another@example.com")
    rita = UserFactory(
        email="rita@example.com", permission_set=SetFactory(name="None"), team=c.teams["north"]
    )
    SetFactory(name="Wide", scopes={"deal": {"view": EVERYTHING}})
    assert access.allows(User.objects.get(pk=dora.pk), "credentials", rita)
    assert _set_while(what, by=dora.email) != "done"
    assert User.objects.get(pk=rita.pk).password == rita.password


def test_nor_by_whoever_is_a_super_admin_no_more_by_then(c: TinyCompany) -> None:
    assert _set_while("demotion", by="sue@example.com") != "done"
    assert c.fresh("rita").password == c.rita.password


def _set_while(what: str, by: str) -> str:
    """Set Rita's password while Sam's change is being written; return what came of it."""
    change = ("change_rights", what, "sam@example.com", "hold")
    with racers(change, ("change_rights", "puppet", by)) as (first, second):
        first.go()
        assert first.says() == "written"
        second.go()
        wait_until(lambda: second.has_said() or is_waiting())
        first.go()
        assert first.says() == "done"
        return second.says()
