"""Keep the bin out of the indexes of lists, and index contacts by what they are ordered by."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0002_sensitive_phone"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="company",
            name="company_own_updated",
        ),
        migrations.RemoveIndex(
            model_name="company",
            name="company_own_title",
        ),
        migrations.RemoveIndex(
            model_name="company",
            name="company_co_updated",
        ),
        migrations.RemoveIndex(
            model_name="company",
            name="company_updated",
        ),
        migrations.RemoveIndex(
            model_name="company",
            name="company_title",
        ),
        migrations.RemoveIndex(
            model_name="contact",
            name="contact_own_updated",
        ),
        migrations.RemoveIndex(
            model_name="contact",
            name="contact_own_title",
        ),
        migrations.RemoveIndex(
            model_name="contact",
            name="contact_co_updated",
        ),
        migrations.RemoveIndex(
            model_name="contact",
            name="contact_updated",
        ),
        migrations.RemoveIndex(
            model_name="contact",
            name="contact_title",
        ),
        migrations.RemoveIndex(
            model_name="deal",
            name="deal_own_updated",
        ),
        migrations.RemoveIndex(
            model_name="deal",
            name="deal_own_title",
        ),
        migrations.RemoveIndex(
            model_name="deal",
            name="deal_co_updated",
        ),
        migrations.RemoveIndex(
            model_name="deal",
            name="deal_updated",
        ),
        migrations.RemoveIndex(
            model_name="deal",
            name="deal_title",
        ),
        migrations.RemoveIndex(
            model_name="ticket",
            name="ticket_own_updated",
        ),
        migrations.RemoveIndex(
            model_name="ticket",
            name="ticket_own_title",
        ),
        migrations.RemoveIndex(
            model_name="ticket",
            name="ticket_co_updated",
        ),
        migrations.RemoveIndex(
            model_name="ticket",
            name="ticket_updated",
        ),
        migrations.RemoveIndex(
            model_name="ticket",
            name="ticket_title",
        ),
        migrations.AddIndex(
            model_name="company",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "updated_at", "id"],
                name="company_own_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="company",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "name", "id"],
                name="company_own_title",
            ),
        ),
        migrations.AddIndex(
            model_name="company",
            index=models.Index(
                condition=models.Q(("co_owner__isnull", False), ("deleted_at__isnull", True)),
                fields=["co_owner", "updated_at", "id"],
                name="company_co_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="company",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["-updated_at", "-id", "owner", "co_owner"],
                name="company_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="company",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["name", "id", "owner", "co_owner"],
                name="company_title",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "updated_at", "id"],
                name="contact_own_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "last_name", "first_name", "id"],
                name="contact_own_title",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                condition=models.Q(("co_owner__isnull", False), ("deleted_at__isnull", True)),
                fields=["co_owner", "updated_at", "id"],
                name="contact_co_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["-updated_at", "-id", "owner", "co_owner"],
                name="contact_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["last_name", "first_name", "id", "owner", "co_owner"],
                name="contact_title",
            ),
        ),
        migrations.AddIndex(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "updated_at", "id"],
                name="deal_own_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "name", "id"],
                name="deal_own_title",
            ),
        ),
        migrations.AddIndex(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("co_owner__isnull", False), ("deleted_at__isnull", True)),
                fields=["co_owner", "updated_at", "id"],
                name="deal_co_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["-updated_at", "-id", "owner", "co_owner"],
                name="deal_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["name", "id", "owner", "co_owner"],
                name="deal_title",
            ),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "updated_at", "id"],
                name="ticket_own_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["owner", "subject", "id"],
                name="ticket_own_title",
            ),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(("co_owner__isnull", False), ("deleted_at__isnull", True)),
                fields=["co_owner", "updated_at", "id"],
                name="ticket_co_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["-updated_at", "-id", "owner", "co_owner"],
                name="ticket_updated",
            ),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["subject", "id", "owner", "co_owner"],
                name="ticket_title",
            ),
        ),
    ]
