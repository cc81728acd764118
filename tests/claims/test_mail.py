"""E-mail: who is written to, what never stands in it, and each at most once (R129, R130, L88)."""

import ast
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.utils import timezone
from pytest_django import Settings

from accounts import mail
from accounts import operations as people
from accounts.checks import site_has_an_address
from accounts.models import Notice, Outbox, User
from accounts.notices import inbox, notify
from accounts.to_decide import Key
from exports import jobs, operations, worker
from exports.models import ExportPolicy, ExportRequest
from records.models import Property
from records.operations import flag_property
from tests.claims.test_inbox import logged_in
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    LONG_AGO,
    approved,
    ask,
    end_lease,
    pending,
    raise_attempts,
    set_policy,
    take_tool,
)
from tests.support.exports_process import racers
from tests.support.postbox import DATA, END, GREETING, HANG_UP, RECIPIENT, SENDER, Postbox, postbox

ADDRESS = "https://crm.example"


@pytest.fixture(autouse=True)
def mail_is_set_up(settings: Settings) -> None:
    settings.MAIL_ENABLED = True
    settings.SITE_URL = ADDRESS


@pytest.fixture
def box(settings: Settings) -> Iterator[Postbox]:
    """A mail server of ours, and settings that lead to it."""
    with postbox() as box:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", box.port, 5
        yield box


def queued() -> list[tuple[str, str]]:
    """Return (name, subject) of every e-mail that was ever laid down, in order."""
    return [(m.notice.user.first_name, m.subject) for m in Outbox.objects.order_by("id")]


def states() -> list[str]:
    return list(Outbox.objects.order_by("id").values_list("status", flat=True))


def make_due() -> None:
    Outbox.objects.filter(status="waiting").update(next_try_at=LONG_AGO)


# --- Who is written to ----------------------------------------------------------------------------


def test_asking_approving_and_finishing_write_to_whom_it_concerns(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    export = pending(c.rita, c.sue)
    operations.approve(export, actor=c.axel, version=export.version)
    worker.run_once()  # sends, then writes the file
    assert worker.run_once() == 0
    assert [(m.to, m.subject) for m in mailoutbox] == [
        (["sue@example.com"], "An export waits for your decision"),
        (["rita@example.com"], "Your export was approved"),
        (["rita@example.com"], "Your export is ready"),
    ]
    assert states() == ["sent"] * 3


def test_changed_address_is_told_to_whoever_had_it_before(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    """Whoever has the new one may be who changed it."""
    people.change_person(
        c.rita, actor=c.sam, email="mine@example.com", first_name="Rita", last_name=""
    )
    mail.send_waiting()
    assert [(m.to, m.subject) for m in mailoutbox] == [
        (["rita@example.com"], "Your e-mail address was changed by somebody else")
    ]
    assert "mine@example.com" not in mailoutbox[0].body
    people.set_password(c.rita, actor=c.sam, password="another long password")
    mail.send_waiting()
    assert mailoutbox[1].to == ["mine@example.com"]


def test_what_super_admins_are_told_is_gone_for_who_is_none_any_more(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    """It names fields that are hidden from them by then, and who governs exports."""
    flag_property(actor=c.sam, object="deal", name="amount", sensitive=True)
    people.assign_set(c.rita, actor=c.sam, permission_set=c.sets["exempt"])
    version = ExportPolicy.objects.get().version
    operations.change_policy(actor=c.sam, version=version, require_approval=True)
    told = set(inbox(c.fresh("sue")).values_list("text", flat=True))
    assert len(told) == 3
    assert len(Outbox.objects.all()) == 3
    people.remove_super_admin(c.sue, actor=c.sam, permission_set=c.sets["rep"])
    sue = logged_in(c.fresh("sue"))
    assert not inbox(c.fresh("sue")).exists()
    assert not any(text in sue.get("/admin/inbox/").text for text in told)
    mail.send_waiting()
    assert (mailoutbox, set(states())) == ([], {"dropped"})
    people.make_super_admin(c.sue, actor=c.sam)
    assert set(inbox(c.fresh("sue")).values_list("text", flat=True)) == told


@pytest.mark.parametrize("name", ["{invitation}", "{link}"])
def test_whoever_is_called_like_the_place_of_a_link_is_written_about_too(
    c: TinyCompany, mailoutbox: list[EmailMessage], name: str
) -> None:
    """Neither is the e-mail kept back, as one whose link has ended, nor does it bring a link."""
    User.objects.filter(pk=c.rita.pk).update(first_name="", last_name=name)
    pending(c.fresh("rita"), c.sue)
    Notice.objects.update(created_at=timezone.now() - timedelta(hours=2))
    worker.run_once()
    (sent,) = [m for m in mailoutbox if m.to == ["sue@example.com"]]
    assert f"Requested by: {name}\n" in sent.body
    assert re.findall(r"https?://\S+", sent.body) == [
        f"{ADDRESS}/admin/exports/exportrequest/{ExportRequest.objects.get().pk}/change/"
    ]


def reject(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    operations.reject(export, actor=c.sue, version=export.version, note="No.")


def cancel(c: TinyCompany) -> None:
    operations.cancel(pending(c.rita, c.sue), actor=c.sam)


def lose_the_right(c: TinyCompany) -> None:
    pending(c.rita, c.sue)
    take_tool(c.sets["rep"], "crm.export")
    worker.run_once()


def lapse(c: TinyCompany) -> None:
    export = pending(c.rita, c.sue)
    late = timezone.now() - timedelta(days=14, seconds=1)
    ExportRequest.objects.filter(pk=export.pk).update(requested_at=late)
    worker.run_once()


def become_sensitive(c: TinyCompany) -> None:
    approved(c.rita, c.sue)
    Property.objects.create(object="deal", name="amount", sensitive=True)
    worker.run_once()


def fail(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    assert jobs.claim("a worker", timedelta(minutes=1)) is not None
    raise_attempts(export, 5)
    end_lease(export)
    worker.run_once()


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (reject, [("Rita", "Your export was rejected")]),
        (cancel, [("Rita", "Your export was cancelled")]),
        (lose_the_right, [("Rita", "Your export was cancelled")]),
        (lapse, [("Rita", "Your export was not decided on in time")]),
        (
            become_sensitive,
            [
                ("Rita", "Your export was approved"),
                ("Sue", "An export waits for your decision again"),
                ("Rita", "Your export needs approval again"),
            ],
        ),
        (fail, [("Rita", "Your export was approved"), ("Rita", "Your export failed")]),
    ],
)
def test_every_end_is_told_to_the_requester(
    c: TinyCompany, happens: Callable[[TinyCompany], None], expected: list[tuple[str, str]]
) -> None:
    happens(c)
    assert queued() == [("Sue", "An export waits for your decision"), *expected]


def test_without_a_mail_server_people_are_told_and_nothing_is_queued(
    c: TinyCompany, settings: Settings, mailoutbox: list[EmailMessage]
) -> None:
    settings.MAIL_ENABLED = False
    pending(c.rita, c.sue)
    worker.run_once()
    assert Notice.objects.get().user == c.sue
    assert not Outbox.objects.exists()
    assert not mailoutbox


def test_nothing_is_queued_for_what_was_rolled_back(c: TinyCompany) -> None:
    with pytest.raises(operations.ApproversNeeded):
        pending(c.rita, c.nora)
    assert not Outbox.objects.exists()
    pending(c.rita, c.sue)
    assert Outbox.objects.count() == 1


def test_telling_costs_the_same_for_few_and_for_many(
    c: TinyCompany, django_assert_num_queries: Any
) -> None:
    for several in ([c.sue], list(c.people.values())):
        with django_assert_num_queries(5):  # a savepoint's two, notices, their time, e-mails
            notify(several, "All of you.")
    assert Notice.objects.filter(user=c.fred).count() == 0  # nobody who is not active


def told_outside_a_transaction(source: str) -> list[int]:
    """Return the lines that call `tell` where no transaction is open to the eye."""
    tree = ast.parse(source)
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        opens: list[ast.expr] = []
        if isinstance(node, ast.With):
            opens = [item.context_expr for item in node.items]
        elif isinstance(node, ast.FunctionDef):
            opens = node.decorator_list
        if any(re.match(r"(transaction\.atomic|audit\.step)\b", ast.unparse(o)) for o in opens):
            inside.update(ast.walk(node))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and n not in inside]
    return [n.lineno for n in calls if ast.unparse(n.func).split(".")[-1] == "tell"]


def test_people_are_told_in_the_transaction_of_the_step() -> None:
    outside = "with audit.step('x') as person:\n    pass\ntell([person], 'Done.', export)\n"
    assert told_outside_a_transaction(outside) == [3]
    for path in Path("exports").rglob("*.py"):
        assert told_outside_a_transaction(path.read_text()) == [], path


# --- What stands in it ----------------------------------------------------------------------------


def test_mail_holds_no_data_no_words_of_people_and_no_key(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    c.deals["ritas"].name = "Zanzibar"
    c.deals["ritas"].save()
    export = pending(c.rita, c.sue, query="q=zanzibar", message="Words of Ulrike")
    operations.reject(export, actor=c.sue, version=export.version, note="Answer of Bernd")
    mail.send_waiting()
    asked, answered = mailoutbox
    for message in mailoutbox:
        raw = message.message().as_string().lower()
        assert not [w for w in ("zanzibar", "ulrike", "bernd", "download", "sha") if w in raw]
    assert asked.body == (
        "An export waits for your decision.\n\n"
        f"Export: Deals: filtered, #{export.pk}\n"
        "Requested by: Rita\n"
        "Status: Pending approval\n\n"
        "Open it in crmperms:\n"
        f"{ADDRESS}/admin/exports/exportrequest/{export.pk}/change/\n\n"
        "-- \n"
        "This e-mail holds no data; crmperms asks you to log in before it shows any.\n"
    )
    assert "Status: Rejected" in answered.body


def test_without_an_address_of_the_site_it_says_where_to_click(
    c: TinyCompany, settings: Settings
) -> None:
    settings.SITE_URL = ""
    export = pending(c.rita, c.sue)
    text = Outbox.objects.get().text
    assert f"log in to crmperms and open: Export log, #{export.pk}." in text
    assert "http" not in text


@pytest.mark.parametrize(("address", "errors"), [("", 0), (ADDRESS, 0), ("crm.example", 1)])
def test_address_that_no_mail_program_opens_is_found_at_the_start(
    settings: Settings, address: str, errors: int
) -> None:
    settings.SITE_URL = address
    assert len(site_has_an_address(None)) == errors


def test_names_and_subjects_add_no_line_and_no_header(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    User.objects.filter(pk=c.rita.pk).update(first_name="Rita\r\nBcc: evil@example.com\r\n\r\nHi")
    pending(c.rita, c.sue)
    notify([c.axel], "x", subject="A\r\nBcc: evil@example.com" + "x" * 300)
    assert mail.send_waiting() == 2
    for message in mailoutbox:
        parsed = message_from_bytes(message.message().as_bytes())
        assert parsed["Bcc"] is None
        assert message.recipients() == [parsed["To"]]
        assert not [line for line in message.body.splitlines() if line.startswith("Bcc")]
        assert "\n" not in message.subject


def test_two_rows_never_share_an_id_and_one_row_keeps_its_own(c: TinyCompany) -> None:
    notify([c.sue, c.axel], "x")
    first, second = Outbox.objects.order_by("id")
    ids = [mail._message(m).extra_headers["Message-ID"] for m in (first, second, first)]
    assert ids[0] == ids[2] != ids[1]


# --- The right to read, asked when it is sent (S36) -----------------------------------------------


def lose_the_tool(c: TinyCompany) -> None:
    take_tool(c.sets["approver"], "crm.export_approver")


def leave(c: TinyCompany) -> None:
    people.deactivate(c.axel, actor=c.sam)


@pytest.mark.parametrize("happens", [lose_the_tool, leave])
def test_who_may_not_read_it_any_more_gets_no_mail(
    c: TinyCompany, happens: Callable[[TinyCompany], None], mailoutbox: list[EmailMessage]
) -> None:
    set_policy()
    ask(c.rita, approvers=[c.axel, c.sue])
    happens(c)
    mail.send_waiting()
    assert [m.to for m in mailoutbox] == [["sue@example.com"]]
    assert sorted(states()) == ["dropped", "sent"]


def test_what_is_about_no_export_is_sent_and_what_is_about_an_absent_one_is_not(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    for link in ("", "/nowhere/", "/admin/"):
        notify([c.sam], "x", link)
    notify([c.sam], "x", about=Key("export", 999999))
    mail.send_waiting()
    assert states() == ["sent", "sent", "sent", "dropped"]
    assert len(mailoutbox) == 3


# --- Once, and in the end -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "answer", "state", "because"),
    [
        ("", "", "sent", ""),
        (GREETING, "421 too busy", "waiting", "SMTPConnectError"),
        (GREETING, HANG_UP, "waiting", "SMTPServerDisconnected"),
        (SENDER, "550 not you", "waiting", "SMTPSenderRefused"),
        (RECIPIENT, "550 nobody", "waiting", "SMTPRecipientsRefused"),
        (DATA, "554 no", "waiting", "SMTPDataError"),
        (END, "554 no", "waiting", "SMTPDataError"),
        # It had everything, and nobody knows what it did with it.
        (END, HANG_UP, "uncertain", "SMTPServerDisconnected"),
    ],
)
def test_what_the_server_refused_is_tried_again_and_what_it_may_have_taken_is_not(
    c: TinyCompany, box: Postbox, moment: str, answer: str, state: str, because: str
) -> None:
    notify([c.sue], "x")
    box.answers = {moment: answer}
    mail.send_waiting()
    row = Outbox.objects.get()
    # A greeting that is none costs no attempt: nothing was asked.
    assert (row.status, row.ended_because, row.attempt) == (state, because, moment != GREETING)
    box.answers = {}
    make_due()
    mail.send_waiting()
    assert states() == ["sent" if state == "waiting" else state]
    assert len(box.taken) == (2 if (moment, state) == (END, "waiting") else 1)


def test_later_and_later_then_never(c: TinyCompany, box: Postbox) -> None:
    notify([c.sue], "x")
    box.answers = {RECIPIENT: "450 later"}
    for minutes in (1, 5, 25, 125):
        before = timezone.now()
        mail.send_waiting()
        row = Outbox.objects.get()
        delay = timedelta(minutes=minutes)
        assert before + delay <= row.next_try_at <= timezone.now() + delay
        assert mail.send_waiting() == 0  # not due
        make_due()
    mail.send_waiting()
    row = Outbox.objects.get()
    assert (row.status, row.attempt, row.ended_because) == ("failed", 5, "SMTPRecipientsRefused")
    assert box.visits == 5


def test_server_that_is_away_is_asked_once_a_pass_and_holds_up_no_export(
    c: TinyCompany, box: Postbox
) -> None:
    set_policy(on=False)
    export = ask(c.rita)
    notify([c.sue, c.sam, c.axel], "x")
    box.answers = {GREETING: "421 closed"}
    assert worker.run_once() == 1
    export.refresh_from_db()
    assert (export.status, box.visits) == ("completed", 1)
    # All of them rest, and it costs none of them an attempt.
    first = Outbox.objects.order_by("id").values_list("status", "attempt")[:3]
    assert list(first) == [("waiting", 0)] * 3
    assert mail.send_waiting() == 0
    assert box.visits == 2  # the e-mail of the finished export was not due at the first pass


def test_outage_of_hours_costs_nothing_and_days_are_given_up(c: TinyCompany, box: Postbox) -> None:
    notify([c.sue], "x")
    box.answers = {GREETING: HANG_UP}
    knocks = 3 * mail.ATTEMPTS
    for _ in range(knocks):
        make_due()
        assert mail.send_waiting() == 0
    assert box.visits == knocks
    row = Outbox.objects.get()
    assert (row.status, row.attempt) == ("waiting", 0)
    # A minute short of three days it is still sent, and a refusal then counts as the first.
    written = timezone.now() - mail.WAITS_FOR_SERVER + timedelta(minutes=1)
    Notice.objects.update(created_at=written)
    make_due()
    mail.send_waiting()
    box.answers = {RECIPIENT: "450 later"}
    make_due()
    mail.send_waiting()
    row.refresh_from_db()
    assert (row.status, row.attempt) == ("waiting", 1)
    box.answers = {GREETING: HANG_UP}
    notify([c.axel], "fresh")
    Notice.objects.filter(user=c.sue).update(created_at=timezone.now() - mail.WAITS_FOR_SERVER)
    make_due()
    mail.send_waiting()
    assert states() == ["failed", "waiting"]
    box.answers = {}
    make_due()
    assert mail.send_waiting() == 1
    assert (states(), len(box.taken)) == (["failed", "sent"], 1)


def test_pass_is_limited_and_ends_when_asked(
    c: TinyCompany, mailoutbox: list[EmailMessage]
) -> None:
    notify(User.objects.filter(is_active=True)[:8], "x")
    assert mail.send_waiting(3) == 3
    assert mail.send_waiting(asked_to_end=lambda: len(mailoutbox) >= 5) == 2
    assert mail.send_waiting() == 3


def test_slow_server_is_given_one_mail_a_pass(
    c: TinyCompany, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    notify([c.sue, c.sam], "x")
    monkeypatch.setattr(mail, "PATIENCE", 0)
    assert mail.send_waiting() == 1
    assert mail.send_waiting() == 1


def test_slow_one_that_was_given_up_says_that_it_was_sent_after_all(c: TinyCompany) -> None:
    notify([c.sue], "x")
    row = mail._claim()
    assert row is not None
    Outbox.objects.update(lease_until=LONG_AGO)
    assert mail.send_waiting() == 0
    assert states() == ["uncertain"]
    mail._end(row, Outbox.Status.SENT)
    assert states() == ["sent"]


@pytest.mark.django_db(transaction=True)
def test_killed_while_sending_is_never_sent_again(
    c: TinyCompany, box: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    notify([c.sue], "x")
    box.may_answer.clear()
    monkeypatch.setenv("EMAIL_URL", f"smtp://127.0.0.1:{box.port}")
    with racers(("work", "--once")) as (sender,):
        sender.go()
        assert box.has_taken.wait(60)
        sender.kill()
    box.may_answer.set()
    assert mail.send_waiting() == 0
    assert states() == ["sending"]  # its lease runs on
    Outbox.objects.update(lease_until=LONG_AGO)
    make_due()
    assert mail.send_waiting() == 0
    row = Outbox.objects.get()
    assert (row.status, row.ended_because, len(box.taken)) == (
        "uncertain",
        "The worker was ended.",
        1,
    )


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_mail_once(
    c: TinyCompany, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mail"
    active = User.objects.filter(is_active=True)
    for _ in range(4):
        notify(active, "x")
    count = Outbox.objects.count()
    assert mail.MOST_AT_ONCE < count <= 2 * mail.MOST_AT_ONCE
    # The address of a file begins after the fourth stroke; with three it is relative.
    monkeypatch.setenv("EMAIL_URL", f"filemail:///{folder}")
    with racers(("work", "--once"), ("work", "--once")) as both:
        for racer in both:
            racer.go()
        assert [racer.says() for racer in both] == ["ended", "ended"]
    text = "".join(path.read_text() for path in folder.iterdir())
    sent = re.findall(r"^Message-ID: (\S+)$", text, re.MULTILINE)
    assert len(sent) == len(set(sent)) == count
    assert states() == ["sent"] * count
    assert set(Outbox.objects.values_list("attempt", flat=True)) == {1}
