"""All readers agree: every person × every action × every row (B1)."""

import pytest

from accounts.access import ACTIONS, CODES, allows, explain, marked, permitted, who_can
from accounts.models import User
from records.models import Company, Contact, Deal
from tests.support.company import TinyCompany

MODELS = (Deal, Contact, Company)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_list_check_mark_explanation_and_reverse_agree(c: TinyCompany, action: str) -> None:
    """Sets first: a list, marks and one reverse look-up per row say the same about everything.

    Then every person is asked about every row through one of the four doors that ask about one
    row, in turn: nobody and no record is left out at any door.
    """
    compared = 0
    for model in MODELS:
        rows = list(model._base_manager.order_by("pk"))
        everything = model._base_manager.order_by()
        reverse = {row.pk: {u.pk for u in who_can(action, row)} for row in rows}
        for place, person in enumerate(User.objects.order_by("pk")):
            listed = sorted(permitted(everything, person, action).values_list("pk", flat=True))
            marks = marked(everything, person, action).values_list("pk", f"may_{action}")
            assert sorted(pk for pk, may in marks if may) == listed, person
            assert [row.pk for row in rows if person.pk in reverse[row.pk]] == listed, person
            app, name = model._meta.app_label, model._meta.model_name
            for turn, row in enumerate(rows, place):
                match turn % 4:
                    case 0:
                        answer = allows(person, action, row)
                    case 1:
                        answer = person.has_perm(f"{app}.{action}_{name}", row)
                    case 2:
                        answer = person.has_perm(f"crm.{name}.{action}", row)
                    case _:
                        explanation = explain(person, action, row)
                        answer = explanation.allowed
                        assert {f.code for f in explanation.findings} <= CODES
                        assert explanation.decisive or not answer
                assert answer == (row.pk in listed), (person, action, row, turn % 4)
            compared += 4 * len(rows)
    assert compared > 1000
