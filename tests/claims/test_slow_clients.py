"""What the web server promises by itself: who does not get on costs the others nothing (B7).

With many more, behind a proxy and with times: `python -m bench.slow_clients`.
"""

from __future__ import annotations

import http.client
import runpy
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from bench import stage
from crmperms import bodies
from crmperms.webserver import MOST_SEEN, _needed
from exports.operations import running
from tests.claims.test_delivery import web_server
from tests.support.company import TinyCompany

GET = b"GET /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = (
    b"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)


PROXIES: dict[str, tuple[str, Callable[[Path, int, int], list[str]]]] = {
    "nginx": ("nginx.conf", stage.nginx_check),
    "caddy": ("Caddyfile", stage.caddy_check),
}


@contextmanager
def lines(port: int, number: int, said: bytes) -> Iterator[list[socket.socket]]:
    """Open connections that say this and no more."""
    opened = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(number)]
    try:
        for line in opened:
            line.sendall(said)
        yield opened
    finally:
        for line in opened:
            line.close()


def status_of(line: socket.socket) -> int:
    answer = http.client.HTTPResponse(line)
    answer.begin()
    answer.read()
    return answer.status


def page_status(port: int) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as line:
        line.request("GET", "/admin/login/")
        return line.getresponse().status


@pytest.mark.django_db(transaction=True)
def test_half_sent_requests_hold_nobody_up_and_can_be_ended(c: TinyCompany) -> None:
    """As many of each kind as there are threads, and the same connections are answered at last."""
    with (
        web_server() as port,
        lines(port, 16, b"") as silent,
        lines(port, 16, GET) as half_heads,
        lines(port, 16, POST + b"Content-Length: 50\r\n\r\nuser") as half_forms,
    ):
        assert page_status(port) == 200
        silent[0].sendall(GET + b"\r\n")
        half_heads[0].sendall(b"X-More: yes\r\n")
        assert page_status(port) == 200
        half_heads[0].sendall(b"\r\n")
        half_forms[0].sendall(b"x" * 46)
        half_heads[1].shutdown(socket.SHUT_WR)  # ends without having said all
        assert status_of(silent[0]) == 200
        assert status_of(half_heads[0]) == 200
        assert status_of(half_forms[0]) == 403  # read, and without the form's token
        assert half_heads[1].recv(1) == b""


@pytest.mark.django_db(transaction=True)
def test_large_forms_that_stop_take_few_threads_and_end_in_words(c: TinyCompany) -> None:
    large = POST + f"Content-Length: {MOST_SEEN * 2}\r\n\r\nuser".encode()
    with (
        web_server() as port,
        lines(port, 20, large) as half_forms,
        lines(port, 1, POST + b"Content-Length: 5\r\n\r\nuser=") as whole_forms,
    ):
        assert page_status(port) == 200
        assert status_of(whole_forms[0]) == 403  # read, and without the form's token
        statuses = sorted(status_of(line) for line in half_forms)
    assert set(statuses) == {400, 503}
    assert statuses.count(400) >= bodies.READERS


def test_threads_are_left_for_pages_when_downloads_and_forms_have_all_of_theirs() -> None:
    server = runpy.run_path("gunicorn.conf.py")
    assert server["worker_class"] == "crmperms.webserver.PatientWorker"
    assert server["threads"] - running.MOST_OF_A_PROCESS - bodies.READERS >= 4


@pytest.mark.parametrize(
    ("seen", "needed"),
    [
        (b"", MOST_SEEN),
        (b"GET / HTTP/1.1\r\nContent-Length: 5\r\n", MOST_SEEN),
        (b"GET / HTTP/1.1\r\n\r\n", 18),
        (b"POST / HTTP/1.1\r\ncontent-LENGTH: 5\r\n\r\n", 43),
        (b"POST / HTTP/1.1\r\nX: 1\r\nContent-Length: 5\r\n\r\nhello", 49),
        # When asked to; not in the head; not a number; more than is waited for; in pieces.
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 60),
        (b"POST / HTTP/1.1\r\n\r\n\r\nContent-Length: 5\r\n\r\n", 19),
        (b"POST / HTTP/1.1\r\nContent-Length: x5\r\n\r\n", 39),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", 44),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 57),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 47),
    ],
)
def test_a_request_is_waited_for_as_long_as_its_head_says(seen: bytes, needed: int) -> None:
    assert _needed(seen) == needed


def test_files_for_proxies_are_understood_and_let_through_what_the_product_takes(
    tmp_path: Path, settings: Settings
) -> None:
    """Run in full by `bench.slow_clients`; here each installed program reads its own."""
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE == 2 * 1024 * 1024
    told = {
        file: (stage.BASE / "docs" / "proxy" / file).read_text() for file, _ in PROXIES.values()
    }
    assert "client_max_body_size 2m;" in told["nginx.conf"]
    assert "max_size 3MiB" in told["Caddyfile"]  # a little more, so that the product says so
    for given in ("SECURE=1", "PROXIES=1", "ALLOWED_HOSTS=", "CSRF_TRUSTED_ORIGINS=https://"):
        assert all(given in text for text in told.values())
    for program, (_, check) in PROXIES.items():
        if shutil.which(program) and shutil.which("openssl"):
            command = check(tmp_path, 8000, stage.free_port())
            read = subprocess.run(command, capture_output=True, text=True, check=False)
            assert read.returncode == 0, read.stderr
