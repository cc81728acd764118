"""The addresses of the pages that screens of a model have, by model and page."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.urls import reverse


def page_address(model: type[Model] | Model, page: str, *keys: Any) -> str:
    """Return the address of a page that a model's screens have: its list, or that of one row."""
    options = model._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=keys)
