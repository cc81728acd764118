"""The permissions reference: on a page and on the terminal, from the same declaration (R42)."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils.translation import override

from accounts.catalogue import INBOX, reference
from tests.support.catalogue_rows import BY_KEY, ROWS
from tests.support.company import TinyCompany


def test_reference_lists_every_permission_for_whoever_sees_sets(
    c: TinyCompany, client: Client
) -> None:
    client.force_login(c.sam)
    page = client.get("/admin/permissions/").text
    for number, key, *_ in ROWS:
        # A narrow column breaks a key between its words.
        shown = key.replace(".", ".<wbr>").replace("_", "_<wbr>")
        assert f"<code>{shown}</code>" in page, key
        assert f"· {number}<br>" in page or not number, key
    for action in ("view", "add", "change", "delete", "communicate", "merge"):
        assert f"crm.<wbr>&lt;object&gt;.<wbr>{action}" in page
    assert "· C-2<br>" in page
    assert "For each of: Contacts, Companies, Deals, Tickets" in page
    for sentence in (
        "Has no effect until Marketing access is on.",
        "Needs Delete of contacts besides.",
        "Brings everything on the tab Reports, whatever is set there.",
        "Has no effect without Export.",
        "Create/own brings Edit and View along.",
        "Edit stays within View.",
        "Comes with Knowledge base settings.",
        "Super admins have it only with a seat, too; partner admins without one.",
        "For tools outside: stored, and nothing in this product asks it.",
        INBOX,
    ):
        assert sentence in page, sentence
    assert 'href="/admin/permissions/"' in client.get("/admin/").text
    for name in ("rita", "otto"):
        client.force_login(c.people[name])
        may = c.people[name].is_superuser
        assert client.get("/admin/permissions/").status_code == (200 if may else 403)
        assert ('href="/admin/permissions/"' in client.get("/admin/").text) is may


def printed(*options: str) -> str:
    out = StringIO()
    call_command("permission_catalogue", *options, stdout=out)
    return out.getvalue()


def test_command_prints_the_catalogue_in_a_stable_order(db: None) -> None:
    said = printed("--json")
    assert said == printed("--json")
    tabs: list[dict[str, Any]] = json.loads(said)["tabs"]
    assert [tab["tab"] for tab in tabs] == [
        "CRM",
        "Marketing",
        "Sales",
        "Reports",
        "Account",
        "Partner",
    ]
    rows = [row for tab in tabs for row in tab["rows"]]
    assert [row["key"] for row in rows if row["key"] in BY_KEY] == list(BY_KEY)
    assert len(rows) == len(ROWS) + 6
    export = next(row for row in rows if row["key"] == "crm.export")
    assert (export["id"], export["kind"], export["risk"]) == ("C-5", "switch", "high")
    text = printed()
    assert all(f"  {key}  " in text for key in BY_KEY)
    assert text.rstrip().endswith(INBOX)


@pytest.mark.parametrize("command", ["permission_catalogue", "policy_show"])
def test_command_prints_the_same_in_every_language(command: str, c: TinyCompany) -> None:
    """Files and other programs are made of it; the page is in the reader's language."""
    said = []
    for language in ("en-gb", "de"):
        out = StringIO()
        with override(language):
            call_command(command, stdout=out)
        said.append(out.getvalue())
    assert said[0] == said[1]


def test_reference_is_in_the_language_that_is_active(db: None) -> None:
    with override("de"):
        german = {row["key"]: row for tab in reference()["tabs"] for row in tab["rows"]}
    english = {row["key"]: row for tab in reference()["tabs"] for row in tab["rows"]}
    assert english["crm.export_approver"]["label"] == "Export approver"
    assert german["crm.export_approver"]["label"] == "Exportgenehmiger"
    assert german["account.permanently_delete_contacts"]["dependencies"][0].startswith(
        "Braucht außerdem Löschen ("
    )


def test_policy_is_planned_in_the_same_words_in_every_language(c: TinyCompany) -> None:
    policy = f"permission_sets:\n  {c.sets['rep'].name}: {{}}\n"
    said = []
    for language in ("en-gb", "de"):
        with override(language), TemporaryDirectory() as folder:
            file, out = Path(folder) / "policy.yaml", StringIO()
            file.write_text(policy)
            with pytest.raises(SystemExit):
                call_command("policy_plan", str(file), stdout=out)
            said.append(out.getvalue())
    assert said[0] == said[1] and "View" in said[0]
