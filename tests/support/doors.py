"""What people do to accounts, rights and rules, by name, for tests to ask what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Model

from accounts import operations as people
from accounts.audit import System
from accounts.models import PermissionSet, RightsChange, User
from accounts.protection import protect, unprotect
from exports import operations
from exports.models import ExportPolicy, GateChange
from records.models import FlagLifted
from tests.support.company import EVERYTHING, TinyCompany
from tests.support.factories import SetFactory, UserFactory

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
APPROVER = ["crm.export_approver"]
EXEMPT_TOOLS = ["crm.export", "crm.export_without_approval"]


@contextmanager
def rewritable(model: type[Model]) -> Iterator[None]:
    """Lift the protection of a table, as no part of the product does."""
    table = model._meta.db_table
    connection.check_constraints()  # PostgreSQL alters no table that has checks outstanding
    unprotect(connection, table)
    yield
    connection.check_constraints()
    protect(connection, table)


def let_pass(time: timedelta) -> None:
    """Let what was changed lie back by so much."""
    for model in (RightsChange, GateChange, FlagLifted):
        with rewritable(model):
            model.objects.update(at=F("at") - time)


def rules(**values: Any) -> None:
    """Write the rules as no operation does: nobody changed them."""
    ExportPolicy.objects.filter(pk=1).update(**{"require_approval": True, "threshold": 0, **values})


def change(actor: User, **wanted: Any) -> None:
    version = ExportPolicy.objects.get().version
    operations.change_policy(actor=actor, version=version, **wanted)


def edit(c: TinyCompany, name: str, actor: Any, tools: list[str], **scopes: Any) -> None:
    stored = PermissionSet.objects.get(pk=c.sets[name].pk)
    people.change_set(
        stored,
        actor=actor,
        name=stored.name,
        description="",
        scopes=people.scopes_of(stored) | scopes,
        tools=tools,
    )


def created(c: TinyCompany, by: Any) -> User:
    return people.create_person(
        actor=by, email="new@example.com", permission_set=c.sets["approver"], password="a" * 20
    )


def created_super_admin(c: TinyCompany, by: Any) -> User:
    return people.create_person(actor=by, email="new@example.com", is_superuser=True)


def created_powerless_and_raised_by_another(c: TinyCompany, by: Any) -> User:
    made = people.create_person(actor=by, email="new@example.com")
    people.assign_set(made, actor=System("test"), permission_set=c.sets["approver"])
    return made


def password_set(c: TinyCompany, by: Any) -> User:
    people.set_password(c.axel, actor=by, password="another long password")
    return c.axel


def address_changed(c: TinyCompany, by: Any) -> User:
    people.change_person(
        c.axel, actor=by, email="axel@elsewhere.example", first_name="Axel", last_name=""
    )
    return c.axel


def right_given_by_a_set(c: TinyCompany, by: Any) -> User:
    people.assign_set(c.ruth, actor=by, permission_set=c.sets["approver"])
    return c.ruth


def right_given_in_the_editor(c: TinyCompany, by: Any) -> User:
    people.edit_permissions([c.ruth], actor=by, changes={"crm.export_approver": True})
    return c.ruth


def own_permissions_of_the_same_right(c: TinyCompany, by: Any) -> User:
    people.edit_permissions([c.axel], actor=by, changes={"crm.deal.view": "owned"})
    return c.axel


def right_put_into_several_sets(c: TinyCompany, by: Any) -> User:
    sets = [c.sets["reader"], c.sets["rep"]]
    people.edit_sets(sets, actor=by, changes={"crm.export_approver": True})
    return c.ruth


def right_given_by_taking_back(c: TinyCompany, by: Any) -> User:
    """A right that another took is given back by undoing."""
    ruth = right_given_by_a_set(c, System("test"))
    people.edit_permissions([ruth], actor=by, changes={"crm.export_approver": False})
    stands = people.as_touched("person", [ruth.pk], by)
    row = {"key": ruth.pk, "set": c.sets["approver"].pk, "before": [{}, []]}
    people.take_back("person", [row], actor=by, stands=stands)
    return ruth


def right_given_with_a_new_set(c: TinyCompany, by: Any) -> User:
    people.create_set(actor=by, name="Late", tools=APPROVER, people=[c.ruth])
    return c.ruth


def right_given_by_deleting_a_set(c: TinyCompany, by: Any) -> User:
    reader, approver = c.sets["reader"], c.sets["approver"]
    people.delete_set(reader, actor=by, replacement=approver)
    return c.ruth


def other_set_with_the_same_right(c: TinyCompany, by: Any) -> User:
    people.assign_set(c.axel, actor=by, permission_set=c.sets["manager"])
    return c.axel


def right_put_into_their_set(c: TinyCompany, by: Any) -> User:
    edit(c, "reader", by, APPROVER)
    return c.ruth


def right_taken_and_given_back(c: TinyCompany, by: Any) -> User:
    edit(c, "approver", by, [])
    edit(c, "approver", System("test"), APPROVER)
    return c.axel


def right_put_into_a_set_that_another_assigned(c: TinyCompany, by: Any) -> User:
    edit(c, "reader", by, APPROVER)
    people.assign_set(c.nils, actor=System("test"), permission_set=c.sets["reader"])
    return c.nils


def set_made_that_another_assigned(c: TinyCompany, by: Any) -> User:
    made = people.create_set(actor=by, name="Late", tools=APPROVER)
    people.assign_set(c.nils, actor=System("test"), permission_set=made)
    return c.nils


def right_put_into_the_set_of_somebody_reactivated_by_another(c: TinyCompany, by: Any) -> User:
    edit(c, "everything", by, APPROVER)
    people.reactivate(c.fred, actor=System("test"))
    return c.fred


def super_admin_made(c: TinyCompany, by: Any) -> User:
    people.make_super_admin(c.ruth, actor=by)
    return c.ruth


def approver_made_super_admin(c: TinyCompany, by: Any) -> User:
    people.make_super_admin(c.axel, actor=by)
    return c.axel


def approver_made_partner_admin(c: TinyCompany, by: Any) -> User:
    edit(c, "approver", System("test"), ["crm.export_approver", "partner.employee"])
    people.make_partner_admin(c.axel, actor=by)
    return c.axel


def partner_admin_made_approver(c: TinyCompany, by: Any) -> User:
    employed = SetFactory(tools=["partner.employee"])
    other = UserFactory(email="other@example.com", permission_set=employed, is_partner_admin=True)
    people.remove_partner_admin(other, actor=by, permission_set=c.sets["approver"])
    return other


def super_admin_made_approver(c: TinyCompany, by: Any) -> User:
    other = UserFactory(email="other@example.com", is_superuser=True)
    people.remove_super_admin(other, actor=by, permission_set=c.sets["approver"])
    return other


def reactivated(c: TinyCompany, by: Any) -> User:
    User.objects.filter(pk=c.axel.pk).update(is_active=False)
    people.reactivate(User.objects.get(pk=c.axel.pk), actor=by)
    return c.axel


def deactivated_and_let_in_by_another(c: TinyCompany, by: Any) -> User:
    people.deactivate(c.axel, actor=by)
    people.reactivate(User.objects.get(pk=c.axel.pk), actor=System("test"))
    return c.axel


def made_by_a_puppet(c: TinyCompany, by: Any) -> User:
    puppet = people.create_person(actor=by, email="puppet@example.com", is_superuser=True)
    return created(c, puppet)


def made_by_somebody_whose_password_was_set(c: TinyCompany, by: Any) -> User:
    other = UserFactory(email="other@example.com", is_superuser=True)
    people.set_password(other, actor=by, password="another long password")
    people.make_super_admin(c.ruth, actor=other)
    return c.ruth


DOORS: list[Callable[[TinyCompany, Any], User]] = [
    created,
    created_super_admin,
    created_powerless_and_raised_by_another,
    password_set,
    address_changed,
    right_given_by_a_set,
    right_given_in_the_editor,
    own_permissions_of_the_same_right,
    right_put_into_several_sets,
    right_given_by_taking_back,
    right_given_with_a_new_set,
    right_given_by_deleting_a_set,
    other_set_with_the_same_right,
    right_put_into_their_set,
    right_taken_and_given_back,
    right_put_into_a_set_that_another_assigned,
    set_made_that_another_assigned,
    right_put_into_the_set_of_somebody_reactivated_by_another,
    super_admin_made,
    approver_made_super_admin,
    super_admin_made_approver,
    approver_made_partner_admin,
    partner_admin_made_approver,
    reactivated,
    deactivated_and_let_in_by_another,
    made_by_a_puppet,
    made_by_somebody_whose_password_was_set,
]


def renamed(c: TinyCompany, by: Any) -> User:
    people.change_person(
        c.axel, actor=by, email="axel@example.com", first_name="Axl", last_name="R"
    )
    return c.axel


def moved_to_a_team(c: TinyCompany, by: Any) -> User:
    people.set_teams(c.axel, actor=by, main_team=c.teams["south"])
    return c.axel


def scopes_put_into_their_set(c: TinyCompany, by: Any) -> User:
    edit(c, "approver", by, [*APPROVER, "crm.export"], deal={"view": EVERYTHING})
    return c.axel


def own_password(c: TinyCompany, by: Any) -> User:
    people.change_own_password(actor=c.axel, password="a long new password")
    return c.axel


def other_set_of_the_same_right_edited(c: TinyCompany, by: Any) -> User:
    edit(c, "manager", by, [])
    edit(c, "manager", by, APPROVER)
    return c.axel


# --- The gate of a waiting request ----------------------------------------------------------------


def exempted_by_a_set(c: TinyCompany, by: Any) -> None:
    people.assign_set(c.rita, actor=by, permission_set=c.sets["exempt"])


def exempted_in_the_editor(c: TinyCompany, by: Any) -> None:
    people.edit_permissions([c.rita], actor=by, changes={"crm.export_without_approval": True})


def exempted_in_the_editor_and_taken_back(c: TinyCompany, by: Any) -> None:
    exempted_in_the_editor(c, by)
    people.assign_set(c.rita, actor=System("test"), permission_set=c.sets["rep"])


def exemption_put_into_their_set(c: TinyCompany, by: Any) -> None:
    edit(c, "rep", by, EXEMPT_TOOLS)


def exempted_and_taken_back(c: TinyCompany, by: Any) -> None:
    edit(c, "rep", by, EXEMPT_TOOLS)
    edit(c, "rep", System("test"), ["crm.export"])


def exemption_put_into_a_set_that_another_assigned(c: TinyCompany, by: Any) -> None:
    edit(c, "reader", by, EXEMPT_TOOLS)
    people.assign_set(c.rita, actor=System("test"), permission_set=c.sets["reader"])


def raised_to_super_admin(c: TinyCompany, by: Any) -> None:
    people.make_super_admin(c.rita, actor=by)


def demoted_from_super_admin(c: TinyCompany, by: Any) -> None:
    people.make_super_admin(c.rita, actor=System("test"))
    people.remove_super_admin(c.rita, actor=by, permission_set=c.sets["rep"])


def demoted_into_an_exempt_set(c: TinyCompany, by: Any) -> None:
    people.make_super_admin(c.rita, actor=System("test"))
    people.remove_super_admin(c.rita, actor=by, permission_set=c.sets["exempt"])


def partner_admin_made_exempt_instead(c: TinyCompany, by: Any) -> None:
    edit(c, "rep", System("test"), ["crm.export", "partner.employee"])
    people.make_partner_admin(c.rita, actor=System("test"))
    people.remove_partner_admin(c.rita, actor=by, permission_set=c.sets["exempt"])


def rule(**wanted: Any) -> Callable[[TinyCompany, Any], None]:
    def changed(c: TinyCompany, by: Any) -> None:
        change(by, **wanted)

    changed.__name__ = "_".join(wanted)
    return changed


GATES = {
    rule(require_approval=False): "changed_rules",
    rule(threshold=9): "changed_rules",
    rule(daily_records=9): "changed_rules",
    rule(weekly_records=9): "changed_rules",
    rule(second_person_above=9): "changed_rules",
    rule(purpose_required="approval"): "changed_rules",
    exempted_by_a_set: "changed_requester",
    exempted_in_the_editor: "changed_requester",
    exempted_in_the_editor_and_taken_back: "changed_requester",
    exemption_put_into_their_set: "changed_requester",
    exempted_and_taken_back: "changed_requester",
    exemption_put_into_a_set_that_another_assigned: "changed_requester",
    raised_to_super_admin: "changed_requester",
    demoted_from_super_admin: "changed_requester",
    demoted_into_an_exempt_set: "changed_requester",
    partner_admin_made_exempt_instead: "changed_requester",
}
