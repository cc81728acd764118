"""Saving: a screen hands over to an operation, and shows what it refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.admin.options import InlineModelAdmin
from django.core.exceptions import FieldDoesNotExist, PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext

from accounts import access, audit
from accounts.errors import NotAllowed
from accounts.modeladmin.forms import AccessInline
from accounts.modeladmin.lists import ListAdmin
from accounts.modeladmin.requests import NOTHING_CHANGED, user_of


class SavingAdmin(ListAdmin):
    """Nothing here saves a row itself (RC2): operations of the layer above do."""

    logged_as = ""
    """What stands before the point in the codes of the log, where that is not the model's name."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Hand over to the operation; nothing here saves a row itself (RC2)."""
        if change:
            self.change(request, obj, form)
        else:
            self.create(request, obj, form)

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        """Call the operation that adds this object; the layer's screen says which."""
        raise PermissionDenied

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        """Call the operation that changes this object; the layer's screen says which."""
        raise PermissionDenied

    def remove(self, request: HttpRequest, obj: Any) -> None:
        """Call the operation that deletes this object; the layer's screen says which."""
        raise PermissionDenied

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        for formset in formsets:
            self.save_formset(request, form, formset, change=change)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Name what was added as it is stored: of what the form held, its name may be no part."""
        stored = self.model._base_manager.get(pk=obj.pk)
        return super().response_add(request, stored, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Say so where the operation found nothing to change."""
        if audit.written.get():
            return super().response_change(request, obj)
        self.message_user(request, NOTHING_CHANGED)
        if "_continue" in request.POST:
            return HttpResponseRedirect(request.get_full_path())
        return self.response_post_save_change(request, obj)

    def get_deleted_objects(
        self, objs: Iterable[Any], request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """Name the record itself and nothing that hangs on it (L43)."""
        rows = [str(obj) for obj in objs]
        return rows, {str(self.opts.verbose_name_plural): len(rows)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.remove(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        raise PermissionDenied  # L41: deleting many is a tool of its own

    def get_inline_instances(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[InlineModelAdmin[Any, Any]]:
        inlines = super().get_inline_instances(request, obj)
        assert all(isinstance(inline, AccessInline) for inline in inlines)
        return inlines

    # Refusals ---------------------------------------------------------------------------------

    def refuse(
        self,
        request: HttpRequest,
        obj: Model,
        action: str,
        refusal: NotAllowed | None = None,
        verb: str = "",
    ) -> HttpResponse:
        """Answer 403 with the reasons, and write the refusal down unless an operation did.

        `refusal` is what the operation said; without one the reasons are those of `action`. `verb`
        names what was refused where it is not the action itself: sharing asks for `change`.
        """
        user = user_of(request)
        reasons = [str(refusal)] if refusal else self.reasons(request, obj, action)
        if refusal is None or refusal.refused is None:
            codes = [f.code for f in access.explain(user, action, obj).decisive]
            audit.record_refusal(
                f"{self.logged_as or self.opts.model_name}.{verb or action}",
                actor=user,
                code=codes[0] if codes else "out_of_reach",
                on=obj,
            )
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Nothing was changed"),
            "opts": self.opts,
            "original": obj,
            "verb": verb or action,
            "reasons": reasons,
            "entered": entered(request, self._offered(request, obj), self._label_of),
        }
        return TemplateResponse(request, "admin/refused.html", context, status=403)

    def _label_of(self, name: str) -> str:
        """Return what a field of this screen's form is called; an inline's by its name."""
        field = self.form.base_fields.get(name)
        if field is not None and field.label:
            return str(field.label)
        try:
            label = getattr(self.opts.get_field(name), "verbose_name", "")
        except FieldDoesNotExist:
            label = ""
        return str(capfirst(label or name.replace("_", " ")))

    # Django's own log and history are not used: the audit log is the one trail (L64–L66) -------

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return None


def entered(
    request: HttpRequest, offered: set[str], label_of: Callable[[str], str]
) -> list[tuple[str, str]]:
    """Return what a person typed into a refused form, so that it is not lost; never a password.

    Only the fields `offered` to them, and rows of inlines: a posted name that is hidden from them
    and one that does not exist are passed over alike.
    """
    return [
        (label_of(name), str(value))
        for name, value in request.POST.items()
        if value
        and (name in offered or "-" in name)
        and name != "record_version"
        and not name.startswith(("_", "csrf", "initial-"))
        and not name.endswith("-boxes")  # which says only that there was no script
        and "password" not in name
    ]
