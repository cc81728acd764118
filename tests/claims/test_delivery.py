"""Delivery: the inbox, and a file that only its requester fetches, so often and no longer (Q16)."""

import hashlib
import http.client
import logging
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent, Notice, User
from accounts.notices import notify
from exports import operations, upkeep, worker
from exports.admin import file_name
from exports.models import Download, ExportPolicy, ExportRequest
from exports.operations import WrongState
from exports.writers import files as storage
from tests.support.company import TinyCompany
from tests.support.exports_kit import (
    LONG_AGO,
    approved,
    completed,
    files,
    path_of,
    pending,
    refusals,
    take_tool,
)
from tests.support.exports_process import environment, racers

LOG = "/admin/exports/exportrequest/"
INBOX = "/admin/inbox/"


def logged_in(c: TinyCompany, name: str) -> Client:
    client = Client()
    client.force_login(c.people[name])
    return client


def allow_downloads(export: ExportRequest, number: int | None) -> None:
    ExportRequest.objects.filter(pk=export.pk).update(most_downloads=number)


# --- A download over HTTP -------------------------------------------------------------------------


def test_download_keeps_who_when_from_where_and_by_what(c: TinyCompany) -> None:
    export = completed(c.rita)
    before = timezone.now()
    agent = "Moz\x1billa\u202e/5.0 " + "x" * 400
    rita = logged_in(c, "rita")
    answer = rita.post(f"{LOG}{export.pk}/download/", headers={"User-Agent": agent})
    assert answer.getvalue() == path_of(export).read_bytes()
    kept = Download.objects.get()
    assert (kept.export, kept.user, kept.ip) == (export, c.rita, "127.0.0.1")
    assert before <= kept.at <= timezone.now()
    assert kept.agent == ("Mozilla/5.0 " + "x" * 400)[:300]
    page = rita.get(f"{LOG}?review={export.pk}").text
    assert "Mozilla/5.0" in page
    assert "1 of 10 used" in page


def test_file_is_offered_safely_and_kept_by_nobody(c: TinyCompany) -> None:
    export = completed(c.rita)
    answer = logged_in(c, "rita").post(f"{LOG}{export.pk}/download/", headers={"Range": "bytes=5-"})
    assert answer.status_code == 200  # whole, or not at all
    assert answer["Content-Disposition"] == f'attachment; filename="deal-{export.pk}.csv"'
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["Content-Length"] == str(export.file_size)
    assert answer.getvalue() == path_of(export).read_bytes()


def test_file_leaves_as_it_is_and_with_its_length_where_pages_are_compressed(
    c: TinyCompany,
) -> None:
    export = completed(c.rita)
    takes = {"Accept-Encoding": "gzip, br"}
    rita = logged_in(c, "rita")
    assert rita.get(LOG, headers=takes)["Content-Encoding"] == "gzip"
    answer = rita.post(f"{LOG}{export.pk}/download/", headers=takes)
    assert not answer.has_header("Content-Encoding")
    assert answer["Content-Length"] == str(export.file_size)
    assert answer.getvalue() == path_of(export).read_bytes()


def test_names_of_files_hold_nothing_that_a_person_wrote() -> None:
    wild = ExportRequest(pk=7, object='custom:a"\r\n../ü', name="Evil\r\n", format="xlsx")
    assert file_name(wild) == "custom-a--7.xlsx"


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "delete"])
def test_nothing_but_a_post_gives_anything(c: TinyCompany, method: str) -> None:
    export = completed(c.rita)
    ask = getattr(logged_in(c, "rita"), method)
    answer = ask(f"{LOG}{export.pk}/download/", headers={"Range": "bytes=0-10"})
    assert answer.status_code == 405
    assert "Content-Disposition" not in answer
    assert not Download.objects.exists()


def recall(c: TinyCompany) -> ExportRequest:
    export = approved(c.rita, c.sue)
    operations.recall(export, actor=c.rita)
    return export


def cancel(c: TinyCompany) -> ExportRequest:
    export = approved(c.rita, c.sue)
    operations.cancel(export, actor=c.sam)
    return export


def revoke(c: TinyCompany) -> ExportRequest:
    export = completed(c.rita)
    take_tool(c.sets["rep"], "crm.export")
    return export


def expire(c: TinyCompany) -> ExportRequest:
    export = completed(c.rita)
    ExportRequest.objects.filter(pk=export.pk).update(expires_at=timezone.now())
    return export


def use_up(c: TinyCompany) -> ExportRequest:
    export = completed(c.rita)
    allow_downloads(export, 1)
    operations.open_download(export, actor=c.rita).close()
    return export


@pytest.mark.parametrize(
    ("happens", "sentence"),
    [
        (recall, "There is no file: the export’s status is “Cancelled: recalled”."),
        (cancel, "There is no file: the export’s status is “Cancelled”."),
        (revoke, "You may not export deals any more, so this file is closed to you."),
        (expire, "This file has expired. Ask for the export again."),
        (use_up, "This file was downloaded once already, which is as often as it may be."),
    ],
)
def test_unreachable_at_once_with_a_sentence(
    c: TinyCompany, happens: Callable[[TinyCompany], ExportRequest], sentence: str
) -> None:
    export = happens(c)
    count = Download.objects.count()
    rita = logged_in(c, "rita")
    answer = rita.post(f"{LOG}{export.pk}/download/", follow=True)
    said = [str(m).replace("'", "’") for m in answer.context["messages"]]
    assert [text for text in said if text.startswith(sentence)] == said != []
    assert "Content-Disposition" not in answer
    assert "/download/" not in rita.get(f"{LOG}?review={export.pk}").text
    assert Download.objects.count() == count


def test_deactivated_person_is_asked_to_log_in(c: TinyCompany) -> None:
    export = completed(c.rita)
    rita = logged_in(c, "rita")
    User.objects.filter(pk=c.rita.pk).update(is_active=False)
    answer = rita.post(f"{LOG}{export.pk}/download/")
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/admin/login/")


# --- So often and no more -------------------------------------------------------------------------


def test_refused_download_does_not_count(c: TinyCompany) -> None:
    export = completed(c.rita)
    allow_downloads(export, 2)
    for person in (c.rita, c.sam, c.rita):
        try:
            operations.open_download(export, actor=person).close()
        except operations.NotAllowed:
            assert person == c.sam
    assert Download.objects.count() == 2
    for _ in range(2):
        with pytest.raises(WrongState, match="downloaded 2 times already"):
            operations.open_download(export, actor=c.rita)
    assert Download.objects.count() == 2


def test_limit_is_the_exports_own_whatever_the_policy_says_by_now(c: TinyCompany) -> None:
    ExportPolicy.objects.update(most_downloads=1)
    export = completed(c.rita)
    ExportPolicy.objects.update(most_downloads=10)
    operations.open_download(export, actor=c.rita).close()
    export.refresh_from_db()
    assert "once already" in operations.why_not_download(export, actor=c.rita)
    allow_downloads(export, 2)
    export.refresh_from_db()
    assert operations.why_not_download(export, actor=c.rita) == ""
    assert operations.why_not_download(export, actor=c.sam).startswith("Only who asked")


@pytest.mark.django_db(transaction=True)
def test_of_two_who_fetch_the_last_copy_exactly_one_gets_it(c: TinyCompany) -> None:
    export = completed(c.rita)
    allow_downloads(export, 3)
    operations.open_download(export, actor=c.rita).close()
    operations.open_download(export, actor=c.rita).close()
    with racers(*[("download", export.pk, "rita@example.com")] * 4) as all_four:
        for racer in all_four:
            racer.go()
        said = sorted(racer.says().split(":")[0] for racer in all_four)
    assert said == [f"{export.file_size} bytes", "WrongState", "WrongState", "WrongState"]
    assert Download.objects.count() == 3
    assert AuditEvent.objects.filter(action="export.download").count() == 3


# --- No further byte ------------------------------------------------------------------------------


@contextmanager
def web_server() -> Iterator[int]:
    """Run the web server as README says, in one process, on the test's data; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "crmperms.wsgi", "--bind", f"fd://{number}"]
        command += ["--workers", "1", "--log-level", "critical"]  # the rest: gunicorn.conf.py
        server = subprocess.Popen(
            command,
            env=environment() | {"SECRET_KEY": settings.SECRET_KEY, "ALLOWED_HOSTS": "127.0.0.1"},
            pass_fds=[number],
        )
        try:
            yield listener.getsockname()[1]
        finally:
            server.terminate()
            server.wait(60)


@pytest.mark.django_db(transaction=True)
def test_address_may_name_everybody_who_can_be_ticked(c: TinyCompany) -> None:
    """500 people, with the keys of a company that had ten million."""
    keys = ",".join(str(10_000_000 + number) for number in range(500))
    with web_server() as port, closing(http.client.HTTPConnection("127.0.0.1", port)) as line:
        line.request("GET", f"/admin/accounts/user/many/deactivate/?people={keys}")
        answer = line.getresponse()
        assert answer.status == 302
        assert answer.getheader("Location", "").startswith("/admin/login/?next=")


@pytest.mark.django_db(transaction=True)
def test_running_download_breaks_off_and_the_log_says_so(c: TinyCompany) -> None:
    """Over a real socket, which holds a few megabytes that had left before the right was lost."""
    export = completed(c.rita)
    size = 64 * 1024 * 1024
    path_of(export).write_bytes(b"x" * size)
    ExportRequest.objects.filter(pk=export.pk).update(file_size=size)
    rita = logged_in(c, "rita")
    assert rita.get(f"{LOG}?review={export.pk}").status_code == 200
    key, token = rita.cookies["sessionid"].value, rita.cookies["csrftoken"].value
    headers = {"Cookie": f"sessionid={key}; csrftoken={token}", "X-CSRFToken": token}
    with web_server() as port, closing(http.client.HTTPConnection("127.0.0.1", port)) as line:
        line.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        line.request("POST", f"{LOG}{export.pk}/download/", headers=headers)
        answer = line.getresponse()
        assert (answer.status, answer.length) == (200, size)
        # Written before the first byte was read, whatever becomes of the rest.
        assert Download.objects.count() == 1
        got = len(answer.read(128 * 1024))
        take_tool(c.sets["rep"], "crm.export")
        with pytest.raises(http.client.IncompleteRead) as cut:
            answer.read()
    assert got + len(cut.value.partial) < size // 2
    assert refusals("export.download") == [("rita@example.com", "broken_off")]
    assert AuditEvent.objects.get(result="refused").ip == "127.0.0.1"


@pytest.mark.django_db(transaction=True)
def test_slow_reader_gets_everything_and_others_are_answered_meanwhile(c: TinyCompany) -> None:
    export = completed(c.rita)
    whole = bytes(range(256)) * (16 * 1024 * 1024 // 256)
    path_of(export).write_bytes(whole)
    ExportRequest.objects.filter(pk=export.pk).update(
        file_size=len(whole), sha256=hashlib.sha256(whole).hexdigest()
    )
    rita = logged_in(c, "rita")
    assert rita.get(f"{LOG}?review={export.pk}").status_code == 200
    key, token = rita.cookies["sessionid"].value, rita.cookies["csrftoken"].value
    headers = {
        "Cookie": f"sessionid={key}; csrftoken={token}",
        "X-CSRFToken": token,
        "Accept-Encoding": "gzip",
    }
    with web_server() as port, closing(http.client.HTTPConnection("127.0.0.1", port)) as line:
        line.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        line.request("POST", f"{LOG}{export.pk}/download/", headers=headers)
        answer = line.getresponse()
        assert (answer.status, answer.length) == (200, len(whole))
        assert answer.getheader("Content-Encoding") is None
        pieces = [answer.read(64 * 1024)]
        for _ in range(3):
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as other:
                other.request("GET", "/admin/login/", headers={"Accept-Encoding": "gzip"})
                page = other.getresponse()
                # Pages are compressed as ever.
                assert (page.status, page.getheader("Content-Encoding")) == (200, "gzip")
            pieces.append(answer.read(1024 * 1024))
        while piece := answer.read(1024 * 1024):
            pieces.append(piece)
    assert b"".join(pieces) == whole


# --- Nothing is left lying ------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_part_of_a_killed_worker_goes_when_the_export_is_cancelled(c: TinyCompany) -> None:
    export = approved(c.rita, c.sue)
    with racers(("work", "--once", "--hold")) as (killed,):
        killed.go()
        assert killed.says() == f"holding {export.pk}"
        killed.kill()
    operations.cancel(export, actor=c.sam)
    worker.run_once()
    assert len(files()) == 1  # by its lease somebody may still be writing
    ExportRequest.objects.filter(pk=export.pk).update(lease_until=LONG_AGO)
    worker.run_once()
    assert files() == []


def test_file_of_nobody_is_named_once_and_left_alone(
    c: TinyCompany, caplog: pytest.LogCaptureFixture
) -> None:
    path = path_of(completed(c.rita))
    stray = path.with_name("0" * 48 + ".csv.part")
    stray.write_text("whose?")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            upkeep.report_strays()
    assert [r.getMessage() for r in caplog.records] == [
        f"The file {stray.name} in EXPORT_ROOT belongs to no export."
    ]
    assert sorted(files()) == sorted([path.name, stray.name])


# --- The inbox ------------------------------------------------------------------------------------


def test_story_of_a_notice(c: TinyCompany) -> None:
    export = pending(c.rita, c.axel, message="For the fair.")
    axel = logged_in(c, "axel")
    for _ in range(2):  # looking changes nothing
        page = axel.get(INBOX).text
        assert "Rita requests approval to export “All deals”" in page
        assert "Mark all as read" in page
        assert page.count('class="is-new"') == 1
    opens = f"{INBOX}export/{export.pk}/open/"
    assert f'href="{opens}"' in page  # a link, so that it opens in another tab as well
    for ahead in ({"Sec-Purpose": "prefetch"}, {"Sec-Fetch-Site": "cross-site"}):
        axel.get(opens, headers=ahead)
    axel.head(opens)
    assert 'class="is-new"' in axel.get(INBOX).text  # nobody opened it
    answer = axel.get(opens)
    assert answer["Location"] == f"{LOG}?review={export.pk}"
    assert "For the fair." in axel.get(answer["Location"]).text
    page = axel.get(INBOX).text
    assert 'class="is-new"' not in page
    assert f'href="{LOG}?review={export.pk}"' in page  # read once, it leads there itself
    assert "You’re all caught up." in axel.get(f"{INBOX}?unread=1").text
    assert "You’re all caught up." in logged_in(c, "nora").get(INBOX).text


def test_one_is_marked_without_the_others_and_leads_back(c: TinyCompany) -> None:
    notify([c.axel], "First.")
    notify([c.axel], "Second.")
    axel = logged_in(c, "axel")
    first = Notice.objects.get(text="First.")
    answer = axel.post(f"{INBOX}{first.pk}/read/?unread=1&page=1")
    assert answer["Location"] == f"{INBOX}?unread=1&page=1"
    page = axel.get(answer["Location"]).text
    assert ("First." in page, "Second." in page) == (False, True)
    read_at = Notice.objects.get(pk=first.pk).read_at
    axel.post(f"{INBOX}{first.pk}/read/")
    assert Notice.objects.get(pk=first.pk).read_at == read_at
    assert axel.get(f"{INBOX}{first.pk}/open/")["Location"] == INBOX  # it leads nowhere
    assert axel.post(f"{INBOX}read/", {"back": "//evil.example"})["Location"] == INBOX
    assert axel.post(f"{INBOX}read/", {"back": "dashboard"})["Location"] == "/admin/"
    assert not Notice.objects.filter(read_at=None).exists()


def test_somebody_elses_notice_is_as_absent_as_none(c: TinyCompany) -> None:
    notify([c.axel], "For Axel alone.")
    notice = Notice.objects.get()
    for name in ("rita", "sam"):
        client = logged_in(c, name)
        assert "For Axel" not in client.get(INBOX).text
        for step, ask in (("read", client.post), ("open", client.get)):
            hidden = ask(f"{INBOX}{notice.pk}/{step}/")
            absent = ask(f"{INBOX}999999/{step}/")
            assert (hidden.status_code, absent.status_code) == (404, 404)
            assert hidden.content == absent.content
    assert Notice.objects.get().read_at is None


@pytest.mark.parametrize("address", ["read/", "1/read/"])
def test_marking_is_a_post(c: TinyCompany, address: str) -> None:
    notify([c.axel], "x")
    assert logged_in(c, "axel").get(f"{INBOX}{address}").status_code == 405
    assert logged_in(c, "axel").post(INBOX).status_code == 405
    assert Notice.objects.get().read_at is None


def test_inbox_has_pages_and_any_page_number_is_fine(c: TinyCompany) -> None:
    for number in range(30):
        notify([c.axel], f"Notice {number}.")
    axel = logged_in(c, "axel")
    first, second = axel.get(INBOX).text, axel.get(f"{INBOX}?page=2").text
    assert ("Notice 29." in first, "Notice 4." in first) == (True, False)
    assert ("Notice 29." in second, "Notice 4." in second) == (False, True)
    assert "Page 2 of 2" in second
    for wild in ("0", "-1", "99", "x", "9" * 30):
        assert axel.get(f"{INBOX}?page={wild}").status_code == 200


def test_badge_counts_what_is_new_up_to_a_hundred(c: TinyCompany) -> None:
    axel = logged_in(c, "axel")

    def badge() -> str:
        return axel.get(INBOX).context["unread"]

    assert badge() == ""
    for number, shown in ((1, "1"), (98, "99"), (1, "99+")):
        Notice.objects.bulk_create([Notice(user=c.axel, text="x")] * number)
        assert badge() == shown
    assert "99+" in axel.get("/admin/").text
    assert "99+" not in logged_in(c, "rita").get("/admin/").text


def test_inbox_costs_the_same_for_few_and_many(c: TinyCompany) -> None:
    axel = logged_in(c, "axel")

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert axel.get(INBOX).status_code == 200
        return len(captured)

    for _ in range(3):
        notify([c.axel], "x", f"{LOG}1/change/")
    few = cost()
    for _ in range(27):
        notify([c.axel], "x", f"{LOG}1/change/")
    assert cost() == few <= 14


def test_long_words_are_cut_where_one_sees_it(c: TinyCompany) -> None:
    notify([c.axel], "x" * 300)
    notify([c.axel], "y" * 301)
    assert [n.text[-2:] for n in Notice.objects.order_by("id")] == ["xx", "y…"]
    assert {len(n.text) for n in Notice.objects.all()} == {300}


def test_path_of_export_root_is_no_address(c: TinyCompany, export_root: Path) -> None:
    name = path_of(completed(c.rita)).name
    sam = logged_in(c, "sam")
    for address in (f"/{name}", f"/static/{name}", f"/static/../{name}", f"{LOG}{name}"):
        assert sam.get(address).status_code in (301, 302, 404)
        assert b"".join(sam.get(address)) != (export_root / name).read_bytes()


def test_expired_on_the_way_breaks_off_too(c: TinyCompany, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "ASK_AGAIN_AFTER", 8)
    export = completed(c.rita)
    with operations.open_download(export, actor=c.rita) as file:
        assert len(file.read(8)) == 8
        late = timezone.now() - timedelta(seconds=1)
        ExportRequest.objects.filter(pk=export.pk).update(expires_at=late)
        with pytest.raises(WrongState):
            file.read(8)
    assert refusals("export.download") == [("rita@example.com", "broken_off")]
