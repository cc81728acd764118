"""Many records changed by two people at the same moment: the second is told to look again."""

from __future__ import annotations

import pytest

from accounts.models import AuditEvent
from records.models import Deal
from tests.claims.test_team_tree import is_waiting, wait_until
from tests.support.company import TinyCompany
from tests.support.exports_process import racers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("first", ["rita", "sam"])
def test_second_of_two_who_change_the_same_records_changes_none(c: TinyCompany, first: str) -> None:
    second = {"rita": "sam", "sam": "rita"}[first]
    deals = [c.deals["ritas"], c.deals["chosen"]]
    keys = ",".join(str(each.pk) for each in deals)
    stages = {first: c.stages["won"].pk, second: c.stages["locked"].pk}
    each = [("change_many", stages[who], keys, f"{who}@example.com") for who in (first, second)]
    with racers((*each[0], "hold"), each[1]) as (one, other):
        one.go()
        assert one.says() == "written"
        other.go()
        wait_until(lambda: other.has_said() or is_waiting())
        one.go()
        assert one.says() == "done: 2"
        assert other.says().startswith("Stale: ")
    assert set(
        Deal.objects.filter(pk__in=[d.pk for d in deals]).values_list("stage", flat=True)
    ) == {c.stages["won"].pk}
    assert AuditEvent.objects.filter(action="deal.change").count() == 2
