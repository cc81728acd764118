"""Teams and people that sections name, looked up: a missing one is an error with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from django.db import models

from accounts.models import Team, User
from accounts.policy_file.reading import Written, unknown
from accounts.text import normal_email

TEAMS = "teams"


class File:
    """The sections of one file, and whom they may name; what is looked up is looked up once."""

    def __init__(self, sections: Mapping[str, Written]) -> None:
        self.sections = sections

    @cached_property
    def team_names(self) -> Collection[str]:
        """The names of all teams that there are once the file is applied."""
        if TEAMS in self.sections:
            return self.sections[TEAMS].mapping().keys()
        return set(Team.objects.values_list("name", flat=True))

    @cached_property
    def emails(self) -> Collection[str]:
        """The e-mails of all people, those who have left too: a rule may still name them."""
        return set(User.objects.values_list("email", flat=True))

    def teams(self, written: Written | None) -> tuple[str, ...]:
        """Return the teams of a list, by name and sorted; raise for one that there is not."""
        texts = written.texts() if written else ()
        return tuple(sorted(each.one_of(self.team_names, "team") for each in texts))

    def people(self, written: Written | None) -> tuple[str, ...]:
        """Return the people of a list, by e-mail and sorted; raise for one that there is not."""
        found: set[str] = set()
        for each in written.texts() if written else ():
            email = normal_email(each.text())
            if email not in self.emails:
                raise each.refused(unknown("person", email, self.emails))
            if email in found:
                raise each.refused(f"“{email}” stands here twice. Write it once.")
            found.add(email)
        return tuple(sorted(found))


def teams_of(names: Iterable[str]) -> list[Team]:
    """Return the teams with these names, as they are now."""
    return list(Team.objects.filter(name__in=names))


def people_of(emails: Iterable[str]) -> list[User]:
    """Return the people with these e-mails, as they are now."""
    return list(User.objects.filter(email__in=emails))


def fitting(model: type[models.Model], field: str, text: str, written: Written) -> None:
    """Raise where a text is longer than its column, or would be stored without its spaces."""
    if text != text.strip():
        raise written.refused(f"this {field} begins or ends with a space. Leave it out.")
    longest: int | None = getattr(model._meta.get_field(field), "max_length", None)
    if longest is not None and len(text) > longest:
        raise written.refused(f"this {field} is longer than {longest} characters. Shorten it.")
