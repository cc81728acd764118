"""`make prove`: the product against the oracle on 20,000 made-up worlds, on the database at hand.

Worlds have numbers, from START (1) on; the same number and SEED make the same world. WORLDS and
JOBS may be set too. Prints what was compared, also where it is interrupted, and with which START it
goes on then; exits 1 on any disagreement, with the world's number and a small world that disagrees
as well, which belongs into tests/support/cases.py. Each job is a process with a database of its own
(on SQLite in memory), and takes every JOBS-th world.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

EVERY = 15.0
"""Seconds between two lines of progress."""
NEW_OBJECTS = 50_000
"""After so many objects more the collector looks for garbage. Queries make cycles: looking for them
after 700, as is usual, took a tenth of a world's time."""


def main() -> int:
    worlds = int(os.environ.get("WORLDS", "20000"))
    jobs = max(1, min(int(os.environ.get("JOBS", os.cpu_count() or 1)), worlds))
    start, seed = int(os.environ.get("START", "1")), int(os.environ.get("SEED", "1"))
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.prove"),
                *map(str, (start + number, start + worlds, jobs, seed)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(jobs)
    ]
    for each in (signal.SIGINT, signal.SIGTERM):  # each job tells how far it came
        signal.signal(each, lambda *_: [process.terminate() for process in running])
    answers = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        print("A job ended with an error; see above.", file=sys.stderr)
        return 2
    told = [json.loads(answer.splitlines()[-1]) for answer in answers]
    return report(told, start, start + worlds, seed)


def report(answers: list[dict[str, Any]], start: int, stop: int, seed: int) -> int:
    import django

    django.setup()
    from tests.support.tally import Tally

    total = Tally()
    disagreements = [answer["disagreement"] for answer in answers if answer["disagreement"]]
    for answer in answers:
        total.add(Tally.from_json(answer["tally"]))
    for told in disagreements:
        print(told)
    each = sum(answer["cpu"] for answer in answers) / max(total.worlds, 1)
    print(f"{total}; from world {start} of seed {seed}, {each:.2f} s of CPU each")
    print(f"Disagreements: {len(disagreements)}")
    if (left := min(answer["next"] for answer in answers)) < stop:
        print(f"Worlds {left:,} to {stop - 1:,} are left: START={left} WORLDS={stop - left}")
    return 1 if disagreements else 0


def job(numbers: range, seed: int) -> None:
    """Compare these worlds and write the tally as JSON to standard output."""
    told_to_end: list[int] = []  # heard from here on: laying the tables down may take a minute
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process passes it on

    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    from tests.support.tally import Tally

    in_memory = connection.vendor == "sqlite"
    before = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = None if in_memory else f"prove_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0)
    gc.freeze()  # what was loaded so far stays, and is not looked through again and again
    gc.set_threshold(NEW_OBJECTS, 10, 10)
    tally, disagreement = Tally(), ""
    upcoming, begun = numbers.start, time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        settings.EXPORT_ROOT = Path(folder)
        for number in until_told(numbers, told_to_end):
            disagreement = compared(number, seed, tally)
            upcoming = number + numbers.step
            if disagreement:
                break
    spent = time.process_time() - begun
    connection.creation.destroy_test_db(before, verbosity=0)
    told = {"tally": tally.to_json(), "disagreement": disagreement, "next": upcoming}
    print(json.dumps({**told, "cpu": spent}))


def until_told(numbers: range, told_to_end: list[int]) -> Iterator[int]:
    """Yield these numbers until a signal came, and tell now and then how far it is."""
    told = time.monotonic()
    for number in numbers:
        if told_to_end:
            return
        yield number
        if time.monotonic() - told > EVERY:
            told = time.monotonic()
            print(f"world {number:,} of {numbers.stop - 1:,}", file=sys.stderr)


def compared(number: int, seed: int, tally: Any) -> str:
    """Compare the world with this number; return what is to be said of a disagreement."""
    from tests.support.compared import Disagreement, compare
    from tests.support.smaller import smaller
    from tests.support.tally import Tally
    from tests.support.worlds import World, made_by

    def differs(world: World) -> str:
        try:
            compare(world, Tally())
        except Disagreement as difference:
            return str(difference)
        except Exception:  # less than a world needs: another reason than the one to be found
            return ""
        return ""

    world = made_by(Random(f"{seed}/{number}"))
    try:
        compare(world, tally)
    except Disagreement as difference:
        small = smaller(world, lambda each: bool(differs(each)))
        return (
            f"World {number} of seed {seed}: {difference}\nA small one: {differs(small)}\n{small}"
        )
    return ""


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
    if len(sys.argv) > 1:
        first, stop, step, of_seed = map(int, sys.argv[1:])
        job(range(first, stop, step), of_seed)
    else:
        sys.exit(main())
