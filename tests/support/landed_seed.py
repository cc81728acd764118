"""Fills a database with exports in every state; run inside the tree of a landed version.

It is started by `tests/support/landed.py`, and speaks to the product of that version by its test
kit alone.
"""

import importlib
import os
import socket
from datetime import timedelta

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "crmperms.settings"
django.setup()
socket.gethostname = lambda: "somewhere"  # stands in the names of workers

from django.conf import settings  # noqa: E402 - after the set-up

settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

from exports import jobs, worker  # noqa: E402
from exports.models import ExportRequest  # noqa: E402
from exports.writers import manifest  # noqa: E402
from records.models import Property  # noqa: E402

try:
    from tests.support import company
    from tests.support import exports_kit as kit
except ModuleNotFoundError:  # a version from before the folder
    company = importlib.import_module("tests.company")
    kit = importlib.import_module("tests.exports_kit")


def main() -> None:
    """Lay down one export for each thing that an upgrade must not break; names say which."""
    c = company.found()
    found = {"finished": kit.completed(c.rita, columns=["id", "name"])}
    found["left behind"] = kit.approved(c.rita, c.sue, columns=["id", "name"])
    taken = jobs.claim("a worker that is gone", timedelta(minutes=1))
    assert taken is not None
    assert taken.pk == found["left behind"].pk
    found["waits again"] = kit.approved(c.nora, c.sue, columns=["id", "amount"])
    Property.objects.create(object="deal", name="amount", sensitive=True)
    worker.run_once()
    kit.set_policy(on=False)
    found["narrowed"] = kit.ask(c.rita, columns=["id", "product"])
    Property.objects.create(object="deal", name="product", access="super_admins")
    worker.run_once()
    kit.end_lease(found["left behind"])
    found["pending"] = kit.pending(c.rita, c.sue, columns=["id", "name"], query="q=Rita")
    found["approved"] = kit.approved(c.rita, c.sue, columns=["id", "name"])
    for name, export in found.items():
        ExportRequest.objects.filter(pk=export.pk).update(name=name)
        if hasattr(manifest, "write_frozen"):  # where the name is part of what is frozen
            manifest.write_frozen(ExportRequest.objects.get(pk=export.pk))
    states = dict(ExportRequest.objects.values_list("name", "status"))
    assert states == {
        "finished": "completed",
        "left behind": "processing",
        "waits again": "pending",
        "narrowed": "completed",
        "pending": "pending",
        "approved": "approved",
    }, states


if __name__ == "__main__":
    main()
