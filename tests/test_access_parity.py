"""All readers agree: every person × every action × every row (B1)."""

import pytest

from accounts.access import ACTIONS, CODES, allows, explain, marked, permitted, who_can
from accounts.models import User
from records.models import Company, Contact, Deal
from tests.company import TinyCompany

MODELS = (Deal, Contact, Company)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_list_check_mark_explanation_and_reverse_agree(c: TinyCompany, action: str) -> None:
    compared = 0
    for model in MODELS:
        rows = list(model._base_manager.order_by("pk"))
        reverse = {row.pk: {u.pk for u in who_can(action, row)} for row in rows}
        for person in User.objects.all():
            listed = set(
                permitted(model._base_manager.all(), person, action).values_list("pk", flat=True)
            )
            marks = {
                row.pk: getattr(row, f"may_{action}")
                for row in marked(model._base_manager.all(), person, action)
            }
            for row in rows:
                verdict = row.pk in listed
                explanation = explain(person, action, row)
                answers = {
                    "allows": allows(person, action, row),
                    "marked": marks[row.pk],
                    "explain": explanation.allowed,
                    "who_can": person.pk in reverse[row.pk],
                    "has_perm": person.has_perm(
                        f"{model._meta.app_label}.{action}_{model._meta.model_name}", row
                    ),
                    "catalogue": person.has_perm(f"crm.{model._meta.model_name}.{action}", row),
                }
                assert answers == dict.fromkeys(answers, verdict), (person, action, row)
                assert {f.code for f in explanation.findings} <= CODES
                assert explanation.decisive or not verdict
                compared += len(answers)
    assert compared > 1000
