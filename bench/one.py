"""Measure everything for one size on one database, and keep it as JSON under var/bench."""

import json
import sys
import time
from collections.abc import Iterable

from bench import company  # sets Django up, so it comes first

# isort: split
from bench import lists
from bench.exports import figures
from bench.measure import Row, shown
from bench.profiles import profiles


def main() -> int:
    began = time.monotonic()
    seconds = company.prepare()
    people = profiles()
    tell(f"{company.version()}: {company.CONTACTS:,} contacts, made in {seconds:.0f} s")
    kept: dict[str, object] = {
        "database": company.version(),
        "contacts": company.CONTACTS,
        "deals": company.SIZES["DEALS"],
        "people": [profile.name for profile in people],
        "sees": [lists.seen(lists.LISTS["contacts by name"], p).count() for p in people],
    }
    company.FOLDER.mkdir(parents=True, exist_ok=True)
    file = company.FOLDER / f"{company.DATABASE.lower()}-{company.CONTACTS}.json"
    found: dict[str, list[object]] = {"rows": [], "exports": []}
    for name, part in [*(("rows", part(people)) for part in lists.PARTS), ("exports", figures())]:
        found[name] += [row.as_data() for row in told(part)]
        # After each part: what was measured is kept, whatever becomes of the rest.
        kept |= {**found, "minutes": (time.monotonic() - began) / 60}
        file.write_text(json.dumps(kept, indent=1, ensure_ascii=False))
    return 0


def told(rows: Iterable[Row]) -> Iterable[Row]:
    """Pass rows on and say each as it comes."""
    for row in rows:
        missed = sum(row.is_missed(cell) for cell in row.cells)
        tell(
            f"  {row.measure}: {' '.join(map(shown, row.cells))} {row.wanted}"
            + (f" missed {missed}" if missed else "")
        )
        yield row


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
