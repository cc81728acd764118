"""Wrong edits made by hand that some test must catch: `python -m tests.support.wrong_edits [NAME]`.

Each is the edit of somebody in a hurry: it reads well, and lets something out, or too much in. The
tree is copied, edited there, and the tests named beside it are run on the copy. What they let pass
is printed; the exit status is then 1.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "var", "docs", "__pycache__", ".*_cache")


@dataclass(frozen=True, slots=True)
class Wrong:
    """What stands in a file, what is written instead (once), and the tests that tell."""

    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]


DECIDING, CONSENT = "exports/operations/deciding.py", "exports/consent.py"
MANIFEST, TABLES, FILTERS = "exports/writers/manifest.py", "exports/tables.py", "records/filters.py"
ORACLE = "tests/claims/test_oracle.py"
NARROWED = "tests/claims/test_narrowed.py"
GRANTING, DELEGATION = "accounts/operations/granting.py", "tests/claims/test_delegation.py"
SAME_HANDS, GATE_MOVED = "tests/claims/test_same_hands.py", "tests/claims/test_gate_moved.py"

WRONG: dict[str, Wrong] = {
    "an approval holds for whatever version is stored": Wrong(
        DECIDING,
        "where=Q(version=version)",
        "where=Q()",
        ("tests/claims/test_export_interleaved.py",),
    ),
    "restoring goes by the scope Edit": Wrong(
        "accounts/access/rules.py", 'RESTORE: "delete"}', 'RESTORE: "change"}', (ORACLE,)
    ),
    "a person’s notes do not count as rights": Wrong(
        "accounts/access/grants.py",
        "and all(read(now) == known for read, known in user.grants.notes.items())",
        "and True",
        (NARROWED,),
    ),
    "all teams are told to whoever views their team’s records": Wrong(
        "accounts/access/names.py",
        '"view", Rank.EVERYTHING)\n    if settled',
        '"view", Rank.TEAM)\n    if settled',
        (NARROWED,),
    ),
    "shares with a team never end": Wrong(
        "records/models/rules.py",
        "filter(live(), group__in=main_teams)",
        "filter(group__in=main_teams)",
        ("tests/claims/test_shares.py",),
    ),
    "one sorts by what is veiled": Wrong(
        FILTERS,
        "and not fields_on(model, *paths_of(model, field.name)) & unasked",
        "and not fields_on(model, *paths_of(model, field.name)) & hidden_keys(user)",
        (NARROWED,),
    ),
    "the filter by owner forgets the co-owner": Wrong(
        "records/filter_sets.py",
        "return queryset.filter(_any_owner(queryset.model, value.pk))",
        "return queryset.filter(owner=value)",
        (NARROWED,),
    ),
    "what is equal comes oldest first": Wrong(
        FILTERS, 'order.split(","), "-pk"]', 'order.split(","), "pk"]', (NARROWED,)
    ),
    "a hidden field is exported beside a related record": Wrong(
        TABLES,
        "if not column.reads & hidden)",
        "if not column.reads & hidden or column.of)",
        (NARROWED,),
    ),
    "sensitive fields of related records do not count": Wrong(
        TABLES,
        "union(*(column.reads for column in columns))",
        "union(*(column.reads for column in columns if not column.of))",
        ("tests/claims/test_export_asking.py",),
    ),
    "a condition on the number of records is not kept": Wrong(
        MANIFEST,
        "while first <= export.most_leaving:\n        began = time.monotonic()\n"
        "        after = min(first + size, export.most_leaving + 1)",
        "while first <= export.record_count:\n        began = time.monotonic()\n"
        "        after = first + size",
        ("tests/claims/test_export_deciding.py",),
    ),
    "related records out of reach do not close a file": Wrong(
        MANIFEST,
        "return any(_beside_out_of_reach(export, user, key)",
        "return False and any(_beside_out_of_reach(export, user, key)",
        ("tests/claims/test_export_moments.py",),
    ),
    "an exemption that was taken away holds on": Wrong(
        CONSENT,
        'if export.because == "exempt" and not',
        'if export.because == "exempted" and not',
        ("tests/claims/test_export_flow.py",),
    ),
    "a column that was restricted leaves by an approval": Wrong(
        CONSENT,
        "if hidden and export.approval_needed:",
        "if hidden and not export.approval_needed:",
        (NARROWED,),
    ),
    "a column that became sensitive needs no new decision": Wrong(
        CONSENT,
        "newly_sensitive = sensitive - from_text(_model(export), export.sensitive_fields)",
        "newly_sensitive = sensitive - sensitive",
        ("tests/claims/test_export_deciding.py",),
    ),
    "names of related records are written whoever asks": Wrong(
        "exports/writers/statement.py",
        "rows = access.nameable(column.related._base_manager.all(), requester)",
        "rows = column.related._base_manager.all()",
        ("tests/claims/test_export_moments.py",),
    ),
    "a file that lost a record while it was written stays closed": Wrong(
        MANIFEST,
        "ExportRecord.objects.delivered().filter(~Exists(may), export=export).exists()",
        "ExportRecord.objects.filter(~Exists(may), export=export).exists()",
        ("tests/claims/test_export_moments.py",),
    ),
    "whoever takes super admin away decides on what that person asks": Wrong(
        "exports/deciders.py",
        "(RightsChange.Door.MADE_SUPER_ADMIN, RightsChange.Door.REMOVED_SUPER_ADMIN)",
        "(RightsChange.Door.MADE_SUPER_ADMIN,)",
        ("tests/claims/test_four_eyes.py",),
    ),
    "who owns a puppet decides on what it asks": Wrong(
        "exports/deciders.py",
        "_depends(requester, decider, theirs, mine) & (",
        "_depends(requester, decider, theirs, mine) & ~(",
        (SAME_HANDS,),
    ),
    "whoever sends the independent one away decides": Wrong(
        "exports/deciders.py",
        "Q(Exists(others)) | Q(Exists(sent_away))",
        "Q(Exists(others)) | NEVER",
        ("tests/claims/test_four_eyes.py",),
    ),
    "a puppet's maker decides where others made that one": Wrong(
        "exports/deciders.py",
        'for theirs in (NOTHING_MORE, {"through": None})',
        "for theirs in (NOTHING_MORE,)",
        ("tests/claims/test_four_eyes.py",),
    ),
    "a requester sets the password of the one who would decide": Wrong(
        "exports/deciders.py",
        ".filter(at__lt=_lately(asked))",
        "",
        ("tests/claims/test_four_eyes.py",),
    ),
    "puppet and owner are two pairs of eyes once all others' accounts were opened": Wrong(
        "exports/deciders.py",
        'for mine in (NOTHING_MORE, {"door": Door.CREATED})',
        "for mine in (NOTHING_MORE,)",
        (SAME_HANDS,),
    ),
    "who owns a puppet lifts the rules for it": Wrong(
        "exports/policy.py",
        "filter(owners, at__gt=",
        "filter(actor=person.pk, at__gt=",
        (GATE_MOVED,),
    ),
    "who lifts the second person needs none": Wrong(
        "exports/policy.py",
        "for exempt in {False, self.exempt}",
        "for exempt in (False,)",
        (GATE_MOVED,),
    ),
    "a second person is asked of one export alone": Wrong(
        "exports/policy.py",
        "self._left.day + count > most",
        "count > most",
        (GATE_MOVED,),
    ),
    "a flag that was taken away counts no more": Wrong(
        "records/models/properties.py",
        "Q(sensitive=True) | Exists(lifted)",
        "Q(sensitive=True)",
        (GATE_MOVED,),
    ),
    "a veiled field may be filtered by whoever sees it": Wrong(
        "records/models/properties.py",
        "return self.hidden | self.veiled",
        "return self.hidden",
        (NARROWED,),
    ),
    "a delegate gives what she lacks": Wrong(
        GRANTING,
        "for piece in had ^ has if lacks(asker, piece)",
        "for piece in had - has if lacks(asker, piece)",
        (DELEGATION,),
    ),
    "a delegate gives Team only to foreign teams": Wrong(
        GRANTING,
        "if relative and not (theirs and theirs <= reach_of(actor)):",
        "if relative and not theirs:",
        (DELEGATION,),
    ),
    "a delegate takes anybody into her team": Wrong(
        GRANTING,
        "if has - had and owns_records and not sees_all",
        "if has - had and not has and not sees_all",
        (DELEGATION,),
    ),
    "a set is covered by its tools alone": Wrong(
        "accounts/delegation.py",
        "for sort in (True, False)",
        "for sort in (False, False)",
        (DELEGATION,),
    ),
    "a change is taken back whatever came after it": Wrong(
        "accounts/operations/taking_back.py",
        "    if now != stands:",
        "    if not stands:",
        ("tests/claims/test_permission_editor.py",),
    ),
}


def passes(copy: Path, wrong: Wrong) -> bool:
    """Tell whether the named tests let this edit pass; the copy is as before afterwards."""
    file = copy / wrong.file
    text = file.read_text(encoding="utf-8")
    if wrong.right not in text:
        raise SystemExit(f"{wrong.file} has changed; it has no {wrong.right!r} any more.")
    file.write_text(text.replace(wrong.right, wrong.wrong, 1), encoding="utf-8")
    # The tables are made by the first run and found by the others.
    options = ("-x", "-q", "--reuse-db", "-p", "no:cacheprovider")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *wrong.tests],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    file.write_text(text, encoding="utf-8")
    if ended.returncode not in (0, 1):
        raise SystemExit(f"The tests did not run:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return ended.returncode == 0


def main(only: str) -> int:
    chosen = {name: wrong for name, wrong in WRONG.items() if only in name}
    passed = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(ROOT, Path(folder) / "copy", ignore=NOT_COPIED))
        for name, wrong in chosen.items():
            if passes(copy, wrong):
                passed.append(name)
            print(f"{'PASSED' if name in passed else 'caught'}: {name}", flush=True)
    print(f"{len(chosen)} wrong edits, {len(chosen) - len(passed)} caught")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
