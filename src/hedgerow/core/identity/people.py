"""A user as every room sees them: who they are, where they belong, what `@current` means for them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.identity.models import Organization, OrganizationMembership, Project, User

MEMBER = 1
ADMIN = 8
OWNER = 15


class SignedUser(msgspec.Struct, frozen=True):
    """An active user. `levels` has each organization that they belong to, oldest membership first."""

    id: int
    uuid: UUID
    distinct_id: str
    email: str
    first_name: str
    last_name: str
    is_staff: bool
    date_joined: datetime
    levels: dict[UUID, int]
    keyless: dict[UUID, str]
    """Organizations, with their names, that do not let this user ask with personal keys."""
    organization_id: UUID | None
    """The current organization: the one chosen, else the first; None if they belong to none."""
    team_id: int | None
    """The current project: the one chosen, else the current organization's first; None if there is none."""
    settings: dict[str, Any]

    def basic(self) -> UserBasic:
        """As other objects embed their author (rest-api §1.8)."""
        return user_basic(self)


class UserBasic(msgspec.Struct, frozen=True):
    """`created_by`, `last_modified_by`, `user` … of other objects (rest-api §1.8)."""

    id: int
    uuid: UUID
    distinct_id: str
    first_name: str
    last_name: str
    email: str
    is_email_verified: bool | None
    hedgehog_config: dict[str, Any] | None
    role_at_organization: str | None


def user_basic(user: User | SignedUser) -> UserBasic:
    """The row, or the user who asks, in the form that other objects embed."""
    return UserBasic(
        user.id,
        user.uuid,
        user.distinct_id,
        user.first_name,
        user.last_name,
        user.email,
        user.settings.get("is_email_verified"),
        user.settings.get("hedgehog_config"),
        user.settings.get("role_at_organization"),
    )


async def signed_user(session: AsyncSession, user_id: int) -> SignedUser | None:
    """Load an active user with what belongs to them; None if there is no such user."""
    user = await session.get(User, user_id)
    if user is None or not user.is_active:
        return None
    memberships = await session.execute(
        select(OrganizationMembership.level, Organization)
        .join(Organization, Organization.id == OrganizationMembership.organization_id)
        .where(OrganizationMembership.user_id == user_id, Organization.deleted_at.is_(None))
        .order_by(OrganizationMembership.joined_at, OrganizationMembership.id)
    )
    levels: dict[UUID, int] = {}
    keyless: dict[UUID, str] = {}
    for level, organization in memberships:
        levels[organization.id] = level
        if level < ADMIN and not organization.settings.get("members_can_use_personal_api_keys", True):
            keyless[organization.id] = organization.name
    organization_id, team_id = await _current(session, user, levels)
    return SignedUser(
        id=user.id,
        uuid=user.uuid,
        distinct_id=user.distinct_id,
        email=user.email,
        first_name=user.first_name,
        last_name=user.last_name,
        is_staff=user.is_staff,
        date_joined=user.date_joined,
        levels=levels,
        keyless=keyless,
        organization_id=organization_id,
        team_id=team_id,
        settings=user.settings,
    )


async def _current(session: AsyncSession, user: User, levels: dict[UUID, int]) -> tuple[UUID | None, int | None]:
    """What the user chose, if they still belong there; else the first that they belong to."""
    if user.current_team_id is not None:
        team = await session.get(Project, user.current_team_id)
        if team is not None and team.deleted_at is None and team.organization_id in levels:
            return team.organization_id, team.id
    chosen = user.current_organization_id
    organization_id = chosen if chosen in levels else next(iter(levels), None)
    if organization_id is None:
        return None, None
    first = await session.scalar(
        select(Project.id)
        .where(Project.organization_id == organization_id, Project.deleted_at.is_(None))
        .order_by(Project.id)
        .limit(1)
    )
    return organization_id, first
