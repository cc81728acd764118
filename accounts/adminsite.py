"""The site-wide views of the admin that would give something away, closed (RC9)."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.models import LogEntry
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.core.validators import MaxLengthValidator
from django.db.models import ForeignObjectRel, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.functional import SimpleLazyObject
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from unfold.dataclasses import SearchResult
from unfold.forms import AdminOwnPasswordChangeForm, AuthenticationForm
from unfold.sites import UnfoldAdminSite

from accounts import access, late_forms, new_password, operations, people, session_limits
from accounts.finding import with_words
from accounts.invitation_pages import invitation_urls
from accounts.keys import label_of
from accounts.letters import folded
from accounts.log_in import LogInPaused, confirm, forget_old, log_in, remember_browser
from accounts.modeladmin import AccessModelAdmin, user_of
from accounts.models import User
from accounts.new_password_pages import new_password_urls
from accounts.paging import InTurn
from accounts.passwords import LONGEST_PASSWORD, FaultsOfNewPassword
from accounts.picked import PickView
from accounts.pickers import Purpose, offered_in_turn
from accounts.text import one_form

LONGEST_TERM = 80
MOST_FOUND = 8


def _form_of(response: HttpResponse) -> Any:
    """Return the form that a page shows, if it is one."""
    return (getattr(response, "context_data", None) or {}).get("form")


class Picker(AutocompleteJsonView):
    """Offers what may be named, searched by names only (L27, R7).

    By a relation seen from its other side, it offers what is not linked yet and may be (R109 b).
    """

    # Set by Django while it reads the request; its stubs leave them out.
    source_field: Any  # a foreign key or a many-to-many field
    admin_site: AdminSite
    model_admin: AccessModelAdmin
    purpose = Purpose.ASK
    """Set by the address: no parameter of a request changes what a picker is for."""

    def has_perm(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let in who may choose by this field, or who may ask by it.

        A field hidden from them answers like one that does not exist (B6).
        """
        choosing = self.purpose is Purpose.CHOOSE
        model = self.source_field.model
        screen = self.admin_site._registry.get(model)
        if not isinstance(screen, AccessModelAdmin):
            return False
        if isinstance(self.source_field, ForeignObjectRel):
            return choosing and self._may_link(screen)
        fields = screen.chosen_fields(request) if choosing else screen.asked_fields(request)
        return self.source_field.name in fields

    def _may_link(self, screen: AccessModelAdmin) -> bool:
        """Let in who may link others with a record of this screen, by a field they may write."""
        link = self.source_field.field
        closed = {
            *self.model_admin.hidden_fields(self.request),
            *self.model_admin.fixed_fields(self.request),
        }
        return (
            self.source_field.name in screen.associated
            and link.name not in closed
            and screen.has_change_permission(self.request)
        )

    def get_queryset(self) -> Any:  # rows, or several lists of them one after another
        target: type[Model] = self.source_field.remote_field.model
        parts = offered_in_turn(target._default_manager.all(), user_of(self.request), self.purpose)
        found = [self._narrowed(rows) for rows in parts]
        return found[0] if len(found) == 1 else InTurn(found)

    def _narrowed(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what this field takes and what is typed, in the order of names."""
        if isinstance(self.source_field, ForeignObjectRel):
            rows = access.permitted(rows, user_of(self.request), access.ASSOCIATE)
            rows = rows.filter(self._not_linked_yet())
        else:
            rows = rows.complex_filter(self.source_field.get_limit_choices_to())
        term = self.term[:LONGEST_TERM]
        if issubclass(rows.model, User):
            return people.named(rows, term)
        screen = self.model_admin
        rows = with_words(rows, term, screen.picker_fields, screen.found_by_digits(self.request))
        return rows.order_by(*(rows.model._meta.ordering or ()))

    def serialize_result(self, obj: Model, to_field_name: str) -> dict[str, str]:
        """Name a row as the form does that shows it chosen."""
        return {"id": str(getattr(obj, to_field_name)), "text": label_of(obj)}

    def _not_linked_yet(self) -> Q:
        """Hold for rows without this link, and for those whose link leads into the bin."""
        link = self.source_field.field
        in_bin = access.recycled(link.related_model._base_manager.all(), user_of(self.request))
        unlinked = Q(**{f"{link.name}__isnull": True})
        return unlinked | Q(**{f"{link.name}__in": in_bin.values("pk")})


class LogInForm(AuthenticationForm):
    """Django's form, with every attempt counted."""

    paused: LogInPaused | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error_messages = {
            **self.error_messages,
            "invalid_login": gettext(
                "E-mail or password is wrong. In a password, capital letters matter."
            ),
        }
        self.fields["password"].validators.append(MaxLengthValidator(LONGEST_PASSWORD))

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        email, password = (self.cleaned_data.get(name) for name in ("username", "password"))
        if email and password:
            assert self.request is not None
            try:
                self.user_cache = log_in(self.request, email, password)
            except LogInPaused as paused:
                self.paused = paused
                raise ValidationError(str(paused), code="paused") from None
            if self.user_cache is None:
                raise self.get_invalid_login_error()
            self.confirm_login_allowed(self.user_cache)
        return self.cleaned_data


class OwnPasswordForm(FaultsOfNewPassword, AdminOwnPasswordChangeForm):
    """Django's form, counting wrong old passwords, and saving by the operation alone."""

    request: HttpRequest
    """Set by the view that shows the form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].validators.append(MaxLengthValidator(LONGEST_PASSWORD))

    @sensitive_variables()
    def clean_old_password(self) -> str:
        password: str = self.cleaned_data["old_password"]
        try:
            is_right = confirm(self.request, user_of(self.request), password)
        except LogInPaused as paused:
            raise ValidationError(
                gettext("%(paused)s Try again after it.") % {"paused": paused}, code="paused"
            ) from None
        if not is_right:
            raise ValidationError(self.error_messages["password_incorrect"], "password_incorrect")
        return password

    def save(self, commit: bool = True) -> Any:
        user: User = self.user
        operations.change_own_password(actor=user, password=self.cleaned_data["new_password1"])
        return user


class OwnPasswordView(PasswordChangeView):
    """Django's view; its form knows where the request came from."""

    form_class = OwnPasswordForm

    def get_form(self, form_class: Any = None) -> Any:
        form = super().get_form(form_class)
        form.request = self.request
        return form


class AccessSite(UnfoldAdminSite):
    """An admin site whose own views ask the access engine too."""

    enable_nav_sidebar = True
    login_form = LogInForm

    def get_urls(self) -> list[Any]:  # Unfold promises patterns only; there are resolvers too
        """Leave out `/r/`, which redirects to any row of any model (L67)."""
        choose = path("autocomplete/choose/", self.admin_view(self.choose_view), name="choose")
        return [
            choose,
            path("pick/<slug:offer>/", self.admin_view(PickView.as_view()), name="pick"),
            *new_password_urls(self),
            *invitation_urls(self),
            *(url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"),
        ]

    def choose_view(self, request: HttpRequest) -> HttpResponse:
        """Answer the pickers of forms."""
        return self._picked(request, Purpose.CHOOSE)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """Answer the pickers of filters."""
        return self._picked(request, Purpose.ASK)

    def _picked(self, request: HttpRequest, purpose: Purpose) -> HttpResponse:
        answer = Picker.as_view(admin_site=self, purpose=purpose)(request)
        assert isinstance(answer, HttpResponse)
        return answer

    @method_decorator(never_cache)
    @login_not_required
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Log in by the counted form; a pause is an answer of its own (429)."""
        if request.method == "HEAD" and self.has_permission(request):
            return HttpResponseRedirect(reverse(f"{self.name}:index"))  # as Django for a GET
        why = session_limits.in_words(request.GET.get("ended", ""))
        late = late_forms.unpack(request.POST.get(late_forms.FIELD, ""))
        owner, token = late_forms.owner(request), request.META.get("CSRF_COOKIE")
        response = super().login(
            request,
            {
                "why": why,
                "offers_new_password": new_password.is_offered(),
                "is_late": late is not None,
                "late_form": request.POST[late_forms.FIELD] if late else "",
                **(extra_context or {}),
            },
        )
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            late_forms.give_token(request, token if owner == user_of(request).pk else None)
            if late:
                response = late_forms.answer(request, late)
            remember_browser(request, response, user_of(request))
            forget_old()
        paused = getattr(_form_of(response), "paused", None)
        if paused is not None:
            response.status_code = 429
            response["Retry-After"] = str(paused.seconds)
        return response

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:  # a response; the stubs of Django and Unfold disagree on which
        """Change one's own password through the operation, so that the log has it."""
        return OwnPasswordView.as_view(
            success_url=reverse(f"{self.name}:password_change_done"),
            extra_context={
                **self.each_context(request),
                "title": gettext("Change password"),
                **(extra_context or {}),
            },
        )(request)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the screens of each app as Django does, put together when somebody looks.

        Django gives the list to every page, and ours show it on none but the search: asking all
        screens for four permissions each took a tenth of a page.
        """
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """Show no recent actions: their titles are copies that outlive rights (L65)."""
        return LogEntry.objects.none()

    def search(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Find pages and records for the command palette: no cache, no count of all (L69)."""
        term = (request.GET.get("s") or "").strip().replace("\x00", "")[:LONGEST_TERM]
        extended = "extended" in request.GET
        results = self._pages(request, term) if term else []
        if extended and term:
            results += self._records(request, term)
        page = Paginator(results, 100)
        context = {
            "page_obj": page,
            "results": page.page(1),
            "page_counter": 0,
            "execution_time": 0,
            "command_show_history": False,
        }
        name = "command_results" if extended else "search_results"
        return TemplateResponse(
            request, f"unfold/helpers/{name}.html", context, headers={"HX-Trigger": "search"}
        )

    def _pages(self, request: HttpRequest, term: str) -> list[SearchResult]:
        return [
            SearchResult(
                title=str(m["name"]), description=a["name"], link=m["admin_url"], icon="tag"
            )
            for a in self.get_app_list(request)
            for m in a["models"]
            if m["admin_url"] and folded(one_form(term)) in folded(str(m["name"]))
        ]

    def _records(self, request: HttpRequest, term: str) -> list[SearchResult]:
        results = []
        screens = [each for each in self._registry.values() if isinstance(each, AccessModelAdmin)]
        if len(screens) < len(self._registry):
            raise PermissionDenied
        for model_admin in sorted(screens, key=lambda each: each.in_palette):
            model = model_admin.model
            if not model_admin.in_palette or not model_admin.has_view_permission(request):
                continue
            rows, _ = model_admin.get_search_results(
                request, model_admin.get_queryset(request), term
            )
            if not rows.ordered:  # a list that counts something drops the order of its model
                rows = rows.order_by(
                    *(model_admin.get_ordering(request) or model._meta.ordering or ())
                )
            options = model._meta
            address = f"{self.name}:{options.app_label}_{options.model_name}_change"
            results += [
                SearchResult(
                    title=str(row),
                    description=str(capfirst(options.verbose_name)),
                    link=reverse(address, args=[row.pk]),
                    icon=model_admin.palette_icon,
                )
                for row in rows[:MOST_FOUND]
            ]
        return results
