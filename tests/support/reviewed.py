"""Sending a form whose change is reviewed before it is made, as a person does who reads it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.test import Client

from tests.support.forms_as_shown import form_with


def is_review(page: HttpResponse) -> bool:
    """Tell whether this is the page that shows what a change does before it is made."""
    return 'name="reviewed"' in page.text


def review(client: Client, address: str, sent: Any) -> tuple[str, dict[str, Any]]:
    """Send a form, and return where its review is sent to and what it sends."""
    page = client.post(address, sent)
    assert is_review(page), page.text
    action, fields = form_with(page.text, "reviewed")
    return action, {**fields, "save": ["1"]}


def confirmed(
    client: Client, address: str, sent: Any, *, follow: bool = False, **more: Any
) -> HttpResponse:
    """Send a form, and what its review sends where there is one; return the last answer."""
    page = client.post(address, sent, follow=follow)
    if not is_review(page):
        return page
    action, fields = form_with(page.text, "reviewed")
    return client.post(action, {**fields, "save": ["1"], **more}, follow=follow)
