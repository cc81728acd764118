"""The people that are measured: one for each way a scope can reach."""

from dataclasses import dataclass

from django.db.models import Count

from accounts.models import User
from records.models import Deal


@dataclass(frozen=True, slots=True)
class Profile:
    """A person of the large company, and what their scope is called in the table."""

    name: str
    user: User

    def fresh(self) -> User:
        """Return the person as a request finds them: nothing loaded yet."""
        return User.objects.get(pk=self.user.pk)


def profiles() -> list[Profile]:
    """Choose people: own, a team of some 16, hundreds of owners, and those without a fence."""
    people = User.objects.filter(is_active=True, is_superuser=False).order_by("pk")
    deals = Deal._base_manager.count()
    owned = dict(Deal._base_manager.values_list("owner").annotate(Count("pk")))

    def holding(name: str) -> list[User]:
        return list(people.filter(permission_set__name=name))

    def of_sixteen(user: User) -> int:
        return abs(len(user.grants.mates) - 16)

    team = holding("Bulk: team")
    own = min(holding("Bulk: own"), key=lambda u: abs(owned.get(u.pk, 0) - deals / 500))
    small = min(team, key=of_sixteen)
    many = max(team, key=lambda u: len(u.grants.mates))
    boxed = min(holding("Bulk: team and unassigned"), key=of_sixteen)
    return [
        Profile("own", own),
        Profile(f"team of {len(small.grants.mates)}", small),
        Profile(f"{len(many.grants.mates)} owners", many),
        Profile("team + unass.", boxed),
        Profile("everything", holding("Bulk: everything")[0]),
        Profile("super admin", User.objects.filter(is_superuser=True).order_by("pk")[0]),
    ]
