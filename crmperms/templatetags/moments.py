"""Moments as pages say them."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.safestring import SafeString

from accounts.ago import ago_with_moment

register = template.Library()


@register.filter
def ago(moment: datetime) -> SafeString:
    """Return how long ago it was, with the stamp as tooltip."""
    return ago_with_moment(moment)
