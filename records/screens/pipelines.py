"""Screens of pipelines, their stages and edit rules, for super admins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext, gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldBooleanSwitchWidget

from accounts import access
from accounts.addresses import page_address
from accounts.create_first import create_first
from accounts.keys import KeysField
from accounts.modeladmin import (
    AccessInline,
    AccessModelAdmin,
    opened,
    row_pages,
    say_saved,
    user_of,
)
from accounts.models import Team, User
from accounts.picked import PickedField, Picking
from accounts.pickers import offers
from records import operations
from records.models import Pipeline, Stage, StageRule
from records.operations import RecordError


def _for_rules(model: type[Model]) -> Callable[[User, int], QuerySet[Any] | None]:
    """Return what a rule may name, for whoever lays rules down."""
    return lambda user, key: (
        model._default_manager.all() if access.allows_any(user, "change", Pipeline) else None
    )


offers |= {"rule_people": _for_rules(User), "rule_teams": _for_rules(Team)}


class StageInline(AccessInline):
    """The stages of a pipeline, in order."""

    model = Stage
    fields = ("name", "position", "outcome")
    hide_title = True


class RuleForm(Picking, forms.Form):
    """Who may edit records in some stages of one pipeline (R106)."""

    enabled = forms.BooleanField(
        label=gettext_lazy("Control editing access"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=gettext_lazy(
            "While this is off, everybody edits as their permissions say, in every stage."
        ),
    )
    stages = KeysField(
        queryset=Stage.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "plain-boxes"}),
        label=gettext_lazy("Stages with restricted editing"),
        help_text=gettext_lazy(
            "Stages that are not ticked stay open to everybody who may edit the record."
        ),
    )
    editors = forms.ChoiceField(
        label=gettext_lazy("Who may edit in them"),
        choices=StageRule.Editors.choices,
        widget=forms.RadioSelect(attrs={"class": "plain-boxes"}),
        initial=StageRule.Editors.SUPER_ADMINS,
    )
    teams = PickedField(
        "rule_teams",
        Team,
        label=gettext_lazy("Teams"),
        required=False,
        help_text=gettext_lazy("Members count, main and extra; teams above are not implied."),
    )
    users = PickedField("rule_people", User, required=False, label=gettext_lazy("People"))

    def __init__(
        self, *args: Any, pipeline: Pipeline, rule: StageRule | None, user: User, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        kept = rule.users.values_list("pk", flat=True) if rule else ()
        self.fields["users"].open_to(user, kept=kept)  # type: ignore[attr-defined]  # a picked field
        self.fields["teams"].open_to(user)  # type: ignore[attr-defined]  # a picked field
        stages = pipeline.stages.all()
        self.fields["stages"].queryset = stages  # type: ignore[attr-defined]  # a model choice field
        self.fields["stages"].label_from_instance = lambda stage: stage.name  # type: ignore[attr-defined]  # a model choice field

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("enabled") and not cleaned.get("stages"):
            raise forms.ValidationError(gettext("Tick at least one stage, or switch the rule off."))
        return cleaned


@admin.register(Pipeline)
class PipelineAdmin(AccessModelAdmin):
    """Pipelines, their stages, and the rule on who may edit in them."""

    refusals = (RecordError, *AccessModelAdmin.refusals)
    list_display = ("name", "object", "stage_names", "locked_stages")
    search_fields = ("name",)
    picker_fields = ("name",)
    sortable_by = ("name", "object")
    few_rows = True
    fields = ("object", "name")
    inlines = (StageInline,)
    change_form_before_template = "accounts/as_opened.html"
    change_form_outer_before_template = "records/pipeline_rule_link.html"

    def as_it_stands(self, obj: Model) -> str:
        assert isinstance(obj, Pipeline)
        return operations.pipeline_as_it_stands(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("stages", "rule__stages")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fixed = ["object"] if obj is not None else []
        return [*super().get_readonly_fields(request, obj), *fixed]

    @display(description=cast("str", gettext_lazy("Stages")))
    def stage_names(self, obj: Pipeline) -> str:
        return ", ".join(stage.name for stage in obj.stages.all()) or "–"

    @display(description=cast("str", gettext_lazy("Locked")))
    def locked_stages(self, obj: Pipeline) -> str:
        rule = getattr(obj, "rule", None)
        if rule is None or not rule.enabled:
            return "–"
        return ", ".join(stage.name for stage in rule.stages.all())

    def create(self, request: HttpRequest, obj: Any, form: Any) -> None:
        values = form.cleaned_data
        made = operations.create_pipeline(
            actor=user_of(request), object=values["object"], name=values["name"]
        )
        obj.pk = made.pk

    def change(self, request: HttpRequest, obj: Any, form: Any) -> None:
        operations.change_pipeline(
            obj,
            actor=user_of(request),
            name=form.cleaned_data["name"],
            as_opened=opened(request),
        )

    def remove(self, request: HttpRequest, obj: Any) -> None:
        operations.delete_pipeline(obj, actor=user_of(request))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)
        for stage in formset.deleted_objects:
            operations.delete_stage(stage, actor=user_of(request))
        stages = [*formset.new_objects, *(stage for stage, _ in formset.changed_objects)]
        for stage in stages:
            stage.pipeline_id = form.instance.pk
        operations.save_stages(stages, actor=user_of(request))

    # The rule ----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        return [*row_pages(self, rule=self.rule_view), *super().get_urls()]

    def rule_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show and lay down the edit rule of one pipeline."""
        pipeline: Pipeline = self.found(request, object_id)
        if not self.has_change_permission(request, pipeline):
            raise PermissionDenied
        if not pipeline.stages.exists():
            return create_first(
                request,
                pipeline,
                title=gettext("Editing access by stage"),
                missing=gettext("The pipeline “%(pipeline)s” has no stages yet.")
                % {"pipeline": pipeline},
                back=page_address(Pipeline, "changelist"),
            )
        # Before the rule is read: a page must not be newer than its mark.
        as_opened = opened(request) or operations.rule_as_it_stands(pipeline)
        rule = StageRule.objects.filter(pipeline=pipeline).first()
        initial = rule and {
            "enabled": rule.enabled,
            "editors": rule.editors,
            "stages": rule.stages.all(),
            "users": rule.users.all(),
            "teams": rule.teams.all(),
        }
        posted = request.POST if request.method == "POST" else None
        form = RuleForm(
            posted, initial=initial, pipeline=pipeline, rule=rule, user=user_of(request)
        )
        back = page_address(Pipeline, "change", pipeline.pk)
        if request.method == "POST" and form.is_valid():
            try:
                operations.set_stage_rule(
                    pipeline,
                    actor=user_of(request),
                    as_opened=opened(request),
                    **form.cleaned_data,
                )
            except RecordError as refusal:
                form.add_error(None, str(refusal))
            else:
                said = gettext("The rule of %(pipeline)s holds from now on.")
                say_saved(request, said % {"pipeline": pipeline})
                return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Editing access by stage"),
            "opts": self.opts,
            "original": pipeline,
            "form": form,
            "media": self.media + form.media,
            "as_opened": as_opened,
            "back": back,
        }
        return TemplateResponse(request, "records/stage_rule.html", context)

    def record_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context = super().record_context(request, obj)
        if obj is not None:
            context["rule_url"] = page_address(Pipeline, "rule", obj.pk)
            context["rule"] = StageRule.objects.filter(pipeline=obj, enabled=True).first()
        return context
