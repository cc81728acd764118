"""Small makers of people, teams and records; they save rows directly, for tests to arrange with."""

from typing import Any

import factory
from factory.django import DjangoModelFactory

from accounts.models import Membership, ObjectScope, PermissionSet, Team, TeamReach, ToolGrant, User
from accounts.operations import clamped
from records.models import Company, Contact, Deal, Pipeline, Stage, Ticket

PASSWORD = "a long test password"


class SetFactory(DjangoModelFactory[PermissionSet]):
    """A permission set; `scopes={"deal": {"view": 2}}`, `tools=["crm.export"]`."""

    name = factory.Sequence(lambda n: f"Set {n}")

    class Meta:
        model = PermissionSet
        skip_postgeneration_save = True

    @factory.post_generation
    def scopes(obj: PermissionSet, create: bool, value: Any, **kwargs: Any) -> None:  # noqa: N805
        for key, scope in (value or {}).items():
            ObjectScope.objects.create(permission_set=obj, object=key, **clamped(scope))

    @factory.post_generation
    def tools(obj: PermissionSet, create: bool, value: Any, **kwargs: Any) -> None:  # noqa: N805
        for tool in value or ():
            key, _, option = tool.partition(":")
            ToolGrant.objects.create(permission_set=obj, key=key, option=option)


class TeamFactory(DjangoModelFactory[Team]):
    """A team, with its row of the closure."""

    name = factory.Sequence(lambda n: f"Team {n}")

    class Meta:
        model = Team
        skip_postgeneration_save = True

    @factory.post_generation
    def reach(obj: Team, create: bool, value: Any, **kwargs: Any) -> None:  # noqa: N805
        above: Team | None = obj
        while above is not None:
            TeamReach.objects.create(above=above, below=obj)
            above = above.parent


class UserFactory(DjangoModelFactory[User]):
    """A person; `team=` is the main one, `extra=[…]` the others."""

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    first_name = factory.LazyAttribute(lambda o: o.email.split("@")[0].split(".")[0].title())
    password = factory.django.Password(PASSWORD)

    class Meta:
        model = User
        skip_postgeneration_save = True

    @factory.post_generation
    def team(obj: User, create: bool, value: Team | None, **kwargs: Any) -> None:  # noqa: N805
        if value is not None:
            Membership.objects.create(user=obj, team=value, is_main=True)

    @factory.post_generation
    def extra(obj: User, create: bool, value: Any, **kwargs: Any) -> None:  # noqa: N805
        for team in value or ():
            Membership.objects.create(user=obj, team=team)


class PipelineFactory(DjangoModelFactory[Pipeline]):
    name = factory.Sequence(lambda n: f"Pipeline {n}")

    class Meta:
        model = Pipeline


class StageFactory(DjangoModelFactory[Stage]):
    name = factory.Sequence(lambda n: f"Stage {n}")
    pipeline = factory.SubFactory(PipelineFactory)

    class Meta:
        model = Stage


class CompanyFactory(DjangoModelFactory[Company]):
    name = factory.Sequence(lambda n: f"Company {n}")

    class Meta:
        model = Company


class ContactFactory(DjangoModelFactory[Contact]):
    first_name = "Cora"
    last_name = factory.Sequence(lambda n: f"Contact{n}")

    class Meta:
        model = Contact


class DealFactory(DjangoModelFactory[Deal]):
    name = factory.Sequence(lambda n: f"Deal {n}")
    stage = factory.SubFactory(StageFactory)

    class Meta:
        model = Deal


class TicketFactory(DjangoModelFactory[Ticket]):
    subject = factory.Sequence(lambda n: f"Ticket {n}")
    stage = factory.SubFactory(StageFactory, pipeline__object="ticket")

    class Meta:
        model = Ticket
