"""The middle floor as a Django app; it fills the ground floor's slots with what records add."""

from typing import cast

from django.apps import AppConfig
from django.utils.translation import gettext_lazy


class RecordsConfig(AppConfig):
    """Records of every kind, and the pipelines they move through."""

    name = "records"
    verbose_name = "CRM"

    def ready(self) -> None:
        from accounts.access import given_one_by_one
        from accounts.audit import shown_data, things
        from accounts.audit_details import field_labels, kinds_of_keys, named
        from accounts.delegation import opened_by_name
        from accounts.modeladmin import AccessModelAdmin
        from accounts.notices import hidden
        from accounts.operations import on_leaving, where_named
        from accounts.person_access import sections_about
        from accounts.policy_file import sections
        from accounts.to_decide import kinds as kinds_of_request
        from accounts.trigrams import indexed
        from records import checks  # noqa: F401  # importing the checks registers them
        from records.history import without_hidden_fields
        from records.kinds import every
        from records.models import Pipeline, Stage
        from records.models.beyond import beyond
        from records.models.properties import label_of_field
        from records.models.rules import given_by_exceptions, given_by_shares
        from records.operations import exceptions, sharing
        from records.operations.access_requests import KIND as ACCESS_REQUEST
        from records.operations.screen_limit import hidden_notices
        from records.policy_file import SECTIONS
        from records.screens.about import shares_about
        from records.screens.access import owners_panel
        from records.screens.bin import bin_tool
        from records.screens.exceptions import exceptions_panel
        from records.screens.past import time_machine_tool
        from records.screens.requests_waiting import REQUESTS
        from records.screens.shares import shares_panel
        from records.screens.teams import places

        about = {
            "access_request": gettext_lazy("Request for access"),
            "pipeline": gettext_lazy("Pipeline"),
            "stage": gettext_lazy("Stage"),
            "property": gettext_lazy("Field"),
            "import": gettext_lazy("Import"),
            "screen_limit": gettext_lazy("Sensitive data on screens"),
        }
        things.update(cast("dict[str, str]", about))
        named.update({"pipeline": Pipeline, "stage": Stage})
        kinds_of_keys.update({"pipeline": "pipeline", "stage": "stage", "stages": "stage"})
        field_labels.append(label_of_field)
        indexed.extend(kind.model for kind in every())
        opened_by_name.append(beyond)
        given_one_by_one.extend((given_by_shares, given_by_exceptions))
        sections_about.append(shares_about)
        on_leaving.extend((sharing.end_with_receiver, exceptions.end_with_receiver))
        where_named.append(places)
        hidden.append(hidden_notices)
        kinds_of_request[ACCESS_REQUEST] = REQUESTS
        sections.extend(SECTIONS)
        AccessModelAdmin.record_panels.extend((shares_panel, exceptions_panel, owners_panel))
        AccessModelAdmin.list_tools.append(bin_tool)
        AccessModelAdmin.list_tools.append(time_machine_tool)
        shown_data.append(without_hidden_fields)
