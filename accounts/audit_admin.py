"""The audit log's screen: what happened, in words; the code of each event stands beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import audit, catalogue
from accounts.audit_details import details_of
from accounts.keys import KeyField
from accounts.list_forms import FormFilter, ListForm, LogAdmin, day_field, first_moment, last_moment
from accounts.log_values import values_in
from accounts.modeladmin import person
from accounts.models import AuditEvent, User

# What comes after the point in the code of an action; anything else reads as it is written.
VERBS = {
    "accept_invitation": "invitation accepted",
    "apply": "applied",
    "approve": "approved",
    "arrange": "arranged",
    "arrive": "new with an upgrade",
    "ask_new_password": "new password asked for by e-mail",
    "associate": "linked with another record",
    "assign": "given",
    "assign_set": "permission set given",
    "back_to_pending": "waits for a decision again",
    "cancel": "cancelled",
    "change": "changed",
    "confirm_password": "wrong old password",
    "change_own_password": "own password changed",
    "claim": "begun",
    "create": "created",
    "deactivate": "deactivated",
    "decide": "decided on",
    "delete": "deleted",
    "dissociate": "link with another record removed",
    "download": "downloaded",
    "edit_permissions": "permissions edited",
    "end": "ended",
    "end_others": "all others ended",
    "expire": "file expired",
    "fail": "failed",
    "finish": "finished",
    "flag": "sensitivity changed",
    "forget": "rule of a field that is gone removed",
    "import": "imported from a table",
    "invite": "invited",
    "lapse": "not decided in time",
    "lift_log_in_pause": "log-in pause ended",
    "login": "logged in",
    "login_failed": "log-in failed",
    "login_turned_away": "log-in refused, paused after wrong passwords",
    "logout": "logged out",
    "make_partner_admin": "made partner admin",
    "make_super_admin": "made super admin",
    "merge": "merged",
    "narrow": "columns left out",
    "reactivate": "reactivated",
    "reach": "reached",
    "recall": "recalled",
    "receive": "got what an upgrade brought",
    "reject": "rejected",
    "remind": "approvers reminded",
    "remove_partner_admin": "partner admin taken away",
    "remove_super_admin": "super admin taken away",
    "request": "requested",
    "reset_own_password": "password changed by a link from an e-mail",
    "restore": "restored",
    "restrict": "access changed",
    "reveal": "value shown",
    "run": "run",
    "save": "saved",
    "seed": "filled",
    "set": "set",
    "set_all_on": "“HubSpot-compatible: all on” moved",
    "set_password": "password set",
    "set_rule": "stage rule changed",
    "set_teams": "teams changed",
    "share": "shared",
    "unshare": "share ended",
}


def things() -> dict[str, str]:
    """Return what events are about, by what stands before the point in the code of an action."""
    return {**audit.things, **{kind.key: kind.label for kind in catalogue.objects()}}


def in_words(action: str) -> str:
    """Return the code of an action as people read it: “Export: approved”."""
    thing, _, verb = action.partition(".")
    named = things().get(thing, capfirst(thing.replace("_", " ")))
    return f"{named}: {VERBS.get(verb, verb.replace('_', ' '))}"


def codes(wanted: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the codes of actions that stand in the log and are wanted."""
    return values_in(AuditEvent, "action", wanted)


class AuditForm(ListForm):
    """The filters of the audit log."""

    picked: ClassVar[dict[str, Any]] = {"actor": AuditEvent._meta.get_field("actor")}

    about = forms.ChoiceField(
        label="About",
        required=False,
        choices=lambda: [("", "Everything"), *sorted(things().items(), key=lambda each: each[1])],
        widget=UnfoldAdminSelectWidget,
    )
    result = forms.ChoiceField(
        label="Result",
        required=False,
        choices=[("", "All"), ("done", "Done"), ("refused", "Refused")],
        widget=UnfoldAdminSelectWidget,
    )
    actor = KeyField(
        label="Who", required=False, queryset=User.objects.none(), empty_label="Everybody"
    )
    at_after = day_field("From")
    at_before = day_field("To")


class AuditFilter(FormFilter):
    """All filters of the audit log."""

    form_class = AuditForm
    narrowing: ClassVar[dict[str, tuple[str, Any]]] = {
        "about": ("action__in", lambda thing: codes(lambda code: code.startswith(f"{thing}."))),
        "result": ("result", str),
        "actor": ("actor", lambda chosen: chosen.pk),
        "at_after": ("at__gte", first_moment),
        "at_before": ("at__lt", last_moment),
    }


@admin.register(AuditEvent)
class AuditEventAdmin(LogAdmin):
    """The whole trail, for whoever may read it; nobody writes it here."""

    list_display = ("time", "who", "what", "on_what", "outcome", "ip")
    list_display_links = ("time",)
    list_filter = (AuditFilter,)
    search_fields = ("action",)
    search_help_text = "Search code: export, deal.change, person…"
    sortable_by = ()
    in_time_if_asked = ("result", "at_after", "at_before")
    show_add_link = False
    fieldsets = (
        (None, {"fields": ("time", "who", "what", "on_what", "ended", "ip", "words", "details")}),
        ("Integrity", {"fields": ("number", "whole_hash", "text_digest")}),
    )
    readonly_fields = (
        *("time", "who", "what", "on_what", "ended", "words", "details"),
        *("number", "whole_hash"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("actor", "text")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Show of an event's data what this reader may read; the stored row stays as it is."""
        event = super().get_object(request, object_id, from_field)
        if event is not None:
            stored = event.data
            for shown in audit.shown_data:
                event.data = shown(person(request), event, event.data)
            if event.data != stored:
                # From a hash of all of it, what is hidden could be found by trying.
                event.row_hash = ""
        return event

    @display(description="Time")
    def time(self, obj: AuditEvent) -> datetime:
        return obj.at

    @display(description="Who")
    def who(self, obj: AuditEvent) -> str:
        return str(obj.actor) if obj.actor else f"the system ({obj.system})"

    @display(description="What")
    def what(self, obj: AuditEvent) -> str:
        """Say what happened, with the code that searches and programs use."""
        return format_html('{}<span class="code">{}</span>', in_words(obj.action), obj.action)

    @display(description="Object")
    def on_what(self, obj: AuditEvent) -> str:
        """Name the thing by kind and number only: the log shows no record."""
        kinds = {model._meta.model_name: model._meta.verbose_name for model in apps.get_models()}
        kind = capfirst(str(kinds.get(obj.object, obj.object)))
        return f"{kind} #{obj.object_id}" if obj.object_id else kind or "–"

    @display(description="Result", label={"Refused": "danger"})
    def outcome(self, obj: AuditEvent) -> str:
        """Tell what was refused; that all else was done goes without saying."""
        return "Refused" if obj.result == "refused" else ""

    @display(description="Result")
    def ended(self, obj: AuditEvent) -> str:
        return capfirst(obj.result)

    @display(description="Comment")
    def words(self, obj: AuditEvent) -> str:
        text = getattr(obj, "text", None)
        if text is not None:
            return str(text.text)
        return "erased" if obj.text_digest else "–"

    @display(description="ID")
    def number(self, obj: AuditEvent) -> str:
        return str(obj.pk)

    @display(description="Hash of the row")
    def whole_hash(self, obj: AuditEvent) -> str:
        return obj.row_hash or "not shown, because it covers details that are hidden from you"

    @display(description="Details")
    def details(self, obj: AuditEvent) -> str:
        if not obj.data:
            return "–"
        lines = format_html_join("", "<dt>{}</dt><dd>{}</dd>", details_of(obj))
        return format_html('<dl class="facts">{}</dl>', lines)
