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
PASSWORD = "another long password"


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
    more = ("change_rights", what, "sam@example.com", "hold")
    with racers(more, ("change_rights", "puppet", dora.email)) as (first, second):
        first.go()
        assert first.says() == "written"
        second.go()
        wait_until(lambda: second.has_said() or is_waiting())
        first.go()
        assert first.says() == "done"
        assert second.says() != "done"
    assert not User.objects.get(pk=rita.pk).check_password(PASSWORD)
