"""What was refused is found by an index."""

from django.db import migrations, models

from accounts.protection import ProtectTable


class Migration(migrations.Migration):
    dependencies = [("accounts", "0019_audit_of_day")]

    operations = [
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                condition=models.Q(("result", "refused")),
                fields=["at", "id"],
                name="audit_refused",
            ),
        ),
        ProtectTable(model="AuditEvent"),
    ]
