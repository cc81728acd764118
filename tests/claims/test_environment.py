"""What an operator writes into the environment is read as it is meant, or refused in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from crmperms.environment import (
    database,
    folder_of_its_own,
    internal_address,
    mail_server,
    whole_number,
    yes_or_no,
)

ROOT = Path(__file__).parents[2]
SQLITE = "sqlite:////srv/crm/some.sqlite3"


@pytest.mark.parametrize(
    ("said", "meant"), [("true", True), ("1", True), (" On", True), ("no", False), ("0", False)]
)
def test_switches_are_read(monkeypatch: pytest.MonkeyPatch, said: str, meant: bool) -> None:
    monkeypatch.setenv("SECURE", said)
    assert yes_or_no("SECURE", default=not meant) is meant


def test_what_is_empty_or_absent_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECURE", "PROXIES", "DATABASE_URL"):
        monkeypatch.setenv(name, "")
    assert yes_or_no("SECURE", default=True) is yes_or_no("NOT_THERE", default=True) is True
    assert whole_number("PROXIES", default=3) == whole_number("NOT_THERE", default=3) == 3
    assert database("DATABASE_URL", default=SQLITE)["NAME"] == "/srv/crm/some.sqlite3"


@pytest.mark.parametrize("said", ["maybe", "2", "true false", "ja"])
def test_switch_that_says_neither_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("SECURE", said)
    with pytest.raises(ImproperlyConfigured, match=r"^SECURE is .*Write true or false"):
        yes_or_no("SECURE")


@pytest.mark.parametrize(
    "said", ["x", "-1", "1.5", "1e3", "²", "٣", "9" * 5000], ids=lambda said: said[:5]
)
def test_number_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("PROXIES", said)
    with pytest.raises(ImproperlyConfigured, match=r"^PROXIES is .*Write a whole number"):
        whole_number("PROXIES", default=0)


def test_number_beyond_its_limits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, meant in {"1": 1, "0012": 12, "24": 24}.items():
        monkeypatch.setenv("SESSION_HOURS", said)
        assert whole_number("SESSION_HOURS", default=5, least=1, most=24) == meant
    for said in ("0", "00", "25", "99999999999"):
        monkeypatch.setenv("SESSION_HOURS", said)
        with pytest.raises(ImproperlyConfigured, match=r"Write a whole number from 1 to 24\.$"):
            whole_number("SESSION_HOURS", default=5, least=1, most=24)


def test_address_of_a_mail_server_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_URL", "smtp+tls://u:p@mail.example:587")
    found = mail_server("EMAIL_URL")
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == (
        *("mail.example", 587),
        True,
    )
    monkeypatch.setenv("EMAIL_URL", "filemail:///srv/mail")
    assert mail_server("EMAIL_URL")["EMAIL_FILE_PATH"] == "srv/mail"
    monkeypatch.setenv("EMAIL_URL", " ")
    assert mail_server("EMAIL_URL") == {}


@pytest.mark.parametrize(
    "said",
    [
        *("smtp+tls://u:secret@h:99999999", "smtp://u:secret@h:x", "smtp://u:secret@[::1"),
        *("smtp://", "http://u:secret@h", "secret"),
    ],
)
def test_address_of_no_mail_server_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("EMAIL_URL", said)
    with pytest.raises(ImproperlyConfigured, match=r"^EMAIL_URL is no address") as refusal:
        mail_server("EMAIL_URL")
    assert "secret" not in str(refusal.value)


def test_address_within_nginx_stands_before_the_name_of_a_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for said in ("", "/files/", "/exports-inside/v1.2/"):
        monkeypatch.setenv("X_ACCEL_REDIRECT", said)
        assert internal_address("X_ACCEL_REDIRECT") == said
    for said in ("files", "files/", "/files", "/", "//h/", "/a/../", "http://h/", "/a b/"):
        monkeypatch.setenv("X_ACCEL_REDIRECT", said)
        with pytest.raises(ImproperlyConfigured, match="begins and ends with a slash"):
            internal_address("X_ACCEL_REDIRECT")


def test_whole_disk_is_no_folder_for_exports(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for said, meant in {"": tmp_path, "/srv/crm/exports": Path("/srv/crm/exports")}.items():
        monkeypatch.setenv("EXPORT_ROOT", said)
        assert folder_of_its_own("EXPORT_ROOT", default=tmp_path) == meant
    for said in ("/", "//", "/.", "/srv/.."):
        monkeypatch.setenv("EXPORT_ROOT", said)
        with pytest.raises(ImproperlyConfigured, match="the whole disk"):
            folder_of_its_own("EXPORT_ROOT", default=tmp_path)


@pytest.mark.parametrize(
    "said", ["nonsense", "mysql://u:secret@h/db", "postgres://u:secret@h", "http://u:secret@h/x"]
)
def test_address_of_no_database_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", said)
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL is no address") as refusal:
        database("DATABASE_URL", default=SQLITE)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *(("SECURE", "maybe"), ("SESSION_HOURS", "x"), ("DATABASE_URL", "nonsense")),
        *(("SESSION_HOURS", "99999999999"), ("EMAIL_URL", "smtp+tls://u:p@h:99999999")),
        *(("X_ACCEL_REDIRECT", "files"), ("EXPORT_ROOT", "/"), ("EMAIL_TIMEOUT", "0")),
    ],
)
def test_product_does_not_start_with_what_means_nothing(name: str, said: str) -> None:
    run = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": "sqlite://:memory:", "SECRET_KEY": "x", name: said},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert f"ImproperlyConfigured: {name} is " in run.stderr


@pytest.mark.parametrize("command", ["policy_show", "receive_permissions", "export_worker --once"])
def test_command_on_an_empty_database_says_what_to_do_first(command: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "manage.py", *command.split()],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}",
            "EXPORT_ROOT": str(tmp_path / "exports"),
            "SECRET_KEY": "x",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    said = "The database has no tables yet. Run manage.py migrate first."
    assert run.stderr.splitlines()[-1] == said
    assert "Traceback" not in run.stderr
