"""Why a person sees a record or may not do something to it, as sentences for them."""

from __future__ import annotations

from django.db import models

from accounts import access
from accounts.models import Rank, Team, User
from records import kinds
from records.models import Record, Stage, StageRule
from records.refusals import NotAllowed


def refusal(user: User, action: str, record: Record) -> list[str]:
    """Return why this person may not do this to a record they see, as sentences for them.

    Names what they may know anyway: the record's owners, its stage and who may act there.
    """
    return sentences_of(access.explain(user, action, record), user, action, record)


def not_allowed(actor: User, action: str, record: Record) -> NotAllowed:
    """Return the refusal of this to somebody who sees the record, with the code for the log."""
    told = access.explain(actor, action, record)
    code = told.decisive[0].code if told.decisive else "out_of_reach"
    return NotAllowed(" ".join(sentences_of(told, actor, action, record)), code)


def sentences_of(
    explanation: access.Explanation, user: User, action: str, record: Record, other: str = ""
) -> list[str]:
    """Return what an explanation that refuses says, to the person or about this other one.

    Where no rule grants, how far their scope reaches is said beside what takes away.
    """
    sentences = []
    granted = any(finding.holds and finding.allows for finding in explanation.findings)
    for finding in explanation.decisive:
        if finding.code == "stage":
            sentences.append(stage_sentence(record))
        elif finding.code == "no_scope":
            granted = True  # a scope of None is all there is to say of its reach
            sentences.append(_no_scope_sentence(user, action, type(record), other))
        elif finding.code != "unseen":
            sentences.append(f"Refused: {finding.because}.")
    if not granted or not sentences:
        sentences.append(_reach_sentence(user, action, record, other))
    return list(dict.fromkeys(sentences))


def _no_scope_sentence(user: User, action: str, model: type[Record], other: str) -> str:
    plural = kinds.of(model).nouns
    if user.permission_set_id is None:
        return f"No permission set lets {other or 'you'} {_VERBS[action]} {plural}."
    whose, them = (f"{other}’s", "them") if other else ("Your", "you")
    return f"{whose} permission set does not let {them} {_VERBS[action]} {plural}."


def _reach_sentence(user: User, action: str, record: Record, other: str) -> str:
    """Return how far the scope reaches, where none grants."""
    asked = access.SCOPE_OF.get(action, action)
    scope = user.grants.scopes.get(record.object_key)
    reach = _REACHES.get(getattr(scope, asked, Rank.NONE), "of certain owners")
    if getattr(scope, f"{asked}_unassigned", False):
        reach += ", and unassigned ones"
    whose, they, their = (f"{other}’s", "they", "their") if other else ("Your", "you", "your")
    plural = kinds.of(type(record)).nouns
    return (
        f"{whose} permission set lets {'them' if other else 'you'} {_VERBS[action]} only {plural} "
        f"{reach.format(they=they, their=their)}."
    )


_REACHES = {
    Rank.OWNED: "that {they} own",
    Rank.TEAM: "that {they} own, or somebody in {their} teams or in teams below",
}
_VERBS = {
    "view": "see",
    "add": "create",
    "change": "change",
    "delete": "delete",
    "merge": "merge",
    "communicate": "log activities on",
    access.EXPORT: "export",
    "associate": "change",
    "restore": "restore",
}


_GRANTED: dict[str, tuple[str, str]] = {
    "superuser": ("you are a super admin", "super admin"),
    "partner_admin": ("you are a partner admin", "partner admin"),
    "owned": ("you are an owner", "owner"),
    "team": (
        "an owner is in one of your teams, or in a team below",
        "owner is in their team",
    ),
    "unassigned": ("nobody owns it, and you may see unassigned records", "nobody owns it"),
    "shared": ("it is shared with you", "shared with them"),
    "everything": ("you may see every record of this kind", "can see everything"),
}
"""What grants, by the code of its rule: said to the person, and of them beside their name.

From the plainest reason on.
"""


def seen_because(explanation: access.Explanation) -> str:
    """Return the plainest reason for which the reader sees a record."""
    codes = {finding.code for finding in explanation.decisive}
    return next((to for code, (to, _) in _GRANTED.items() if code in codes), "it is in reach")


def granted_by(code: str) -> str:
    """Return why somebody else reaches a record, in few words."""
    return _GRANTED[code][1] if code in _GRANTED else code


def owner_sentence(record: Record, user: User | None = None) -> str:
    """Return who owns a record, in words; “you” where it is the reader."""
    owners = [getattr(record, name) for name in record.owner_fields]
    names = list(dict.fromkeys("you" if o == user else str(o) for o in owners if o is not None))
    return (
        f"It is owned by {' and '.join(names)}." if names else "Nobody owns it: it is unassigned."
    )


def stage_sentence(record: Record) -> str:
    """Return that a record's stage is locked, naming it and who may edit there (R106)."""
    stage, who = stage_and_editors(record)
    return f"It is in the locked stage {stage}: there, {who} may edit it or move it on."


def stage_and_editors(record: Record) -> tuple[str, str]:
    """Return a locked stage with its pipeline, and who may edit there, in words."""
    stage: Stage = record.stage  # type: ignore[attr-defined]  # only records with a stage have a stage finding
    teams, users = chosen_editors(record)
    who = ["super admins", *map(str, teams), *(str(user) for user in users if user.is_active)]
    names = f"{', '.join(who[:-1])} and {who[-1]}" if len(who) > 1 else f"only {who[0]}"
    return f"“{stage.name}” of {stage.pipeline.name}", names


def chosen_editors(record: Record) -> tuple[list[Team], list[User]]:
    """Return the teams and people that the rule of a record's pipeline lets edit, if it chooses."""
    stage: Stage = record.stage  # type: ignore[attr-defined]  # asked of records with a stage
    # Kept on the record, for the panel that says the same of editing and deleting.
    models.prefetch_related_objects([stage], "pipeline__rule__teams", "pipeline__rule__users")
    rule: StageRule | None = getattr(stage.pipeline, "rule", None)
    if rule is None or rule.editors != StageRule.Editors.CHOSEN:
        return [], []
    return list(rule.teams.all()), list(rule.users.all())
