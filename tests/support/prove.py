"""`make prove`: the product against the oracle on 20,000 made-up worlds, on the database at hand.

WORLDS=, JOBS= and SEED= may be set. Prints what was compared; exits 1 on any disagreement, after
hypothesis has shrunk the world to a small one, which belongs into tests/support/cases.py then.
Each job is
a process with a database of its own (on SQLite in memory) and its own part of the worlds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

EVERY = 15.0
"""Seconds between two lines of progress."""


def main() -> int:
    worlds = int(os.environ.get("WORLDS", "20000"))
    jobs = max(1, min(int(os.environ.get("JOBS", os.cpu_count() or 1)), worlds))
    first = int(os.environ.get("SEED", "1"))
    parts = [worlds // jobs + (number < worlds % jobs) for number in range(jobs)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.prove", str(part), str(first + number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, part in enumerate(parts)
    ]
    answers = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        print("A job ended with an error; see above.", file=sys.stderr)
        return 2
    # The last line: hypothesis may say before it that a disagreement was hard to make smaller.
    told = [json.loads(answer.splitlines()[-1]) for answer in answers]
    return report(told, f"seeds {first}-{first + jobs - 1}")


def report(answers: list[dict[str, Any]], seeds: str) -> int:
    import django

    django.setup()
    from tests.support.compared import Tally

    total = Tally()
    disagreements = [answer["disagreement"] for answer in answers if answer["disagreement"]]
    for answer in answers:
        total.add(Tally.from_json(answer["tally"]))
    for told in disagreements:
        print(told)
    print(f"{total}; {seeds}; disagreements: {len(disagreements)}")
    return 1 if disagreements else 0


def job(worlds: int, number: int) -> None:
    """Compare so many worlds and write the tally as JSON to standard output."""
    import django

    django.setup()
    from django.conf import settings as django_settings
    from django.db import connection
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from tests.support.compared import Disagreement, Tally, compare
    from tests.support.worlds import World
    from tests.support.worlds import worlds as made

    in_memory = connection.vendor == "sqlite"
    before = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = None if in_memory else f"prove_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0)
    tally = Tally()
    disagreement = ""
    told = time.monotonic()

    @seed(number)
    @settings(
        max_examples=worlds,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(made())
    def agree(world: World) -> None:
        nonlocal told
        compare(world, tally)
        if time.monotonic() - told > EVERY:
            told = time.monotonic()
            print(f"job {number}: {tally.worlds:,} of {worlds:,} worlds", file=sys.stderr)

    with tempfile.TemporaryDirectory() as folder:
        django_settings.EXPORT_ROOT = Path(folder)
        try:
            agree()
        except Disagreement as difference:
            notes = "\n".join(getattr(difference, "__notes__", ()))
            disagreement = f"{difference}\n{notes}"
    connection.creation.destroy_test_db(before, verbosity=0)
    print(json.dumps({"tally": tally.to_json(), "disagreement": disagreement}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    if len(sys.argv) > 1:
        job(int(sys.argv[1]), int(sys.argv[2]))
    else:
        sys.exit(main())
