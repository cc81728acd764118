"""Forms of people, teams and permission sets; they gather values, operations decide and save."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanWidget,
)

from accounts import access, catalogue, invitations
from accounts.held import lowest_set
from accounts.keys import KeyField, whole_number
from accounts.modeladmin import AccessForm, user_of
from accounts.models import PermissionSet, Rank, Team, User
from accounts.operations import grants_of, is_free, scopes_of, unknown_in
from accounts.picked import PickedField, Picking
from accounts.pickers import offers
from accounts.tool_forms import ToolsField

# --- Permission sets: one row per object, one column per action -----------------------------------


UNKNOWN = ""
"""In a grid that was sent: cells that no grid of this version has."""


class ScopeGrid(forms.Widget):
    """A table of scopes: a row per kind of record, a column per action, a box beside it (R5)."""

    template_name = "accounts/scope_grid.html"
    locked: frozenset[str] = frozenset()
    """Keys of the catalogue that whoever looks may not change."""
    limits: Mapping[str, int] = {}
    """The highest level that whoever looks may give, by key; any where there is none."""
    stored: Mapping[str, Mapping[str, Any]] = {}
    """What is stored: a browser sends nothing of what is locked, and it stays."""
    now: Mapping[str, str] | None = None
    """Of several people or sets: what they have, by key; each is changed where it is ticked."""
    ticked: frozenset[str] | set[str] = frozenset()

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        scopes: Mapping[str, Mapping[str, Any]] = value or {}
        context["several"] = self.now is not None
        context["actions"] = [catalogue.ACTION_LABELS[action] for action in catalogue.ACTIONS]
        context["rows"] = [
            {
                "label": kind.plural,
                "cells": [
                    self._cell(name, kind, action, scopes.get(kind.key, {}))
                    for action in catalogue.ACTIONS
                ],
            }
            for kind in catalogue.objects()
        ]
        context["ranks"] = Rank.choices
        return context

    def _cell(
        self, name: str, kind: catalogue.ObjectKind, action: str, scope: Mapping[str, Any]
    ) -> dict[str, Any]:
        asked: int | str = scope.get(action, 0)  # as it was sent, where it is shown once more
        key = f"crm.{kind.key}.{action}"
        return {
            "key": key,
            "action": catalogue.ACTION_LABELS[action],
            "locked": key in self.locked,
            "locked_box": key + catalogue.UNASSIGNED in self.locked,
            "most": self.limits.get(key, Rank.EVERYTHING),
            "now": self.now.get(key, "") if self.now is not None else "",
            "ticked": key in self.ticked,
            "exists": action in kind.actions,
            "is_box": action == "add",
            "name": f"{name}-{kind.key}-{action}",
            "label": gettext("%(action)s %(kinds)s")
            % {
                "action": catalogue.ACTION_LABELS[action],
                "kinds": kind.model._meta.verbose_name_plural,
            },
            "value": whole_number(str(int(asked) if isinstance(asked, int) else asked)),
            "unassigned": bool(scope.get(f"{action}_unassigned", False)),
        }

    def value_from_datadict(self, data: Any, files: Any, name: str) -> dict[str, dict[str, Any]]:
        scopes: dict[str, dict[str, Any]] = {}
        for kind in catalogue.objects():
            row: dict[str, Any] = {}
            for action in kind.actions:
                key, stored = f"crm.{kind.key}.{action}", self.stored.get(kind.key, {})
                kept = stored.get(action, 0) if key in self.locked else ""
                given = data.get(f"{name}-{kind.key}-{action}", kept)
                row[action] = bool(given) if action == "add" else given
                if action != "add":
                    column = f"{action}_unassigned"
                    locked = key + catalogue.UNASSIGNED in self.locked
                    kept = stored.get(column, False) if locked else False
                    row[column] = bool(data.get(f"{name}-{kind.key}-{column}", kept))
            scopes[kind.key] = row
        prefix = f"{name}-"
        known = {f"{prefix}{key}-{column}" for key, row in scopes.items() for column in row}
        if unknown := sorted(
            each for each in data if each.startswith(prefix) and each not in known
        ):
            scopes[UNKNOWN] = {each.removeprefix(prefix): True for each in unknown}
        return scopes


class ScopeGridField(forms.Field):
    """Scopes by object and column, as `accounts.operations` takes them."""

    widget = ScopeGrid

    def clean(self, value: Any) -> dict[str, dict[str, int | bool]]:
        if unknown := (value or {}).get(UNKNOWN):
            raise forms.ValidationError(
                gettext(
                    "There is no such permission: %(names)s. Open this page again to see which "
                    "there are."
                )
                % {"names": ", ".join(unknown)}
            )
        cleaned: dict[str, dict[str, int | bool]] = {}
        for key, row in (value or {}).items():
            cleaned[key] = {}
            for column, given in row.items():
                if isinstance(given, bool):
                    cleaned[key][column] = given
                elif str(given) in {str(rank) for rank in Rank.values}:
                    cleaned[key][column] = int(given)
                else:
                    raise forms.ValidationError(
                        gettext("Choose one of the offered scopes in every cell.")
                    )
        return cleaned

    def has_changed(self, initial: Any, data: Any) -> bool:
        return True


def _who_may_get_a_new_set(user: User, key: int) -> QuerySet[User] | None:
    if not access.allows_any(user, "add", PermissionSet):
        return None
    return User.objects.filter(is_superuser=False)


def _extra_teams(user: User, key: int) -> QuerySet[Team] | None:
    """Return every team, for whoever adds or edits users: their names are public."""
    if not any(access.allows_any(user, action, User) for action in ("add", "change")):
        return None
    return Team.objects.all()


offers |= {"new_set_people": _who_may_get_a_new_set, "extra_teams": _extra_teams}


class PermissionSetForm(Picking, AccessForm):
    """A permission set with its scopes and tools."""

    scopes = ScopeGridField(
        label=gettext_lazy("CRM objects"),
        required=False,
        help_text=gettext_lazy(
            "Edit, Delete and Communicate never exceed View, and Merge never exceeds Edit: what is "
            "set wider is narrowed on saving."
        ),
    )
    tools = ToolsField(label=gettext_lazy("Tools"), required=False)
    remove_unknown = forms.BooleanField(
        label=gettext_lazy("Remove what this version does not know"), required=False
    )

    people = PickedField(
        "new_set_people",
        User,
        label=gettext_lazy("Who gets it"),
        required=False,
        help_text=gettext_lazy("They have it instead of what they had so far, at once."),
    )

    class Meta:
        model = PermissionSet
        fields = ("name", "description")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        of_new_ones = [key for key, tool in catalogue.TOOLS.items() if tool.default]
        self.initial.setdefault("tools", of_new_ones)
        if "people" in self.fields:
            choices: Any = self.fields["people"]
            if self.request is not None and not choices.open_to(user_of(self.request)).exists():
                choices.help_text = gettext(
                    "There is nobody yet to give it to: super admins need no set."
                )
        if self.instance.pk:
            self.initial["scopes"] = scopes_of(self.instance)
            self.initial["tools"] = [str(grant) for grant in grants_of(self.instance.pk)]
        unknown = unknown_in(self.instance) if self.instance.pk else []
        if unknown:
            self.fields["remove_unknown"].help_text = gettext(
                "This set also names %(names)s. It grants nothing, and stays here until you "
                "tick this and save."
            ) % {"names": ", ".join(unknown)}
        else:
            del self.fields["remove_unknown"]


# --- People ---------------------------------------------------------------------------------------


def _teams() -> dict[str, Any]:
    return {"queryset": Team.objects.all(), "required": False}


class PersonForm(Picking, AccessForm):
    """A person: name, log-in, permission set and teams."""

    main_team = KeyField(
        label=gettext_lazy("Main team"),
        **_teams(),
        widget=UnfoldAdminSelectWidget,
        empty_label=gettext_lazy("No team"),
    )
    extra_teams = PickedField(
        "extra_teams",
        Team,
        label=gettext_lazy("Extra teams"),
        required=False,
        help_text=gettext_lazy("The person sees the records of these teams too."),
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "email", "permission_set")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "extra_teams" in self.fields and self.request is not None:
            self.fields["extra_teams"].open_to(user_of(self.request))  # type: ignore[attr-defined]  # a picked field
        if not getattr(self.instance, "may_credentials", True):
            self.fix(
                "email",
                gettext_lazy(
                    "They log in by it, and can do more than you. Ask a super admin to change it."
                ),
            )
        if self.instance.pk and "main_team" in self.fields:
            rows = list(self.instance.memberships.values_list("team", "is_main"))
            self.initial["main_team"] = next((team for team, is_main in rows if is_main), None)
            self.initial["extra_teams"] = [team for team, is_main in rows if not is_main]


class NewPersonForm(PersonForm):
    """A person to add, with a first password or an invitation to choose one."""

    password = forms.CharField(
        label=gettext_lazy("First password"),
        required=False,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy(
            "At least 10 characters, not the person’s own name or e-mail. Leave empty if the "
            "person chooses it with an invitation; without either, they cannot log in."
        ),
    )

    invite = forms.BooleanField(
        label=invitations.TITLE,
        required=False,
        initial=True,
        widget=UnfoldBooleanWidget,
        help_text=gettext_lazy("Not needed if you set a first password."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "invite" in self.fields and not invitations.go_by_mail():
            self.fields["invite"].help_text = gettext(
                "The person chooses their password by it; you copy it from the next page and give "
                "it to them. Not needed if you set a first password."
            )

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if password:
            validate_password(password)
        return password


class ConfirmForm(forms.Form):
    """A dialog that only asks: really?"""


class DemoteForm(forms.Form):
    """Which rights a former super admin has from now on (R92, Q27)."""

    permission_set = KeyField(
        label=gettext_lazy("Permission set"),
        queryset=PermissionSet.objects.named(),
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy(
            "From now on this person may do exactly what this set says. The set that allows least "
            "is chosen at first."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("permission_set", lowest_set())


class PasswordForm(forms.Form):
    """A new password for somebody."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy(
            "At least 10 characters, not the person’s own name or e-mail. Logs the person out "
            "everywhere."
        ),
    )

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password)
        return password


class TeamForm(AccessForm):
    """A team and where it hangs in the tree."""

    class Meta:
        model = Team
        fields = ("name", "parent")
        labels: ClassVar = {"parent": gettext_lazy("Team above")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.request and not is_free(user_of(self.request)):
            self.fix(
                "parent",
                gettext_lazy(
                    "Where a team hangs decides what whole teams see. Ask a super admin to move it."
                ),
            )


def tool_labels(keys: Iterable[str]) -> list[str]:
    """Return the names of tools as people read them, and what there is no such tool for."""
    names = (
        str(catalogue.TOOLS[key].label)
        if key in catalogue.TOOLS
        else gettext("%(key)s (unknown)") % {"key": key}
        for key in keys
    )
    return list(dict.fromkeys(names))
