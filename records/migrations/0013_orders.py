"""What lists can be sorted by has an index each."""

from django.conf import settings
from django.db import migrations, models

from accounts.migrating import drawn_once


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0012_pipelines_of_declared_kinds"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="company",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["employees", "id", "owner", "co_owner"],
                name="company_employees",
            ),
        ),
        migrations.AddIndex(
            model_name="company",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["revenue", "id", "owner", "co_owner"],
                name="company_revenue",
            ),
        ),
        migrations.AddIndex(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["amount", "id", "owner", "co_owner"],
                name="deal_amount",
            ),
        ),
        migrations.AddIndex(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["closed", "id", "owner", "co_owner"],
                name="deal_closed",
            ),
        ),
        migrations.AddIndex(
            model_name="ticket",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["opened", "id", "owner", "co_owner"],
                name="ticket_opened",
            ),
        ),
    ]
    operations = drawn_once(operations)
