"""Negative controls: rules that are wrong in a known way must not pass the oracle (B1).

Each is a rule as somebody might write it, put in place of ours for one test. One that passed would
mean that the oracle proves nothing about it.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Model, Q
from hypothesis import HealthCheck, Phase, given, seed, settings

import records.models.rules
from accounts import access, catalogue
from accounts.access import ALWAYS, Anyone, Asker, Grants, Loaded, Rule
from accounts.access.askers import outer
from accounts.catalogue import evaluation
from accounts.models import Membership, Rank, TeamReach, User
from records.models import SHARES, Company, Contact, Deal, Property, StageRule, Ticket, properties
from tests.support.cases import CASES
from tests.support.compared import Disagreement, compare
from tests.support.tally import Tally
from tests.support.worlds import World, worlds
from tests.support.wrong_edits import ROOT
from tests.support.wrong_edits import WRONG as EDITS

WITHIN = 150
"""In so many worlds at most a wrong rule is caught; most are in the first few."""

TOLD_BY: dict[str, tuple[str, ...]] = {
    "two of the person's teams are named in the rule": (
        "stage_by_a_to_many_join",
        "everything_without_unassigned",
        "deactivated_people_keep_tools",
        "super_admins_are_locked_out",
        "no_associating_in_a_locked_stage",
        "super_admins_need_no_seat",
    ),
    "the owner is three levels below": (
        "team_by_a_to_many_join",
        "merge_as_wide_as_view",
        "teams_above_are_seen",
        "teams_below_are_not_seen",
        "only_children_are_seen_not_grandchildren",
        "any_change_where_there_is_any_view",
    ),
    "no owner, but a second one": ("null_owner_taken_for_unassigned", "one_box_for_all_actions"),
    "the owner is in two teams in reach": ("second_owner_owns_nothing", "main_team_alone_counts"),
    "a team below the person's is named in the rule": (
        "deactivated_people_go_on",
        "teams_above_the_chosen_one_pass",
        "restoring_into_a_locked_stage",
    ),
    "the rule is switched off": ("rule_switched_off_still_locks",),
    "people are named, but super admins only": (
        "chosen_people_pass_where_super_admins_only",
        "deleting_in_a_locked_stage",
        "no_talking_in_a_locked_stage",
    ),
    "the box is ticked for one action": ("whoever_sees_a_record_associates_it",),
    "a deal of a company, then permissions edited": ("children_count_without_their_parent",),
    "children with their parents": ("nothing_overrides_a_tab",),
    "what brings others along": ("nothing_comes_along",),
    "what needs others": ("all_that_an_option_needs_is_forgotten",),
    "partner admins": (
        "partner_admins_pass_locked_stages",
        "partner_admins_read_sensitive_fields",
        "partner_admins_export_by_their_status",
        "what_is_stored_is_had",
    ),
    "a deal of a company, then partner admin": (
        "own_permissions_follow_the_set_they_are_based_on",
    ),
    "a share that has ended, and no scope": ("ended_shares_still_give",),
    "shared with an extra team, and no scope": ("extra_members_receive_too",),
    "shares to an extra team, to view, and ended": ("view_share_gives_edit",),
}
"""By case, the wrong rules that it tells from the right ones.

It is asked first under them: each of the forty others takes a quarter of a second to agree.
"""
TOLD_BY_DRAWN_WORLDS = ("stage_taken_from_the_form", "reverse_look_up_forgets_teams_below")
"""Wrong rules that no case tells from the right ones; drawn worlds are asked first under them."""

Patch = pytest.MonkeyPatch
WRONG: dict[str, Callable[[Patch], None]] = {}
THROUGH = StageRule.stages.through


@pytest.fixture(autouse=True)
def nothing_known_of_anyone() -> Iterator[None]:
    """Let a wrong rule be asked of anyone too, and be forgotten afterwards."""
    forget()
    yield
    forget()


def forget() -> None:
    access.ANYONE.known.clear()
    evaluation.effective.cache_clear()
    evaluation.given_or_super.cache_clear()
    properties._marked_for_somebody.cache_clear()
    evaluation.effective_box.cache_clear()


def wrong(put: Callable[[Patch], None]) -> Callable[[Patch], None]:
    """Keep a wrong variant under its name; calling it puts it in place of the right one."""
    WRONG[put.__name__] = put
    return put


def catches(name: str, patch: Patch, *phases: Phase, within: int = WITHIN) -> None:
    """Compare worlds under a wrong rule; raises `Disagreement`, as it must."""

    @seed(7)
    @settings(
        max_examples=within,
        deadline=None,
        database=None,
        phases=[Phase.generate, *phases],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(worlds())
    def agree(world: World) -> None:
        compare(world, Tally(), people=3)

    WRONG[name](patch)
    forget()
    if name in TOLD_BY_DRAWN_WORLDS:
        agree()
    # What once told right from wrong is the quickest to ask.
    for case in sorted(CASES, key=lambda case: name not in TOLD_BY.get(case, ())):
        compare(CASES[case], Tally(), people=len(CASES[case].people))
    agree()


def test_cases_that_are_asked_first_are_there() -> None:
    assert TOLD_BY.keys() <= CASES.keys()
    assert WRONG.keys() >= {
        *TOLD_BY_DRAWN_WORLDS,
        *(name for told in TOLD_BY.values() for name in told),
    }


# --- Putting something in a rule's place ----------------------------------------------------------


def put_rule(patch: Patch, code: str, when: Callable[[Any, Asker, str], Q], *only: str) -> None:
    """Put another condition under this code, for these actions or for all."""
    for model in (Company, Contact, Deal, Ticket):
        right = model.access_rules

        def rules(
            cls: Any, person: Asker, action: str, right: Callable[..., list[Rule]] = right
        ) -> list[Rule]:
            return [
                replace(rule, when=when(cls, person, access.SCOPE_OF.get(action, action)))
                if rule.code == code and (not only or action in only)
                else rule
                for rule in right(person, action)
            ]

        patch.setattr(model, "access_rules", classmethod(rules))


def put_reader(patch: Patch, name: str, wrong: Any) -> None:
    """Put another function in place of a reader, wherever the package has it under this name."""
    right = getattr(access, name)
    for module in [m for key, m in sys.modules.items() if key.startswith("accounts.access")]:
        if vars(module).get(name) is right:
            patch.setattr(module, name, wrong)


def leave_out(patch: Patch, code: str, *only: str) -> None:
    """Forget a rule."""
    right = access.rules_for

    def rules_for(person: Asker, action: str, model: type[Model], **more: Any) -> Any:
        found = right(person, action, model, **more)
        return tuple(r for r in found if r.code != code or (only and action not in only))

    put_reader(patch, "rules_for", rules_for)


def put_grants(patch: Patch, change: Callable[[User, Grants], Grants]) -> None:
    """Load something else than what a person holds."""
    right = access.load_grants
    put_reader(patch, "load_grants", lambda user: change(user, right(user)))


def members_of(teams: Any) -> tuple[int, ...]:
    found = Membership.objects.filter(team__in=teams).values_list("user", flat=True)
    return tuple(sorted(set(found)))


def put_stage_lock(patch: Patch, locked: Callable[[Asker], Any]) -> None:
    put_rule(
        patch,
        "stage",
        lambda cls, person, action: Q(stage__in=locked(person)) & ~person.is_superuser(),
    )


def lock(person: Asker, *, enabled: bool = True, users: Any = None, teams: Any = None) -> Any:
    """The stages closed to a person, from parts that a variant replaces."""
    chosen = {"stagerule__editors": StageRule.Editors.CHOSEN}
    if users is None:
        users = StageRule.users.through.objects.filter(user_id=person.id(depth=3), **chosen)
    if teams is None:
        teams = StageRule.teams.through.objects.filter(team__in=person.teams(depth=3), **chosen)
    rows = THROUGH.objects.exclude(stagerule__in=users.values("stagerule"))
    rows = rows.exclude(stagerule__in=teams.values("stagerule"))
    return (rows.filter(stagerule__enabled=True) if enabled else rows).values("stage")


# --- The four of the issue ------------------------------------------------------------------------


@wrong
def stage_by_a_to_many_join(patch: Patch) -> None:
    """`~Q(stage__rules__users=…)`: filter() and Case(When()) answer it differently."""
    put_rule(
        patch,
        "stage",
        lambda cls, person, action: (
            Q(stage__rules__enabled=True)
            & ~Q(stage__rules__editors="chosen", stage__rules__users=person.id())
            & ~Q(stage__rules__editors="chosen", stage__rules__teams__in=person.teams())
            & ~person.is_superuser()
        ),
    )


@wrong
def team_by_a_to_many_join(patch: Patch) -> None:
    """A record whose owner is in two teams in reach comes twice."""
    put_rule(
        patch,
        "team",
        lambda cls, person, action: (
            person.at_least(cls.object_key, action, Rank.TEAM)
            & (
                Q(owner__memberships__team__reached_from__above__in=person.teams())
                | Q(co_owner__memberships__team__reached_from__above__in=person.teams())
            )
        ),
    )


@wrong
def change_wider_than_view(patch: Patch) -> None:
    """Edit reaches one step further than it was given, and nobody asks whether it is seen."""
    right = Loaded.at_least

    def at_least(self: Loaded, object_key: str, action: str, rank: int) -> Q:
        wider = action == "change" and rank > Rank.OWNED
        return right(self, object_key, action, rank - 1 if wider else rank)

    patch.setattr(Loaded, "at_least", at_least)
    leave_out(patch, "unseen")


@wrong
def stage_taken_from_the_form(patch: Patch) -> None:
    """The check looks at the instance, which the form has already changed (Q40)."""
    right = access.allows

    def allows(user: User, action: str, obj: Any) -> bool:
        if not getattr(obj, "stage_id", None):
            return right(user, action, obj)
        with transaction.atomic():
            type(obj)._base_manager.filter(pk=obj.pk).update(stage=obj.stage_id)
            answer = right(user, action, obj)
            transaction.set_rollback(True)
        return answer

    put_reader(patch, "allows", allows)


@wrong
def null_owner_taken_for_unassigned(patch: Patch) -> None:
    """The second owner is forgotten (Q20)."""
    put_rule(
        patch,
        "unassigned",
        lambda cls, person, action: person.box(cls.object_key, action) & Q(owner__isnull=True),
    )


# --- Scopes ---------------------------------------------------------------------------------------


@wrong
def change_alone_wider_than_view(patch: Patch) -> None:
    leave_out(patch, "unseen")


@wrong
def second_owner_owns_nothing(patch: Patch) -> None:
    put_rule(
        patch,
        "owned",
        lambda cls, person, action: (
            person.at_least(cls.object_key, action, Rank.OWNED) & Q(owner=person.id())
        ),
    )


@wrong
def everything_without_unassigned(patch: Patch) -> None:
    put_rule(
        patch,
        "everything",
        lambda cls, person, action: (
            person.at_least(cls.object_key, action, Rank.EVERYTHING)
            & (Q(owner__isnull=False) | Q(co_owner__isnull=False))
        ),
        "view",
    )


@wrong
def one_box_for_all_actions(patch: Patch) -> None:
    right = Loaded.box
    patch.setattr(Loaded, "box", lambda self, key, action: right(self, key, "view"))


@wrong
def merge_as_wide_as_view(patch: Patch) -> None:
    right = Loaded.at_least
    patch.setattr(
        Loaded,
        "at_least",
        lambda self, key, action, rank: right(
            self, key, "view" if action == "merge" else action, rank
        ),
    )


@wrong
def super_admins_see_the_bin(patch: Patch) -> None:
    put_rule(
        patch,
        "deleted",
        lambda cls, person, action: Q(deleted_at__isnull=False) & ~person.is_superuser(),
    )


@wrong
def deactivated_people_go_on(patch: Patch) -> None:
    leave_out(patch, "inactive")


@wrong
def export_without_the_tool(patch: Patch) -> None:
    patch.setattr(Loaded, "holds", lambda self, tool: ALWAYS)


@wrong
def deactivated_people_keep_tools(patch: Patch) -> None:
    put_reader(patch, "holds_tool", lambda user, key: user.is_superuser or key in user.grants.tools)


# --- Teams ----------------------------------------------------------------------------------------


@wrong
def teams_above_are_seen(patch: Patch) -> None:
    def upwards(user: User, grants: Grants) -> Grants:
        above = TeamReach.objects.filter(below__in=grants.teams).values("above")
        return replace(grants, mates=members_of(above))

    put_grants(patch, upwards)


@wrong
def teams_below_are_not_seen(patch: Patch) -> None:
    put_grants(patch, lambda user, grants: replace(grants, mates=members_of(grants.teams)))


@wrong
def only_children_are_seen_not_grandchildren(patch: Patch) -> None:
    def children(user: User, grants: Grants) -> Grants:
        near = TeamReach.objects.filter(above__in=grants.teams).filter(
            Q(below__in=grants.teams) | Q(below__parent__in=grants.teams)
        )
        return replace(grants, mates=members_of(near.values("below")))

    put_grants(patch, children)


@wrong
def main_team_alone_counts(patch: Patch) -> None:
    def main(user: User, grants: Grants) -> Grants:
        own = Membership.objects.filter(user=user, is_main=True).values("team")
        below = TeamReach.objects.filter(above__in=own).values("below")
        return replace(grants, mates=members_of(below))

    put_grants(patch, main)


@wrong
def reverse_look_up_forgets_teams_below(patch: Patch) -> None:
    def mates_own(self: Anyone, owner_fields: Any) -> Q:
        own = Membership.objects.filter(user=outer("pk", 3)).values("team")
        mates = Membership.objects.filter(team__in=own).values("user")
        owned = access.NEVER
        for name in owner_fields:
            owned |= Q(**{f"{name}__in": mates})
        return owned

    patch.setattr(Anyone, "mates_own", mates_own)


# --- Stages ---------------------------------------------------------------------------------------


@wrong
def rule_switched_off_still_locks(patch: Patch) -> None:
    put_stage_lock(patch, lambda person: lock(person, enabled=False))


@wrong
def chosen_people_pass_where_super_admins_only(patch: Patch) -> None:
    put_stage_lock(
        patch,
        lambda person: lock(
            person, users=StageRule.users.through.objects.filter(user_id=person.id(depth=3))
        ),
    )


@wrong
def teams_above_the_chosen_one_pass(patch: Patch) -> None:
    """A person of a team above passes as if they were named (Q42)."""

    def locked(person: Asker) -> Any:
        below = TeamReach.objects.filter(above__in=person.teams(depth=4)).values("below")
        named = StageRule.teams.through.objects.filter(
            team__in=below, stagerule__editors=StageRule.Editors.CHOSEN
        )
        return lock(person, teams=named)

    put_stage_lock(patch, locked)


@wrong
def super_admins_are_locked_out(patch: Patch) -> None:
    put_rule(patch, "stage", lambda cls, person, action: Q(stage__in=lock(person)))


@wrong
def deleting_in_a_locked_stage(patch: Patch) -> None:
    leave_out(patch, "stage", "delete")


@wrong
def no_talking_in_a_locked_stage(patch: Patch) -> None:
    bound = records.models.rules.BOUND_BY_STAGE | {"communicate"}
    patch.setattr(records.models.rules, "BOUND_BY_STAGE", bound)


@wrong
def no_associating_in_a_locked_stage(patch: Patch) -> None:
    bound = records.models.rules.BOUND_BY_STAGE | {access.ASSOCIATE}
    patch.setattr(records.models.rules, "BOUND_BY_STAGE", bound)


@wrong
def whoever_sees_a_record_associates_it(patch: Patch) -> None:
    patch.setitem(access.SCOPE_OF, access.ASSOCIATE, "view")


@wrong
def restoring_into_a_locked_stage(patch: Patch) -> None:
    leave_out(patch, "stage", access.RESTORE)


@wrong
def restoring_what_is_not_in_the_bin(patch: Patch) -> None:
    leave_out(patch, "deleted", access.RESTORE)


@wrong
def nobody_restores(patch: Patch) -> None:
    """What lies in the bin is seen by nobody, and taken for out of sight."""
    put_rule(patch, "deleted", lambda cls, person, action: Q(deleted_at__isnull=False))


# --- The readers ----------------------------------------------------------------------------------


@wrong
def explanation_stops_at_the_first_denial(patch: Patch) -> None:
    right = access.explain

    def explain(user: User, action: str, obj: Model, **more: Any) -> access.Explanation:
        told = right(user, action, obj, **more)
        denials = [n for n, f in enumerate(told.findings, 1) if f.holds and not f.allows]
        return replace(told, findings=told.findings[: denials[0] if denials else None])

    put_reader(patch, "explain", explain)


@wrong
def any_change_where_there_is_any_view(patch: Patch) -> None:
    right = access.allows_any
    put_reader(patch, "allows_any", lambda user, action, model: right(user, "view", model))


# --- Permissions that need, bring along and override others ---------------------------------------


def put_tools(patch: Patch, **declared: Any) -> None:
    """Declare all tools otherwise, as far as what is effective goes."""
    tools = {key: replace(tool, **declared) for key, tool in catalogue.TOOLS.items()}
    patch.setattr(evaluation, "TOOLS", tools)


@wrong
def children_count_without_their_parent(patch: Patch) -> None:
    """As if what is stored were what is had (R40)."""
    patch.setattr(evaluation, "_conditions", lambda tool: [])


@wrong
def super_admins_need_no_seat(patch: Patch) -> None:
    patch.setattr(evaluation, "SEAT", "no seat")


@wrong
def nothing_overrides_a_tab(patch: Patch) -> None:
    put_tools(patch, overrides="")


@wrong
def nothing_comes_along(patch: Patch) -> None:
    put_tools(patch, implies=())


@wrong
def all_that_an_option_needs_is_forgotten(patch: Patch) -> None:
    """Creating calls to action without editing any content (M-5)."""
    cta = catalogue.TOOLS["marketing.cta"]
    options = tuple(replace(option, requires=()) for option in cta.options)
    tools = {**catalogue.TOOLS, cta.key: replace(cta, options=options)}
    patch.setattr(evaluation, "find", lambda key: _found(tools, key))


def _found(tools: dict[str, Any], key: str) -> Any:
    name, _, option = key.partition(":")
    return tools[name], tools[name].option(option)


@wrong
def partner_admins_pass_locked_stages(patch: Patch) -> None:
    """Super admins alone do (E33): a partner admin is bound by the pipeline's rule."""
    put_rule(
        patch,
        "stage",
        lambda cls, person, action: (
            Q(stage__in=lock(person)) & ~person.is_superuser() & ~person.is_partner_admin()
        ),
        "change",
    )


@wrong
def partner_admins_read_sensitive_fields(patch: Patch) -> None:
    """What everyone may read they may read as well, sensitive or not (Q37)."""
    right = Property.access_rules

    def rules(cls: Any, person: Asker, action: str) -> list[Rule]:
        return [rule for rule in right(person, action) if rule.code != "protected"]

    patch.setattr(Property, "access_rules", classmethod(rules))


@wrong
def partner_admins_export_by_their_status(patch: Patch) -> None:
    """Taking data out comes with the status, without the permission Export."""
    right = evaluation.of_partner_admins
    patch.setattr(
        evaluation, "of_partner_admins", lambda tool: right(tool) or tool.key == "crm.export"
    )


@wrong
def what_is_stored_is_had(patch: Patch) -> None:
    """Whoever is asked in SQL has what their set says, whatever it needs."""
    right = Anyone.holds

    def holds(self: Anyone, tool: str, rank: int = 0) -> Q:
        found = catalogue.find(tool)[0]
        if not found.parent or ":" in tool or found.kind is not catalogue.Kind.SWITCH:
            return right(self, tool, rank)
        return self.is_superuser() | self.given(tool, ("",))

    patch.setattr(Anyone, "holds", holds)


@wrong
def own_permissions_follow_the_set_they_are_based_on(patch: Patch) -> None:
    """Somebody who was detached is given what the named set says now (Q26)."""
    right = access.load_grants

    def load_grants(user: User) -> Grants:
        own = user.permission_set
        if own is not None and own.based_on_id is not None:
            user.permission_set_id = own.based_on_id
        return right(user)

    put_reader(patch, "load_grants", load_grants)


# --- Shares, where the product has them -----------------------------------------------------------

if SHARES:

    @wrong
    def ended_shares_still_give(patch: Patch) -> None:
        patch.setattr(records.models.rules, "live", lambda: ALWAYS)

    @wrong
    def extra_members_receive_too(patch: Patch) -> None:
        patch.setattr(Loaded, "main_teams", Loaded.teams)

    @wrong
    def view_share_gives_edit(patch: Patch) -> None:
        given = dict.fromkeys(("view", "change"), ("view", "change"))
        patch.setattr(records.models.rules, "GIVEN_BY_SHARE", given)


@pytest.mark.django_db
@pytest.mark.parametrize("variant", WRONG)
def test_wrong_variants_are_caught(variant: str, monkeypatch: Patch) -> None:
    with pytest.raises(Disagreement):
        catches(variant, monkeypatch)


def test_every_wrong_edit_can_still_be_made() -> None:
    stale = [
        name for name, edit in EDITS.items() if edit.right not in (ROOT / edit.file).read_text()
    ]
    assert stale == [], "tests/support/wrong_edits.py is to follow what was rewritten"
