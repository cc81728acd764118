"""The page of a permission set: giving it to people there (E11, E12)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext, gettext_lazy, ngettext

from accounts import access, operations, proposals, undo
from accounts.consequences import warning_of_what_follows
from accounts.modeladmin import AccessModelAdmin, page_address, row_pages, user_of
from accounts.models import PermissionSet, User
from accounts.operations import AccountsError
from accounts.picked import PickedField, Picking
from accounts.pickers import offers
from accounts.review import at_once, edits_further, page_until_confirmed
from accounts.words import counted


def _who_may_get(user: User, key: int) -> QuerySet[User] | None:
    """Return to whom this person may give the set, which they may give."""
    given = access.permitted(PermissionSet.objects.filter(pk=key), user, "assign").first()
    if given is None:
        return None
    others = User.objects.filter(is_superuser=False).exclude(permission_set=given)
    return access.permitted(others, user, "change")


offers["set_people"] = _who_may_get


class GiveForm(Picking, forms.Form):
    """Who gets the set."""

    people = PickedField("set_people", User, label=gettext_lazy("Who gets it"))

    def __init__(self, data: Any, *, permission_set: PermissionSet, user: User) -> None:
        super().__init__(data)
        offered = self.fields["people"].open_to(user, permission_set.pk)  # type: ignore[attr-defined]  # a picked field
        if not offered.exists():
            text = gettext("There is nobody else to whom you may give it.")
            self.fields["people"].help_text = text


class GivesSets(AccessModelAdmin):
    """A permission set's own page, from which it is given to people."""

    def get_urls(self) -> list[URLPattern]:
        return [*row_pages(self, give=self.give_view), *super().get_urls()]

    def give_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask who gets the set, show what follows, and give it to all of them or nobody."""
        permission_set: PermissionSet = self.found(request, object_id)
        user = user_of(request)
        if not access.allows(user, "assign", permission_set):
            return self.refuse(request, permission_set, "assign")
        posted = request.POST if request.method == "POST" else None
        form = GiveForm(posted, permission_set=permission_set, user=user)
        if form.is_valid() and not edits_further(request):
            try:
                return self._given(request, permission_set, list(form.cleaned_data["people"]))
            except AccountsError as refusal:
                form.add_error(None, str(refusal))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Give this set to people"),
            "opts": self.opts,
            "original": permission_set,
            "form": form,
            "media": self.media + form.media,
            "text": gettext(
                "From then on each of them may do exactly what the set says. It replaces what they "
                "have now."
            ),
            "button": gettext("Review"),
            "back": self._page(permission_set),
        }
        return TemplateResponse(request, "accounts/step.html", context)

    def _given(
        self, request: HttpRequest, permission_set: PermissionSet, people: list[User]
    ) -> HttpResponse:
        actor, back = user_of(request), self._page(permission_set)
        proposal = proposals.set_given(people, permission_set, actor=actor, back=back)

        def carry_out() -> None:
            for each in people:
                operations.assign_set(each, actor=actor, permission_set=permission_set)

        with at_once():
            if page := page_until_confirmed(request, proposal, carry_out):
                return page
            before = undo.of_permissions(people)
            with warning_of_what_follows(request):
                carry_out()
        said = ngettext(
            "%(count)s person has this set now.", "%(count)s people have this set now.", len(people)
        )
        undo.offer(request, said % {"count": counted(len(people))}, before)
        return HttpResponseRedirect(back)

    def _page(self, permission_set: PermissionSet) -> str:
        """Return where whoever gives the set goes back to: its page, which delegates only read."""
        return page_address(permission_set, "change", permission_set.pk)
