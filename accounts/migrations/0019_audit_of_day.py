"""The log of a day, or of some days, is found by an index."""

from django.db import migrations, models

from accounts.protection import ProtectTable


class Migration(migrations.Migration):
    dependencies = [("accounts", "0018_old_sessions_end")]

    operations = [
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["at", "id"], name="audit_of_day"),
        ),
        ProtectTable(model="AuditEvent"),
    ]
