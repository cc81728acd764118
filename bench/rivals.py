"""Other ways to narrow a list to what a person may view, for comparison only."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models import BigIntegerField, Q, QuerySet, Value
from guardian import shortcuts
from guardian.models import GroupObjectPermission, UserObjectPermission

from accounts import access
from accounts.models import Rank, User
from bench.profiles import Profile
from records.models import SHARES, Contact

Rival = Callable[[User], QuerySet[Contact]]


def guardian(user: User) -> QuerySet[Contact]:
    """Return what guardian finds granted, record by record, to this person.

    In its usual tables: those of shares, which it would find by itself, hold the product's own.
    """
    usual: dict[str, Any] = {
        "get_user_obj_perms_model": lambda obj: UserObjectPermission,
        "get_group_obj_perms_model": lambda obj: GroupObjectPermission,
    }
    with patch.multiple(shortcuts, **usual):
        rows: QuerySet[Contact] = shortcuts.get_objects_for_user(
            user, "records.view_contact", Contact, accept_global_perms=False, with_superuser=False
        )
    return rows.filter(deleted_at=None)


def grant(people: list[Profile]) -> int:
    """Grant by guardian, once per database: every owner what they own, and these people all.

    What everybody else sees through a team or a box would be hundreds of rows for each record;
    without them guardian's table is kinder to it than a real one. Returns the number of rows.
    """
    table = UserObjectPermission._meta.db_table
    contact = ContentType.objects.get_for_model(Contact)
    view = Permission.objects.get(content_type=contact, codename="view_contact")
    if not UserObjectPermission.objects.exists():
        live = Contact.objects.filter(deleted_at=None).order_by()
        seen = [
            live.exclude(**{name: None}).values_list(name, "pk") for name in Contact.owner_fields
        ]
        for profile in people:
            if profile.is_fenced:
                rows = access.permitted(live, profile.user, "view")
                person = Value(profile.user.pk, BigIntegerField())
                seen.append(rows.annotate(person=person).values_list("person", "pk"))
        with connection.cursor() as cursor:
            for rows in seen:
                sql, parameters = rows.query.sql_with_params()
                cursor.execute(
                    f"WITH seen(person, record) AS ({sql}) "
                    f"INSERT INTO {table} (permission_id, content_type_id, user_id, object_pk) "
                    "SELECT %s, %s, person, CAST(record AS varchar) FROM seen WHERE true "
                    "ON CONFLICT DO NOTHING",
                    [*parameters, view.pk, contact.pk],
                )
            cursor.execute(f"ANALYZE {table}")
    return UserObjectPermission.objects.count()


def naive(user: User) -> QuerySet[Contact]:
    """Return the same rows as the obvious ORM query finds them: memberships joined in the list."""
    scope = user.grants.scopes["contact"]
    named = Q(owner=user) | Q(co_owner=user)
    if scope.view == Rank.TEAM:
        for field in Contact.owner_fields:
            reached = f"{field}__memberships__team__reached_from__above__memberships__user"
            named |= Q((reached, user))
    if scope.view_unassigned:
        named |= Q(owner=None, co_owner=None)
    for table in SHARES["contact"]:
        given = table._default_manager.filter(**_receivers(table, user))
        named |= Q(pk__in=given.values("content_object"))
    rows = Contact.objects.filter(named, deleted_at=None)
    return rows.distinct() if scope.view == Rank.TEAM else rows


def _receivers(table: type[object], user: User) -> dict[str, object]:
    if getattr(table, "receiver_field", "") == "user":
        return {"user": user}
    return {"group__team__memberships__user": user, "group__team__memberships__is_main": True}


def constrained(user: User) -> QuerySet[Contact]:
    """Return the same rows by `pk__in`, of the keys that our own rule finds."""
    seen = Contact.objects.permitted(user, "view").values("pk")
    return Contact.objects.filter(pk__in=seen, deleted_at=None)


RIVALS: dict[str, Rival] = {
    "guardian's get_objects_for_user": guardian,
    "memberships joined in the query": naive,
    "pk__in of what is permitted": constrained,
}
