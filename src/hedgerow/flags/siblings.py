"""Flags of one key in the projects of an organization (rest-api §2)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.identity.models import Project
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import authors
from hedgerow.flags.flag_view import is_simple, rollout
from hedgerow.flags.models import FeatureFlag
from hedgerow.flags.payloads import hidden


class SiblingFlag(msgspec.Struct, frozen=True):
    """A flag of one of the organization's projects."""

    flag_id: int
    team_id: int
    created_by: UserBasic | None
    filters: dict[str, Any]
    created_at: datetime
    is_simple_flag: bool
    rollout_percentage: float | None
    active: bool


async def sibling_flags(session: AsyncSession, organization_id: UUID, key: str) -> list[SiblingFlag]:
    """The flags of that key in every project of the organization, by project; sealed payloads are not shown."""
    projects = select(Project.id).where(Project.organization_id == organization_id, Project.deleted_at.is_(None))
    found = await session.scalars(
        select(FeatureFlag)
        .where(FeatureFlag.team_id.in_(projects), FeatureFlag.key == key, FeatureFlag.deleted.is_(False))
        .order_by(FeatureFlag.team_id, FeatureFlag.id)
    )
    rows = found.all()
    by = await authors(session, [row.created_by_id for row in rows])
    return [
        SiblingFlag(
            flag_id=row.id,
            team_id=row.team_id,
            created_by=by.get(row.created_by_id),
            filters=hidden(row.filters),
            created_at=row.created_at,
            is_simple_flag=is_simple(row.filters),
            rollout_percentage=rollout(row.filters),
            active=row.active,
        )
        for row in rows
    ]
