"""The audit log's screen: what happened, in words; the code of each event stands beside them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.apps import apps
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts import audit, audit_words, catalogue
from accounts.audit_details import details_of, name_objects
from accounts.keys import KeyField, whole_number
from accounts.list_forms import (
    FormFilter,
    LogAdmin,
    NumberedForm,
    day_field,
    first_moment,
    last_moment,
)
from accounts.log_values import values_in
from accounts.modeladmin import user_of
from accounts.models import AuditEvent, Membership, User

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

NUMBERED = ("user", "permissionset", "team", "exportrequest")
"""What has a number beside the kinds of record."""
RESULTS = {"done": gettext_lazy("Done"), "refused": gettext_lazy("Refused")}


def things() -> dict[str, StrOrPromise]:
    """Return what events are about, by what stands before the point in the code of an action."""
    return {**audit.things, **{kind.key: kind.label for kind in catalogue.objects()}}


def in_words(action: str, *, was_refused: bool = False) -> str:
    """Return the code of an action as people read it: “Export: approved”; refused: “approve”."""
    thing, _, verb = action.partition(".")
    return gettext("%(label)s: %(what)s") % {
        "label": things().get(thing, capfirst(thing.replace("_", " "))),
        "what": audit_words.verb(verb, was_refused=was_refused),
    }


def codes(wanted: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the codes of actions that stand in the log and are wanted."""
    return values_in(AuditEvent, "action", wanted)


def _things_by_label() -> list[tuple[str, StrOrPromise]]:
    return sorted(things().items(), key=lambda each: str(each[1]))


def _numbered_by_label() -> list[tuple[str, StrOrPromise]]:
    """Return what events are about whose numbers people read, on pages and in this list."""
    keys = [*(kind.key for kind in catalogue.objects()), *NUMBERED]
    models = {model._meta.model_name: model._meta.verbose_name for model in apps.get_models()}
    named = [(key, capfirst(str(models[key]))) for key in keys if key in models]
    return sorted(named, key=lambda each: each[1])


class AuditForm(NumberedForm):
    """The filters of the audit log."""

    kind_and_number = ("on_kind", "on_number")
    no_such_number = gettext_lazy("Write an object’s number, such as 123.")
    no_kind = gettext_lazy("Choose of which kind the object is.")
    no_number = gettext_lazy("Write the object’s number too.")
    picked: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("actor", "affects"), AuditEvent._meta.get_field("actor")
    )

    about = forms.ChoiceField(
        label=gettext_lazy("About"),
        required=False,
        choices=lambda: [("", gettext("Everything")), *_things_by_label()],
        widget=UnfoldAdminSelectWidget,
    )
    result = forms.ChoiceField(
        label=gettext_lazy("Result"),
        required=False,
        choices=[
            ("", gettext_lazy("All")),
            ("done", gettext_lazy("Done")),
            ("refused", gettext_lazy("Refused")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    actor = KeyField(
        label=audit_words.WHO,
        required=False,
        queryset=User.objects.none(),
        empty_label=gettext_lazy("Everybody"),
    )
    affects = KeyField(
        label=gettext_lazy("Affects the user"),
        required=False,
        queryset=User.objects.none(),
        empty_label=gettext_lazy("Everybody"),
        help_text=gettext_lazy("Changes of their account, their permission set and their teams."),
    )
    on_kind = forms.ChoiceField(
        label=audit_words.OBJECT,
        required=False,
        choices=lambda: [("", gettext("Everything")), *_numbered_by_label()],
        widget=UnfoldAdminSelectWidget,
    )
    on_number = forms.CharField(
        label=gettext_lazy("Object’s number"),
        required=False,
        max_length=30,
        help_text=gettext_lazy("As it stands in this list, or in the address of its page."),
        widget=UnfoldAdminTextInputWidget,
    )
    at_after = day_field(pgettext_lazy("a first day", "From"))
    at_before = day_field(pgettext_lazy("a last day", "To"))


class AuditFilter(FormFilter):
    """All filters of the audit log."""

    form_class = AuditForm
    narrowing: ClassVar[dict[str, tuple[str, Any]]] = {
        "about": ("action__in", lambda thing: codes(lambda code: code.startswith(f"{thing}."))),
        "result": ("result", str),
        "actor": ("actor", lambda chosen: chosen.pk),
        "on_kind": ("object", str),
        "on_number": ("object_id", lambda number: str(whole_number(number))),
        "at_after": ("at__gte", first_moment),
        "at_before": ("at__lt", last_moment),
    }

    def narrowed(self, queryset: QuerySet[Any], wanted: dict[str, Any]) -> QuerySet[Any]:
        queryset = super().narrowed(queryset, wanted)
        return queryset.filter(affects(wanted["affects"])) if wanted["affects"] else queryset


def affects(user: User) -> Q:
    """Hold for events about a user, and about the set and the teams that they have now."""
    teams = map(str, Membership.objects.filter(user=user).values_list("team", flat=True))
    return (
        Q(object="user", object_id=str(user.pk))
        | Q(object="permissionset", object_id=str(user.permission_set_id))
        | Q(object="team", object_id__in=[*teams])
    )


@admin.register(AuditEvent)
class AuditEventAdmin(LogAdmin):
    """The whole trail, for whoever may read it; nobody writes it here."""

    list_display = ("time", "who", "what", "on_what", "outcome", "ip")
    list_display_links = ("time",)
    list_filter = (AuditFilter,)
    search_fields = ("action",)
    search_help_text = gettext_lazy("Search events: export, deal.delete…")
    sortable_by = ()
    in_time_if_asked = ("result", "at_after", "at_before")
    show_add_link = False
    fieldsets = (
        (None, {"fields": ("time", "who", "what", "on_what", "outcome", "ip", "words", "details")}),
        (gettext_lazy("Integrity"), {"fields": ("number", "stamp", "whole_hash", "text_digest")}),
    )
    readonly_fields = (
        *("time", "who", "what", "on_what", "outcome", "words", "details"),
        *("number", "stamp", "whole_hash"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("actor", "text")

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Show of an event's data what this reader may read; the stored row stays as it is."""
        event = super().get_object(request, object_id, from_field)
        if event is not None:
            name_objects([event])
            stored = event.data
            for shown in audit.shown_data:
                event.data = shown(user_of(request), event, event.data)
            if event.data != stored:
                # From a hash of all of it, what is hidden could be found by trying.
                event.row_hash = ""
        return event

    def before_rows_are_shown(self, request: HttpRequest, rows: list[Any]) -> None:
        name_objects(rows)

    @admin.display(description=audit_words.TIME)
    def time(self, obj: AuditEvent) -> str:
        return localize(timezone.localtime(obj.at))

    @admin.display(description=gettext_lazy("Exact time"))
    def stamp(self, obj: AuditEvent) -> str:
        """Return the time as the hash of the row covers it, in UTC."""
        return obj.at.astimezone(UTC).isoformat(sep=" ")

    @admin.display(description=audit_words.WHO)
    def who(self, obj: AuditEvent) -> str:
        return audit_words.who(obj.actor, obj.system)

    @admin.display(description=gettext_lazy("What"))
    def what(self, obj: AuditEvent) -> str:
        """Say what happened, with the code that searches and programs use."""
        said = in_words(obj.action, was_refused=obj.result == "refused")
        return format_html('{}<span class="code">{}</span>', said, obj.action)

    @admin.display(description=audit_words.OBJECT)
    def on_what(self, obj: AuditEvent) -> str:
        """Name people, sets, teams and stages as they are called now; of a record only its number.

        The log shows no record. Two may be called alike: the number stands behind the name.
        """
        kinds = {model._meta.model_name: model._meta.verbose_name for model in apps.get_models()}
        kind = capfirst(str(kinds.get(obj.object, obj.object)))
        numbered = f"{kind} #{obj.object_id}" if obj.object_id else kind or "–"
        name: str = getattr(obj, "object_name", "")
        if not name:
            return numbered
        said = gettext("%(label)s: %(what)s") % {"label": kind, "what": name}
        return format_html('<span title="{}">{}</span>', numbered, said)

    @admin.display(description=gettext_lazy("Result"))
    def outcome(self, obj: AuditEvent) -> str:
        """Tell how it ended; what was refused is seen from afar."""
        said = str(RESULTS.get(obj.result, capfirst(obj.result)))
        look = "chip is-rejected" if obj.result == "refused" else ""
        return format_html('<span class="{}">{}</span>', look, said) if look else said

    @admin.display(description=gettext_lazy("Comment"))
    def words(self, obj: AuditEvent) -> str:
        text = getattr(obj, "text", None)
        if text is not None:
            return str(text.text)
        return gettext("erased") if obj.text_digest else "–"

    @admin.display(description=gettext_lazy("ID"))
    def number(self, obj: AuditEvent) -> str:
        return str(obj.pk)

    @admin.display(description=gettext_lazy("Hash of the row"))
    def whole_hash(self, obj: AuditEvent) -> str:
        return obj.row_hash or gettext(
            "not shown, because it covers details that are hidden from you"
        )

    @admin.display(description=gettext_lazy("Details"))
    def details(self, obj: AuditEvent) -> str:
        if not obj.data:
            return "–"
        lines = format_html_join("", "<dt>{}</dt><dd>{}</dd>", details_of(obj))
        return format_html('<dl class="facts">{}</dl>', lines)
