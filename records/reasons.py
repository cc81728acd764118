"""Why a person sees a record or may not do something to it, as sentences for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy, pgettext, pgettext_lazy

from accounts import access, days
from accounts.models import Rank, Team, User
from accounts.words import listed
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
            reason = {"reason": finding.because}
            sentences.append(gettext("Refused: %(reason)s.") % reason)
    if not granted or not sentences:
        sentences.append(_reach_sentence(user, action, record, other))
    return list(dict.fromkeys(sentences))


def _no_scope_sentence(user: User, action: str, model: type[Record], other: str) -> str:
    parts = {"verb": _VERBS[action], "kinds": kinds.of(model).nouns, "name": other}
    if user.permission_set_id is None:
        if other:
            return gettext("No permission set lets %(name)s %(verb)s %(kinds)s.") % parts
        return gettext("No permission set lets you %(verb)s %(kinds)s.") % parts
    if other:
        return gettext("%(name)s’s permission set does not let them %(verb)s %(kinds)s.") % parts
    return gettext("Your permission set does not let you %(verb)s %(kinds)s.") % parts


def _reach_sentence(user: User, action: str, record: Record, other: str) -> str:
    """Return how far the scope reaches, where none grants."""
    asked = access.SCOPE_OF.get(action, action)
    scope = user.grants.scopes.get(record.object_key)
    rank = Rank(getattr(scope, asked, Rank.NONE))
    with_box = bool(getattr(scope, f"{asked}_unassigned", False))
    known = rank if rank in (Rank.OWNED, Rank.TEAM) else None
    sentence = (_THEY_REACH if other else _YOU_REACH)[known, with_box]
    nouns = kinds.of(type(record)).nouns
    return str(sentence) % {"verb": _VERBS[action], "kinds": nouns, "name": other}


_YOU_REACH = {
    (Rank.OWNED, False): gettext_lazy(
        "Your permission set lets you %(verb)s only %(kinds)s that you own."
    ),
    (Rank.OWNED, True): gettext_lazy(
        "Your permission set lets you %(verb)s only %(kinds)s that you own, and unassigned ones."
    ),
    (Rank.TEAM, False): gettext_lazy(
        "Your permission set lets you %(verb)s only %(kinds)s that you own, or somebody in your "
        "teams or in teams below."
    ),
    (Rank.TEAM, True): gettext_lazy(
        "Your permission set lets you %(verb)s only %(kinds)s that you own, or somebody in your "
        "teams or in teams below, and unassigned ones."
    ),
    (None, False): gettext_lazy(
        "Your permission set lets you %(verb)s only %(kinds)s of certain owners."
    ),
    (None, True): gettext_lazy(
        "Your permission set lets you %(verb)s only %(kinds)s of certain owners, and unassigned "
        "ones."
    ),
}
"""How far a scope reaches, by its level and its box, said to the person; None: any other level."""
_THEY_REACH = {
    (Rank.OWNED, False): gettext_lazy(
        "%(name)s’s permission set lets them %(verb)s only %(kinds)s that they own."
    ),
    (Rank.OWNED, True): gettext_lazy(
        "%(name)s’s permission set lets them %(verb)s only %(kinds)s that they own, and unassigned "
        "ones."
    ),
    (Rank.TEAM, False): gettext_lazy(
        "%(name)s’s permission set lets them %(verb)s only %(kinds)s that they own, or somebody in "
        "their teams or in teams below."
    ),
    (Rank.TEAM, True): gettext_lazy(
        "%(name)s’s permission set lets them %(verb)s only %(kinds)s that they own, or somebody in "
        "their teams or in teams below, and unassigned ones."
    ),
    (None, False): gettext_lazy(
        "%(name)s’s permission set lets them %(verb)s only %(kinds)s of certain owners."
    ),
    (None, True): gettext_lazy(
        "%(name)s’s permission set lets them %(verb)s only %(kinds)s of certain owners, and "
        "unassigned ones."
    ),
}
"""The same, said about somebody else."""
_VERBS = {
    "view": pgettext_lazy("lets you …", "see"),
    "add": pgettext_lazy("lets you …", "create"),
    "change": pgettext_lazy("lets you …", "change"),
    "delete": pgettext_lazy("lets you …", "delete"),
    "merge": pgettext_lazy("lets you …", "merge"),
    "communicate": pgettext_lazy("lets you …", "log activities on"),
    access.EXPORT: pgettext_lazy("lets you …", "export"),
    "associate": pgettext_lazy("lets you …", "change"),
    "restore": pgettext_lazy("lets you …", "restore"),
}
"""What a permission set lets somebody do. A language may put a noun here."""


_SEEN = {
    "superuser": gettext_lazy("You can see it: you are a super admin."),
    "partner_admin": gettext_lazy("You can see it: you are a partner admin."),
    "owned": gettext_lazy("You can see it: you are an owner."),
    "team": gettext_lazy("You can see it: an owner is in one of your teams, or in a team below."),
    "unassigned": gettext_lazy(
        "You can see it: nobody owns it, and you may see unassigned records."
    ),
    "shared": gettext_lazy("You can see it: it is shared with you."),
    "everything": gettext_lazy("You can see it: you may see every record of this kind."),
}
"""What grants, by the code of its rule, from the plainest reason on: said to the person."""
_GRANTED = {
    "superuser": gettext_lazy("super admin"),
    "partner_admin": gettext_lazy("partner admin"),
    "owned": gettext_lazy("owner"),
    "team": gettext_lazy("owner is in their team"),
    "unassigned": gettext_lazy("nobody owns it"),
    "shared": gettext_lazy("shared with them"),
    "everything": gettext_lazy("can see everything"),
}
"""The same of somebody else, beside their name."""


_RULES = {
    "inactive": gettext_lazy("Deactivated"),
    "superuser": gettext_lazy("Super admin"),
    "deleted": gettext_lazy("Recycle bin"),
    "partner_admin": gettext_lazy("Partner admin"),
    "everything": gettext_lazy("Everything"),
    "team": gettext_lazy("Team"),
    "owned": gettext_lazy("Owner"),
    "unassigned": gettext_lazy("Unassigned"),
    "no_scope": gettext_lazy("No scope"),
    "shared": gettext_lazy("Shared"),
    "stage": gettext_lazy("Locked stage"),
    "unseen": gettext_lazy("Not visible"),
}
"""What each rule on records is called, by its code."""


def rule_name(code: str) -> str:
    """Return what a rule on records is called; programs go by its code."""
    return str(_RULES.get(code, code))


def seen_because(explanation: access.Explanation) -> str:
    """Return the plainest reason for which the reader sees a record, as a sentence."""
    codes = {finding.code for finding in explanation.decisive}
    found = (sentence for code, sentence in _SEEN.items() if code in codes)
    return str(next(found, None) or gettext("You can see it: it is in reach."))


def granted_by(code: str, teams: Sequence[str] = ()) -> str:
    """Return why somebody else reaches a record, in few words; `teams` of theirs are named."""
    if code == "team" and teams:
        return gettext("owner is in their team %(team)s") % {"team": listed(teams)}
    return str(_GRANTED.get(code, code))


def end_of(until: datetime | None) -> str:
    """Return when a share or an exception ends, as it was chosen: by a day, or by a moment."""
    if until is None:
        return gettext("no end")
    if day := days.last_day_before(until):
        return gettext("until the end of %(day)s") % {"day": date_format(day, "DATE_FORMAT")}
    moment = date_format(timezone.localtime(until), "DATETIME_FORMAT")
    return gettext("until %(moment)s") % {"moment": moment}


def owner_sentence(record: Record, user: User | None = None) -> str:
    """Return who owns a record, in words; “you” where it is the reader."""
    owners = [getattr(record, name) for name in record.owner_fields]
    you = pgettext("an owner", "you")
    names = list(dict.fromkeys(you if o == user else str(o) for o in owners if o is not None))
    if not names:
        return gettext("Nobody owns it: it is unassigned.")
    return gettext("It is owned by %(owners)s.") % {"owners": listed(names)}


def stage_sentence(record: Record) -> str:
    """Return that a record's stage is locked, naming it and who may edit there (R106)."""
    return about_stage(
        record,
        gettext(
            "It is in the locked stage “%(stage)s” of %(pipeline)s: there, only super admins may "
            "edit it or move it on."
        ),
        gettext(
            "It is in the locked stage “%(stage)s” of %(pipeline)s: there, %(people)s may edit it "
            "or move it on."
        ),
    )


def about_stage(record: Record, only_super_admins: str, others_too: str) -> str:
    """Fill one of two sentences with a locked stage, its pipeline, and who may edit there."""
    stage: Stage = record.stage  # type: ignore[attr-defined]  # only records with a stage have a stage finding
    teams, users = chosen_editors(record)
    chosen = [*map(str, teams), *(str(user) for user in users if user.is_active)]
    people = listed([gettext("super admins"), *chosen])
    parts = {"stage": stage.name, "pipeline": stage.pipeline.name, "people": people}
    return (others_too if chosen else only_super_admins) % parts


def chosen_editors(record: Record) -> tuple[list[Team], list[User]]:
    """Return the teams and people that the rule of a record's pipeline lets edit, if it chooses."""
    stage: Stage = record.stage  # type: ignore[attr-defined]  # asked of records with a stage
    # Kept on the record, for the panel that says the same of editing and deleting.
    models.prefetch_related_objects([stage], "pipeline__rule__teams", "pipeline__rule__users")
    rule: StageRule | None = getattr(stage.pipeline, "rule", None)
    if rule is None or rule.editors != StageRule.Editors.CHOSEN:
        return [], []
    return list(rule.teams.all()), list(rule.users.all())
