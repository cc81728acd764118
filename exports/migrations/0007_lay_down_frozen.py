"""Lay down once what requests of earlier versions were frozen as, from the log where it says so.

Digests of earlier versions are taken over in their form. A request from before there were any gets
one now, if it may still run: it is held to what it is at the upgrade.
"""

import hashlib
import json
import secrets

from django.db import migrations

FREEZES = ["export.request", "export.narrow", "export.back_to_pending"]
RUNNING = ["pending", "approved", "processing"]


def unsalted(export, records):
    """Return the digest in form 1: see writers/manifest.py."""
    head = json.dumps(
        {
            "columns": export.columns,
            "count": export.record_count,
            "format": export.format,
            "headers": export.headers,
            "object": export.object,
            "query": export.query,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    found = hashlib.sha256(f'{head[:-1]},"records":['.encode())
    comma = b""
    rows = records.filter(export=export).order_by("position")
    for record_id in rows.values_list("record_id", flat=True).iterator(10_000):
        found.update(b"%s%d" % (comma, record_id))
        comma = b","
    found.update(b"]}")
    return found.hexdigest()


def lay_down(apps, schema_editor):
    frozen = apps.get_model("exports", "FrozenRequest")
    exports = apps.get_model("exports", "ExportRequest").objects.filter(frozen=None)
    records = apps.get_model("exports", "ExportRecord").objects
    events = apps.get_model("accounts", "AuditEvent").objects.filter(
        object="exportrequest", action__in=FREEZES, result="done"
    )
    for export in exports.order_by("pk").iterator(500):
        names = [column["name"] for column in export.columns]
        told = list(events.filter(object_id=str(export.pk)).order_by("id"))
        steps = [
            (each.at, each.data.get("columns", names), each.data.get("manifest_sha256", ""))
            for each in told
        ] or [(export.requested_at, names, "")]
        at, columns, digest = steps[-1]
        # One version wrote the digest of a changed request into its row only.
        digest = digest or export.manifest_sha256
        if not digest and export.status in RUNNING:
            digest = unsalted(export, records)
        steps[-1] = (at, columns, digest)
        frozen.objects.bulk_create(
            frozen(
                export=export,
                at=at,
                columns=columns,
                form=1 if digest else 0,
                salt=secrets.token_hex(16),
                digest=digest,
            )
            for at, columns, digest in steps
        )


class Migration(migrations.Migration):
    dependencies = [("exports", "0006_frozen_request"), ("accounts", "0003_outbox")]

    operations = [migrations.RunPython(lay_down, migrations.RunPython.noop)]
