"""The language of whatever is kept or leaves the house: the installation's, whoever asks for it.

A file's headings, names of records without a name, choices, what a request is called and the order
in which all columns stand: two people who ask for the same get the same bytes and the same digest,
whatever language each of them reads, and whatever language the worker's process happens to have.
It is `settings.LANGUAGE_CODE`, decided here and nowhere else. Who changes that setting changes the
headings of requests from then on; what was frozen stays as it was frozen.

Reasons that are kept in a request's row are another matter: see reasons.py.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from django.conf import settings
from django.conf.locale import LANG_INFO
from django.utils import translation
from django.utils.translation import get_language_info, gettext


def as_installed() -> AbstractContextManager[None]:
    """Let what is translated in the block be in the installation's language.

    Not around a `yield`: whoever reads on would go on in that language.
    """
    return translation.override(settings.LANGUAGE_CODE)


def labels_in_words() -> str:
    """Say, to whoever reads it, in which language a file has its labels."""
    code: str = settings.LANGUAGE_CODE
    general = code.partition("-")[0]
    language = get_language_info(general if general in LANG_INFO else code)["name_translated"]
    return gettext("Labels, in %(language)s") % {"language": language}
