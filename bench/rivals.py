"""Other ways to narrow a list to what a person may view, for comparison only."""

from collections.abc import Callable

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from guardian.models import UserObjectPermission
from guardian.shortcuts import get_objects_for_user

from accounts.models import Rank, User
from records.models import Deal

CHUNK = 5000

Rival = Callable[[User], QuerySet[Deal]]


def guardian(user: User) -> QuerySet[Deal]:
    """Return what guardian finds granted, record by record, to this person."""
    rows: QuerySet[Deal] = get_objects_for_user(
        user, "records.view_deal", Deal, accept_global_perms=False, with_superuser=False
    )
    return rows


def grant(user: User) -> None:
    """Grant this person by guardian what their scope lets them view; once per database.

    Nobody else's grants are made, which is kind to guardian: its table stays small.
    """
    deal = ContentType.objects.get_for_model(Deal)
    view = Permission.objects.get(content_type=deal, codename="view_deal")
    given = UserObjectPermission.objects.filter(user=user, permission=view, content_type=deal)
    keys = Deal.objects.permitted(user, "view").order_by("pk").values_list("pk", flat=True)
    if given.count() == len(keys):
        return
    given.delete()
    for start in range(0, len(keys), CHUNK):
        UserObjectPermission.objects.bulk_create(
            UserObjectPermission(user=user, permission=view, content_type=deal, object_pk=str(key))
            for key in keys[start : start + CHUNK]
        )


def naive(user: User) -> QuerySet[Deal]:
    """Return the same rows as the obvious ORM query finds them: memberships joined in the list."""
    scope = user.grants.scopes["deal"]
    named = Q(owner=user) | Q(co_owner=user)
    if scope.view == Rank.TEAM:
        mine: dict[str, object] = {
            f"{field}__memberships__team__reached_from__above__memberships__user": user
            for field in ("owner", "co_owner")
        }
        for condition in mine.items():
            named |= Q(condition)
    if scope.view_unassigned:
        named |= Q(owner=None, co_owner=None)
    rows = Deal.objects.filter(named, deleted_at=None)
    return rows.distinct() if scope.view == Rank.TEAM else rows


RIVALS: dict[str, Rival] = {
    "guardian's get_objects_for_user": guardian,
    "memberships joined in the query": naive,
}
