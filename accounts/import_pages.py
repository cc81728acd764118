"""Importing people from a table: the file is chosen, what it would do is shown, then it is done.

Nothing is kept between the two pages: the table travels in the second one's form, and what was
shown is compared with what would happen by then.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import UnfoldAdminFileFieldWidget

from accounts import invitations, operations, review
from accounts.consequences import warning_of_what_follows
from accounts.modeladmin import AccessModelAdmin, user_of
from accounts.operations import AccountsError
from accounts.operations.importing import ImportedAlready
from accounts.people_file import BETWEEN_TEAMS, COLUMNS, MOST_ROWS, Wanted, read_people
from accounts.people_plan import CHANGED, NEW, SAME, Plan, planned
from accounts.sent_forms import new_token, token_of
from accounts.table_text import ImportRefused
from accounts.words import counted

LIST = "admin:accounts_user_changelist"
LONGEST_NAME = 100


class TableForm(forms.Form):
    """Which file."""

    table = forms.FileField(
        label=gettext_lazy("File"),
        widget=UnfoldAdminFileFieldWidget,
        error_messages={"empty": gettext_lazy("The file is empty.")},
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        said = gettext("CSV in UTF-8, at most %(count)s rows.") % {"count": MOST_ROWS}
        self.fields["table"].help_text = said


class ImportsPeople(AccessModelAdmin):
    """A list of people that takes in a table of them."""

    def import_urls(self) -> list[URLPattern]:
        """Return the address of the import; ahead of all that begin with a key."""
        view = self.admin_site.admin_view(self.import_view)
        return [path("import/", view, name="accounts_user_import")]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file, show what it would do, or do it: by what was sent."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._ask(request, TableForm())
        if "content" in request.POST:
            return self._import(request)
        form = TableForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._ask(request, form)
        file = form.cleaned_data["table"]
        return self._preview(request, file.name[:LONGEST_NAME], file.read())

    def _ask(self, request: HttpRequest, form: forms.Form) -> HttpResponse:
        context = {
            **self._context(request),
            "form": form,
            "columns": COLUMNS,
            "between_teams": BETWEEN_TEAMS,
        }
        return TemplateResponse(request, "accounts/import_people.html", context)

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": gettext("Import users"),
            "opts": self.opts,
            "back": reverse(LIST),
        }

    def _preview(
        self, request: HttpRequest, name: str, data: bytes, refusal: str = ""
    ) -> HttpResponse:
        """Show what a table would do, or why it cannot be read at all."""
        try:
            wanted, faults = read_people(name, data)
        except ImportRefused as refused:
            messages.error(request, str(refused))
            return self._ask(request, TableForm())
        plan = planned(wanted, faults, user_of(request))
        context = {
            **self._context(request),
            "name": name,
            "content": base64.b64encode(data).decode(),
            "plan": plan,
            "as_planned": plan.mark,
            "new": plan.of(NEW),
            "changed": plan.of(CHANGED),
            "same": plan.of(SAME),
            "warnings": list(
                review.in_words(
                    review.who_is_let_in(
                        {each.person.pk for each in plan.of(CHANGED) if each.person},
                        user_of(request).pk,
                    )
                )
            ),
            "refusal": refusal,
            "form_token": new_token(),
            "by_mail": invitations.go_by_mail(),
        }
        return TemplateResponse(request, "accounts/import_preview.html", context)

    def _import(self, request: HttpRequest) -> HttpResponse:
        name = request.POST.get("name", "")[:LONGEST_NAME]
        try:
            data = base64.b64decode(request.POST["content"], validate=True)
            wanted, faults = read_people(name, data)
        except (binascii.Error, ValueError, ImportRefused) as error:
            raise BadRequest("This is no table that the page before showed.") from error
        if faults:
            return self._preview(request, name, data)
        try:
            with warning_of_what_follows(request):
                plan = self._imported(request, wanted)
        except ImportedAlready as already:
            messages.info(request, str(already))
        except AccountsError as refusal:
            return self._preview(request, name, data, str(refusal))
        else:
            messages.success(request, _in_words(plan))
        return HttpResponseRedirect(reverse(LIST))

    def _imported(self, request: HttpRequest, wanted: list[Wanted]) -> Plan:
        invited = "invite" in request.POST and invitations.go_by_mail()
        return operations.import_people(
            wanted,
            actor=user_of(request),
            as_planned=request.POST.get("as_planned", ""),
            token=token_of(request.POST.get("form_token")),
            invites=[each.email for each in wanted] if invited else (),
        )


def _in_words(plan: Plan) -> str:
    new, changed, same = (len(plan.of(what)) for what in (NEW, CHANGED, SAME))
    return gettext("Imported: %(new)s added, %(changed)s changed, %(same)s as they were.") % {
        "new": counted(new),
        "changed": counted(changed),
        "same": counted(same),
    }
