"""The base of every screen: its pages, and the slots that upper layers fill."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy

from accounts import audit
from accounts.errors import NotAllowed, Unanswered
from accounts.keys import is_key
from accounts.modeladmin.requests import opened
from accounts.modeladmin.saving import SavingAdmin
from accounts.models import User
from accounts.operations import AccountsError
from accounts.review import Unconfirmed, sent_once_more

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

FOR_SLUGS = frozenset(
    f"admin/js/{name}.js"
    for name in ("prepopulate", "urlify", "vendor/xregexp/xregexp", "vendor/xregexp/xregexp.min")
)
"""What Django's admin sends with every list and form: 200 KB."""


class AfterThePage(forms.Media):
    """What a page needs in the browser, with scripts that run once all of it is there.

    A list is read before its pickers and tick boxes work: 200 KB of scripts need not hold it up.
    """

    def __init__(self, media: forms.Media) -> None:
        super().__init__()
        parts: Any = media  # which no stub knows
        self._css_lists, self._js_lists = parts._css_lists, parts._js_lists

    def __getitem__(self, name: str) -> AfterThePage:
        """Return the scripts, or the style sheets, as templates ask for them one by one."""
        return AfterThePage(super().__getitem__(name))

    def render_js(self) -> list[SafeString]:
        parts: Any = self
        return [
            path.__html__()
            if hasattr(path, "__html__")
            else format_html('<script src="{}" defer></script>', self.absolute_path(path))
            for path in parts._js
        ]


class AccessModelAdmin(SavingAdmin):
    """The base of every screen: rows, fields, actions and answers by the access engine."""

    # Any, since Unfold gives these the type of their empty values, which no screen could replace.
    add_fieldsets: Any = ()
    change_form_before_template: Any = None
    change_form_after_template: Any = None
    change_form_outer_before_template: Any = None
    change_form_outer_after_template: Any = None
    list_before_template: Any = "accounts/list_head.html"
    list_after_template: Any = None
    # Unfold's templates ask for these, in each row of a form or list, and Unfold declares some of
    # them only as annotations: Django looks through all names of a screen for one that is absent.
    conditional_fields: Any = {}
    list_sections: Any = ()
    change_form_show_cancel_button = False

    refusals: ClassVar[tuple[type[Exception], ...]] = (AccountsError,)
    """What this layer's operations raise; shown on the form, with everything typed kept."""

    record_panels: ClassVar[list[Callable[[HttpRequest, Model], str]]] = []
    """A slot for upper layers: pieces of HTML below a record (exports that contained it, …)."""
    list_tools: ClassVar[
        list[Callable[[HttpRequest, AccessModelAdmin], dict[str, Any] | None]]
    ] = []
    """A slot for upper layers: links above a list ({title, url, icon}), or None."""

    warnings: ClassVar[list[Callable[[User], list[str]]]] = []
    """A slot for upper layers: what a super admin is warned of, as people and rights stand now."""

    what_becomes: StrOrPromise = gettext_lazy(
        "It is deleted for good. The audit log keeps that it was there."
    )
    """What deleting one of these does, for the page that asks."""
    in_palette = 0
    """In which place the command palette shows rows of this model; 0: it finds none."""
    palette_icon = "data_object"
    """The sign beside a row that the palette found."""
    picker_fields: ClassVar[tuple[str, ...]] = ()
    """What a picker elsewhere may search by: names and nothing else (R7)."""
    associated: ClassVar[tuple[str, ...]] = ()
    """Relations of other records to this one (`deals`), which may be linked from here (R109 b)."""

    @property
    def media(self) -> forms.Media:
        """What a page of this screen needs in the browser; nothing that fills in slugs."""
        media: forms.Media = super().media
        if self.prepopulated_fields:
            return media
        parts: Any = media  # which no stub knows
        kept = [each for each in parts._js if str(each) not in FOR_SLUGS]
        return forms.Media(css=parts._css, js=kept)

    # Pages ------------------------------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # Unfold promises a TemplateResponse; an action or a wrong address redirects
        if not self.has_view_permission(request):
            raise PermissionDenied
        self.check_address(request)
        if not all(is_key(key) for key in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("These are not ticked rows of a list.")
        tools = [tool(request, self) for tool in self.list_tools]
        context = {"list_tools": [t for t in tools if t], **(extra_context or {})}
        context.setdefault("title", capfirst(self.opts.verbose_name_plural))
        answer = super().changelist_view(request, context)
        shown = getattr(answer, "context_data", None) or {}
        if "cl" in shown:
            # The admin includes what its own widgets need, and nothing of the filters' widgets.
            for each in shown["cl"].filter_specs:
                shown["media"] += getattr(each, "media", forms.Media())
            shown["media"] = AfterThePage(shown["media"])
        return answer

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if {"_saveasnew", "dataset", "_popup", "_to_field"} & {*request.POST, *request.GET}:
            raise BadRequest("This form has no such button.")  # L34, L61, L18
        obj = None
        if object_id is None:
            if not self.has_add_permission(request):
                raise PermissionDenied
        else:
            obj = self.found(request, object_id)
            if request.method == "POST" and not self.has_change_permission(request, obj):
                return self.refuse(request, obj, "change")
        context = {**self.record_context(request, obj), **(extra_context or {})}
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except Unconfirmed as unconfirmed:
            return unconfirmed.page
        except self.refusals as refusal:
            audit.write_down(refusal)  # Django’s transaction took it back
            if isinstance(refusal, NotAllowed) and obj is not None:
                return self.refuse(request, obj, "change", refusal)
            # Shown on the form, with everything that was typed (see AccessForm.clean).
            request.refusal = refusal  # type: ignore[attr-defined]  # for this request's form
            if isinstance(refusal, Unanswered):
                # With all that was sent: “yes” is about exactly that.
                context |= {"asks": refusal, "sent": sent_once_more(request)}
            return super().changeform_view(request, object_id, form_url, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Include what panels beside the form need in the browser, as the form's own widgets do."""
        context["media"] += context.get("panels_media", forms.Media())
        answer: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return answer

    def record_context(self, request: HttpRequest, obj: Model | None) -> dict[str, Any]:
        """Return what a record's page shows beside its form."""
        context: dict[str, Any] = {"show_save_and_add_another": False}
        if obj is not None:
            panels = [panel(request, obj) for panel in self.record_panels]
            context["record_panels"] = [panel for panel in panels if panel]
            # Once more what was opened, where a form was refused: to send it again is not to have
            # read what it says now.
            context["as_opened"] = opened(request) or self.as_it_stands(obj)
        return context

    def as_it_stands(self, obj: Model) -> str:
        """Return a mark of what this form writes, for screens whose operation compares it.

        They show it by the template `accounts/as_opened.html` and hand over what `opened` returns.
        """
        return ""

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.found(request, object_id)
        if not self.has_delete_permission(request, obj):
            return self.refuse(request, obj, "delete")
        try:
            context = {"what_becomes": self.what_becomes, **(extra_context or {})}
            return super().delete_view(request, object_id, context)
        except Unconfirmed as unconfirmed:
            return unconfirmed.page
        except self.refusals as refusal:
            audit.write_down(refusal)  # Django’s transaction took it back
            if isinstance(refusal, NotAllowed):
                return self.refuse(request, obj, "delete", refusal)
            self.message_user(request, str(refusal), level="error")
            return HttpResponseRedirect(request.path.removesuffix("delete/") + "change/")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        raise Http404
