"""People and the tree of teams they work in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import (  # type: ignore[attr-defined]  # the last is private
    Group,
    GroupManager,
    PermissionsMixin,
    _user_has_perm,
)
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property
from django.utils.translation import gettext, gettext_lazy

from accounts import delegation
from accounts.fields import Line, LogIn
from accounts.passwords import OwnNameValidator
from accounts.text import normal_email

if TYPE_CHECKING:
    from accounts.access import Grants
    from accounts.asker import Asker
    from accounts.rule import Rule


class UserManager(BaseUserManager["User"]):
    """People by e-mail, always compared in lower case."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Save a person with this log-in; no password means none works.

        Commands come by here too, so it is here that nobody gets their own name for a password.
        """
        user = self.model(email=normal_email(email), **fields)
        if password is not None:
            OwnNameValidator().validate(password, user)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Save a super admin for `manage.py createsuperuser`; the log and the others are told."""
        from accounts import audit, notices, rights

        actor, made = audit.System("createsuperuser"), self.filter(email=normal_email(email))
        with transaction.atomic():
            with rights.changing(actor, rights.Door.CREATED, made):
                person = self.create_user(email, password, is_superuser=True, **fields)
            data: dict[str, Any] = {"permission_set": None, "super_admin": True, "teams": {}}
            audit.record("person.create", actor=actor, on=person, data=data)
            said = {"name": person.get_full_name()}
            notices.tell_super_admins(
                lambda: gettext("%(name)s was made a super admin on the server itself.") % said,
                but=[person.pk],
                subject=lambda: gettext("A super admin was added on the server"),
                mail=lambda: gettext(
                    "Somebody who can run commands on the server added a super admin. Look whether "
                    "it is meant."
                ),
            )
        return person

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=normal_email(username or ""))


class User(AbstractBaseUser, PermissionsMixin):
    """A person who can log in with an e-mail address; their rights hang on one permission set.

    An empty language is the one that the browser asks for, an empty time zone the installation's.
    """

    class Density(models.TextChoices):
        """How far apart the rows of lists are."""

        COMFORTABLE = "comfortable", gettext_lazy("Comfortable")
        COMPACT = "compact", gettext_lazy("Compact")

    email = LogIn(
        gettext_lazy("e-mail"),
        unique=True,
        help_text=gettext_lazy("The log-in. Stored in lower case; one person per address."),
    )
    first_name = Line(gettext_lazy("first name"), max_length=100, blank=True)
    last_name = Line(gettext_lazy("last name"), max_length=100, blank=True)
    is_active = models.BooleanField(
        gettext_lazy("active"),
        default=True,
        help_text=gettext_lazy("Inactive people cannot log in; their records stay."),
    )
    permission_set = models.ForeignKey(
        "accounts.PermissionSet",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="people",
        verbose_name=gettext_lazy("permission set"),
        help_text=gettext_lazy("What this person may do. Without a set: nothing."),
    )
    is_partner_admin = models.BooleanField(
        gettext_lazy("partner admin"),
        default=False,
        help_text=gettext_lazy(
            "An employee of the implementation partner who works with every record."
        ),
    )
    teams = models.ManyToManyField(
        "accounts.Team", through="accounts.Membership", related_name="members", editable=False
    )
    session_epoch = models.PositiveIntegerField(
        default=0, editable=False, help_text="Raised to end every open session of this person."
    )
    invited_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When their last invitation was made."
    )
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    language = models.CharField(max_length=10, blank=True, default="", editable=False)
    time_zone = models.CharField(max_length=60, blank=True, default="", editable=False)
    density = models.CharField(
        max_length=12, choices=Density.choices, default=Density.COMFORTABLE, editable=False
    )
    list_places = models.JSONField(
        default=dict,
        editable=False,
        help_text="By kind: the tab and the order that their list was last used in.",
    )

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()

    reasons: list[str]
    """Codes of the rules that grant; only on people from `access.who_can`."""
    level: tuple[str, ...]
    """What of `access.LEVELS` they may do; only on people from `access.who_can`."""
    main_team: str | None
    """The name of their main team; only on people from `people.with_main_team`."""

    always_visible = ("email", "first_name", "last_name", "is_active")
    name_fields = ("first_name", "last_name", "email")
    """What a person's name is made of."""
    names_are_public = True
    can_be_chosen = Q(is_active=True)
    """Whom pickers offer to choose (E52)."""
    own_actions = ("credentials", "teams")
    """Changing the log-in (e-mail, password, pause), and putting somebody into teams."""

    class Meta:
        verbose_name = gettext_lazy("user")
        verbose_name_plural = gettext_lazy("users")
        ordering = ("first_name", "last_name", "email")
        constraints = (
            models.CheckConstraint(condition=Q(email=Lower("email")), name="email_is_lower_case"),
            models.CheckConstraint(
                condition=Q(is_superuser=False) | Q(is_partner_admin=False),
                name="super_or_partner_admin_not_both",
            ),
        )

    def __str__(self) -> str:
        name = self.get_full_name()
        return name if self.is_active else gettext("%(name)s (deactivated)") % {"name": name}

    def get_full_name(self) -> str:
        """Return the name as people read it, the e-mail where there is none."""
        return f"{self.first_name} {self.last_name}".strip() or self.email

    def get_short_name(self) -> str:
        return self.first_name or self.email

    @property
    def is_staff(self) -> bool:
        """The admin is the whole product: every active person may enter it."""
        return self.is_active

    def check_password(self, raw_password: str) -> bool:
        """Tell whether this is the password; an old hash of it is made anew.

        Django would save the new hash whatever stands there by now: a password that was changed
        while this one was being checked would be the old one again.
        """

        def renew(password: str) -> None:
            checked, self.password = self.password, make_password(password)
            stored = User.objects.filter(pk=self.pk, password=checked)
            stored.update(password=self.password)

        return check_password(raw_password, self.password, renew)

    # Super admins get no short-cut: they too are decided by access.py (R90).
    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return bool(_user_has_perm(self, perm, obj))

    def has_module_perms(self, app_label: str) -> bool:
        from accounts.access import allows_any_in_app

        return allows_any_in_app(self, app_label)

    @cached_property
    def grants(self) -> Grants:
        """What this person holds, loaded once per instance and never kept across requests (Q24)."""
        from accounts.access import load_grants

        return load_grants(self)

    @property
    def grants_are_loaded(self) -> bool:
        """Whether anybody has asked yet what this person may do."""
        return "grants" in self.__dict__

    def _get_session_auth_hash(self, secret: Any = None) -> str:
        """Tie a session to the password *and* to the epoch, so that it can be ended for good."""
        key_salt = "accounts.models.people.User.session"
        value = f"{self.password}:{self.session_epoch}"
        return salted_hmac(key_salt, value, secret=secret, algorithm="sha256").hexdigest()

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Super admins and delegates govern people; pickers show names to all (R7, R95)."""
        return delegation.people_rules(asker, action)


class Team(Group):
    """A group of people that sees what its members, and the teams below it, own (R27, E21).

    It extends Django's group for guardian's per-record group shares only; who is in it is told by
    `Membership` alone.
    """

    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=gettext_lazy("parent"),
        help_text=gettext_lazy(
            "A team above sees everything owned below, never the other way round."
        ),
    )

    objects: ClassVar[models.Manager[Team]] = GroupManager()  # type: ignore[assignment]  # typed for groups

    always_visible = ("name", "parent")
    names_are_public = True

    class Meta:
        verbose_name = gettext_lazy("team")
        verbose_name_plural = gettext_lazy("teams")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def access_rules(cls, asker: Asker, action: str) -> list[Rule]:
        """Super admins and delegates govern teams; their names are visible to all (R6)."""
        return delegation.team_rules(asker, action)


class TeamReach(models.Model):
    """The closure of the tree: `above` sees `below`; every team is above itself.

    Rewritten by `accounts.operations` with the tree, in the same transaction.
    """

    above = models.ForeignKey(Team, models.CASCADE, related_name="reaches_below")
    below = models.ForeignKey(Team, models.CASCADE, related_name="reached_from")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["above", "below"], name="team_reach_once"),)

    def __str__(self) -> str:
        return f"{self.above_id} > {self.below_id}"


class Membership(models.Model):
    """A person in a team: at most one main team, any number of extra ones (E19, E20)."""

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, models.PROTECT, related_name="memberships")
    is_main = models.BooleanField(gettext_lazy("main team"), default=False)

    class Meta:
        ordering = ("-is_main", "team__name")
        constraints = (
            models.UniqueConstraint(fields=["user", "team"], name="member_once"),
            models.UniqueConstraint(
                fields=["user"], condition=Q(is_main=True), name="one_main_team"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user_id} in {self.team_id}"
