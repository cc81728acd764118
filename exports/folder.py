"""The folder for files, as workers depend on it: is it ours, and can it be written?

Errors of the folder cost no export an attempt. They are written down for all workers, which pause
for longer each time, at most a minute, and go on by themselves.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext

from exports import reasons, trouble
from exports.models import ExportFolder, ExportRequest, Trouble
from exports.steps import S
from exports.writers.files import MARKER, FolderError, root

logger = logging.getLogger(__name__)

KEY = "folder"
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=1)
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
PROBE = b"\0" * 4096


def is_ready() -> bool:
    """Tell whether a worker may begin a file now.

    While there is trouble one worker tries at a time, and no sooner than the pause allows.
    """
    known = Trouble.objects.filter(pk=KEY).first()
    if known is not None:
        due = Trouble.objects.filter(
            Q(next_try_at=None) | Q(next_try_at__lte=Now()), pk=KEY, failures=known.failures
        )
        if not due.update(next_try_at=Now() + _pause(known.failures)):
            return False
    try:
        _make_at_first_use()
        check()
        if known is not None:
            _try_to_write()
    except FolderError as error:
        failed(error)
        return False
    return True


def is_ours() -> bool:
    """Tell whether the folder is there and the one that the database knows; changes nothing."""
    try:
        check()
    except FolderError:
        return False
    return bool(_known_marker())


def check() -> None:
    """Raise `FolderError` where the folder is not the one that this database has written to."""
    known = _known_marker()
    if not known:
        return
    try:
        found = (root() / MARKER).read_text()
    except NotADirectoryError:
        raise FolderError(reasons.kept(reasons.FOLDER_IS_FILE)) from None
    except FileNotFoundError:
        why = reasons.kept(reasons.NO_FOLDER)
        if root().is_dir():
            why = reasons.kept(reasons.FOLDER_WITHOUT_MARKER, marker=MARKER)
        raise FolderError(why) from None
    except (OSError, UnicodeError) as error:
        raise FolderError.of(error) from error
    if found.strip() != known:
        raise FolderError(reasons.kept(reasons.FOLDER_OF_OTHERS))


def use() -> None:
    """Make EXPORT_ROOT, as it is now, the folder of this database: for who replaced it."""
    with FolderError.instead_of_os_errors():
        _make(root())
        if known := _known_marker():
            (root() / MARKER).write_text(known)
    _make_at_first_use()


def failed(error: FolderError, export: ExportRequest | None = None) -> bool:
    """Let all workers pause, and tell super admins once; return whether they do.

    Not where one export alone does not fit, though the folder has worked for others since.
    """
    logger.warning("EXPORT_ROOT (%s) cannot be used: %s.", settings.EXPORT_ROOT, error)
    is_known = Trouble.objects.filter(pk=KEY).exists()
    if export is not None and export.folder_failures > 1 and error.errno in FULL and not is_known:
        return False
    failures = trouble.begin(
        KEY,
        str(error)[:300],
        text=lambda: (
            gettext(
                "Exports wait, nothing is lost, and they go on by themselves: the folder for files "
                "cannot be used (%(why)s)."
            )
            % {"why": reasons.read(str(error))}
        ),
        subject=lambda: gettext("Exports wait: the folder for files cannot be used"),
    )
    Trouble.objects.filter(pk=KEY).update(next_try_at=Now() + _pause(failures))
    return True


def worked() -> None:
    """Tell super admins that trouble is over; after a file was written."""
    if Trouble.objects.filter(pk=KEY).exists():
        trouble.end(
            KEY,
            text=lambda: gettext("The folder for files works again, and exports go on."),
            subject=lambda: gettext("Exports go on: the folder for files works again"),
        )
        logger.warning("EXPORT_ROOT (%s) works again.", settings.EXPORT_ROOT)


def worked_where_nothing_waits() -> None:
    """Tell that trouble is over where no export is left to show it."""
    if not ExportRequest.objects.filter(status__in=[S.APPROVED, S.PROCESSING]).exists():
        worked()


def waits() -> bool:
    """Tell whether exports wait for the folder."""
    return Trouble.objects.filter(pk=KEY).exists()


def _pause(failures: int) -> timedelta:
    doubled: int = 2 ** min(failures, 10)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def _known_marker() -> str:
    return ExportFolder.objects.filter(pk=1).values_list("marker", flat=True).first() or ""


def _make_at_first_use() -> None:
    """Make the folder and its marker where this database has never used one.

    The file first: whoever is killed in between finds it. A folder that has one already keeps it,
    so that a new database may go on with an old folder.
    """
    if _known_marker():
        return
    folder = root()
    with FolderError.instead_of_os_errors():
        _make(folder)
        if not (folder / MARKER).exists():
            _write_marker(folder)
        marker = (folder / MARKER).read_text().strip()
    if not marker:
        # A full disk, or a power cut, left it empty; nobody has used it yet.
        (folder / MARKER).unlink(missing_ok=True)
        raise FolderError(reasons.kept(reasons.MARKER_NOT_WRITTEN))
    ExportFolder.objects.get_or_create(pk=1, defaults={"marker": marker[:32]})


def _write_marker(folder: Path) -> None:
    """Write the marker unless there is one, and never let another worker find it half written.

    Two that start together would each take the other's empty file for one that a full disk left.
    """
    path = folder / f"{MARKER}.{secrets.token_hex(8)}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(16))
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            os.link(path, folder / MARKER)  # fails where there is one, as renaming would not
    except OSError:
        # No hard links here. Both would find the one that was renamed last, and the database
        # knows the first: it is told, and --use-folder mends it.
        path.rename(folder / MARKER)
    finally:
        path.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkdir's mode is narrowed by the umask and ignored where the folder appeared meanwhile.
        folder.chmod(0o700)


def _try_to_write() -> None:
    """Raise where not even a small file can be written."""
    with FolderError.instead_of_os_errors():
        path = root() / f"{MARKER}.try"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.write(handle, PROBE)
            os.fsync(handle)
        finally:
            os.close(handle)
            path.unlink(missing_ok=True)
