"""The site as an app: the admin is ours, and it is the whole user interface."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class SiteConfig(AppConfig):
    """Settings, site and start-up."""

    name = "crmperms"
    verbose_name = "crmperms"

    def ready(self) -> None:
        from accounts.editor.beginnings import templates
        from crmperms.starter import templates as ready_made

        templates.append(ready_made)


class CrmAdminConfig(AdminConfig):
    """Django's admin with our site as the default one."""

    default_site = "crmperms.site.CrmSite"
