"""Say per field who may read and edit its values, and which appear only after a click (R8, E30)."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_protect_audit_log"),
        ("records", "0002_sensitive_phone"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PropertyGrant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "level",
                    models.CharField(
                        choices=[("view", "View"), ("edit", "View and edit")], max_length=10
                    ),
                ),
            ],
        ),
        migrations.AlterModelOptions(
            name="property",
            options={
                "ordering": ("object", "name"),
                "verbose_name": "field",
                "verbose_name_plural": "fields",
            },
        ),
        migrations.AddField(
            model_name="property",
            name="access",
            field=models.CharField(
                choices=[
                    ("everyone_edit", "Everyone may view and edit"),
                    ("everyone_view", "Everyone may view, super admins edit"),
                    ("chosen", "Chosen people and teams"),
                    ("super_admins", "Private to super admins"),
                ],
                default="everyone_edit",
                help_text="Whoever may not view a field does not learn that it exists. Super admins always view and edit it; nobody edits more records than their permissions allow.",
                max_length=20,
                verbose_name="who may use it",
            ),
        ),
        migrations.AddField(
            model_name="property",
            name="highly_sensitive",
            field=models.BooleanField(
                default=False,
                help_text="Values appear only after a click, and every such click is logged. Nobody filters or sorts by them. Always sensitive too.",
            ),
        ),
        migrations.AddConstraint(
            model_name="property",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("highly_sensitive", False), ("sensitive", True), _connector="OR"
                ),
                name="highly_sensitive_is_sensitive",
            ),
        ),
        migrations.AddField(
            model_name="propertygrant",
            name="property",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="grants",
                to="records.property",
            ),
        ),
        migrations.AddField(
            model_name="propertygrant",
            name="team",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="accounts.team",
            ),
        ),
        migrations.AddField(
            model_name="propertygrant",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="propertygrant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("team__isnull", True), ("user__isnull", False)),
                    models.Q(("team__isnull", False), ("user__isnull", True)),
                    _connector="OR",
                ),
                name="property_grant_has_one_receiver",
            ),
        ),
        migrations.AddConstraint(
            model_name="propertygrant",
            constraint=models.UniqueConstraint(
                fields=("property", "user"), name="property_grant_user_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="propertygrant",
            constraint=models.UniqueConstraint(
                fields=("property", "team"), name="property_grant_team_once"
            ),
        ),
    ]
