"""Links that may be empty are found by indexes of those that are filled.

With a million contacts and their share of other records it takes less than a minute.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from accounts.migrating import DropIndexes, drawn_once


def _link(to, label, related_name, **more):
    return models.ForeignKey(
        blank=True,
        db_index=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name=related_name,
        to=to,
        verbose_name=label,
        **more,
    )


def _steps(model, **links):
    co_owner = _link(
        settings.AUTH_USER_MODEL,
        "co-owner",
        "co_owned_%(class)ss",
        help_text="Has the same rights as the owner.",
    )
    fields = {"co_owner": co_owner, **links}
    yield DropIndexes(model, fields)
    for name in fields:
        is_filled = models.Q((f"{name}__isnull", False))
        index = models.Index(condition=is_filled, fields=[name], name=f"{model}_by_{name}")
        yield migrations.AddIndex(model, index)


def _company(related_name):
    return _link("records.company", "company", related_name)


def _contact(related_name):
    return _link("records.contact", "contact", related_name)


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0022_waiting_requests"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        *_steps("company", parent=_link("records.company", "parent company", "subsidiaries")),
        *_steps("contact", company=_company("contacts")),
        *_steps("deal", company=_company("deals"), contact=_contact("deals")),
        *_steps("ticket", company=_company("tickets"), contact=_contact("tickets")),
    ]
    operations = drawn_once(operations)
