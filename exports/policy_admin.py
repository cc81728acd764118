"""Settings → Export approvals: when an export needs consent, and who gives it (R111, R115)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
)
from django.urls import reverse

from accounts import access
from accounts.modeladmin import AccessModelAdmin, person
from exports import operations
from exports.forms import PolicyForm, whole_number
from exports.models import ExportPolicy
from exports.operations import ExportError


@admin.register(ExportPolicy)
class ExportPolicyAdmin(AccessModelAdmin):
    """When an export needs consent, and who gives it or needs none (R111, R115)."""

    refusals = (ExportError,)
    form = PolicyForm
    fieldsets = (
        ("1 · Consent", {"fields": ("require_approval",)}),
        ("2 · From how many records", {"fields": ("threshold",)}),
        ("3 · How long", {"fields": (("lapse_days", "file_days"),)}),
    )
    change_form_before_template = "records/form_top.html"
    change_form_after_template = "exports/policy_people.html"
    show_add_link = False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse
        """There is one policy: go straight to it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:exports_exportpolicy_change", args=[1]))

    def record_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().record_context(request, obj)
        context["show_save_and_continue"] = False
        context["approvers"] = access.holders("crm.export_approver")
        context["exempt"] = access.holders("crm.export_without_approval")
        return context

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values = form.cleaned_data
        operations.change_policy(
            actor=person(request),
            require_approval=values["require_approval"],
            threshold=values["threshold"],
            lapse_days=values["lapse_days"],
            file_days=values["file_days"],
            version=whole_number(request.POST.get("record_version")),
        )

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        messages.success(request, "Saved. It holds from now on; waiting requests still wait.")
        return HttpResponseRedirect(request.path)
