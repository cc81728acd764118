"""Who took a field's flag away: kept for whoever exports, and told to the other super admins."""

from __future__ import annotations

from django.utils.translation import gettext, gettext_lazy

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
    name = actor.get_full_name()

    def text() -> str:
        kind = kinds.named(row.object)
        parts = {
            "name": name,
            "field": kind.field(row.name).label if kind else row.name,
            "kinds": kind.nouns if kind else row.object,
            "flags": ", ".join(str(_FLAGS[flag, getattr(row, flag)]) for flag in moved),
        }
        return gettext("%(name)s changed the field “%(field)s” of %(kinds)s: %(flags)s.") % parts

    tell_super_admins(
        text,
        page_address(Property, "change", row.pk),
        but=[actor.pk],
        subject=lambda: gettext("What counts as sensitive was changed"),
        mail=lambda: (
            gettext("%(name)s changed which field is sensitive. Look whether it is meant.")
            % {"name": one_line(name)}
        ),
        place=lambda: gettext("Settings, Fields"),
    )


_FLAGS = {
    ("sensitive", True): gettext_lazy("sensitive now"),
    ("sensitive", False): gettext_lazy("sensitive no more"),
    ("highly_sensitive", True): gettext_lazy("highly sensitive now"),
    ("highly_sensitive", False): gettext_lazy("highly sensitive no more"),
}
