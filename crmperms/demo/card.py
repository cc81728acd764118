"""The card: who can log in to the demo company, and what to try as whom, on one screen."""

from __future__ import annotations

from crmperms.demo.cast import CAST, PASSWORD


def card() -> str:
    """Return one aligned line a role and the shared password, within 80 columns."""
    shown = [part for part in CAST if part.to_try]
    name = max(len(part.name) for part in shown)
    email = max(len(part.email) for part in shown)
    lines = [f"{part.email:{email}}  {part.name:{name}}  {part.to_try}".rstrip() for part in shown]
    return "\n".join([f"Log in as one of these; the password of all is {PASSWORD}", "", *lines])
