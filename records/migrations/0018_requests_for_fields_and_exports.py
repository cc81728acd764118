"""Requests for access may be about a field or an export, and end undecided (B15)."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0017_stage_exceptions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="accessrequest",
            name="access_request_decided_by_somebody",
        ),
        migrations.AddField(
            model_name="accessrequest",
            name="about",
            field=models.CharField(
                choices=[
                    ("record", "Edit one record"),
                    ("field", "Edit a field of all records that they may edit"),
                    ("export", "Export records of one kind"),
                ],
                default="record",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="accessrequest",
            name="field",
            field=models.CharField(blank=True, max_length=60),
        ),
        migrations.AlterField(
            model_name="accessrequest",
            name="record",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name="accessrequest",
            name="status",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting"),
                    ("granted", "Granted"),
                    ("declined", "Declined"),
                    ("withdrawn", "Withdrawn"),
                    ("lapsed", "Not decided in time"),
                ],
                default="waiting",
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="accessrequest",
            name="until",
            field=models.DateTimeField(
                help_text="Of the share or the exception that it led to. Empty: no end.", null=True
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("record", None), ("status", "waiting")),
                fields=("object", "about", "field", "requester"),
                name="access_requested_once_of_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("about", "record"), ("field", ""), ("record__isnull", False)),
                    models.Q(
                        ("about", "field"), ("record", None), models.Q(("field", ""), _negated=True)
                    ),
                    models.Q(("about", "export"), ("field", ""), ("record", None)),
                    _connector="OR",
                ),
                name="access_request_is_about_one_thing",
            ),
        ),
        migrations.AddConstraint(
            model_name="accessrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                        ("status__in", ["granted", "declined"]),
                    ),
                    models.Q(
                        ("decided_at", None),
                        ("decided_by", None),
                        ("status__in", ["waiting", "withdrawn", "lapsed"]),
                    ),
                    _connector="OR",
                ),
                name="access_request_decided_by_somebody",
            ),
        ),
    ]
