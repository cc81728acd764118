"""Which rules hold for an action on a model: scopes, and what every model has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.models import Model, Q
from django.utils.translation import gettext_lazy

from accounts import catalogue
from accounts.asker import Asker
from accounts.models.permissions import Rank
from accounts.rule import ALWAYS, Rule, condition
from accounts.words import filled

EXPORT, ASSOCIATE, RESTORE = "export", "associate", "restore"
SCOPE_OF = {EXPORT: "view", ASSOCIATE: "change", RESTORE: "delete"}
"""Actions without a scope of their own, and the action by whose scope they go.

*Associate* is linking a record from the other record's side (R109 b): all that editing needs, but
for the rule on its stage; the other record must be editable as well, which is asked of that one.
*Restore* is taking a record out of the recycle bin, for whoever could delete it.
"""
ACTIONS = frozenset((*catalogue.ACTIONS, *SCOPE_OF))
LEVELS = ("view", "change", "delete")
"""What `who_can` tells of everybody it finds, whatever it was asked."""


def scope_rules(
    asker: Asker, action: str, object_key: str, owner_fields: Sequence[str]
) -> list[Rule]:
    """Return the rules that a scope makes for one kind of record (R12, R13, R23, R27, Q20).

    Partner admins need none: they reach every record of every such kind (R101).

    `owner_fields` are all fields naming a person who owns the record; being named in any of them
    is full ownership, and a record is unassigned only when every one of them is empty.
    """
    kind = catalogue.object_kind(object_key)
    kinds = kind.model._meta.verbose_name_plural if kind else object_key
    scope = catalogue.ACTION_LABELS[action]
    without_scope = asker.is_superuser() | asker.is_partner_admin()
    partner_rule = Rule(
        "partner_admin",
        True,
        asker.is_partner_admin(),
        filled(gettext_lazy("partner admins work with all %(kinds)s"), kinds=kinds),
    )
    if action == "add":
        may_add = asker.may_add(object_key)
        allowed = gettext_lazy("the permission set allows to create %(kinds)s")
        denied = gettext_lazy("the permission set does not allow to create %(kinds)s")
        return [
            partner_rule,
            Rule("everything", True, may_add, filled(allowed, kinds=kinds)),
            Rule("no_scope", False, ~(may_add | without_scope), filled(denied, kinds=kinds)),
        ]
    unassigned = ALWAYS
    for name in owner_fields:
        unassigned &= Q(**{f"{name}__isnull": True})

    def reaches(rank: Rank) -> Q:
        return asker.at_least(object_key, action, rank)

    return [
        partner_rule,
        Rule(
            "everything",
            True,
            reaches(Rank.EVERYTHING),
            filled(
                gettext_lazy("the scope %(scope)s is Everything for %(kinds)s"),
                scope=scope,
                kinds=kinds,
            ),
        ),
        Rule(
            "team",
            True,
            reaches(Rank.TEAM) & asker.mates_own(owner_fields),
            filled(
                gettext_lazy(
                    "an owner is in a team in reach, and the scope %(scope)s is Team only or wider"
                ),
                scope=scope,
            ),
        ),
        Rule(
            "owned",
            True,
            reaches(Rank.OWNED) & asker.owns(owner_fields),
            filled(
                gettext_lazy(
                    "the person is an owner, and the scope %(scope)s is Owned only or wider"
                ),
                scope=scope,
            ),
        ),
        Rule(
            "unassigned",
            True,
            asker.box(object_key, action) & unassigned,
            filled(
                gettext_lazy("nobody owns it, and the box Unassigned is ticked for %(scope)s"),
                scope=scope,
            ),
        ),
        Rule(
            "no_scope",
            False,
            ~(reaches(Rank.OWNED) | without_scope),
            filled(
                gettext_lazy("the permission set gives no scope %(scope)s for %(kinds)s"),
                scope=scope,
                kinds=kinds,
            ),
        ),
    ]


def rules_for(
    asker: Asker, action: str, model: type[Model], *, without: Collection[str] = ()
) -> tuple[Rule, ...]:
    """Return every rule on this action of this model; the first floor of each answer below.

    A model without `access_rules` belongs to super admins alone. `without` leaves out *granting*
    rules by code, for the few questions about where a right comes from: “may they change it, other
    than by a share?” It can only narrow the answer: a rule that takes away is never left out.
    """
    question = ("rules", action, model, frozenset(without))
    return asker.once(question, lambda: _rules(asker, action, model, without))


def _rules(
    asker: Asker, action: str, model: type[Model], without: Collection[str]
) -> tuple[Rule, ...]:
    known = ACTIONS.union(getattr(model, "own_actions", ()))
    if action not in known:
        raise ValueError(f"Unknown action {action!r}; one of {', '.join(sorted(known))}.")
    rules = [
        Rule("inactive", False, ~asker.is_active(), gettext_lazy("the account is deactivated")),
        Rule(
            "superuser",
            True,
            asker.is_superuser(),
            gettext_lazy("super admins may do everything"),
        ),
    ]
    if hasattr(model, "access_rules"):
        rules += model.access_rules(asker, "view" if action == EXPORT else action)
    if action == EXPORT:
        rules.append(
            Rule(
                "no_scope",
                False,
                ~asker.holds("crm.export"),
                gettext_lazy("the permission Export is off"),
            )
        )
    elif action not in {"view", "add"}:
        seen = condition_for(asker, "view", model, without=without)
        if action == RESTORE:
            # Nobody sees what lies in the bin: it is restored by who would see it outside.
            seen = seen_outside_the_bin(asker, model, without)
        because = gettext_lazy("nobody may change what they may not view")
        rules.append(Rule("unseen", False, ~seen, because))
    # Only what grants may be left out.
    return tuple(rule for rule in rules if not (rule.allows and rule.code in without))


def seen_outside_the_bin(asker: Asker, model: type[Model], without: Collection[str] = ()) -> Q:
    view = rules_for(asker, "view", model, without=without)
    return condition(rule for rule in view if rule.code != "deleted")


def condition_for(
    asker: Asker, action: str, model: type[Model], *, without: Collection[str] = ()
) -> Q:
    """Return what `rules_for` comes to."""
    question = ("condition", action, model, frozenset(without))
    return asker.once(question, lambda: condition(rules_for(asker, action, model, without=without)))
