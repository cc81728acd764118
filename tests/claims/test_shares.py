"""Shares: every reader agrees on them, they end at once, and nobody gives more than they hold."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection, transaction
from django.db.models import BooleanField, Case, Q, Value, When
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from accounts import days
from accounts.access import (
    ACTIONS,
    Loaded,
    allows,
    condition,
    explain,
    marked,
    permitted,
    rules_for,
    who_can,
)
from accounts.audit import System
from accounts.models import AuditEvent, ObjectScope, Team, User
from accounts.operations import clamped, deactivate, reactivate, set_teams
from accounts.receiving import standings
from exports.models import ExportRecord
from exports.operations import request_export
from records import operations
from records.models import SHARES, Company, Contact, Deal, Level
from records.models.rules import share_rules
from records.operations import sharing
from records.operations.sharing import share, share_with, unshare
from tests.claims.test_budgets import BUDGETS
from tests.claims.test_screens import LIST, form_of, page
from tests.support.company import OWNED, TinyCompany
from tests.support.factories import DealFactory, TicketFactory, UserFactory

DealUserShare, DealTeamShare = SHARES["deal"]

VIEW, EDIT = Level.VIEW, Level.EDIT


def ended(row: object) -> None:
    """Let a share's end pass, by the database's clock."""
    type(row).objects.filter(pk=row.pk).update(until=timezone.now() - timedelta(seconds=1))  # type: ignore[attr-defined]  # any share


def may(c: TinyCompany, name: str, deal: str) -> tuple[bool, bool]:
    """Return whether a person, as a new request loads them, may view and change a deal."""
    row = c.deals[deal]
    return allows(c.fresh(name), "view", row), allows(c.fresh(name), "change", row)


# --- The rule -------------------------------------------------------------------------------------


def shared_all_over(c: TinyCompany) -> None:
    """Lay shares of every kind over the tiny company."""
    d, p, t = c.deals, c.people, c.teams
    later = timezone.now() + timedelta(days=1)
    share(d["robs"], actor=c.sam, user=p["rita"], level=VIEW)
    share(d["robs"], actor=c.sam, user=p["ruth"], level=EDIT, until=later)
    share(d["robs"], actor=c.sam, user=p["lena"], level=EDIT)
    share(d["robs"], actor=c.sam, team=t["north_a"], level=EDIT)
    share(d["monas"], actor=c.sam, team=t["south"], level=VIEW, until=later)
    share(d["noras"], actor=c.sam, team=t["south"], level=EDIT)
    share(d["vault"], actor=c.sam, user=p["rob"], level=EDIT)
    share(d["chosen"], actor=c.sam, user=p["lena"], level=EDIT)
    share(d["chosen"], actor=c.sam, user=p["rob"], level=EDIT)
    share(d["unassigned"], actor=c.sam, user=p["mona"], level=EDIT)
    share(c.companies["bolt"], actor=c.sam, user=p["rita"], level=EDIT)
    share(c.contacts["carl"], actor=c.sam, team=t["north_a"], level=EDIT)
    ended(share(d["freds"], actor=c.sam, user=p["rob"], level=EDIT, until=later))
    ended(share(d["freds"], actor=c.sam, team=t["south"], level=EDIT, until=later))
    # Rows that no operation makes any more, as they stay behind when things change afterwards.
    row = share(d["ritas"], actor=c.sam, user=p["rob"], level=EDIT)
    DealUserShare.objects.filter(pk=row.pk).update(content_object=d["deleted"])
    for name in ("fred", "nils", "axel"):
        row = share(d["ritas"], actor=c.sam, user=p["rob"], level=EDIT)
        DealUserShare.objects.filter(pk=row.pk).update(user=p[name])


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_all_readers_agree_on_shares(c: TinyCompany, action: str) -> None:
    shared_all_over(c)
    by_share = 0
    for model in (Deal, Contact, Company):
        rows = list(model._base_manager.order_by("pk"))
        reverse = {row.pk: {u.pk for u in who_can(action, row)} for row in rows}
        for person in User.objects.all():
            everything = model._base_manager.all()
            listed = list(permitted(everything, person, action).values_list("pk", flat=True))
            assert len(listed) == len(set(listed))
            marks = {
                row.pk: getattr(row, f"may_{action}") for row in marked(everything, person, action)
            }
            for row in rows:
                explanation = explain(person, action, row)
                answers = {
                    "permitted": row.pk in listed,
                    "allows": allows(person, action, row),
                    "marked": marks[row.pk],
                    "explain": explanation.allowed,
                    "who_can": person.pk in reverse[row.pk],
                }
                assert len(set(answers.values())) == 1, (person, action, row, answers)
                by_share += {f.code for f in explanation.decisive} == {"shared"}
    assert bool(by_share) == (action in {"view", "change", "export", "associate"})


@pytest.mark.parametrize(
    ("who", "deal", "view", "change"),
    [
        ("rita", "robs", True, True),  # her own share is to view, her main team's to edit
        ("nora", "robs", True, True),  # by her main team alone
        ("lena", "robs", True, True),  # edit share, and Edit is Owned only: reach is not asked
        ("ruth", "robs", True, False),  # edit share, but Edit is None: a viewer stays a viewer
        ("ella", "robs", True, False),  # south's colleague; north_a is only an extra team of hers
        ("rob", "monas", True, False),  # a view share, by the team
        ("ella", "noras", True, True),  # south is her main team
        ("rob", "vault", True, False),  # shared to edit, in a stage locked to all
        ("lena", "chosen", True, False),  # shared to edit, in a stage that does not name her
        ("rob", "chosen", True, True),  # shared to edit, and his team is named
        ("rob", "freds", False, False),  # both shares have ended
        ("mona", "unassigned", True, True),
        ("rob", "deleted", False, False),
        ("fred", "ritas", False, False),  # deactivated
        ("nils", "ritas", False, False),  # no permission set
        ("axel", "ritas", False, False),  # View is None
        ("rob", "ritas", False, False),  # not shared
    ],
)
def test_what_a_share_is_worth(
    c: TinyCompany, who: str, deal: str, view: bool, change: bool
) -> None:
    shared_all_over(c)
    assert may(c, who, deal) == (view, change)


@pytest.mark.parametrize("action", ["delete", "communicate", "merge"])
def test_share_gives_viewing_and_editing_and_nothing_else(c: TinyCompany, action: str) -> None:
    ObjectScope.objects.filter(permission_set=c.sets["rep"]).delete()
    owned = dict.fromkeys(("view", "change", "delete", "communicate", "merge"), OWNED)
    ObjectScope.objects.create(permission_set=c.sets["rep"], object="deal", **clamped(owned))
    share(c.deals["robs"], actor=c.sam, user=c.rita, level=EDIT)
    assert may(c, "rita", "robs") == (True, True)
    assert not allows(c.fresh("rita"), action, c.deals["robs"])
    assert allows(c.fresh("rita"), action, c.deals["ritas"])


def test_explanation_and_reverse_name_the_share(c: TinyCompany) -> None:
    share(c.deals["robs"], actor=c.rob, user=c.rita, level=VIEW)
    found = explain(c.fresh("rita"), "view", c.deals["robs"])
    assert [f.code for f in found.decisive] == ["shared"]
    assert c.rita in who_can("view", c.deals["robs"])
    assert c.rita not in who_can("change", c.deals["robs"])


def test_share_moves_with_the_main_team_at_once(c: TinyCompany) -> None:
    share(c.deals["noras"], actor=c.nora, team=c.teams["south"], level=VIEW)
    assert may(c, "rob", "noras")[0]
    set_teams(c.rob, actor=c.sam, main_team=c.teams["north"], extra_teams=[c.teams["south"]])
    rows = Deal.objects.permitted(c.fresh("rob"), "view")
    explained = explain(c.fresh("rob"), "view", c.deals["noras"])
    assert {f.code for f in explained.findings if f.holds and f.allows} == {"team"}
    set_teams(c.rob, actor=c.sam, main_team=None, extra_teams=[c.teams["south"]])
    assert not may(c, "rob", "noras")[0]
    set_teams(c.rob, actor=c.sam, main_team=c.teams["south"])
    assert may(c, "rob", "noras")[0]
    assert rows.count() > 0


def test_leaving_out_a_code_narrows_and_never_widens(c: TinyCompany) -> None:
    share(c.deals["robs"], actor=c.rob, user=c.rita, level=EDIT)
    rita = c.fresh("rita")
    assert allows(rita, "change", c.deals["robs"])
    assert not allows(rita, "change", c.deals["robs"], without=("shared",))
    assert allows(rita, "change", c.deals["ritas"], without=("shared",))
    denying = ("stage", "deleted", "inactive", "no_scope", "unseen")
    for name, deal in c.deals.items():
        assert allows(rita, "change", deal, without=denying) == allows(rita, "change", deal), name


def test_a_join_to_shares_would_make_list_and_explanation_disagree(c: TinyCompany) -> None:
    """Negative control: the obvious way of writing the rule fails what ours passes."""
    for user in (c.rita, c.lena):
        share(c.deals["robs"], actor=c.rob, user=user, level=VIEW)
    rita, row = c.fresh("rita"), Deal.objects.filter(pk=c.deals["robs"].pk).order_by()

    def answers(when: Q) -> tuple[list[int], list[bool]]:
        holds = Case(When(~when, then=Value(True)), default=False, output_field=BooleanField())
        filtered = list(row.filter(~when).values_list("pk", flat=True))
        return filtered, list(row.annotate(holds=holds).values_list("holds", flat=True))

    (rule,) = share_rules(Loaded(rita), "view", Deal)
    assert answers(rule.when) == ([], [False])
    joined = Q(user_shares__user=rita)
    filtered, cases = answers(joined)
    assert filtered == []
    assert sorted(cases) == [False, True]


def test_guardian_finds_the_tables_by_itself(db: None) -> None:
    for model in (Deal, Company, Contact):
        to_users, to_teams = SHARES[model.object_key]
        assert get_user_obj_perms_model(model) is to_users  # type: ignore[arg-type]  # takes classes too
        assert get_group_obj_perms_model(model) is to_teams  # type: ignore[arg-type]  # takes classes too


# --- Sharing --------------------------------------------------------------------------------------


def test_share_is_one_row_per_receiver_and_sharing_again_replaces_it(c: TinyCompany) -> None:
    deal, until = c.deals["ritas"], timezone.now() + timedelta(days=3)
    first = share(deal, actor=c.rita, user=c.rob, level=EDIT, until=until)
    again = share(deal, actor=c.sam, user=c.rob, level=VIEW)
    assert first.pk == again.pk
    assert (again.level, again.until, again.giver) == (VIEW, None, c.sam)
    assert may(c, "rob", "ritas") == (True, False)
    events = list(AuditEvent.objects.filter(action="deal.share").order_by("id"))
    assert [(e.actor, e.object, e.object_id) for e in events] == [
        (c.rita, "deal", str(deal.pk)),
        (c.sam, "deal", str(deal.pk)),
    ]
    terms = {"level": "edit", "until": until.isoformat()}
    assert events[0].data == {"user": c.rob.pk, **terms, "from": None}
    assert events[1].data == {"user": c.rob.pk, "level": "view", "until": None, "from": terms}
    with pytest.raises(IntegrityError), transaction.atomic():
        DealUserShare.objects.create(
            user=c.rob, content_object=deal, permission=first.permission, giver=c.rita
        )


def test_who_changes_by_their_own_right_shares_and_who_was_given_it_does_not(
    c: TinyCompany,
) -> None:
    deal = c.deals["robs"]
    share(deal, actor=c.rob, user=c.lena, level=EDIT)
    assert may(c, "lena", "robs") == (True, True)
    with pytest.raises(operations.NotAllowed, match="a share cannot be passed on"):
        share(deal, actor=c.fresh("lena"), user=c.rita, level=VIEW)
    with pytest.raises(operations.NotAllowed, match="a share cannot be passed on"):
        unshare(deal, actor=c.fresh("lena"), user=c.lena)
    share(deal, actor=c.rob, user=c.rita, level=VIEW)
    assert DealUserShare.objects.filter(content_object=deal).count() == 2


def test_nobody_raises_a_share_above_what_they_hold(c: TinyCompany) -> None:
    deal = c.deals["noras"]  # Rita sees it by her team and may not change it
    with pytest.raises(operations.NotAllowed, match="Only who may change a record may share it"):
        share(deal, actor=c.rita, user=c.rob, level=VIEW)
    mine = share(c.deals["robs"], actor=c.rob, user=c.rita, level=VIEW)
    with pytest.raises(operations.NotAllowed):
        share(c.deals["robs"], actor=c.fresh("rita"), user=c.nora, level=EDIT)
    with pytest.raises(operations.Invalid, match="Choose somebody else"):
        share(c.deals["ritas"], actor=c.rita, user=c.rita, level=EDIT)
    mine.refresh_from_db()
    assert mine.level == VIEW
    # By the right they hold at that moment: once lost, sharing is lost.
    share(c.deals["ritas"], actor=c.fresh("rita"), user=c.rob, level=EDIT)
    ObjectScope.objects.filter(permission_set=c.sets["rep"], object="deal").update(
        change=0, merge=0
    )
    with pytest.raises(operations.NotAllowed, match="does not let you change"):
        share(c.deals["ritas"], actor=c.fresh("rita"), user=c.lena, level=VIEW)


def test_record_out_of_reach_deleted_or_absent_is_not_found(c: TinyCompany) -> None:
    said = set()
    for deal in (c.deals["robs"], c.deals["deleted"], Deal(pk=10**9)):
        with pytest.raises(operations.NotFound) as refused:
            share(deal, actor=c.rita, user=c.lena, level=VIEW)
        said.add(str(refused.value))
        with pytest.raises(operations.NotFound) as refused:
            unshare(deal, actor=c.rita, user=c.lena)
        said.add(str(refused.value))
    assert len(said) == 1


def test_locked_stage_blocks_sharing_for_those_it_does_not_name(c: TinyCompany) -> None:
    with pytest.raises(operations.NotAllowed, match="locked stage “Vault”"):
        share(c.deals["vault"], actor=c.rita, user=c.rob, level=VIEW)
    share(c.deals["vault"], actor=c.sam, user=c.rob, level=VIEW)
    share(c.deals["chosen"], actor=c.rita, user=c.lena, level=VIEW)  # the rule names her
    with pytest.raises(operations.NotAllowed, match="locked stage “Vault”"):
        unshare(c.deals["vault"], actor=c.rita, user=c.rob)


@pytest.mark.parametrize(
    ("receiver", "sentence"),
    [
        # One sentence: what others hold, and whether they are still here, is not told.
        ("fred", "A share would give Fred nothing"),
        ("axel", "A share would give Axel nothing"),
        ("nils", "A share would give Nils nothing"),
        ("rita", "You have this record already"),
    ],
)
def test_share_that_would_give_nothing_is_refused(
    c: TinyCompany, receiver: str, sentence: str
) -> None:
    with pytest.raises(operations.Invalid, match=sentence):
        share(c.deals["ritas"], actor=c.rita, user=c.people[receiver], level=VIEW)
    assert not DealUserShare.objects.exists()
    assert not AuditEvent.objects.filter(action="deal.share").exists()
    share(c.deals["ritas"], actor=c.rita, user=c.ruth, level=VIEW)


def test_impossible_shares_are_sentences(c: TinyCompany) -> None:
    deal, later = c.deals["ritas"], timezone.now() + timedelta(days=1)
    for arguments, sentence in (
        ({"level": VIEW}, "one person or one team"),
        ({"level": VIEW, "user": c.rob, "team": c.teams["south"]}, "one person or one team"),
        ({"level": "delete", "user": c.rob}, "view, or view and edit"),
        ({"level": VIEW, "user": c.rob, "until": timezone.now()}, "lies in the past"),
        ({"level": VIEW, "team": Team(pk=10**9, name="Gone")}, "does not exist any more"),
    ):
        with pytest.raises(operations.Invalid, match=sentence):
            share(deal, actor=c.rita, **arguments)  # type: ignore[arg-type]  # wrong on purpose
    assert not DealUserShare.objects.exists()
    assert not DealTeamShare.objects.exists()
    share(deal, actor=c.rita, team=c.teams["south"], level=VIEW, until=later)


def test_named_system_actor_shares_and_is_logged(c: TinyCompany) -> None:
    row = share(c.deals["vault"], actor=System("import"), team=c.teams["south"], level=EDIT)
    assert row.giver is None
    event = AuditEvent.objects.get(action="deal.share")
    assert (event.actor, event.system) == (None, "import")
    assert event.data == {
        "team": c.teams["south"].pk,
        "level": "edit",
        "until": None,
        "from": None,
    }


# --- Ending ---------------------------------------------------------------------------------------


def test_ending_a_share_holds_on_the_very_next_request(c: TinyCompany, client: Client) -> None:
    deal = c.deals["robs"]
    share(deal, actor=c.rob, user=c.rita, level=EDIT)
    client.force_login(c.rita)
    assert client.post(page(deal), form_of(deal, name="By Rita")).status_code == 302
    deal.refresh_from_db()
    unshare(deal, actor=c.rob, user=c.rita)
    assert client.get(page(deal)).status_code == 404
    assert client.post(page(deal), form_of(deal, name="Again")).status_code == 404
    deal.refresh_from_db()
    assert deal.name == "By Rita"
    event = AuditEvent.objects.get(action="deal.unshare")
    assert (event.actor, event.data) == (
        c.rob,
        {"user": c.rita.pk, "level": "edit", "until": None},
    )
    with pytest.raises(operations.NotFound, match="already ended"):
        unshare(deal, actor=c.rob, user=c.rita)


def test_share_ends_by_itself(c: TinyCompany, client: Client) -> None:
    deal, later = c.deals["robs"], timezone.now() + timedelta(hours=1)
    row = share(deal, actor=c.rob, user=c.rita, level=EDIT, until=later)
    client.force_login(c.rita)
    assert client.get(page(deal)).status_code == 200
    ended(row)
    assert client.get(page(deal)).status_code == 404
    assert sharing.shares_of(deal) == []
    share(deal, actor=c.rob, user=c.rita, level=VIEW)  # and may be given again
    assert client.get(page(deal)).status_code == 200


def test_giver_takes_back_what_they_gave_even_without_edit(c: TinyCompany) -> None:
    deal = c.deals["ritas"]
    share(deal, actor=c.rita, user=c.rob, level=VIEW)
    share(deal, actor=c.sam, user=c.lena, level=VIEW)
    ObjectScope.objects.filter(permission_set=c.sets["rep"], object="deal").update(
        change=0, merge=0
    )
    rita = c.fresh("rita")
    with pytest.raises(operations.NotAllowed):
        unshare(deal, actor=rita, user=c.lena)
    unshare(deal, actor=rita, user=c.rob)
    assert not may(c, "rob", "ritas")[0]
    assert may(c, "lena", "ritas")[0]


def test_deactivation_ends_what_a_person_received_and_not_what_they_gave(c: TinyCompany) -> None:
    share(c.deals["robs"], actor=c.rob, user=c.rita, level=EDIT)
    share(c.companies["bolt"], actor=c.sam, user=c.rita, level=VIEW)
    share(c.deals["robs"], actor=c.rob, team=c.teams["north_a"], level=VIEW)
    share(c.deals["ritas"], actor=c.rita, user=c.lena, level=VIEW)
    deactivate(c.rita, actor=c.sam)
    events = AuditEvent.objects.filter(action__endswith=".unshare").order_by("action")
    assert [(e.action, e.actor, e.data) for e in events] == [
        (
            f"{kind}.unshare",
            c.sam,
            {"user": c.rita.pk, "level": level, "until": None, "because": "deactivated"},
        )
        for kind, level in (("company", "view"), ("deal", "edit"))
    ]
    assert may(c, "lena", "ritas")[0]
    reactivate(c.rita, actor=c.sam)
    assert may(c, "rita", "robs") == (True, False)  # by her main team; her own share is gone


# --- Edit that comes only from a share never changes an owner -------------------------------------


@pytest.mark.parametrize("field", ["owner", "co_owner"])
def test_edit_from_a_share_never_changes_an_owner(c: TinyCompany, field: str) -> None:
    deal = c.deals["robs"]
    share(deal, actor=c.rob, user=c.rita, level=EDIT)
    rita = c.fresh("rita")
    with pytest.raises(operations.NotAllowed, match="a share does not change owners"):
        operations.change(deal, actor=rita, values={field: rita, "name": "Mine"}, version=1)
    deal.refresh_from_db()
    assert (deal.name, deal.owner, deal.co_owner, deal.version) == ("Rob's", c.rob, None, 1)
    # The same owner again is no change; and everything else she may write.
    operations.change(deal, actor=rita, values={"owner": c.rob, "name": "Edited"}, version=1)
    operations.change(deal, actor=c.rob, values={"co_owner": rita}, version=2)
    operations.change(deal, actor=rita, values={"owner": rita}, version=3)
    deal.refresh_from_db()
    assert (deal.name, deal.owner, deal.co_owner) == ("Edited", rita, rita)


def test_form_of_a_shared_record_shows_owners_and_ignores_forged_ones(
    c: TinyCompany, client: Client
) -> None:
    deal = c.deals["robs"]
    share(deal, actor=c.rob, user=c.rita, level=EDIT)
    client.force_login(c.rita)
    text = client.get(page(deal)).text
    assert 'name="name"' in text
    assert 'name="owner"' not in text
    assert 'name="owner"' in client.get(page(c.deals["ritas"])).text
    forged = form_of(deal, owner=c.rita.pk, co_owner=c.rita.pk, name="Saved")
    assert client.post(page(deal), forged).status_code == 302
    deal.refresh_from_db()
    assert (deal.name, deal.owner, deal.co_owner) == ("Saved", c.rob, None)


# --- Screens --------------------------------------------------------------------------------------


def test_story_of_a_share_over_http(c: TinyCompany) -> None:
    clients = {}
    for name in ("rita", "rob", "nora"):
        clients[name] = Client()
        clients[name].force_login(c.people[name])
    rita, rob, nora = clients.values()
    deal = c.deals["ritas"]
    assert rob.get(page(deal)).status_code == 404
    assert "Nobody shares a record with you" in rob.get("/admin/shared/").text
    assert 'href="/admin/shared/"' in rob.get("/admin/").text

    assert rita.get(page(deal, "share")).status_code == 200
    wrong = rita.post(page(deal, "share"), {"level": "view", "last_day": "2020-01-01"})
    assert wrong.status_code == 200
    assert "lies in the past" in wrong.text
    assert 'value="2020-01-01"' in wrong.text
    day = (timezone.now() + timedelta(days=5)).date()
    posted = {"people": c.rob.pk, "level": "edit", "last_day": day.isoformat()}
    done = rita.post(page(deal, "share"), posted, follow=True)
    assert done.redirect_chain == [(page(deal), 302)]
    assert "is shared with Rob" in done.text
    until = DealUserShare.objects.get().until
    assert until == days.moment_after(day)

    seen = rob.get(page(deal)).text
    assert "it is shared with you" in seen
    assert "View and edit · until" in seen
    assert f'action="{page(deal, "unshare")}"' not in seen
    assert f'href="{page(deal, "share")}"' not in seen
    assert rob.post(page(deal), form_of(deal, name="Rob was here")).status_code == 302
    mine = rob.get("/admin/shared/").text
    assert "Rob was here" in mine
    assert "by Rita" in mine
    assert "with Rob" in rita.get("/admin/shared/").text

    # Nora sees the deal by her team, with whom it is shared, and can do nothing about it.
    assert "View and edit · until" in nora.get(page(deal)).text
    for client, receiver in ((nora, c.lena), (rob, c.lena)):
        for ask in ("share", "unshare"):
            refused = client.post(page(deal, ask), {"people": receiver.pk, "level": "view"})
            if ask == "share":
                assert refused.status_code == 403
                assert "You may not share" in refused.text
    assert rob.get(page(deal, "share")).status_code == 403
    refusals = AuditEvent.objects.filter(result="refused").values_list("action", "data__code")
    assert set(refusals) == {("deal.share", "out_of_reach"), ("deal.share", "shared")}
    assert rob.post(page(deal, "unshare"), {"user": c.rob.pk}).status_code == 403

    assert rita.get(page(deal, "unshare")).status_code == 405
    done = rita.post(page(deal, "unshare"), {"user": c.rob.pk}, follow=True)
    assert "no longer shared with Rob" in done.text
    assert rob.get(page(deal)).status_code == 404
    assert "Nobody shares a record with you" in rob.get("/admin/shared/").text


def test_team_is_shared_with_and_ended_over_http(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    deal, south = c.deals["ritas"], c.teams["south"]
    client.post(page(deal, "share"), {"teams": south.pk, "level": "view"})
    assert may(c, "rob", "ritas") == (True, False)
    assert "South" in client.get(page(deal)).text
    client.post(page(deal, "unshare"), {"team": south.pk})
    assert may(c, "rob", "ritas") == (False, False)


@pytest.mark.parametrize("name", ["share", "unshare"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_hidden_and_absent_records_answer_sharing_the_same_to_the_byte(
    c: TinyCompany, client: Client, name: str, method: str
) -> None:
    client.force_login(c.rita)
    ask = getattr(client, method)
    one, other = ask(page(c.deals["robs"], name)), ask(page(Deal(pk=10**9), name))
    assert one.status_code == other.status_code == 404
    assert one.content == other.content


def test_changes_of_shares_need_the_forms_token(c: TinyCompany) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(c.rita)
    posted = {"people": c.rob.pk, "level": "view"}
    assert client.post(page(c.deals["ritas"], "share"), posted).status_code == 403
    assert not DealUserShare.objects.exists()


def test_own_list_leaves_out_what_is_out_of_reach(c: TinyCompany, client: Client) -> None:
    ticket = TicketFactory(subject="A broken lamp")
    share(c.deals["ritas"], actor=c.rita, user=c.rob, level=VIEW)
    share(c.deals["noras"], actor=c.sam, user=c.rob, level=VIEW)
    share(ticket, actor=c.sam, user=c.eve, level=VIEW)
    type(sharing.shares_of(ticket)[0]).objects.update(user=c.rob)  # who may not view tickets
    operations.delete(c.deals["noras"], actor=c.sam)
    client.force_login(c.rob)
    text = client.get("/admin/shared/").text
    assert "Rita&#x27;s" in text
    assert "Nora&#x27;s" not in text
    assert "broken lamp" not in text
    client.force_login(c.axel)
    assert client.get("/admin/shared/").status_code == 403
    assert 'href="/admin/shared/"' not in client.get("/admin/").text


def test_export_takes_shared_records_along_and_only_while_shared(c: TinyCompany) -> None:
    def exported() -> set[int]:
        export = request_export(actor=c.fresh("rita"), model=Deal, columns=["id", "name"])
        return set(ExportRecord.objects.filter(export=export).values_list("record_id", flat=True))

    before = exported()
    share(c.deals["robs"], actor=c.rob, user=c.rita, level=VIEW)
    assert exported() - before == {c.deals["robs"].pk}
    unshare(c.deals["robs"], actor=c.rob, user=c.rita)
    assert exported() == before


# --- Budgets --------------------------------------------------------------------------------------


def statements(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_number_of_queries_does_not_depend_on_the_number_of_shares(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.rita)
    deal = c.deals["ritas"]

    def some_more(number: int) -> None:
        for _ in range(number):
            share(deal, actor=c.rita, user=UserFactory(permission_set=c.sets["rep"]), level=VIEW)
            other = DealFactory(owner=c.rob, stage=c.stages["open"])
            share(other, actor=c.rob, user=c.rita, level=EDIT)
        share(deal, actor=c.rita, team=c.teams["south"], level=VIEW)

    addresses = (LIST, page(deal), "/admin/shared/")
    some_more(2)
    few = [statements(client, address) for address in addresses]
    some_more(20)
    assert [statements(client, address) for address in addresses] == few
    assert few[0] <= BUDGETS["list"]
    assert few[1] <= BUDGETS["record"]
    assert few[2] <= 20


def test_one_check_and_one_reverse_are_one_query_each(c: TinyCompany) -> None:
    share(c.deals["robs"], actor=c.rob, team=c.teams["north_a"], level=EDIT)
    rita = c.fresh("rita")
    assert rita.grants.main_teams == (c.teams["north_a"].pk,)
    with CaptureQueriesContext(connection) as captured:
        assert allows(rita, "change", c.deals["robs"])
        assert c.nora in list(who_can("change", c.deals["robs"]))
    assert len(captured) == 2
    assert condition(rules_for(Loaded(rita), "change", Deal))


# --- With several at once -------------------------------------------------------------------------


def test_share_with_many_is_one_change_and_one_event_for_each(c: TinyCompany) -> None:
    deal = c.deals["ritas"]
    share(deal, actor=c.sam, user=c.lena, level=VIEW)
    share_with(
        deal,
        actor=c.rita,
        level=EDIT,
        people=[c.rob, c.lena, c.rob],
        teams=[c.teams["south"]],
    )
    assert may(c, "rob", "ritas") == (True, True)
    assert {row.user for row in DealUserShare.objects.all()} == {c.rob, c.lena}
    assert DealTeamShare.objects.get().group_id == c.teams["south"].pk
    events = AuditEvent.objects.filter(action="deal.share", actor=c.rita).order_by("id")
    assert [(e.data.get("user"), e.data.get("team"), bool(e.data["from"])) for e in events] == [
        *sorted([(c.rob.pk, None, False), (c.lena.pk, None, True)]),
        (None, c.teams["south"].pk, False),
    ]
    # Once more the same changes nothing, and the log says nothing.
    written = AuditEvent.objects.count()
    share_with(deal, actor=c.rita, level=EDIT, people=[c.rob, c.lena])
    assert AuditEvent.objects.count() == written


@pytest.mark.parametrize(
    ("people", "teams", "sentence"),
    [
        (["rob", "axel"], ["south"], "A share would give Axel nothing"),
        (["rob", "fred", "nils"], [], "A share would give"),
        (["rob", "rita"], ["south"], "You have this record already"),
        (["rob"], ["gone"], "does not exist any more"),
        ([], [], "at least one person or team"),
    ],
)
def test_share_with_many_is_for_all_of_them_or_for_nobody(
    c: TinyCompany, people: list[str], teams: list[str], sentence: str
) -> None:
    deal, gone = c.deals["ritas"], Team(pk=10**9, name="Gone")
    with pytest.raises(operations.Invalid, match=sentence):
        share_with(
            deal,
            actor=c.rita,
            level=VIEW,
            people=[c.people[name] for name in people],
            teams=[c.teams.get(name, gone) for name in teams],
        )
    assert not DealUserShare.objects.exists()
    assert not DealTeamShare.objects.exists()
    assert not AuditEvent.objects.filter(action="deal.share").exists()
    with pytest.raises(operations.NotAllowed):  # nobody gives more than they hold
        share_with(c.deals["noras"], actor=c.rita, level=VIEW, people=[c.rob, c.lena])
    share_with(deal, actor=c.rita, level=VIEW, people=[c.rob], teams=[c.teams["south"]])


def test_share_with_many_asks_as_often_for_two_as_for_forty(c: TinyCompany) -> None:
    """What each of them could do is one question; only what is written is written for each."""
    deal = c.deals["ritas"]

    def reads(number: int) -> int:
        people = [UserFactory(permission_set=c.sets["rep"]) for _ in range(number)]
        with CaptureQueriesContext(connection) as captured:
            share_with(deal, actor=c.rita, level=EDIT, people=people)
        asked = [each["sql"] for each in captured if "accounts_objectscope" in each["sql"]]
        return len(asked)

    assert reads(2) == reads(40)


# What sharing would do is foretold by the same rules that hold afterwards.


@pytest.mark.parametrize("level", [VIEW, EDIT])
@pytest.mark.parametrize("deal", ["ritas", "robs", "vault", "chosen", "unassigned", "noras"])
def test_preview_foretells_what_the_rules_say_once_it_is_shared(
    c: TinyCompany, deal: str, level: Level
) -> None:
    shared_all_over(c)
    row, people = c.deals[deal], list(User.objects.filter(is_active=True))
    team = c.teams["south"]
    permission = f"{level.codename}_deal"
    told = standings(row, permission, [each.pk for each in people], [])
    assert [each.person for each in told] != []
    by_team = standings(row, permission, [], [team.pk])
    assert {each.person for each in by_team} == {
        each for each in people if team.pk in each.grants.main_teams
    }

    def now(person: User) -> tuple[bool, bool]:
        fresh = User.objects.get(pk=person.pk)
        return allows(fresh, "view", row), allows(fresh, "change", row)

    for each in (*told, *by_team):
        assert (each.sees, each.edits) == now(each.person), each
        granting = explain(each.person, "view", row)
        codes = {f.code for f in granting.findings if f.holds and f.allows}
        assert set(each.because) == codes
    # Written past the operation, which refuses whom a share would give nothing.
    ContentType.objects.clear_cache()
    given = Permission.objects.get(codename=permission, content_type__model="deal")
    for each in told:
        with transaction.atomic():
            key = {"user": each.person, "content_object": row}
            DealUserShare.objects.update_or_create(
                defaults={"permission": given, "until": None}, **key
            )
            assert (each.would_see, each.would_edit) == now(each.person), each
            findings = explain(User.objects.get(pk=each.person.pk), "change", row).findings
            assert each.held_back == {f.code for f in findings if f.holds and not f.allows}
            transaction.set_rollback(True)
    with transaction.atomic():
        DealTeamShare.objects.update_or_create(
            defaults={"permission": given, "until": None}, group=team, content_object=row
        )
        for each in by_team:
            assert (each.would_see, each.would_edit) == now(each.person), each
        transaction.set_rollback(True)


def test_preview_asks_as_often_for_few_as_for_many(c: TinyCompany) -> None:
    deal = c.deals["ritas"]

    def cost() -> int:
        keys = list(User.objects.exclude(pk=c.rob.pk).values_list("pk", flat=True))
        teams = list(Team.objects.values_list("pk", flat=True))
        with CaptureQueriesContext(connection) as captured:
            assert standings(deal, "view_deal", keys, teams)
        return len(captured)

    # Who is in which team; one for each way to receive it; the order of names.
    assert cost() == 5
    for _ in range(30):
        UserFactory(permission_set=c.sets["rep"], team=c.teams["south"])
    assert cost() == 5


def previewed(text: str) -> dict[str, str]:
    """Return the lines of the preview on a page: name → what is said."""
    lines = re.findall(
        r'class="preview-line[^"]*">\s*<strong>([^<]*)</strong>\s*<span>([^<]*)</span>', text
    )
    return {name: html.unescape(said) for name, said in lines}


def test_form_shares_with_several_and_says_before_what_each_can_do(c: TinyCompany) -> None:
    client = Client()
    client.force_login(c.rita)
    deal, later = c.deals["ritas"], timezone.now() + timedelta(days=3)
    share(deal, actor=c.rita, user=c.lena, level=EDIT, until=later)
    chosen = [c.rob.pk, c.people["ruth"].pk, c.lena.pk, c.nora.pk, c.axel.pk]
    posted = {"people": chosen, "teams": [c.teams["south"].pk], "level": "edit"}
    written = AuditEvent.objects.count()
    asked = client.post(page(deal, "share"), {**posted, "_preview": "1"})
    said = previewed(asked.text)
    assert said["Rob"] == "Will see and edit it."
    assert said["Ruth"].startswith("Can only see it: their own permissions let them edit no deals.")
    assert "Shared already: View and edit" in said["Lena"]
    # Of what colleagues hold it tells no more than what comes of it for this record.
    assert said["Nora"] == "Will see and edit it."  # that she sees it already tells of her team
    assert said["Axel"] == "A share would give them nothing. Take them out."
    reaches = "Reaches its 2 main members, as far as their own permissions let them."
    assert said["South (team)"] == reaches
    assert AuditEvent.objects.count() == written
    assert DealUserShare.objects.count() == 1
    # Whoever governs people reads why.
    sam = Client()
    sam.force_login(c.sam)
    told = previewed(sam.post(page(deal, "share"), {**posted, "_preview": "1"}).text)
    assert told["Nora"] == "Will be able to edit it. They see it because: owner is in their team."
    assert told["South (team)"] == "Of its main members: 2 can see and edit it."
    # One whom it would give nothing keeps it from all of them.
    refused = client.post(page(deal, "share"), posted)
    assert "A share would give Axel nothing" in refused.text
    assert DealUserShare.objects.count() == 1
    done = client.post(page(deal, "share"), {**posted, "people": chosen[:-1]}, follow=True)
    assert "is shared with 5 people" not in done.text
    assert "is shared with Lena, Nora, Rob, Ruth and South" in html.unescape(done.text)
    assert DealUserShare.objects.count() == 4
    # In a locked stage sharing to edit lets them see it, and says what keeps them.
    vault = sam.post(page(c.deals["vault"], "share"), {**posted, "_preview": "1"})
    assert "not edit it while it is in the locked stage “Vault”" in previewed(vault.text)["Rob"]
    assert "not edit it while it is in its locked stage" in previewed(vault.text)["South (team)"]


# Worlds that differ only in who is in which team, while every team has as many main members.
OTHER_MEMBERSHIPS: dict[str, dict[str, tuple[str | None, list[str]]]] = {
    "extra team": {"rob": ("south", ["north_a"])},
    "no extra team": {"ella": ("south", [])},
    "two who may do different things": {"rob": (None, []), "ruth": ("south", [])},
    "two who are in each other's place": {"nora": ("south", []), "rob": ("north_a", [])},
}


@pytest.mark.parametrize("level", [VIEW, EDIT])
@pytest.mark.parametrize("deal", ["ritas", "co_owned", "chosen"])
@pytest.mark.parametrize("other", OTHER_MEMBERSHIPS)
def test_preview_tells_nobody_who_is_in_a_team(
    c: TinyCompany, deal: str, other: str, level: Level
) -> None:
    """R7: only whoever governs people knows it, however many previews somebody else compares."""
    row = c.deals[deal]
    share(row, actor=c.sam, user=c.nora, level=VIEW)
    share(row, actor=c.sam, user=c.lena, level=EDIT)
    share(row, actor=c.sam, team=c.teams["north"], level=EDIT)
    others = User.objects.filter(is_active=True).exclude(pk__in=[c.rita.pk, c.sam.pk])
    people = list(others.values_list("pk", flat=True))
    teams = [team.pk for team in Team.objects.all()]
    posted = {"people": people, "teams": teams, "level": level, "_preview": "1"}
    readers = {name: Client() for name in ("rita", "sam")}
    for name, client in readers.items():
        client.force_login(c.people[name])

    def told() -> dict[str, str]:
        texts = {
            name: client.post(page(row, "share"), posted).text for name, client in readers.items()
        }
        assert [len(previewed(text)) for text in texts.values()] == [len(people) + len(teams)] * 2
        return {
            name: text.partition('id="share-preview"')[2].partition("</section>")[0]
            for name, text in texts.items()
        }

    before = told()
    for name, (main, extra) in OTHER_MEMBERSHIPS[other].items():
        set_teams(
            c.people[name],
            actor=c.sam,
            main_team=c.teams[main] if main else None,
            extra_teams=[c.teams[each] for each in extra],
        )
    after = told()
    assert after["rita"] == before["rita"]
    if other == "extra team" and deal != "co_owned":  # of which Rob is an owner
        assert after["sam"] != before["sam"]  # or what is compared would differ for nobody


def test_preview_says_that_it_is_not_shown_for_so_many(c: TinyCompany, client: Client) -> None:
    client.force_login(c.rita)
    people = [UserFactory(permission_set=c.sets["rep"]).pk for _ in range(sharing.MOST_AT_ONCE + 1)]
    posted = {"people": people, "level": "view", "_preview": "1"}
    text = client.post(page(c.deals["ritas"], "share"), posted).text
    assert "For more than 100 people and teams no preview is shown." in text
    assert not previewed(text)
    posted["people"] = people[1:]
    text = client.post(page(c.deals["ritas"], "share"), posted).text
    assert len(previewed(text)) == sharing.MOST_AT_ONCE
    assert "no preview is shown" not in text


def test_preview_is_for_whoever_may_share(c: TinyCompany) -> None:
    """Else it would tell of colleagues, and of records out of reach, what the pages do not."""
    client = Client()
    client.force_login(c.nora)
    posted = {"people": [c.rob.pk], "level": "edit", "_preview": "1"}
    refused = client.post(page(c.deals["ritas"], "share"), posted)
    assert refused.status_code == 403
    assert not previewed(refused.text)
    hidden, absent = (
        client.post(page(deal, "share"), posted) for deal in (c.deals["robs"], Deal(pk=10**9))
    )
    assert (hidden.status_code, hidden.content) == (404, absent.content)
