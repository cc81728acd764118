"""Make the audit log append-only in the database itself."""

from django.db import migrations

from accounts.protection import ProtectTable


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [ProtectTable(model="AuditEvent")]
