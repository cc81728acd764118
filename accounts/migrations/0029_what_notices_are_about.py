"""Notices of before say which request they are about, as their links always did."""

import re

from django.db import migrations
from django.db.models import BigIntegerField, F, Value
from django.db.models.functions import Cast, Replace

# What the addresses of requests looked like until now: what stands before and after the number.
PAGES = {
    "export": ("/admin/exports/exportrequest/", "/change/"),
    "access_request": ("/admin/access-requests/", "/"),
}


def write_down(apps, schema_editor):
    """Read the number out of the link; what is no link to a request is about none."""
    from django.urls import get_script_prefix

    notices = apps.get_model("accounts", "Notice").objects.using(schema_editor.connection.alias)
    root = get_script_prefix().rstrip("/")
    for about, (before, after) in PAGES.items():
        begins = f"{root}{before}"
        link = Replace(F("link"), Value(begins), Value(""))
        number = Cast(Replace(link, Value(after), Value("")), BigIntegerField())
        rows = notices.filter(about="", link__regex=rf"^{re.escape(begins)}[0-9]{{1,18}}{after}$")
        rows.update(about=about, about_id=number)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0028_notice_about")]

    operations = [migrations.RunPython(write_down, migrations.RunPython.noop)]
