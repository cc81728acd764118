"""How days and moments are typed: every language reads what all the others write.

A link with a filter by a day goes from one reader to another of another language. Days come first
in all of them, so that none of these texts means two days.
"""

DAYS = {
    "/": ["%d/%m/%Y", "%d/%m/%y"],
    ".": ["%d.%m.%Y", "%d.%m.%y"],
}
"""By what stands between day, month and year."""
_CLOCK = ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M")
ISO_MOMENTS = [f"%Y-%m-%d {time}" for time in _CLOCK]


def moments(days: list[str]) -> list[str]:
    """Return days with a clock of 24 hours."""
    return [f"{day} {time}" for day in days for time in _CLOCK]
