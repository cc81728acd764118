"""The section of how permissions arrive that an upgrade brings: one switch."""

from __future__ import annotations

from accounts import operations
from accounts.models import User
from accounts.operations import AccountsError
from accounts.policy_file.naming import File
from accounts.policy_file.reading import Plain, Written
from accounts.policy_file.sections import Section, Step, Verb, difference

KEY = "all_on"
LABEL = "HubSpot-compatible: all on"


def _show() -> dict[str, Plain]:
    return {KEY: operations.arrival_policy().all_on}


def _plan(wanted: Written, file: File) -> list[Step]:
    given = wanted.mapping((KEY,), "setting").get(KEY)
    if given is None:
        return []
    before, after = operations.arrival_policy(), given.flag()

    def take(actor: User) -> None:
        operations.set_all_on(actor=actor, all_on=after, version=before.version)

    if before.all_on == after:
        return []
    changes = (difference(KEY, LABEL, before.all_on, after),)
    return [Step(Verb.CHANGE, "Arrival of new permissions", take, changes)]


NEW_PERMISSIONS = Section("new_permissions", _show, _plan, (AccountsError,))
