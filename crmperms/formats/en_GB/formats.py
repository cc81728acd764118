"""Dates as they stand in lists: short, with a clock of 24 hours, and moments with its zone."""

from crmperms.formats.typed import DAYS, ISO_MOMENTS, moments

DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "j M Y, H:i T"

# Ours, asked for by these names: in sentences, where there is room.
LONG_DATE_FORMAT = "j F Y"
LONG_TIME_FORMAT = "j F Y, H:i"
LONG_MOMENT_FORMAT = "j F Y, H:i T"
LONG_SECOND_FORMAT = "j F Y, H:i:s"
MOMENT_FORMAT = "j M Y, H:i"
MOMENT_OF_YEAR_FORMAT = "j F, H:i"
MOMENT_OF_YEAR_ZONE_FORMAT = "j F, H:i T"
MOMENT_OF_WEEK_FORMAT = "l H:i"

DATE_INPUT_FORMATS = DAYS["/"] + DAYS["."]
DATETIME_INPUT_FORMATS = ISO_MOMENTS + moments(DATE_INPUT_FORMATS)
