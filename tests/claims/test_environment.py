"""What an operator writes into the environment is read as it is meant, or refused in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from crmperms.environment import database, whole_number, yes_or_no

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


@pytest.mark.parametrize("said", ["x", "-1", "1.5", "1e3", "²", "٣"])
def test_number_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("PROXIES", said)
    with pytest.raises(ImproperlyConfigured, match=r"^PROXIES is .*Write a whole number"):
        whole_number("PROXIES", default=0)


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
    ("name", "said"), [("SECURE", "maybe"), ("SESSION_HOURS", "x"), ("DATABASE_URL", "nonsense")]
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
