"""Who changed what, before and after, per resource (rest-api §1.5, §1.8: ActivityLogEntry)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Access, ApiRequest, NamedDependency, Team, needs, page_request
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources.authors import authors
from hedgerow.core.resources.models import ActivityLog

ITEMS_OF_A_PAGE = 10
PAGE_MAX = 1_000


class Change(msgspec.Struct, frozen=True):
    """One field that became another."""

    type: str
    action: Literal["created", "changed", "deleted", "merged", "split", "exported"]
    field: str | None
    before: Any
    after: Any


class Subject(msgspec.Struct, frozen=True):
    """What was touched: `scope` as PostHog calls it (`FeatureFlag`, `Insight` …), its id, and how people know it."""

    scope: str
    item_id: Any
    name: str | None = None
    short_id: str | None = None
    type: str | None = None


class Activity(msgspec.Struct, frozen=True):
    """One entry, as it goes over the wire."""

    id: UUID
    user: UserBasic | None
    activity: str
    scope: str
    item_id: str
    detail: dict[str, Any]
    created_at: datetime
    unread: bool
    is_system: bool
    was_impersonated: bool


class ActivityPage(msgspec.Struct, frozen=True):
    """A page of entries, newest first."""

    results: list[Activity]
    next: str | None
    previous: str | None
    total_count: int


def differences(
    scope: str, before: Mapping[str, Any], after: Mapping[str, Any], *, passing_over: Sequence[str] = ()
) -> list[Change]:
    """What changed between two views of an object, field by field, in the order of `after`."""
    found: list[Change] = []
    for field, value in after.items():
        earlier = before.get(field)
        if field in passing_over or earlier == value:
            continue
        action = "created" if earlier is None else "deleted" if value is None else "changed"
        found.append(Change(scope, action, field, earlier, value))
    return found


async def activity_of(session: AsyncSession, statement: Select[ActivityLog]) -> list[Activity]:
    """The entries that a statement finds, with their authors: two statements."""
    rows = (await session.scalars(statement)).all()
    by = await authors(session, (row.user_id for row in rows))
    return [
        Activity(
            id=row.id,
            user=by.get(row.user_id),
            activity=row.activity,
            scope=row.scope,
            item_id=row.item_id,
            detail=row.detail,
            created_at=row.created_at,
            unread=False,
            is_system=row.is_system,
            was_impersonated=False,
        )
        for row in rows
    ]


Exists = Callable[[AsyncSession, Team, str], Awaitable[object]]
"""From what the path says to the item's id as its activity has it. Raises `NotFound`."""


def activity_routes(paths: Sequence[str], scope: str, exists: Exists, parameter: str) -> list[HTTPRouteHandler]:
    """`activity/` below a resource's list, and below each of its items, whose id the path calls `parameter`."""

    @get([f"{path}activity/" for path in paths], guards=[needs("activity_log:read")])
    async def list_activity(
        request: ApiRequest, team: NamedDependency[Team], access: NamedDependency[Access]
    ) -> ActivityPage:
        """What happened to any resource of this kind, newest first."""
        async with access.metadata.read() as session:
            return await _page(request, session, team, scope, None)

    @get([f"{path}{{{parameter}:str}}/activity/" for path in paths], guards=[needs("activity_log:read")])
    async def item_activity(
        request: ApiRequest, team: NamedDependency[Team], access: NamedDependency[Access]
    ) -> ActivityPage:
        """What happened to one, newest first."""
        async with access.metadata.read() as session:
            item_id = await exists(session, team, str(request.path_params[parameter]))
            return await _page(request, session, team, scope, str(item_id))

    return [list_activity, item_activity]


async def _page(
    request: ApiRequest, session: AsyncSession, team: Team, scope: str, item_id: str | None
) -> ActivityPage:
    asked = page_request(request, ITEMS_OF_A_PAGE)
    said = asked.said().get("page", "1")
    number = int(said) if said.isascii() and said.isdecimal() and 0 < len(said) < 10 and int(said) > 0 else 1
    limit = min(asked.limit, PAGE_MAX)
    where = [ActivityLog.team_id == team.id, ActivityLog.scope == scope]
    if item_id is not None:
        where.append(ActivityLog.item_id == item_id)
    total = await session.scalar(select(func.count()).select_from(ActivityLog).where(*where)) or 0
    statement = select(ActivityLog).where(*where).order_by(ActivityLog.id.desc())
    results = await activity_of(session, statement.limit(limit).offset((number - 1) * limit))
    following = asked.url_with(page=number + 1) if number * limit < total else None
    return ActivityPage(results, following, asked.url_with(page=number - 1) if number > 1 else None, total)
