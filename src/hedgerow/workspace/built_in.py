"""The project that the server keeps for itself: calls through its gateway are events there.

It stands in an organization of its own, so that nobody's list of projects grows by it; whoever set the server up owns it,
finds it under `/api/organizations/`, and asks it in HogQL like any other.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.clock import Clock
from hedgerow.core.identity.models import Organization, Project, User
from hedgerow.core.storage.metadata import Metadata
from hedgerow.workspace.organizations import make_organization
from hedgerow.workspace.projects import make_project

SLUG: Final = "hedgerow-itself"
"""Unique, so that of two processes that make it one wins."""
ORGANIZATION: Final = "Hedgerow itself"
PROJECT: Final = "Gateway calls"


class BuiltInProject(msgspec.Struct, frozen=True):
    """What is needed to send events to it."""

    id: int
    api_token: str


async def gateway_project(metadata: Metadata, clock: Clock) -> BuiltInProject | None:
    """The project of the gateway's calls, made if it is not there; None while the server has no user.

    Raises `MetadataUnavailable`.
    """
    async with metadata.read() as session:
        found = await _find(session)
    if found is not None:
        return found
    try:
        async with metadata.write() as session:
            return await _find(session) or await _make(session, clock)
    except IntegrityError:  # another process made it meanwhile
        async with metadata.read() as session:
            return await _find(session)


async def _find(session: AsyncSession) -> BuiltInProject | None:
    row = (
        await session.execute(
            select(Project.id, Project.api_token)
            .join(Organization, Organization.id == Project.organization_id)
            .where(Organization.slug == SLUG, Project.name == PROJECT, Project.deleted_at.is_(None))
            .order_by(Project.id)
            .limit(1)
        )
    ).first()
    return None if row is None else BuiltInProject(row.id, row.api_token)


async def _make(session: AsyncSession, clock: Clock) -> BuiltInProject | None:
    user = await session.scalar(select(User).where(User.is_active).order_by(User.id).limit(1))
    if user is None:
        return None
    current = user.current_organization_id, user.current_team_id
    organization = await session.scalar(select(Organization).where(Organization.slug == SLUG))
    if organization is None:
        organization, _ = await make_organization(session, clock, {"name": ORGANIZATION}, user.id)
        organization.slug = SLUG
        await session.flush()
    organization.deleted_at = None
    made = await make_project(session, clock, organization.id, {"name": PROJECT}, user.id)
    user.current_organization_id, user.current_team_id = current
    return BuiltInProject(made.project.id, made.project.api_token)
