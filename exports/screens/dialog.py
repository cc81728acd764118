"""The request dialog: from a list, its filter or its ticked rows, to a request (R117, E39)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID, uuid4

from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    QueryDict,
)
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext

from accounts import access
from accounts.keys import whole_number
from accounts.modeladmin import page_address, user_of
from accounts.words import counted
from exports import operations, tables
from exports.language import as_installed
from exports.models import ExportProfile, ExportRequest
from exports.operations import ExportError
from exports.policy import Usage
from exports.screens.forms import ApproversForm, ColumnsForm, Offered, PurposeForm, headers_in_words
from exports.screens.from_list import back_to_list, list_address, list_columns, ticked_rows
from exports.screens.panel import panel_address
from exports.screens.why_needed import Reason, reasons
from exports.steps import S
from records import filters, kinds, query_words
from records.models import Record
from records.models.properties import sensitive_keys
from records.screens.listing import canonical_query

UPDATE = "update"
"""The step of a page that is drawn anew by itself; it keeps nothing, and asks for nothing."""


def new_view(request: HttpRequest, key: str) -> HttpResponse:
    """Ask what the file shall hold, then run it at once or ask whose consent is sought."""
    kind = kinds.named(key)
    if kind is None:
        raise Http404
    model, user = kind.model, user_of(request)
    if not access.allows_any(user, access.EXPORT, model):
        return _refused(request, kind)
    source: Any = admin.site._registry[model]  # a screen of records, which Django does not know
    source.check_address(request, "ids")
    is_update = request.POST.get("step") == UPDATE
    try:
        query = canonical_query(request, source, model)
        dialog = Dialog(request, model, list_columns(request, source), query, ticked_rows(request))
        if answer := dialog.answer():
            return answer
    except (filters.InvalidValue, ExportError) as refusal:
        return back_to_list(request, model, refusal, is_update=is_update)
    except filters.BadQuery as error:
        raise BadRequest(str(error)) from error
    context = {"kind": kind, "dialog": dialog}
    if is_update:
        # Of any other answer, as that of a log-in page, nothing is put into the page.
        return TemplateResponse(
            request, "exports/new_update.html", context, headers={"X-Update": "1"}
        )
    came_from = list_address(request, model)
    context |= {
        **admin.site.each_context(request),
        "title": gettext("Export %(kinds)s") % {"kinds": kind.nouns},
        "back": came_from,
        "came_from": came_from,
        "update": UPDATE,
    }
    return TemplateResponse(request, "exports/new.html", context)


def _refused(request: HttpRequest, kind: kinds.Kind) -> HttpResponse:
    """Say that somebody may not export what they view, and where to ask for it."""
    if not access.allows_any(user_of(request), "view", kind.model):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": gettext("Export %(kinds)s") % {"kinds": kind.nouns},
        "kind": kind,
        "back": page_address(kind.model, "changelist"),
    }
    return TemplateResponse(request, "exports/no_right.html", context, status=403)


class Dialog:
    """The two steps of a request: columns, then, where consent is needed, approvers (R117)."""

    def __init__(
        self,
        request: HttpRequest,
        model: type[Record],
        list_columns: Iterable[str],
        query: str,
        ids: list[int] | None,
    ) -> None:
        self.request, self.user, self.model = request, user_of(request), model
        self.query, self.ids = query, ids
        columns = tables.offered_columns(model, self.user)
        flagged = sensitive_keys(self.user)
        with as_installed():
            headings = {c.name: str(c.label) for c in columns}
        self.offered = [
            Offered(
                c.name,
                str(c.label),
                tables.is_sensitive(c, flagged),
                str(c.label).split(":")[0] if c.relation else "",
                headings[c.name],
            )
            for c in columns
        ]
        self.listed = [column.name for column in tables.listed(columns, list_columns)]
        self.form = self._form(request.POST if request.method == "POST" else self._at_first())
        self.kept = {
            "approvers": request.POST.getlist("approvers"),
            "message": request.POST.get("message", ""),
        }
        self.second = False
        self.sample: operations.Sample | None = None
        self.filters = query_words.described(model, query, user=self.user)
        # Drawn for every page: what is sent twice from one page is one request.
        self.token = uuid4()

    @property
    def usage(self) -> Usage | None:
        """Return how much of the person's limits is used; None where none holds for them (Q4)."""
        return self.preview.usage

    def answer(self) -> HttpResponse | None:
        """Take the step that was posted; None means: show the dialog (again)."""
        step = self.request.POST.get("step", "columns") if self.request.POST else "show"
        if step in _PROFILE_STEPS:
            _PROFILE_STEPS[step](self)
        names = self.form.cleaned_data["names"] if self.form.is_valid() else None
        self.preview = operations.preview(
            actor=self.user, model=self.model, query=self.query, ids=self.ids, columns=names
        )
        self.purpose = self._purpose(step)
        if names is None:
            return None
        if step in ("columns", "request"):
            if not self.preview.approval_needed:
                if answer := self._ask_at_once():
                    return answer
            else:
                # Sent twice, the second page leads to what the first one asked for.
                self.second = step == "request" or not self.preview.refusal
        if self.second:
            self._offer_approvers(step)
            if step == "request" and (answer := self._ask_for_consent()):
                return answer
        # A page that is drawn anew by itself counts nothing: nobody asked to see the values.
        self.sample = operations.first_rows(
            self.preview, headers=self.form.cleaned_data["headers"], counting=step != UPDATE
        )
        return None

    # What is offered ----------------------------------------------------------------------------

    @cached_property
    def reasons(self) -> list[Reason]:
        """Why consent is needed, each with what would do without; empty where none is."""
        ticked = frozenset(self.form.cleaned_data.get("columns", ()))
        if self.form.cleaned_data.get("which") != "chosen":
            ticked &= {each.name for each in self.offered if each.relation}
        return list(reasons(self.preview, self.user, ticked=ticked))

    @cached_property
    def profiles(self) -> list[ExportProfile]:
        """The person's own profiles for this kind of record."""
        return list(operations.profiles_of(self.user, self.model))

    @property
    def chosen(self) -> list[Offered]:
        """The columns that were asked for, in the order of the file."""
        by_name = {each.name: each for each in self.offered}
        return [by_name[name] for name in self.form.cleaned_data["names"]]

    @property
    def in_list(self) -> str:
        """The columns of the list, in a sentence."""
        by_name = {each.name: str(each) for each in self.offered}
        return ", ".join(by_name[name] for name in self.listed)

    @property
    def in_all(self) -> str:
        """How many columns the record has itself, and which of them are sensitive."""
        own = [each for each in self.offered if not each.relation]
        sensitive = ", ".join(each.label for each in own if each.sensitive)
        said = ngettext("%(count)s column", "%(count)s columns", len(own))
        if sensitive:
            said = ngettext(
                "%(count)s column; sensitive: %(names)s",
                "%(count)s columns; sensitive: %(names)s",
                len(own),
            )
        return said % {"count": counted(len(own)), "names": sensitive}

    @property
    def format(self) -> operations.Format:
        """The chosen format."""
        return operations.FORMATS[self.form.cleaned_data["format"]]

    @property
    def headers(self) -> str:
        """The chosen headers, as people read them."""
        return str(dict(headers_in_words())[self.form.cleaned_data["headers"]])

    def _at_first(self) -> QueryDict:
        """Everything of the record's own that is not sensitive."""
        plain = [each.name for each in self.offered if not (each.sensitive or each.relation)]
        return _choice(plain, "csv", "labels")

    def _form(self, data: QueryDict) -> ColumnsForm:
        data = data.copy()
        for name, value in (("which", "chosen"), ("format", "csv"), ("headers", "labels")):
            data.setdefault(name, value)
        return ColumnsForm(data, offered=self.offered, listed=self.listed)

    # Profiles -----------------------------------------------------------------------------------

    def _profile(self) -> ExportProfile | None:
        key = whole_number(self.request.POST.get("profile"))
        found = operations.profiles_of(self.user, self.model).filter(pk=key).first()
        if found is None:
            messages.error(self.request, gettext("Choose one of your profiles first."))
        return found

    def _use_profile(self) -> None:
        """Show a profile's choice, without what is not offered any more (B6)."""
        profile = self._profile()
        if profile is None:
            return
        offered = {each.name for each in self.offered}
        names = [name for name in profile.columns if name in offered]
        if not names:
            names = self._at_first().getlist("columns")
        self.form = self._form(_choice(names, profile.format, profile.headers))

    def _keep_profile(self) -> None:
        if not self.form.is_valid():
            return
        values = self.form.cleaned_data
        try:
            profile = operations.save_profile(
                actor=self.user,
                model=self.model,
                name=values["profile_name"],
                columns=values["names"],
                format=values["format"],
                headers=values["headers"],
            )
        except ExportError as refusal:
            messages.error(self.request, str(refusal))
        else:
            said = gettext("Kept as “%(name)s”.")
            messages.success(self.request, said % {"name": profile.name})

    def _forget_profile(self) -> None:
        profile = self._profile()
        if profile is None:
            return
        try:
            operations.delete_profile(profile, actor=self.user)
        except ExportError as refusal:
            messages.error(self.request, str(refusal))
        else:
            said = gettext("“%(name)s” was deleted.")
            messages.success(self.request, said % {"name": profile.name})

    # Asking -------------------------------------------------------------------------------------

    def _purpose(self, step: str) -> PurposeForm | None:
        """Return the field for a purpose where the first page has one: every export needs it."""
        if not self.preview.purpose_always:
            return None
        if step == "columns" and not self.preview.approval_needed:
            return PurposeForm(self.request.POST, purpose_required=True)
        return PurposeForm(initial=self.kept, purpose_required=True)

    def _offer_approvers(self, step: str) -> None:
        """Offer whoever could decide; ticked are the chosen ones, or who is likely to be meant."""
        able = operations.approvers_for(self.user)
        how = {"approvers": able, "purpose_required": self.preview.purpose_required}
        if step == "request":
            self.approvers = ApproversForm(self.request.POST, **how)
            return
        self.approvers = ApproversForm(initial=self.kept, **how)
        people = list(able)  # put together once: the question is long
        self.approvers.fields["approvers"].choices = [(each.pk, str(each)) for each in people]  # type: ignore[attr-defined]  # a choice field
        if not self.kept["approvers"]:
            keys = {each.pk for each in people}
            likely = keys if len(keys) == 1 else keys & operations.chosen_last(self.user)
            self.approvers.initial["approvers"] = sorted(likely)

    def _ask_at_once(self) -> HttpResponse | None:
        """Ask for what needs no consent; None where the page has to be shown again."""
        if self.purpose is None:
            return self._ask()
        if not self.purpose.is_valid():
            return None
        return self._ask(message=self.purpose.cleaned_data["message"])

    def _ask_for_consent(self) -> HttpResponse | None:
        if not self.approvers.is_valid():
            return None
        values = self.approvers.cleaned_data
        return self._ask(approvers=values["approvers"], message=values["message"])

    def _ask(self, **consent: Any) -> HttpResponse | None:
        values = self.form.cleaned_data
        try:
            export = operations.request_export(
                actor=self.user,
                model=self.model,
                query=self.query,
                ids=self.ids,
                columns=values["names"],
                format=values["format"],
                headers=values["headers"],
                token=_token(self.request),
                **consent,
            )
        except ExportError as refusal:
            if str(refusal) != self.preview.refusal:  # which the page says already
                messages.error(self.request, str(refusal))
            return None
        if export.status == S.PENDING:
            said = gettext("Request sent. We’ll notify you when it is decided.")
            messages.success(self.request, _with_purpose(said, export))
        elif not export.is_final:
            said = gettext("You find the file here as soon as it is written.")
            messages.success(self.request, _with_purpose(said, export))
        else:  # sent again, from a page of before
            said = gettext("You asked for this before; here is what became of it.")
            messages.info(self.request, said)
        return HttpResponseRedirect(panel_address(export))


def _with_purpose(said: str, export: ExportRequest) -> str:
    """Add what the requester wrote, so that they see what is read with their request."""
    if not export.message:
        return said
    quoted = gettext("Purpose: “%(text)s”")
    return f"{said} {quoted % {'text': Truncator(export.message).chars(160)}}"


_PROFILE_STEPS: dict[str, Callable[[Dialog], None]] = {
    "use": Dialog._use_profile,
    "keep": Dialog._keep_profile,
    "forget": Dialog._forget_profile,
}


def _choice(names: Iterable[str], format: str, headers: str) -> QueryDict:
    """Return a choice as a form posts it."""
    data = QueryDict(mutable=True)
    data.setlist("columns", list(names))
    data["which"], data["format"], data["headers"] = "chosen", format, headers
    return data


def _token(request: HttpRequest) -> UUID | None:
    """Return what the page drew; without one, each click asks anew."""
    try:
        return UUID(request.POST.get("token", ""))
    except ValueError:
        return None
