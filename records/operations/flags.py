"""Who took a field's flag away: kept for whoever exports, and told to the other super admins."""

from __future__ import annotations

from accounts.addresses import page_address
from accounts.audit import Actor
from accounts.models import User
from accounts.notices import one_line, tell_super_admins
from accounts.rights import keep
from records import kinds
from records.models import FlagLifted, Property


def flags_changed(before: dict[str, bool], row: Property, actor: Actor) -> None:
    """Write down and tell what became of a field's flags, in the transaction of the change.

    `before` says of `sensitive` and `highly_sensitive` how they stood. What the system does, such
    as an import, frees nobody and is not told.
    """
    moved = [name for name, stood in before.items() if getattr(row, name) != stood]
    if not moved or not isinstance(actor, User):
        return
    if before["sensitive"] and not row.sensitive:
        keep(FlagLifted, actor, object=row.object, name=row.name)
    _tell_super_admins(actor, row, moved)


def _tell_super_admins(actor: User, row: Property, moved: list[str]) -> None:
    labels = {name: str(Property._meta.get_field(name).verbose_name) for name in moved}  # type: ignore[union-attr]  # concrete fields
    said = [
        f"{label} {'now' if getattr(row, name) else 'no more'}" for name, label in labels.items()
    ]
    kind = kinds.named(row.object)
    field = kind.field(row.name).label if kind else row.name
    where = kind.nouns if kind else row.object
    name = actor.get_full_name()
    tell_super_admins(
        f"{name} changed the field “{field}” of {where}: {', '.join(said)}.",
        page_address(Property, "change", row.pk),
        but=[actor.pk],
        subject="What counts as sensitive was changed",
        mail=f"{one_line(name)} changed which field is sensitive. Look whether it is meant.",
        place="Settings, Fields",
    )
