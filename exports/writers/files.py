"""Files under EXPORT_ROOT: written under a temporary name, published by renaming, named by chance.

The name is drawn and stored in the request before the first byte, so whoever cleans up after a
killed worker knows exactly which files to remove and never has to guess from a folder's contents.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

PART = ".part"
MARKER = ".crmperms-exports"
"""The file by which a folder is known as ours; see folder.py."""
ASK_AGAIN_AFTER = 4 * 1024 * 1024


def new_name(suffix: str) -> str:
    """Draw a name that nobody can guess."""
    return f"{secrets.token_hex(24)}.{suffix}"


class FolderError(Exception):
    """The folder for files cannot be used; the message says why, after “because”.

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


class Handout(io.BufferedIOBase):
    """A file on its way to the requester; every few megabytes it asks whether it still may (Q24).

    It has no file number on purpose: a web server that sends files past Python would not ask.
    """

    def __init__(self, name: str, still_allowed: Callable[[], None]) -> None:
        self._file: BinaryIO = (root() / name).open("rb")
        self._still_allowed = still_allowed
        self._unasked = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return at most a few megabytes more; raises what `still_allowed` raises."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(ASK_AGAIN_AFTER), b""))
        if self._unasked >= ASK_AGAIN_AFTER:
            self._still_allowed()
            self._unasked = 0
        data = self._file.read(min(size, ASK_AGAIN_AFTER))
        self._unasked += len(data)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()
