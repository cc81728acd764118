"""A notice says which request it is about, so that a list shows each request once, as it stands."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("accounts", "0027_list_places")]

    operations = [
        migrations.AddField(
            "notice",
            "about",
            models.CharField(
                blank=True,
                default="",
                help_text="Which kind of request it is about (`accounts.to_decide`); empty: none.",
                max_length=20,
            ),
        ),
        migrations.AddField("notice", "about_id", models.BigIntegerField(null=True)),
        migrations.AddConstraint(
            "notice",
            models.CheckConstraint(
                condition=Q(about="", about_id=None) | (~Q(about="") & Q(about_id__isnull=False)),
                name="notice_is_about_one_request",
            ),
        ),
        migrations.AddIndex(
            "notice",
            models.Index(
                fields=["user", "about", "about_id", "id"],
                condition=Q(about_id__isnull=False),
                name="notice_of_request",
            ),
        ),
    ]
