"""Profiles: columns, format and headers of an export, kept by one person to be used again.

A profile holds names and no rights: whatever it names is narrowed to what its owner may have at the
moment it is used, and a column that is hidden by then is left out without a word (B6).
"""

from __future__ import annotations

from collections.abc import Sequence

from django.apps.registry import Apps
from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts import access, audit
from accounts.models import User
from accounts.text import hidden_character
from exports import tables
from exports.models import ExportProfile, ExportRequest
from exports.operations.wishes import FORMATS
from exports.steps import InvalidRequest, NotAllowed, words
from records import kinds
from records.migrating import Renamed
from records.models import Record

MOST_PROFILES = 50
LONGEST_NAME = 80


def profiles_of(person: User, model: type[Record]) -> QuerySet[ExportProfile]:
    """Return this person's profiles for this kind of record, by name."""
    rows = ExportProfile.objects.filter(owner=person, object=model.object_key)
    return access.permitted(rows, person, "view")


def save_profile(
    *,
    actor: User,
    model: type[Record],
    name: str,
    columns: Sequence[str],
    format: str = "csv",
    headers: str = "labels",
) -> ExportProfile:
    """Keep a choice under a name; one's own profile of the same name is replaced."""
    with audit.step("export_profile.save", actor) as person:
        if not access.allows_any(person, access.EXPORT, model):
            raise NotAllowed(
                gettext("You may not export %(kinds)s, so there is nothing to keep a profile for.")
                % {"kinds": kinds.of(model).nouns}
            )
        name = words(name)
        if not name or len(name) > LONGEST_NAME or hidden_character(name):
            raise InvalidRequest(
                gettext("Name the profile, in one line of at most %(most)s characters.")
                % {"most": LONGEST_NAME}
            )
        offered = {column.name for column in tables.offered_columns(model, person)}
        if not columns or len(set(columns)) < len(columns) or set(columns) - offered:
            raise InvalidRequest(
                gettext("Choose at least one column, each once, of those offered.")
            )
        if format not in FORMATS or headers not in ExportRequest.Headers.values:
            raise InvalidRequest(gettext("Choose a format and headers that are offered."))
        mine = profiles_of(person, model)
        kept = {"columns": list(columns), "format": format, "headers": headers}
        before = mine.filter(name=name).first()
        if before is not None and all(getattr(before, key) == kept[key] for key in kept):
            return before
        if mine.exclude(name=name).count() >= MOST_PROFILES:
            raise InvalidRequest(
                gettext("You have %(number)s profiles here. Delete one before you keep another.")
                % {"number": MOST_PROFILES}
            )
        profile, made = ExportProfile.objects.update_or_create(
            owner=person,
            object=model.object_key,
            name=name,
            defaults=kept,
        )
        audit.record(
            "export_profile.save",
            actor=person,
            on=profile,
            text=name,
            data={
                "object": profile.object,
                "columns": profile.columns,
                "format": format,
                "headers": headers,
                "new": made,
            },
        )
    return profile


def delete_profile(profile: ExportProfile, *, actor: User) -> None:
    """Forget a profile of one's own; somebody else's is refused as one that is gone is."""
    with audit.step("export_profile.delete", actor) as person:
        rows = access.permitted(ExportProfile.objects.filter(pk=profile.pk), person, "delete")
        found = rows.filter(owner=person).first()
        if found is None:
            raise InvalidRequest(gettext("There is no such profile of yours any more."))
        audit.record(
            "export_profile.delete",
            actor=person,
            on=found,
            text=found.name,
            data={"object": found.object},
        )
        found.delete()


def rename_in_profiles(apps: Apps, alias: str, renamed: Renamed) -> None:
    """Let profiles name a column by the new name of its field, associated columns too.

    Fills the slot `records.migrating.also_named`.
    """
    ways = [(renamed.kind, ""), *((kind, f"{name}.") for kind, name in renamed.linked_by)]
    try:
        rows = apps.get_model("exports", "ExportProfile")._base_manager.using(alias)
    except LookupError:  # not migrated so far, so there are none
        return
    for kind, begin in ways:
        old, new = f"{begin}{renamed.old}", f"{begin}{renamed.new}"
        for row in rows.filter(object=kind):
            columns = [_renamed(each, old, new) for each in row.columns]
            if columns != row.columns:
                rows.filter(pk=row.pk).update(columns=columns)


def _renamed(column: str, old: str, new: str) -> str:
    """Return the name of a column by a field's new name: its own, or of what it leads to."""
    return new + column.removeprefix(old) if f"{column}.".startswith(f"{old}.") else column
