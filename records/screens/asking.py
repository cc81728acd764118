"""Screens on which people ask for what the product refused, and say what they need it for (B15)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts import access
from accounts.modeladmin import page_address, row_pages, user_of
from accounts.modeladmin.relations import names
from accounts.models import User
from accounts.words import listed
from records import kinds
from records.models import SHARES, AccessRequest, Record
from records.models.properties import field_access
from records.operations import access_requests
from records.refusals import NotFound, RecordError
from records.screens.part import RecordPart

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


About = AccessRequest.About


def few_sentences(
    label: StrOrPromise, help_text: StrOrPromise, *, required: bool = False
) -> forms.CharField:
    """Return a field for a few sentences; the operation says what is wrong with them."""
    return forms.CharField(
        label=label,
        required=required,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 3, "maxlength": access_requests.LONGEST_TEXT}
        ),
        help_text=help_text,
    )


class ReasonForm(forms.Form):
    """What somebody needs access for."""

    reason = few_sentences(
        gettext_lazy("What do you need it for?"),
        gettext_lazy("Whoever decides reads it."),
        required=True,
    )


class Ask(NamedTuple):
    """What a field is called, and where to request access to it."""

    label: StrOrPromise
    url: str


class RequestingAdmin(RecordPart):
    """Adds “Request access” to the screens of every kind of record."""

    def get_urls(self) -> list[URLPattern]:
        pages = row_pages(
            self, request_access=self.request_view, request_linked=self.request_linked_view
        )
        return [*pages, *super().get_urls()]

    def request_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why somebody needs to edit a record that they only see, and send it."""
        record: Record = self.found(request, object_id)
        user, back = user_of(request), page_address(record, "change", record.pk)
        if access.allows(user, "change", record):
            messages.info(request, gettext("You may edit this record already."))
            return HttpResponseRedirect(back)

        def send(reason: str) -> None:
            access_requests.request_access(record, actor=user, reason=reason)

        return _ask(
            request,
            send,
            self.waiting_request(request, record),
            subject=record,
            text=_goes_to(access_requests.asked(record, user), record),
            back=back,
            opts=self.opts,
        )

    def request_linked_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why somebody needs to see what a link of a record leads to, and send it."""
        record: Record = self.found(request, object_id)
        user, name = user_of(request), request.GET.get("field", "")
        if access_requests.restricted_link(user, record, name) is None:
            raise Http404
        label = kinds.of(self.model).field(name).label
        return _ask(
            request,
            lambda reason: access_requests.request_linked(
                record, actor=user, name=name, reason=reason
            ),
            access_requests.mine_waiting(
                user, About.LINKED, via_object=record.object_key, via=record.pk, field=name
            ),
            subject=record,
            text=gettext(
                "You may not see what “%(field)s” leads to here. Your request to see it goes to "
                "the people who can grant it, otherwise to the super admins."
            )
            % {"field": label},
            back=page_address(record, "change", record.pk),
            opts=self.opts,
        )

    def waiting_request(self, request: HttpRequest, record: Record) -> AccessRequest | None:
        """Return the reader's own request to edit this record, where one waits."""
        return access_requests.mine_waiting(
            user_of(request), About.RECORD, object=record.object_key, record=record.pk
        )

    def restricted_links(self, request: HttpRequest, record: Record) -> list[Ask]:
        """Return the links whose ends are hidden from the reader.

        What the page has asked already says which (`accounts.modeladmin.relations.names`).
        """
        known, found = names(request), []
        for field in kinds.of(self.model).fields:
            related: Any = field.related
            if getattr(related, "object_key", None) not in SHARES:
                continue
            key = getattr(record, f"{field.name}_id")
            hidden = field.name in self.hidden_fields(request) or key is None
            if hidden or known.may_name(related, key) or known.is_in_bin(related, key):
                continue
            address = page_address(record, "request_linked", record.pk)
            found.append(Ask(field.label, f"{address}?field={field.name}"))
        return found

    def only_read(self, request: HttpRequest, record: Record) -> dict[str, Ask]:
        """Return, by name, the fields that this person reads alone."""
        fixed = self.fixed_fields(request)
        kind = kinds.of(self.model)
        return {
            field.name: Ask(
                field.label, reverse("admin:request_field", args=[kind.key, field.name])
            )
            for field in kind.fields
            if field.name in fixed
        }


def _ask(
    request: HttpRequest,
    send: Callable[[str], object],
    waiting: AccessRequest | None,
    *,
    subject: object,
    text: str,
    back: str,
    opts: Any,
) -> HttpResponse:
    """Ask what something is needed for, and send the request; `opts` of the kind of record.

    Where one is `waiting` already, that is shown: nobody writes for nothing.
    """
    if waiting and request.method != "POST":
        said = gettext("You have asked for this already; your request waits for a decision.")
        messages.info(request, said)
        return HttpResponseRedirect(reverse("admin:access_request", args=[waiting.pk]))
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            send(form.cleaned_data["reason"])
        except NotFound:
            raise Http404 from None
        except RecordError as refusal:
            form.add_error(None, str(refusal))
        else:
            said = gettext("Request sent. You will be told when it is decided.")
            messages.success(request, said)
            return HttpResponseRedirect(back)
    context = {
        **admin.site.each_context(request),
        "title": gettext("Request access"),
        "opts": opts,
        "original": subject,
        "text": text,
        "form": form,
        "button": gettext("Send request"),
        "back": back,
    }
    return TemplateResponse(request, "accounts/step.html", context)


def _goes_to(people: list[User], record: Record) -> str:
    """Return whom a request goes to; owners stand on the record, and of others no name is told.

    That somebody else may share it would tell who is in which team (L92).
    """
    if people and {each.pk for each in people} <= {
        getattr(record, f"{name}_id") for name in record.owner_fields
    }:
        said = gettext("Your request to edit it goes to %(people)s.")
        return said % {"people": listed(people)}
    return gettext(
        "Your request to edit it goes to the people who can grant it, otherwise to the super "
        "admins."
    )


def field_view(request: HttpRequest, key: str, name: str) -> HttpResponse:
    """Ask why somebody needs to edit a field that they only read; hidden and absent are one."""
    user = user_of(request)
    kind, field = (
        access_requests.viewed_kind(user, key),
        access_requests.read_field(user, key, name),
    )
    if kind is None or field is None:
        raise Http404
    back = page_address(kind.model, "changelist")
    if name not in field_access(user, kind.model).fixed:
        messages.info(request, gettext("You may edit this field already."))
        return HttpResponseRedirect(back)
    return _ask(
        request,
        lambda reason: access_requests.request_field(
            actor=user, object=key, name=name, reason=reason
        ),
        access_requests.mine_waiting(user, About.FIELD, object=key, field=name),
        subject=capfirst(field.label),
        text=gettext(
            "You may read this field and not edit it. Your request to edit it, in the %(kinds)s "
            "that you may edit, goes to the super admins."
        )
        % {"kinds": kind.nouns},
        back=back,
        opts=kind.model._meta,
    )


def export_view(request: HttpRequest, key: str) -> HttpResponse:
    """Ask why somebody needs to export, who may not."""
    user = user_of(request)
    kind = access_requests.viewed_kind(user, key)
    if kind is None:
        raise Http404
    back = page_address(kind.model, "changelist")
    if access.allows_any(user, access.EXPORT, kind.model):
        messages.info(request, gettext("You may export these records already."))
        return HttpResponseRedirect(back)
    return _ask(
        request,
        lambda reason: access_requests.request_export(actor=user, object=key, reason=reason),
        access_requests.mine_waiting(user, About.EXPORT, object=key),
        subject=gettext("Export %(kinds)s") % {"kinds": kind.nouns},
        text=gettext(
            "Your permission set does not let you export. Your request goes to whoever may give "
            "you the permission. With it, each export still needs the approval that anybody’s "
            "would need."
        ),
        back=back,
        opts=kind.model._meta,
    )


def asking_pages() -> list[URLPattern]:
    """Return the addresses of asking for what is about no record."""
    view = admin.site.admin_view
    return [
        path("access-requests/export/<str:key>/", view(export_view), name="request_export"),
        path("access-requests/field/<str:key>/<str:name>/", view(field_view), name="request_field"),
    ]
