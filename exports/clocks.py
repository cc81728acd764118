"""A machine whose clock is wrong: it ends nothing and deletes nothing, and super admins are told.

The product decides by the database's clock (accounts/clock.py). Where that and the machine's own
are apart, one of them is wrong, and nobody can say which; what cannot be undone then waits.
"""

from __future__ import annotations

import logging
import socket
from datetime import timedelta

from django.utils.translation import gettext

from accounts import clock
from exports import trouble

logger = logging.getLogger(__name__)

MOST_APART = timedelta(minutes=5)


def agree() -> bool:
    """Tell whether this machine's clock and the database's are near enough to each other."""
    apart = clock.difference()
    host = socket.gethostname()[:60]
    key = f"clock {host}"
    if apart <= MOST_APART:
        trouble.end(
            key,
            text=lambda: (
                gettext("The clocks of the worker %(host)s and of the database agree again.")
                % {"host": host}
            ),
            subject=lambda: gettext("The clocks agree again"),
        )
        return True
    logger.warning(
        "This machine's clock and the database's are %s apart. Until they agree, no request lapses "
        "and no file is deleted here.",
        apart,
    )
    trouble.begin(
        key,
        f"{apart} apart",
        text=lambda: (
            gettext(
                "The clocks of the worker %(host)s and of the database are more than five minutes "
                "apart. Set the one that is wrong. Until then that worker lets no request lapse "
                "and deletes no file."
            )
            % {"host": host}
        ),
        subject=lambda: gettext("The clock of a worker, or of the database, is wrong"),
    )
    return False
