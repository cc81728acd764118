"""The pages of a forgotten password: ask for the link, read what happens, choose, done.

Django's own views. Where the site cannot send links they are as absent as any page that never was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import (
    PasswordResetCompleteView,
    PasswordResetConfirmView,
    PasswordResetDoneView,
    PasswordResetView,
)
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse_lazy
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.debug import sensitive_variables
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminPasswordWidget

from accounts import new_password, operations
from accounts.log_in import LogInPaused
from accounts.models import User
from accounts.operations import AccountsError
from accounts.passwords import LONGEST_PASSWORD, FaultsOfNewPassword

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

LONGEST_EMAIL = 254


class AskForm(forms.Form):
    """Which log-in it is about."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=LONGEST_EMAIL,
        widget=UnfoldAdminEmailInputWidget(attrs={"autocomplete": "username"}),
    )
    paused: LogInPaused | None = None

    def clean(self) -> dict[str, Any]:
        if email := self.cleaned_data.get("email"):
            try:
                new_password.ask(email)
            except LogInPaused as paused:
                self.paused = paused
                raise ValidationError(
                    gettext(
                        "New passwords were asked for too often, for this e-mail address or from "
                        "where you are. Wait %(time)s, or ask a super admin."
                    )
                    % {"time": paused.in_words},
                    code="paused",
                ) from None
        return self.cleaned_data

    def save(self, **kwargs: Any) -> None:
        """Do nothing more: it was asked for while the form was checked, which alone can refuse."""


class ChooseForm(FaultsOfNewPassword, SetPasswordForm):  # type: ignore[type-arg]  # Django does not let it be subscripted
    """A new password, twice; saved by the operation alone."""

    user: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("new_password1", "new_password2"):
            self.fields[name].widget = UnfoldAdminPasswordWidget(
                attrs={"autocomplete": "new-password"}
            )
            self.fields[name].validators.append(MaxLengthValidator(LONGEST_PASSWORD))

    @sensitive_variables()
    def save(self, commit: bool = True) -> User:
        operations.reset_own_password(actor=self.user, password=self.cleaned_data["new_password1"])
        return self.user


class _Offered:
    """A page that is there only where links can be sent."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not new_password.is_offered():
            raise Http404
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]  # of the view it is mixed into
        return answer


class AskView(_Offered, PasswordResetView):
    """Ask for the link; the answer is the same whoever the address belongs to."""

    form_class = AskForm
    template_name = "accounts/new_password_ask.html"
    success_url = reverse_lazy("admin:password_reset_done")

    def form_invalid(self, form: Any) -> HttpResponse:
        answer = super().form_invalid(form)
        if form.paused is not None:
            answer.status_code = 429
            answer["Retry-After"] = str(form.paused.seconds)
        return answer


class SentView(_Offered, PasswordResetDoneView):
    """Say what happens next."""

    template_name = "accounts/new_password_sent.html"


class ChoosePage(PasswordResetConfirmView):
    """Choose a password by a link; an ended or used one says so."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        if not context["validlink"]:
            context["title"] = gettext("This link does not work")
        return context

    def form_valid(self, form: Any) -> HttpResponse:
        try:
            return super().form_valid(form)
        except AccountsError as refusal:
            form.add_error(None, str(refusal))
            return self.form_invalid(form)


class ChooseView(_Offered, ChoosePage):
    """Choose a new password by the link; an old or used one says so."""

    form_class = ChooseForm
    token_generator = new_password.tokens
    template_name = "accounts/new_password_choose.html"
    success_url = reverse_lazy("admin:password_reset_complete")

    def get_user(self, uidb64: str) -> Any:
        user = super().get_user(uidb64)
        return user if isinstance(user, User) and new_password.may_have(user) else None


class DoneView(_Offered, PasswordResetCompleteView):
    """The new password is set."""

    template_name = "accounts/new_password_done.html"


def open_page(site: AdminSite, view: type[Any], title: StrOrPromise) -> Any:
    """Return a page of this site that nobody has to log in for."""

    def show(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        context = {**site.each_context(request), "title": title}
        answer: HttpResponseBase = view.as_view(extra_context=context)(request, **kwargs)
        return answer

    show.login_required = False  # type: ignore[attr-defined]  # what `login_not_required` sets
    return show


def new_password_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the pages; by Django's own names, as its templates know them."""

    def page(view: type[Any], title: StrOrPromise) -> Any:
        return open_page(site, view, title)

    return [
        path(
            "password_reset/",
            page(AskView, gettext_lazy("Forgotten password")),
            name="password_reset",
        ),
        path(
            "password_reset/sent/",
            page(SentView, gettext_lazy("Look at your e-mails")),
            name="password_reset_done",
        ),
        path(
            "password_reset/<uidb64>/<token>/",
            page(ChooseView, gettext_lazy("Choose a new password")),
            name="password_reset_confirm",
        ),
        path(
            "password_reset/done/",
            page(DoneView, gettext_lazy("Your new password is set")),
            name="password_reset_complete",
        ),
    ]
