"""Screens of links from the other record's side: what a record is linked with, add and remove."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import ForeignKey, ManyToOneRel, Model
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils.translation import gettext

from accounts import access
from accounts.access import ASSOCIATE
from accounts.keys import KeyField, whole_number
from accounts.modeladmin import DOTS, AccessModelAdmin, page_address, row_pages, say_saved, user_of
from accounts.pickers import PickerSelect, Purpose
from records import kinds
from records.models import Record
from records.operations import NotAllowed, RecordError, associations
from records.screens.limited import count, counted
from records.screens.part import RecordPart

MOST_LISTED = 10


class PickForm(forms.Form):
    """Which record to link; the operation decides the rest."""

    def __init__(self, model: type[Record], picker: forms.Widget) -> None:
        super().__init__()
        label = gettext("Add a %(kind)s") % {"kind": kinds.of(model).noun}
        self.fields["record"] = KeyField(model._default_manager.none(), label=label, widget=picker)


@dataclass(frozen=True, slots=True)
class Link:
    """A relation of other records to this screen's, as one person has it."""

    name: str
    model: type[Record]
    field: ForeignKey[Any, Any]
    relation: ManyToOneRel
    screen: AccessModelAdmin
    writable: bool


class AssociatingAdmin(RecordPart):
    """Adds panels of linked records to the screens of one kind of record."""

    def get_urls(self) -> list[URLPattern]:
        if not self.associated:
            return super().get_urls()
        pages = row_pages(self, associate=self.associate_view, dissociate=self.dissociate_view)
        return [*pages, *super().get_urls()]

    def associate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Link another record with this one."""
        done = gettext("“%(record)s” is linked with “%(other)s” now.")
        return self._relate(request, object_id, associations.associate, done)

    def dissociate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End a link; both records stay."""
        done = gettext("“%(record)s” is not linked with “%(other)s” any more.")
        return self._relate(request, object_id, associations.dissociate, done)

    def _relate(
        self, request: HttpRequest, object_id: str, operation: Callable[..., Record], done: str
    ) -> HttpResponse:
        record: Record = self.found(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        links = {link.name: link for link in self._links(request)}
        link = links.get(request.POST.get("relation", ""))
        if link is None:
            raise Http404
        if not self.has_change_permission(request, record):
            return self.refuse(request, record, "change")
        key = request.POST.get("record", "")
        other = link.model()
        other.pk = whole_number(key)
        before = link.model._base_manager.filter(pk=other.pk).first()
        try:
            saved = operation(other, field=link.field.name, related=record, actor=user_of(request))
        except NotAllowed as refusal:
            # Said of the other one, which they see.
            stored = link.screen.found(request, str(other.pk))
            return link.screen.refuse(request, stored, ASSOCIATE, refusal, verb=ASSOCIATE)
        except RecordError as refusal:
            messages.error(request, str(refusal) if key else gettext("Choose a record first."))
        else:
            said = [done % {"record": saved, "other": record}, self._was(request, link, before)]
            say_saved(request, " ".join(filter(None, said)))
        return HttpResponseRedirect(self.page_of(record))

    def _was(self, request: HttpRequest, link: Link, before: Record | None) -> str:
        """Say where a record was linked until now with one that lies in the bin."""
        key = getattr(before, link.field.attname, None)
        was = associations.in_bin(link.field, key, user_of(request)) if key else None
        if was is None:
            return ""
        said = gettext("Until now it was linked with “%(record)s”, which is in the recycle bin.")
        return said % {"record": was}

    def record_context(self, request: HttpRequest, obj: Model | None) -> dict[str, Any]:
        context = super().record_context(request, obj)
        if isinstance(obj, Record):
            panels = [self._panel(request, obj, link) for link in self._links(request)]
            drawn = [
                render_to_string("records/associated.html", panel, request=request)
                for panel in panels
            ]
            context["record_panels"] = [*drawn, *context["record_panels"]]
            context["panels_media"] = sum(
                (panel["form"].media for panel in panels if "form" in panel), forms.Media()
            )
        return context

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List on the page that asks what is linked with the record, as far as they see it."""
        record = self.found(request, object_id)
        linked = []
        for link in self._links(request):
            found = self._linked(request, record, link)
            if rows := self._listed(request, link, found[:MOST_LISTED]):
                title = kinds.of(link.model).plural
                more = len(found) > MOST_LISTED
                linked.append({"title": title, "rows": rows, "more": more})
        context = {"linked": linked, **(extra_context or {})}
        return super().delete_view(request, object_id, context)

    def _linked(self, request: HttpRequest, record: Record, link: Link) -> list[Record]:
        """Return the first linked records in this person's reach, one more than are listed."""
        user = user_of(request)
        rows = access.permitted(link.model._default_manager.all(), user, "view")
        rows = rows.filter(**{link.field.name: record}).select_related(*link.screen.read_with)
        return list(access.marked(rows, user, ASSOCIATE)[: MOST_LISTED + 1])

    def _links(self, request: HttpRequest) -> Iterator[Link]:
        """Yield the relations this person has: they see the other kind of record, and the field."""
        for name in self.associated:
            relation = self.opts.get_field(name)
            assert isinstance(relation, ManyToOneRel)
            field: ForeignKey[Any, Any] = relation.field
            model: type[Record] = relation.related_model  # type: ignore[assignment]  # a kind of record
            screen = self.admin_site.get_model_admin(model)
            assert isinstance(screen, AccessModelAdmin)
            hidden = field.name in screen.hidden_fields(request)
            if not hidden and screen.has_view_permission(request):
                writable = field.name not in screen.fixed_fields(request)
                yield Link(name, model, field, relation, screen, writable)

    def _panel(self, request: HttpRequest, record: Record, link: Link) -> dict[str, Any]:
        """Return what a panel shows: linked records in reach, and how to add and remove some."""
        user = user_of(request)
        editable = link.writable and self.has_change_permission(request, record)
        found = self._linked(request, record, link)
        listed = self._listed(request, link, found[:MOST_LISTED])
        context = {
            "link": link,
            "title": kinds.of(link.model).plural,
            "plural": kinds.of(link.model).nouns,
            "field": kinds.of(link.model).field(link.field.name).label,
            "record": record,
            "rows": [
                {
                    "record": row,
                    "url": page_address(row, "change", row.pk),
                    "below": _below(row),
                    "may_remove": editable and getattr(row, f"may_{ASSOCIATE}"),
                }
                for row in listed or ()
            ],
            "dots": DOTS if listed is None else "",
            "all_url": f"{page_address(link.model, 'changelist')}?{link.field.name}={record.pk}"
            if listed is not None and len(found) > MOST_LISTED
            else "",
            "most": MOST_LISTED,
            "add_url": page_address(record, "associate", record.pk),
            "remove_url": page_address(record, "dissociate", record.pk),
        }
        if editable and access.allows_any(user, ASSOCIATE, link.model):
            context["form"] = PickForm(link.model, self._link_picker(link))
        return context

    def _listed(self, request: HttpRequest, link: Link, rows: list[Any]) -> list[Any] | None:
        """Return which of these linked records are listed, None where nothing is said of them.

        That a record is linked is the value of its field, which may be sensitive and counted.
        """
        if link.field.name not in counted(request, link.model):
            return rows
        cells = [(row.pk, link.field.name) for row in rows]
        granted = count(request, link.model, cells)
        shown = [row for row in rows if (row.pk, link.field.name) in granted.keys]
        return shown if shown or granted.everything else None

    def _link_picker(self, link: Link) -> PickerSelect:
        attrs = {"id": f"add_{link.name}", "aria-describedby": f"add_{link.name}_help"}
        return PickerSelect(link.relation, self.admin_site, Purpose.CHOOSE, attrs)


def _below(record: Record) -> str:
    """Return what stands below a linked record's name: its stage, and who owns it."""
    owners = [str(owner) for f in record.owner_fields if (owner := getattr(record, f)) is not None]
    stage = getattr(record, "stage", None)
    said = [str(stage.name)] if stage is not None else []
    return " · ".join([*said, ", ".join(dict.fromkeys(owners)) or gettext("unassigned")])
