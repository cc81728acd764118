"""Files under EXPORT_ROOT: written under a temporary name, published by renaming, named by chance.

The name is drawn and stored in the request before the first byte, so whoever cleans up after a
killed worker knows exactly which files to remove and never has to guess from a folder's contents.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from exports import reasons

PART = ".part"
MARKER = ".crmperms-exports"
"""The file by which a folder is known as ours; see folder.py."""
ASK_AGAIN_AFTER = 4 * 1024 * 1024
ASK_AGAIN_SECONDS = 1.5


def new_name(suffix: str) -> str:
    """Draw a name that nobody can guess."""
    return f"{secrets.token_hex(24)}.{suffix}"


class FolderError(Exception):
    """The folder for files cannot be used; the message says why, in English, after “because”.

    It is kept and logged; people are told it in their language (reasons.py).

    It is no fault of the export that was being written.
    """

    errno: int | None = None

    @classmethod
    def of(cls, error: Exception) -> FolderError:
        """Return what an error of the operating system means for the folder."""
        said = getattr(error, "strerror", None) or type(error).__name__
        found = cls(said.lower())
        found.errno = getattr(error, "errno", None)
        return found

    @classmethod
    @contextmanager
    def instead_of_os_errors(cls) -> Iterator[None]:
        """Raise a `FolderError` for whatever the operating system refuses in the block."""
        try:
            yield
        except OSError as error:
            raise cls.of(error) from error


def root() -> Path:
    """Return the folder of all exports; workers make it at their first use (folder.py)."""
    return Path(settings.EXPORT_ROOT)


class Part:
    """A file that is being written: hashed in the same pass, invisible until it is whole.

    Whatever the folder refuses is a `FolderError`, kept in `trouble` too: a library that writes
    into the file may wrap it.
    """

    def __init__(self, name: str) -> None:
        self.path = root() / name
        self.part = self.path.with_name(name + PART)
        self.hash = hashlib.sha256()
        self.size = 0
        self.trouble: FolderError | None = None
        with self._folder():
            handle = os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.file: BinaryIO = os.fdopen(handle, "wb")

    @contextmanager
    def _folder(self) -> Iterator[None]:
        try:
            with FolderError.instead_of_os_errors():
                yield
        except FolderError as error:
            self.trouble = error
            raise

    @property
    def sha256(self) -> str:
        """The hash of what was written so far, in hex."""
        return self.hash.hexdigest()

    def write(self, data: bytes) -> None:
        with self._folder():
            self.file.write(data)
        self.hash.update(data)
        self.size += len(data)

    def publish(self) -> None:
        """Make the whole file durable, then give it its name."""
        if self.trouble is not None:  # and a library kept it to itself
            raise self.trouble
        with self._folder():
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            self.part.rename(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self) -> None:
        """Leave nothing behind, however far the writing went.

        What the folder does not let go of is removed later, by the name in the row.
        """
        with suppress(OSError):
            # A full disk refuses the last buffer; the file goes away all the same.
            self.file.close()
        with suppress(OSError):
            remove(self.path.name)


def remove(name: str) -> None:
    """Delete a file, whole or in part; one that is gone already is fine."""
    for each in both(name):
        (root() / each).unlink(missing_ok=True)


def both(name: str) -> tuple[str, str]:
    """Return what a file is called when it is whole and while it is written."""
    return name, name + PART


def names() -> set[str]:
    """Return the names of everything that lies in the folder of all exports, its marker apart."""
    return {path.name for path in root().iterdir() if not path.name.startswith(MARKER)}


class WrongFile(Exception):
    """What lies under an export's name is not the file that was written; the message says why.

    In English, like that of `FolderError`.
    """


class Handout(io.BufferedIOBase):
    """A file on its way to the requester; every few moments it asks whether it still may (Q24).

    A regular file of the size that was written, and nothing a link leads to; the hash is made on
    the way. The last piece is held back until it fits: a file that is another one never arrives
    whole. It has no file number on purpose: a web server that sends files past Python would not
    ask.
    """

    def __init__(
        self,
        name: str,
        *,
        size: int,
        sha256: str,
        still_allowed: Callable[[], None],
        wrong: Callable[[str], None],
    ) -> None:
        """Open it; `still_allowed` raises where it may not go on, `wrong` is told what is wrong.

        Raises `FileNotFoundError`, another `OSError`, or `WrongFile`.
        """
        self._file = _opened(root() / name, size)
        self._left, self._sha256 = size, sha256
        self._hash = hashlib.sha256()
        self._still_allowed, self._wrong = still_allowed, wrong
        self._unasked = 0
        self._asked_at = time.monotonic()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most a few megabytes more; raises as `still_allowed` does, or `WrongFile`."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(ASK_AGAIN_AFTER), b""))
        late = time.monotonic() - self._asked_at >= ASK_AGAIN_SECONDS
        if self._unasked >= ASK_AGAIN_AFTER or (late and self._unasked):
            self._still_allowed()
            self._unasked, self._asked_at = 0, time.monotonic()
        wanted = min(size, ASK_AGAIN_AFTER, self._left)
        data = self._file.read(wanted)
        self._hash.update(data)
        self._left -= len(data)
        if len(data) < wanted or (wanted and not self._left):
            self._check()
        self._unasked += len(data)
        return data

    def _check(self) -> None:
        """Raise where the whole file, read to its end, is not the one that was written."""
        if self._left or self._hash.hexdigest() != self._sha256:
            why = reasons.kept(reasons.FILE_CHANGED)
            self._wrong(why)
            raise WrongFile(why)

    def close(self) -> None:
        self._file.close()
        super().close()


def _opened(path: Path, size: int) -> BinaryIO:
    """Open a regular file of this size, without following a link; a pipe would keep us waiting."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise WrongFile(reasons.kept(reasons.NO_REGULAR_FILE)) from error
        raise
    found = os.fstat(handle)
    why = ""
    if not stat.S_ISREG(found.st_mode):
        why = reasons.kept(reasons.NO_REGULAR_FILE)
    elif found.st_size != size:
        why = reasons.kept(reasons.FILE_OF_OTHER_SIZE)
    if why:
        os.close(handle)
        raise WrongFile(why)
    return os.fdopen(handle, "rb")
