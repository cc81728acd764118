"""What `policy_plan` and `policy_apply` have in common: reading the file they are given."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import CommandError


def text_of(file: str) -> str:
    """Return what a file says; raise a sentence where it cannot be read."""
    try:
        return Path(file).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not text in UTF-8. Save it as UTF-8.") from None
