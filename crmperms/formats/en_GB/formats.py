"""Dates as they stand in lists: short, with a clock of 24 hours, and moments with its zone."""

DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "j M Y, H:i T"
