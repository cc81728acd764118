"""What each person chooses for themselves: language, time zone, rows, and how lists open."""

from __future__ import annotations

from django.utils.translation import gettext

from accounts import audit, catalogue, languages
from accounts.account_errors import InvalidChange
from accounts.audit import operation
from accounts.models import User

LONGEST_PLACE = 200
"""More characters than any tab or order of a list has."""


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


@operation("person.keep_list_place")
def keep_list_place(*, actor: User, kind: str, tab: str, order: str) -> None:
    """Let one's own list of a kind of record open on this tab and in this order from now on.

    Both empty: on all records, in the kind's own order. What is kept decides nothing: the list
    looks, each time it opens, whether the tab and the columns are there for the person.

    Writes no audit event. It changes what one person's own screen begins with and nothing that
    anybody may do; an event for each click would bury those that matter, and would be a diary of
    how people work, which the log is not.
    """
    if catalogue.object_kind(kind) is None or max(len(tab), len(order)) > LONGEST_PLACE:
        raise InvalidChange(gettext("There is no such list."))
    # Read here, where nobody else writes it: of two lists that are opened at once each is kept.
    person = User.objects.select_for_update(of=("self",)).only("list_places").get(pk=actor.pk)
    places = {**person.list_places, kind: {"tab": tab, "order": order}}
    if not tab and not order:
        del places[kind]
    User.objects.filter(pk=actor.pk).update(list_places=places)
