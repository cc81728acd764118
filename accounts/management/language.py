"""In which language commands print what files and other programs are made of: English."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import override

from accounts.languages import ENGLISH


class EnglishCommand(BaseCommand):
    """A command whose output is the same text in every installation: other programs read it."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        with override(ENGLISH):
            return super().execute(*args, **options)
