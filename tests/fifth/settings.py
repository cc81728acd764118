"""The product's settings, with the app of the fifth kind beside it."""

from crmperms.settings import *  # noqa: F403  # whatever the product runs with
from crmperms.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.fifth"]
