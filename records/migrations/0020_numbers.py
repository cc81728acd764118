"""Search finds phone numbers by their digits, by an index.

For a million contacts it takes some 10 seconds on SQLite, and 20 on PostgreSQL.
"""

from django.db import migrations

from accounts.trigrams import NUMBERS, SearchIndex


class Migration(migrations.Migration):
    dependencies = [("records", "0019_requests_about_links")]

    operations = [SearchIndex("contact", ("phone",), NUMBERS)]
