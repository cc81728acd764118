"""The door for web servers: `gunicorn crmperms.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmperms.settings")
application = get_wsgi_application()
