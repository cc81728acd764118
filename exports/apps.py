"""The top floor as a Django app; it fills the slots of the floors below."""

from typing import cast

from django.apps import AppConfig
from django.utils.translation import gettext_lazy, pgettext_lazy


class ExportsConfig(AppConfig):
    """Taking data out, with consent."""

    name = "exports"
    verbose_name = gettext_lazy("Exports")

    def ready(self) -> None:
        from accounts.audit import shown_data, things
        from accounts.modeladmin import AccessModelAdmin
        from accounts.notices import hidden
        from accounts.operations import on_leaving, on_permissions_changing
        from accounts.operations.arrivals import on_all_on
        from accounts.person_access import about_person, sections_about
        from accounts.person_access import links_about as links_about_person
        from accounts.policy_file import sections
        from accounts.to_decide import kinds as kinds_of_request
        from exports import checks  # noqa: F401  # importing the checks registers them
        from exports.about import exports_about, links_about, sentences_about
        from exports.hashes import without_plain_hashes
        from exports.left_to_decide import on_permissions_changing as leaving_somebody_to_decide
        from exports.left_to_decide import warnings
        from exports.operations import end_with_requester
        from exports.operations.profiles import rename_in_profiles
        from exports.operations.setting import new_permissions_arrive_on
        from exports.policy_file import APPROVALS
        from exports.screens.from_list import export_ticked, export_tool
        from exports.screens.panel import exports_panel
        from exports.screens.waiting import EXPORTS
        from exports.steps import KIND, hidden_notices
        from exports.tables import without_hidden_columns
        from records.migrating import also_named

        things.update(
            {
                "export": pgettext_lazy("noun", "Export"),
                "export_policy": gettext_lazy("Approvals"),
                "export_alert": gettext_lazy("Alert about large exports"),
                "export_profile": gettext_lazy("Export profile"),
                "delegation": gettext_lazy("Stand-in for an approver"),
            }
        )
        shown_data.append(without_hidden_columns)
        shown_data.append(without_plain_hashes)
        about_person.append(sentences_about)
        sections_about.append(exports_about)
        links_about_person.append(links_about)
        on_all_on.append(new_permissions_arrive_on)
        on_leaving.append(end_with_requester)
        also_named.append(rename_in_profiles)
        on_permissions_changing.append(leaving_somebody_to_decide)
        hidden.append(hidden_notices)
        kinds_of_request[KIND] = EXPORTS
        sections.append(APPROVALS)
        AccessModelAdmin.list_tools.append(export_tool)
        AccessModelAdmin.record_panels.append(exports_panel)
        AccessModelAdmin.warnings.append(warnings)
        AccessModelAdmin.row_actions["export_ticked"] = (
            export_ticked,
            # Read by the admin for each page; it declares text.
            cast("str", gettext_lazy("Export ticked records")),
        )
