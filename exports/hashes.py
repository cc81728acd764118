"""Who may read the hash of a file, and what stands in its place for everybody else.

From a plain hash, whoever knows all of a file but one short value finds that value by trying: a
phone number took 1.4 seconds. So only the requester, who may have the file anyway, and super admins
read it. Everybody else reads a fingerprint, which is keyed; the log keeps a salted hash.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.template.defaultfilters import filesizeformat
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext

from accounts import audit
from accounts.models import AuditEvent, User
from exports.models import ExportRequest

PLAIN = "sha256"
"""What the names end with, in the data of events, of hashes without salt: `manifest_sha256`."""


@dataclass(frozen=True, slots=True)
class FileHash:
    """A hash as the review panel shows it."""

    label: str
    value: str
    help: str = ""


def reads_plain(export: ExportRequest, user: User) -> bool:
    """Tell whether this person may read the plain hash of an export's file."""
    return user.is_superuser or user.pk == export.requester_id


def shown(export: ExportRequest, user: User) -> FileHash:
    """Return the hash of an export's file as this person may read it."""
    if reads_plain(export, user):
        return FileHash("SHA-256", export.sha256)
    return FileHash(
        gettext("Fingerprint"),
        keyed(export.sha256),
        gettext(
            "Equal files have equal fingerprints. The SHA-256 itself is shown to the requester and "
            "super admins."
        ),
    )


def size_shown(export: ExportRequest, user: User) -> str:
    """Return the size of an export's file in words, below 1 KB exact for whom its hash is plain.

    Of one record and one column, the number of bytes is the length of a value.
    """
    size = export.file_size or 0
    if size < 1024 and not reads_plain(export, user):
        return gettext("less than 1 KB")
    return filesizeformat(size)


def keyed(sha256: str) -> str:
    """Return a hash that tells equal files, and that nobody computes without SECRET_KEY."""
    return salted_hmac("exports.hashes.keyed", sha256, algorithm="sha256").hexdigest()


def file_digest(export: ExportRequest, sha256: str) -> str:
    """Return what the log keeps of a file's hash: salted with what the request was frozen with.

    With the row of `FrozenRequest`, a file that was found proves to be this export's or not, even
    after a change of SECRET_KEY.
    """
    frozen = export.frozen.order_by("-id").first()
    assert frozen is not None, "no export runs that was not frozen"
    return audit.digest(frozen.salt, sha256)


def with_file(exports: QuerySet[ExportRequest], user: User, term: str) -> QuerySet[ExportRequest]:
    """Return those exports whose file has this SHA-256, of those whose hash this person reads."""
    if not re.fullmatch(r"[0-9a-f]{64}", term := term.strip().lower()):
        return exports.none()
    found = exports.filter(sha256=term)
    return found if user.is_superuser else found.filter(requester=user)


def without_plain_hashes(user: User, event: AuditEvent, data: dict[str, Any]) -> dict[str, Any]:
    """Return an event's data without hashes from which its reader could find what they may not see.

    Fills the slot `accounts.audit.shown_data`. Events of earlier versions hold such hashes; new
    ones shall not.
    """
    plain = [name for name in data if name.endswith(PLAIN)]
    if event.object != ExportRequest._meta.model_name or not plain:
        return data
    export = ExportRequest.objects.filter(pk=event.object_id).first()
    if user.is_superuser or (export is not None and reads_plain(export, user)):
        return data
    shown = {name: value for name, value in data.items() if name not in plain}
    if sha256 := data.get("sha256"):
        shown["file_fingerprint"] = keyed(sha256)
    return shown
