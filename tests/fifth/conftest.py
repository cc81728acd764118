"""What lies here runs with settings of its own: test_kinds.py starts it."""

from django.conf import settings

collect_ignore = [] if "tests.fifth" in settings.INSTALLED_APPS else ["test_doors.py"]
