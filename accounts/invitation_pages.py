"""The pages of an invitation: choose a password by the link; and the links an inviter copies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.views import PasswordResetCompleteView
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse_lazy
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_variables

from accounts import invitations, operations
from accounts.models import User
from accounts.new_password_pages import ChooseForm, ChoosePage, open_page


class FirstPasswordForm(ChooseForm):
    """A first password, twice; saved by the operation alone."""

    @sensitive_variables()
    def save(self, commit: bool = True) -> User:
        operations.accept_invitation(actor=self.user, password=self.cleaned_data["new_password1"])
        return self.user


class InvitationView(ChoosePage):
    """Choose the first password by the link of an invitation; an ended or used one says so."""

    form_class = FirstPasswordForm
    token_generator = invitations.tokens
    template_name = "accounts/invitation.html"
    success_url = reverse_lazy("admin:invitation_done")
    # Not that of a forgotten password, which might be under way in another tab.
    reset_url_token = "choose-password"

    def get_user(self, uidb64: str) -> Any:
        user = super().get_user(uidb64)
        return user and invitations.open_ones().filter(pk=user.pk).first()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "days": invitations.DAYS}


class InvitationDoneView(PasswordResetCompleteView):
    """The first password is set."""

    template_name = "accounts/invitation_done.html"


def invitation_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the pages that an invited person sees."""
    done = open_page(site, InvitationDoneView, gettext_lazy("Your password is set"))
    choose = open_page(site, InvitationView, gettext_lazy("Welcome: choose your password"))
    return [
        path("invitation/done/", done, name="invitation_done"),
        path("invitation/<uidb64>/<token>/", choose, name="invitation"),
    ]


def links_page(
    request: HttpRequest,
    context: dict[str, Any],
    people: Iterable[User],
    skipped: Iterable[tuple[User, str]] = (),
) -> HttpResponse:
    """Show the inviter the links of these people, this once, for want of e-mail."""
    base = settings.SITE_URL or request.build_absolute_uri("/").rstrip("/")
    links = [{"person": each, "link": f"{base}{invitations.path_for(each)}"} for each in people]
    title = ngettext("Copy the invitation link now", "Copy the invitation links now", len(links))
    context = {
        **context,
        "title": title,
        "links": links,
        "skipped": list(skipped),
        "days": invitations.DAYS,
    }
    return TemplateResponse(request, "accounts/invitation_links.html", context)
