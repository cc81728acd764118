"""Settings → Approvals: when an export needs consent, who gives it, one's alert (R111, E47)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import BadRequest, PermissionDenied
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts import access
from accounts.keys import whole_number
from accounts.modeladmin import AccessModelAdmin, say_saved, user_of
from accounts.models import User
from accounts.words import counted
from exports import deciders, left_to_decide, operations, policy
from exports.models import ExportPolicy, LargeExportAlert
from exports.operations import ExportError, InvalidSetting, NotAllowed
from exports.screens.forms import AlertForm, PolicyForm
from exports.steps import in_words

PAGE = "admin:exports_exportpolicy_changelist"


@admin.register(ExportPolicy)
class ExportPolicyAdmin(AccessModelAdmin):
    """One page: what holds now, the dialog that changes it in three steps, and one's own alert."""

    refusals = (ExportError,)
    logged_as = "export_policy"
    show_add_link = False

    def get_urls(self) -> list[URLPattern]:
        alert = path(
            "alert/", self.admin_site.admin_view(self.alert_view), name="exports_exportpolicy_alert"
        )
        return [alert, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse
        """There is one policy: show it, and not a list of one."""
        self._require_view(request)
        if request.GET:
            raise BadRequest(gettext("This page has no filters."))
        return self._page(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the page with its dialog open, and on POST write what was entered there."""
        stored = self.found(request, object_id)
        if not self.has_change_permission(request, stored):
            return self.refuse(request, stored, "change")
        if request.method != "POST":
            return self._page(request, _form_of(stored))
        form = PolicyForm(request.POST)
        if form.is_valid():
            try:
                operations.change_policy(
                    actor=user_of(request),
                    version=whole_number(request.POST.get("record_version")),
                    **{n: v for n, v in form.cleaned_data.items() if v != ""},
                )
            except NotAllowed as refusal:
                return self.refuse(request, stored, "change", refusal)
            except InvalidSetting as refusal:
                form.add_error(refusal.field, str(refusal))
            except ExportError as refusal:
                form.add_error(None, str(refusal))
            else:
                say_saved(
                    request,
                    gettext(
                        "Saved. It holds for new requests; what waits still waits for a decision."
                    ),
                )
                return HttpResponseRedirect(reverse(PAGE))
        return self._page(request, form)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """There is one policy, always."""
        return False

    def alert_view(self, request: HttpRequest) -> HttpResponse:
        """Write from how many records on this super admin hears of an export."""
        self._require_view(request)
        if request.method != "POST":
            return HttpResponseRedirect(reverse(PAGE))
        form = AlertForm(request.POST)
        if form.is_valid():
            records = form.cleaned_data["records"]
            try:
                operations.set_alert(actor=user_of(request), records=records)
            except InvalidSetting as refusal:
                form.add_error(refusal.field, str(refusal))
            else:
                said = gettext("Saved. You are not told about large exports.")
                if records is not None:
                    told = gettext("Saved. You are told about exports above %(records)s.")
                    said = told % {"records": in_words(records)}
                say_saved(request, said)
                return HttpResponseRedirect(reverse(PAGE))
        return self._page(request, alert=form)

    def _require_view(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _page(
        self,
        request: HttpRequest,
        form: PolicyForm | None = None,
        alert: AlertForm | None = None,
    ) -> TemplateResponse:
        """Draw the page; a `form` given is shown in the open dialog."""
        user, now = user_of(request), policy.current()
        mine = LargeExportAlert.objects.filter(user=user).values_list("records", flat=True).first()
        version = request.POST.get("record_version") if form and form.is_bound else now.version
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Approvals"),
            "opts": self.opts,
            "policy": now,
            "warnings": left_to_decide.warnings(user),
            "described": described(now),
            "form": form or _form_of(now),
            "version": version,
            "dialog_open": form is not None,
            "alert": alert or AlertForm(initial={"records": mine}),
            "approvers": _with_reasons(deciders.DECIDE),
            "exempt": _with_reasons(deciders.EXEMPT),
        }
        return TemplateResponse(request, "exports/policy.html", context)


def _form_of(now: ExportPolicy) -> PolicyForm:
    return PolicyForm(initial=model_to_dict(now))


def _with_reasons(tool: str) -> list[User]:
    """Return who has this tool, each with the set it comes from and whether Export goes with it."""
    exporters = set(access.holders("crm.export").values_list("pk", flat=True))
    # Also those for whom it has no effect, which the page says beside their names (Q8).
    people = list(access.given_to(tool).select_related("permission_set"))
    for each in people:
        each.without_export = each.pk not in exporters  # type: ignore[attr-defined]  # for the template
    return people


def described(now: ExportPolicy) -> list[tuple[str, str]]:
    """Return what holds, in words: (what, how)."""
    return [
        (gettext("Requires approval"), _required(now)),
        (gettext("Per person"), _per_person(now)),
        (gettext("Second person"), _second_person(now)),
        (gettext("Purpose"), str(_PURPOSE[now.purpose_required])),
        (
            gettext("A request"),
            ngettext(
                "Ends after %(count)s day if nobody decides on it.",
                "Ends after %(count)s days if nobody decides on it.",
                now.lapse_days,
            )
            % {"count": counted(now.lapse_days)},
        ),
        (gettext("A file"), _fetched(now)),
    ]


_PURPOSE = {
    "never": gettext_lazy("Not required."),
    "approval": gettext_lazy("Required for every export that needs approval."),
    "always": gettext_lazy("Required for every export, with approval or without."),
}


def _required(now: ExportPolicy) -> str:
    if now.threshold == 0:
        return gettext("Every export that is not empty, and every one with a sensitive field.")
    return gettext(
        "Every export of more than %(count)s records, and every one with a sensitive field."
    ) % {"count": counted(now.threshold)}


def _per_person(now: ExportPolicy) -> str:
    daily, weekly = now.daily_records, now.weekly_records
    if daily is None and weekly is None:
        return gettext(
            "No limit: many small exports one after the other need no approval. A limit is "
            "recommended."
        )
    said = gettext(
        "At most %(daily)s records in 24 hours and %(weekly)s records in 7 days without approval, "
        "over all objects."
    )
    if weekly is None:
        said = gettext("At most %(daily)s records in 24 hours without approval, over all objects.")
    elif daily is None:
        said = gettext("At most %(weekly)s records in 7 days without approval, over all objects.")
    return said % {"daily": counted(daily or 0), "weekly": counted(weekly or 0)}


def _second_person(now: ExportPolicy) -> str:
    most = now.second_person_above
    if most is None:
        return gettext("Never needed by people who export without approval.")
    return ngettext(
        "Above %(count)s record in 24 hours people who export without approval need somebody’s "
        "approval too.",
        "Above %(count)s records in 24 hours people who export without approval need somebody’s "
        "approval too.",
        most,
    ) % {"count": counted(most)}


def _fetched(now: ExportPolicy) -> str:
    days = ngettext("%(count)s day", "%(count)s days", now.file_days)
    said = ngettext(
        "Can be downloaded for %(days)s, once, by its requester alone.",
        "Can be downloaded for %(days)s, at most %(count)s times, by its requester alone.",
        now.most_downloads,
    )
    return said % {
        "days": days % {"count": counted(now.file_days)},
        "count": counted(now.most_downloads),
    }
