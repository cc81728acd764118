"""The people that are measured: one for each way a scope can reach."""

from dataclasses import dataclass

from django.db.models import Count

from accounts.models import User
from records.models import SHARES, Contact


@dataclass(frozen=True, slots=True)
class Profile:
    """A person of the large company, and what their scope is called in the table."""

    name: str
    user: User
    is_fenced: bool = True

    def fresh(self) -> User:
        """Return the person as a request finds them: nothing loaded yet."""
        return User.objects.get(pk=self.user.pk)


def profiles() -> list[Profile]:
    """Choose seven people, and a super admin, whom the others are compared with.

    few and heavy own little and much; many has hundreds of owners in reach; box sees what nobody
    owns; mix does too, and was given shares.
    """
    people = User.objects.filter(is_active=True, is_superuser=False).order_by("pk")
    contacts = Contact._base_manager.order_by()
    owned = dict(contacts.values_list("owner").annotate(Count("pk")))
    given = SHARES["contact"][0]._default_manager.order_by()
    shares = dict(given.values_list("user").annotate(Count("pk")))

    def holding(name: str) -> list[User]:
        return list(people.filter(permission_set__name=name))

    def of_sixteen(user: User) -> int:
        return abs(len(user.grants.mates) - 16)

    own, team = holding("Bulk: own"), holding("Bulk: team")
    boxes = holding("Bulk: team and unassigned")
    box = min(boxes, key=of_sixteen)
    return [
        Profile("few", min(own, key=lambda u: (owned.get(u.pk, 0) or 10**9, u.pk))),
        Profile("heavy", max(own, key=lambda u: owned.get(u.pk, 0))),
        Profile("team16", min(team, key=of_sixteen)),
        Profile("many", max(team, key=lambda u: len(u.grants.mates))),
        Profile("box16", box),
        Profile("mix", max((u for u in boxes if u != box), key=lambda u: shares.get(u.pk, 0))),
        Profile("everything", holding("Bulk: everything")[0], is_fenced=False),
        Profile("super admin", super_admin(), is_fenced=False),
    ]


def super_admin() -> User:
    """Return the first super admin."""
    return User.objects.filter(is_superuser=True).order_by("pk")[0]
