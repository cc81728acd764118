"""Screens of records: lists with filters and padlocks, forms, and the “why?” panel."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import Model, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
)
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.translation import (
    get_language,
    gettext,
    gettext_lazy,
    ngettext,
    pgettext_lazy,
)
from unfold.decorators import display

from accounts import access
from accounts.create_first import create_first
from accounts.keys import KeyField, whole_number
from accounts.modeladmin import page_address, user_of
from accounts.review import ANSWER
from accounts.sent_forms import new_token, token_of
from accounts.words import counted
from records import filters, kinds, operations
from records.models import Pipeline, Record
from records.models.base import BIN_DAYS
from records.models.properties import field_access
from records.models.rules import with_locks
from records.operations import RecordError
from records.screens.access import AccessPages
from records.screens.asking import RequestingAdmin
from records.screens.associations import AssociatingAdmin
from records.screens.bin import RecyclingAdmin
from records.screens.columns import dressed
from records.screens.exceptions import ExceptingAdmin
from records.screens.limited import LimitedAdmin
from records.screens.listing import list_filter
from records.screens.many import ChangesManyRecords
from records.screens.ordered import OrderedAdmin
from records.screens.places import OpensAsLeft
from records.screens.revealing import RevealingAdmin
from records.screens.saving import SavesByOneOperation
from records.screens.shares import SharingAdmin
from records.why import why


@cache
def _sign(may_change: bool, language: str) -> str:
    """Return a pencil or a padlock; of each row of a list, so it is drawn once for a language."""
    if may_change:
        return format_html(
            '<span class="material-symbols-outlined padlock is-open" title="{}">edit</span>',
            gettext("You may change this record"),
        )
    return format_html(
        '<span class="material-symbols-outlined padlock" title="{}">lock</span>',
        gettext("You may not change this record; open it to read why"),
    )


def _goes_into_the_bin() -> str:
    said = ngettext(
        "It goes into the recycle bin: for everybody it is gone from lists, searches and exports, "
        "and files that have it are closed. Whoever may delete it can restore it from there for "
        "%(count)s day.",
        "It goes into the recycle bin: for everybody it is gone from lists, searches and exports, "
        "and files that have it are closed. Whoever may delete it can restore it from there for "
        "%(count)s days.",
        BIN_DAYS,
    )
    return said % {"count": counted(BIN_DAYS)}


class RecordAdmin(  # type: ignore[misc]  # Unfold's formfield_overrides
    AccessPages,
    AssociatingAdmin,
    RecyclingAdmin,
    SharingAdmin,
    RequestingAdmin,
    ChangesManyRecords,
    RevealingAdmin,
    OpensAsLeft,
    OrderedAdmin,
    LimitedAdmin,
    SavesByOneOperation,
):
    """What every kind of record's screens have."""

    model: type[Record]
    refusals = (RecordError,)
    in_palette = 1
    what_becomes = lazy(_goes_into_the_bin, str)()
    change_list_template = "records/change_list.html"
    # Any, as in AccessModelAdmin: mypy asks Unfold's base again where another class lies between.
    change_form_before_template: Any = "records/form_top.html"
    change_form_outer_before_template: Any = "records/why.html"
    change_form_outer_after_template: Any = "records/panels.html"
    read_with = Record.owner_fields
    compressed_fields = True
    warn_unsaved_form = True
    help_is_for_editors = True
    """Whether a field that is only read goes without its help (fieldset_row_field.html)."""

    # Which fields there are -----------------------------------------------------------------------

    def hidden_fields(self, request: HttpRequest) -> frozenset[str]:
        return field_access(user_of(request), self.model).hidden

    def fixed_fields(self, request: HttpRequest) -> frozenset[str]:
        return field_access(user_of(request), self.model).fixed

    def veiled_fields(self, request: HttpRequest) -> frozenset[str]:
        return field_access(user_of(request), self.model).veiled

    # Lists --------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return access.marked(super().get_queryset(request), user_of(request), "change")

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        first, *rest = super().get_list_display(request)
        return [first, "padlock", *(dressed(request, self.model, column) for column in rest)]

    def get_sortable_by(self, request: HttpRequest) -> Any:
        values = [dressed(request, self.model, name) for name in super().get_sortable_by(request)]
        by_name = self.names_sorted_by(request)
        columns = self.get_list_display(request) if by_name else []
        return [*values, *(each for each in columns if getattr(each, "__name__", "") in by_name)]

    @display(description=cast("str", pgettext_lazy("above padlocks", "Edit")))
    def padlock(self, obj: Any) -> str:
        """Tell which rows of the page may be changed, as the page's own query answered it."""
        return _sign(bool(obj.may_change), get_language() or "")

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Have no search box where it would look in a field that the person may not read (L16)."""
        if not filters.may_search(self.model, user_of(request)):
            return ()
        return super().get_search_fields(request)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Say in the search box what it finds for this person."""
        found = super().get_changelist_instance(request)
        if self.found_by_digits(request):
            found.search_help_text = kinds.of(self.model).number_help
        return found

    def list_parameters(self, request: HttpRequest) -> set[str]:
        known = super().list_parameters(request)
        return known if self.get_search_fields(request) else known - {filters.SEARCH}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by the words of a term; nothing where the person has no search box (palette)."""
        if search_term and not self.get_search_fields(request):
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    # One record ---------------------------------------------------------------------------------

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The creator becomes the owner unless another is chosen (E7)."""
        return {"owner": user_of(request).pk}

    def record_context(self, request: HttpRequest, obj: Model | None) -> dict[str, Any]:
        context = super().record_context(request, obj)
        if obj is None:
            # Once more the same where a form was refused: it made nothing yet.
            context["form_token"] = token_of(request.POST.get("form_token")) or new_token()
        if isinstance(obj, Record):
            context["why"] = why(user_of(request), obj)
            self.keep_answers(request, obj, context["why"]["answers"])
            if context["why"]["may_request"]:
                context["asked_already"] = self.waiting_request(request, obj)
            context["access_links"] = self.access_links(request, obj)
            context["veiled"] = self.veiled_labels(request)
            context["restricted_links"] = self.restricted_links(request, obj)
            if context["why"]["may_change"]:
                asks = self.only_read(request, obj)
                drawn = {str(name) for name in flatten_fieldsets(self.get_fieldsets(request, obj))}
                context["padlocks"] = {name: ask for name, ask in asks.items() if name in drawn}
                context["only_read"] = [ask for name, ask in asks.items() if name not in drawn]
        return context

    def reasons(self, request: HttpRequest, obj: Model, action: str) -> list[str]:
        assert isinstance(obj, Record)
        return [
            operations.owner_sentence(obj, user_of(request)),
            *operations.refusal(user_of(request), action, obj),
        ]

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        if "owner" in self.fixed_fields(request):
            obj.owner = user_of(request)  # not on the form, which offers the creator (E7)
        made = operations.create(
            obj,
            actor=user_of(request),
            confirm_hand_over=request.POST.get(ANSWER, ""),
            token=token_of(request.POST.get("form_token")),
        )
        obj.pk = made.pk  # of the first one, where the form came twice

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        self._refuse_fixed(request)
        version = request.POST.get("record_version", "")
        operations.change(
            obj,
            actor=user_of(request),
            values={name: form.cleaned_data[name] for name in form.changed_data},
            version=whole_number(version),
            confirm_hand_over=request.POST.get(ANSWER, ""),
        )

    def _refuse_fixed(self, request: HttpRequest) -> None:
        """Say so where a form was opened while a field on it could still be edited."""
        late = sorted(self.fixed_fields(request) & set(request.POST))
        if late:
            labels = [str(kinds.of(self.model).field(name).label) for name in late]
            said = gettext(
                "You may read %(fields)s, and not edit it any more. Nothing was saved; save again "
                "to keep your other changes."
            )
            raise operations.Invalid(said % {"fields": ", ".join(labels)})

    def remove(self, request: HttpRequest, obj: Any) -> None:
        operations.delete(obj, actor=user_of(request))

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        if gone := self._gone(request, obj):
            return gone
        locked = self._locked_now(request, obj)
        return locked or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        if gone := self._gone(request, obj):
            return gone
        return self._locked_now(request, obj) or super().response_change(request, obj)

    def _locked_now(self, request: HttpRequest, obj: Any) -> HttpResponse | None:
        """Say so where the person cannot edit what they have just saved (Q39, Q40).

        Whoever wanted to continue reads the record, and not that they may edit it again.
        """
        if access.allows(user_of(request), "change", obj):
            return None
        sentences = " ".join(operations.refusal(user_of(request), "change", obj))
        said = gettext("Saved. You cannot edit it any more. %(why)s") % {"why": sentences}
        messages.warning(request, said)
        return HttpResponseRedirect(self.page_of(obj)) if "_continue" in request.POST else None

    def _gone(self, request: HttpRequest, obj: Any) -> HttpResponse | None:
        """Back to the list with a message where the record left the person's sight (Q30)."""
        if access.allows(user_of(request), "view", obj):
            return None
        said = gettext("“%(record)s” was saved and handed over. You do not see it any more.")
        messages.success(request, said % {"record": obj})
        return HttpResponseRedirect(page_address(self.model, "changelist"))


class StageField(KeyField):
    """A stage; one in which whoever chooses cannot edit any more bears a padlock."""

    open_one: int | None = None
    """The stage of the form’s record, by its key, where the person edits it all the same."""

    def label_from_instance(self, obj: Any) -> str:
        label = super().label_from_instance(obj)
        if not obj.is_locked or obj.pk == self.open_one:
            return label
        return gettext("%(stage)s 🔒 locked for you") % {"stage": label}


class StagedAdmin(RecordAdmin, ExceptingAdmin):  # type: ignore[misc]  # as RecordAdmin
    """Records that stand in a pipeline."""

    read_with = (*RecordAdmin.read_with, "stage__pipeline")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "stage":
            stages = with_locks(db_field.related_model._default_manager.all(), user_of(request))
            kwargs["queryset"] = stages.select_related("pipeline").order_by(
                "pipeline__name", "position"
            )
            kwargs["form_class"] = StageField
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        stage = form.base_fields.get("stage")
        # By an exception, where the rule on the stage would keep them from it.
        if isinstance(stage, StageField) and obj and self.has_change_permission(request, obj):
            stage.open_one = obj.stage_id
        return form

    def get_list_select_related(self, request: HttpRequest) -> list[str]:
        return [*self.relations_shown(request), "stage__pipeline"]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say what to create first where there is no stage that a new record could stand in."""
        answer: HttpResponse = super().add_view(request, form_url, extra_context)
        drawn = getattr(answer, "context_data", None) or {}
        stage = drawn["adminform"].form.fields.get("stage") if "adminform" in drawn else None
        if stage is None:
            return answer
        # Read once: the page is drawn from what was looked at here. (`list()` would count as well.)
        choices = [(str(key), label) for key, label in stage.choices]
        stage.widget.choices = choices
        return answer if any(key for key, _ in choices) else self._without_stages(request)

    def _without_stages(self, request: HttpRequest) -> HttpResponse:
        pipelines = Pipeline.objects.filter(object=self.opts.model_name)
        needed = pipelines.first() or Pipeline
        kind = kinds.of(self.model)
        return create_first(
            request,
            needed,
            title=gettext("Add %(kind)s") % {"kind": kind.noun},
            missing=gettext("The pipeline “%(pipeline)s” has no stages yet.") % {"pipeline": needed}
            if isinstance(needed, Pipeline)
            else gettext("There is no pipeline for %(kinds)s yet.") % {"kinds": kind.nouns},
            back=page_address(self.model, "changelist"),
        )


def _full_name(model: type[Record]) -> Any:
    """Return the column of what is named by several fields; it goes by the list's own order."""

    @display(
        description=cast("str", gettext_lazy("Name")),
        ordering=next(iter(model._meta.ordering or ())),
    )
    def full_name(self: RecordAdmin, obj: Record) -> str:
        return str(obj)

    return full_name


def screen_of(kind: kinds.Kind) -> type[RecordAdmin]:
    """Return the screens of one kind of record, as it is declared."""
    base = StagedAdmin if kind.is_staged else RecordAdmin
    owners = kind.model.owner_fields
    said = {
        "__doc__": f"Records of the kind “{kind.key}”.",
        "__module__": __name__,
        "list_display": (kind.title, *kind.columns),
        "list_filter": (list_filter(kind.model),),
        "search_fields": kind.model.search_fields,
        "palette_icon": kind.icon or RecordAdmin.palette_icon,
        "search_help_text": kind.search_help,
        "picker_fields": kind.model.name_fields,
        "autocomplete_fields": (*(each.name for each in kind.relations), *owners),
        "associated": kind.linked_from,
        "sortable_by": kind.sortable,
        kinds.FULL_NAME: _full_name(kind.model),
        "fieldsets": (
            (None, {"fields": kind.form}),
            (gettext_lazy("Owners"), {"fields": (owners,)}),
        ),
    }
    return cast("type[RecordAdmin]", type(f"{kind.model.__name__}Admin", (base,), said))


for _kind in kinds.every():
    admin.site.register(_kind.model, screen_of(_kind))

# The screens of pipelines, properties and the limit register themselves.
from records.screens import pipelines as pipeline_screens  # noqa: E402, F401
from records.screens import properties as property_screens  # noqa: E402, F401
from records.screens import screen_limit as limit_screens  # noqa: E402, F401
