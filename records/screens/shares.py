"""Screens of shares: the panel on a record, the page that shares it, and everybody's own list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext

from accounts import access, catalogue, days
from accounts.day_input import DayInput
from accounts.keys import whole_number
from accounts.modeladmin import page_address, row_pages, say_saved, user_of
from accounts.modeladmin.requests import once
from accounts.models import Team, User
from accounts.picked import PickedField, Picking
from accounts.pickers import offers
from accounts.words import counted, listed
from records import kinds
from records.models import SHARES, Level, Record
from records.operations import Invalid, NotAllowed, NotFound, sharing
from records.screens.part import RecordPart
from records.screens.share_preview import preview
from records.screens.share_words import between, end_of, giver_of

MOST_LISTED = 50


class EndForm(forms.Form):
    """How long a share lasts."""

    last_day = forms.DateField(
        label=gettext_lazy("Last day"),
        required=False,
        widget=DayInput,
        validators=[days.check_day],
        help_text=gettext_lazy("No expiry if left empty."),
    )

    @property
    def until(self) -> datetime | None:
        """The end of the last day, in the time zone of who chose it."""
        day = self.cleaned_data["last_day"]
        return day and days.moment_after(day)


PREVIEW = "_preview"
"""Asks what the share would do, without making it."""
MOST_NAMED = 5
"""So many receivers at most are named when a record was shared; else they are counted."""


def _may_receive(
    model: type[Record], receivers: type[Model]
) -> Callable[[User, int], QuerySet[Any] | None]:
    """Return with whom somebody may share a record of this kind, if it is theirs to share."""

    def rows(user: User, key: int) -> QuerySet[Any] | None:
        record = access.permitted(model._base_manager.filter(pk=key), user, "view").first()
        if record is None or not sharing.may_share(user, record):
            return None
        every: QuerySet[Any] = receivers._default_manager.all()
        return every.exclude(pk=user.pk) if receivers is User else every

    return rows


for _kind in kinds.every():
    if _kind.key in SHARES:
        offers[f"{_kind.key}_people"] = _may_receive(_kind.model, User)
        offers[f"{_kind.key}_teams"] = _may_receive(_kind.model, Team)


class ShareForm(Picking, EndForm):
    """With whom a record is shared, at which level, how long; the operation decides the rest."""

    people = PickedField("", User, required=False, label=gettext_lazy("People"))
    teams = PickedField(
        "",
        Team,
        required=False,
        label=gettext_lazy("Teams"),
        help_text=gettext_lazy("Applies to everybody while this is their main team."),
    )
    level = forms.ChoiceField(
        label=gettext_lazy("What they may do"),
        choices=Level.choices,
        initial=Level.VIEW,
        widget=forms.RadioSelect(attrs={"class": "plain-boxes"}),
        help_text=gettext_lazy(
            "As far as their own permissions let them: somebody who may edit no record of this "
            "kind only views it."
        ),
    )
    field_order = ("people", "teams", "level", "last_day")

    def __init__(self, data: Any, *, record: Record, user: User) -> None:
        super().__init__(data)
        for name in ("people", "teams"):
            field: Any = self.fields[name]  # a picked field
            field.offer = f"{record.object_key}_{name}"
            field.open_to(user, record.pk)

    @property
    def asks_for_a_preview(self) -> bool:
        return self.is_bound and PREVIEW in self.data


class SharingAdmin(RecordPart):
    """What the screens of every kind of record that can be shared have."""

    def get_urls(self) -> list[URLPattern]:
        pages = row_pages(self, share=self.share_view, unshare=self.unshare_view)
        return [*pages, *super().get_urls()]

    def share_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask with whom to share a record, and share it."""
        record: Record = self.found(request, object_id)
        form = ShareForm(
            request.POST if request.method == "POST" else None,
            record=record,
            user=user_of(request),
        )
        try:
            if form.is_valid() and not form.asks_for_a_preview:
                return self._shared(request, record, form)
            sharing.require_sharing(record, user_of(request))
        except NotAllowed as refusal:
            return self.refuse(request, record, "change", refusal, verb="share")
        except Invalid as refusal:
            form.add_error(None, str(refusal))
        context = {
            **self.admin_site.each_context(request),
            "title": pgettext("to do so", "Share"),
            "opts": self.opts,
            "original": record,
            "form": form,
            "preview": self._preview(request, record, form),
            "media": self.media + form.media,
            "back": self._share_page(record),
        }
        return TemplateResponse(request, "records/share.html", context)

    def _shared(self, request: HttpRequest, record: Record, form: ShareForm) -> HttpResponse:
        """Share the record with all who were chosen, and say so."""
        chosen = form.cleaned_data
        receivers = [*chosen["people"], *chosen["teams"]]
        sharing.share_with(
            record,
            actor=user_of(request),
            level=chosen["level"],
            people=chosen["people"],
            teams=chosen["teams"],
            until=form.until,
        )
        names = listed(receivers)
        if len(receivers) > MOST_NAMED:
            said = ngettext(
                "%(count)s person or team", "%(count)s people and teams", len(receivers)
            )
            names = said % {"count": counted(len(receivers))}
        said = gettext("“%(record)s” is shared with %(receiver)s.")
        say_saved(request, said % {"record": record, "receiver": names})
        return HttpResponseRedirect(self._share_page(record))

    def _preview(
        self, request: HttpRequest, record: Record, form: ShareForm
    ) -> dict[str, Any] | None:
        """Return what the share would do, or that it has too many receivers to say; else None."""
        chosen = form.cleaned_data if form.is_bound else {}
        if not chosen.keys() >= {"people", "teams", "level", "last_day"}:
            return None
        if len(chosen["people"]) + len(chosen["teams"]) > sharing.MOST_AT_ONCE:
            said = gettext(
                "For more than %(count)s people and teams no preview is shown. Take some out, and "
                "share with them afterwards."
            )
            return {"too_many": said % {"count": counted(sharing.MOST_AT_ONCE)}}
        governs = access.allows_any(user_of(request), "change", User)
        return {
            "until": end_of(form.until),
            "governs": governs,
            "lines": preview(
                record,
                Level(chosen["level"]),
                chosen["people"],
                chosen["teams"],
                reader=user_of(request),
                governs=governs,
            ),
        }

    def unshare_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End one share of a record."""
        record: Record = self.found(request, object_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user = _chosen(User, request.POST.get("user", ""))
        team = _chosen(Team, request.POST.get("team", ""))
        try:
            sharing.unshare(record, actor=user_of(request), user=user, team=team)
        except NotAllowed as refusal:
            return self.refuse(request, record, "change", refusal, verb="share")
        except (Invalid, NotFound) as refusal:
            messages.error(request, str(refusal))
        else:
            said = gettext("“%(record)s” is no longer shared with %(receiver)s.")
            messages.success(request, said % {"record": record, "receiver": user or team})
        if access.allows(user_of(request), "view", record):
            return HttpResponseRedirect(self._share_page(record))
        # They gave it to their own team, and saw it by that alone.
        return HttpResponseRedirect(page_address(self.model, "changelist"))

    def _share_page(self, record: Record) -> str:
        return page_address(record, "change", record.pk)

    def _shown_only(self, request: HttpRequest, obj: Model | None) -> list[str]:
        """Owners are only shown to whoever may edit by virtue of a share alone (L52)."""
        locked = super()._shown_only(request, obj)
        if not isinstance(obj, Record) or obj.pk is None or may_share(request, obj):
            return locked
        return [*locked, *(name for name in obj.owner_fields if name not in locked)]


def may_share(request: HttpRequest, record: Record) -> bool:
    """Ask once per page whether this person may share this record."""
    if request.method not in ("GET", "HEAD"):
        return sharing.may_share(user_of(request), record)
    key = ("may share", type(record), record.pk)
    return once(request, key, lambda: sharing.may_share(user_of(request), record))


def shares_panel(request: HttpRequest, record: Any) -> str:
    """Return with whom a record is shared, for everybody who views it (E54)."""
    if not isinstance(record, Record) or record.object_key not in SHARES:
        return ""
    allowed = may_share(request, record)
    rows: list[dict[str, Any]] = [  # Any, since guardian's columns are not typed
        {
            "receiver": getattr(share, share.receiver_field),
            "receiver_field": "user" if share.receiver_field == "user" else "team",
            "said": " · ".join((str(share.level.label), end_of(share.until), giver_of(share))),
            "may_end": allowed or share.giver_id == user_of(request).pk,
        }
        for share in cast("list[Any]", sharing.shares_of(record))
    ]
    if not rows and not allowed:
        return ""
    context = {
        "rows": rows,
        "may_share": allowed,
        "share_url": page_address(record, "share", record.pk),
        "unshare_url": page_address(record, "unshare", record.pk),
    }
    return render_to_string("records/shares_panel.html", context, request=request)


def shared_page(request: HttpRequest) -> HttpResponse:
    """Show a person what is shared with them and what they shared, of what they may view now."""
    user = user_of(request)
    if not sees_records(request):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": gettext("Shared records"),
        "lists": [
            {
                "title": gettext("Shared with me"),
                "empty": gettext("Nobody shares a record with you yet."),
                "kinds": list(_kinds(sharing.shared_with(user), given=False)),
            },
            {
                "title": gettext("Shared by me"),
                "empty": gettext(
                    "You share no record yet. To share one, open it and choose “Share”."
                ),
                "kinds": list(_kinds(sharing.shared_by(user), given=True)),
            },
        ],
        "most": MOST_LISTED,
    }
    return TemplateResponse(request, "records/shared.html", context)


def sees_records(request: HttpRequest) -> bool:
    """Tell whether this person may view any kind of record that can be shared."""
    return isinstance(request.user, User) and any(
        access.allows_any(request.user, "view", kind.model) for kind in kinds.every()
    )


def _kinds(
    found: Iterable[tuple[catalogue.ObjectKind, list[QuerySet[Any]]]],
    *,
    given: bool,
) -> Iterator[dict[str, Any]]:
    """Yield a list per kind of record that has any: the latest shares, cut where it gets long."""
    for kind, querysets in found:
        shares = [share for rows in querysets for share in rows[: MOST_LISTED + 1]]
        shares.sort(key=lambda share: share.created_at, reverse=True)
        if shares:
            yield {
                "label": kind.plural,
                "rows": [
                    {
                        "record": share.content_object,
                        "said": _said(between(share, given=given), share),
                        "url": page_address(kind.model, "change", share.content_object_id),
                    }
                    for share in shares[:MOST_LISTED]
                ],
                "cut": len(shares) > MOST_LISTED,
            }


def _said(other_side: str, share: Any) -> str:
    """Return what stands below a shared record; Any, since guardian's columns are not typed."""
    return " · ".join((other_side, str(share.level.label), end_of(share.until)))


def _chosen(model: type[Any], key: str) -> Any:
    """Return the person or team with this key; None for anything else."""
    return model._default_manager.filter(pk=whole_number(key)).first()
