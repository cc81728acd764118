"""Requests for access may be about what a restricted link leads to (B15)."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0018_requests_for_fields_and_exports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="accessrequest",
            name="access_requested_once",
        ),
        migrations.RemoveConstraint(
            model_name="accessrequest",
            name="access_request_is_about_one_thing",
        ),
        migrations.AddField(
            model_name="accessrequest",
            name="via",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="accessrequest",
            name="via_object",
            field=models.CharField(
                blank=True,
                help_text="Whose field leads to the record; of links alone.",
                max_length=60,
            ),
        ),
        migrations.AlterField(
            model_name="accessrequest",
            name="about",
            field=models.CharField(
                choices=[
                    ("record", "Edit one record"),
                    ("linked", "See the record that a link leads to"),
                    ("field", "Edit a field of all records that they may edit"),
                    ("export", "Export records of one kind"),
                ],
                default="record",
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("about", "record"), ("status", "waiting")),
                fields=("object", "record", "requester"),
                name="access_requested_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("about", "linked"), ("status", "waiting")),
                fields=("via_object", "via", "field", "requester"),
                name="access_requested_once_of_link",
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("about", "record"), ("field", ""), ("record__isnull", False), ("via", None)
                    ),
                    models.Q(
                        ("about", "linked"),
                        ("record__isnull", False),
                        ("via__isnull", False),
                        models.Q(("field", ""), _negated=True),
                    ),
                    models.Q(
                        ("about", "field"),
                        ("record", None),
                        ("via", None),
                        models.Q(("field", ""), _negated=True),
                    ),
                    models.Q(("about", "export"), ("field", ""), ("record", None), ("via", None)),
                    _connector="OR",
                ),
                name="access_request_is_about_one_thing",
            ),
        ),
    ]
