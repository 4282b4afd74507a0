"""Where a user can let an application in: their organizations and the projects in them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import select

from hedgerow.core.http import ValidationFailed
from hedgerow.core.identity.models import Organization, Project
from hedgerow.core.identity.people import SignedUser
from hedgerow.core.storage.metadata import Metadata


class ProjectPlace(msgspec.Struct, frozen=True):
    """A project."""

    id: int
    name: str


class OrganizationPlace(msgspec.Struct, frozen=True):
    """An organization with its projects."""

    id: UUID
    name: str
    projects: list[ProjectPlace]


async def places_of(metadata: Metadata, user: SignedUser) -> list[OrganizationPlace]:
    """Everything that the user belongs to, by name."""
    async with metadata.read() as session:
        organizations = await session.scalars(
            select(Organization)
            .where(Organization.id.in_(user.levels), Organization.deleted_at.is_(None))
            .order_by(Organization.name, Organization.id)
        )
        projects = await session.scalars(
            select(Project)
            .where(Project.organization_id.in_(user.levels), Project.deleted_at.is_(None))
            .order_by(Project.name, Project.id)
        )
        found: dict[UUID, list[ProjectPlace]] = {}
        for project in projects:
            found.setdefault(project.organization_id, []).append(ProjectPlace(project.id, project.name))
        return [OrganizationPlace(one.id, one.name, found.get(one.id, [])) for one in organizations]


def check_places(places: Sequence[OrganizationPlace], organizations: Sequence[str], teams: Sequence[int]) -> None:
    """Whether all of these are among the user's own. Raises `ValidationFailed`, in PostHog's words."""
    if not {str(place.id) for place in places} >= set(organizations):
        raise ValidationFailed("Invalid organization specified or you do not have access.", attr="scoped_organizations")
    if not {project.id for place in places for project in place.projects} >= set(teams):
        raise ValidationFailed("Invalid team specified or you do not have access.", attr="scoped_teams")
