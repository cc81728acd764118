"""What each person chooses for themselves: language, time zone, and how close rows stand."""

from __future__ import annotations

from django.utils.translation import gettext

from accounts import audit, languages
from accounts.account_errors import InvalidChange
from accounts.audit import operation
from accounts.models import User


@operation("person.choose_settings")
def choose_settings(*, actor: User, language: str, time_zone: str, density: str) -> None:
    """Choose one's own settings; an empty language is the browser's, an empty zone ours.

    Everybody may, for themselves alone. Raises `InvalidChange` for what there is none of.
    """
    if language and language not in languages.known():
        raise InvalidChange(gettext("Choose one of the languages of the list."))
    if time_zone and languages.zone_called(time_zone) is None:
        raise InvalidChange(gettext("Choose one of the time zones of the list."))
    if density not in User.Density.values:
        raise InvalidChange(gettext("Choose how far apart the rows of lists are."))
    chosen = {"language": language, "time_zone": time_zone, "density": density}
    changed = {
        name: {"from": getattr(actor, name), "to": value}
        for name, value in chosen.items()
        if getattr(actor, name) != value
    }
    if changed:
        User.objects.filter(pk=actor.pk).update(**chosen)
        audit.record("person.choose_settings", actor=actor, on=actor, data=changed)
