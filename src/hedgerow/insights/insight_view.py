"""Insights as they go over the wire (rest-api §10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Caller, Team
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import access_level, authors, tags_of
from hedgerow.insights.insight_results import Result
from hedgerow.insights.insights import EVERYONE, ONLY_COLLABORATORS, SCOPE, may_edit
from hedgerow.insights.models import Dashboard, DashboardTile, Insight, InsightView


class TileRef(msgspec.Struct, frozen=True):
    """Where an insight is on a dashboard."""

    id: int
    dashboard_id: int
    deleted: bool | None = None


class InsightBasic(msgspec.Struct, frozen=True, kw_only=True):
    """An insight without result."""

    id: int
    short_id: str
    name: str | None
    derived_name: str | None
    filters: dict[str, Any]
    query: dict[str, Any] | None
    dashboards: list[int]
    dashboard_tiles: list[TileRef]
    description: str | None
    last_refresh: str | None = None
    refreshing: bool = False
    saved: bool
    favorited: bool
    tags: list[str]
    created_at: datetime
    created_by: UserBasic | None
    last_modified_by: UserBasic | None
    updated_at: datetime
    last_modified_at: datetime
    last_viewed_at: datetime | None
    user_access_level: str | None
    search_match_type: str | None = None


class InsightOut(InsightBasic, frozen=True, kw_only=True, rename={"has_more": "hasMore"}):
    """An insight, whole."""

    order: int | None
    deleted: bool
    is_sample: bool = False
    effective_restriction_level: int
    effective_privilege_level: int
    alerts: list[dict[str, Any]] = []
    result: Any = None
    is_cached: bool = False
    cache_target_age: str | None = None
    next_allowed_client_refresh: str | None = None
    has_more: bool | None = None
    columns: list[Any] | None = None
    types: list[Any] | None = None
    hogql: str | None = None
    query_status: Any = None
    resolved_date_range: Any = None
    timezone: str | None = None
    filters_hash: str | None = None


def basic(whole: InsightOut) -> InsightBasic:
    """The row of a list with `basic=true`."""
    return InsightBasic(**{name: getattr(whole, name) for name in InsightBasic.__struct_fields__})


def with_result(whole: InsightOut, result: Result) -> InsightOut:
    """The insight and what came of its query."""
    return msgspec.structs.replace(whole, **msgspec.structs.asdict(result))


async def insights_out(session: AsyncSession, caller: Caller, team: Team, rows: Sequence[Insight]) -> list[InsightOut]:
    """The insights without results, in four statements however many they are."""
    ids = [row.id for row in rows]
    by = await authors(session, [user for row in rows for user in (row.created_by_id, row.last_modified_by_id)])
    tags = await tags_of(session, team.id, SCOPE, ids)
    tiles: dict[int, list[tuple[DashboardTile, Dashboard]]] = {}
    statement = (
        select(DashboardTile, Dashboard)
        .join(Dashboard, Dashboard.id == DashboardTile.dashboard_id)
        .where(DashboardTile.insight_id.in_(ids), DashboardTile.deleted.is_(False), Dashboard.deleted.is_(False))
    )
    for tile, dashboard in await session.execute(statement.order_by(DashboardTile.id)):
        if tile.insight_id is not None:
            tiles.setdefault(tile.insight_id, []).append((tile, dashboard))
    user = caller.user_or_nobody
    viewed: dict[int, datetime] = {}
    if user is not None:
        views = select(InsightView).where(InsightView.user_id == user.id, InsightView.insight_id.in_(ids))
        viewed = {view.insight_id: view.last_viewed_at for view in await session.scalars(views)}
    return [
        _out(row, caller, team, by, tags.get(str(row.id), []), tiles.get(row.id, []), viewed.get(row.id))
        for row in rows
    ]


def _out(  # noqa: PLR0917 — what the statements found
    row: Insight,
    caller: Caller,
    team: Team,
    by: dict[int | None, UserBasic],
    tags: list[str],
    tiles: list[tuple[DashboardTile, Dashboard]],
    viewed: datetime | None,
) -> InsightOut:
    return InsightOut(
        id=row.id,
        short_id=row.short_id,
        name=row.name,
        derived_name=row.derived_name,
        filters={} if row.query is not None else row.filters,
        query=row.query,
        dashboards=[dashboard.id for _, dashboard in tiles],
        dashboard_tiles=[TileRef(tile.id, dashboard.id) for tile, dashboard in tiles],
        description=row.description,
        saved=row.saved,
        favorited=row.favorited,
        tags=tags,
        created_at=row.created_at,
        created_by=by.get(row.created_by_id),
        last_modified_by=by.get(row.last_modified_by_id),
        updated_at=row.updated_at,
        last_modified_at=row.last_modified_at,
        last_viewed_at=viewed,
        user_access_level=access_level(caller, team, row.created_by_id),
        order=row.order,
        deleted=row.deleted,
        effective_restriction_level=max([EVERYONE, *(dashboard.restriction_level for _, dashboard in tiles)]),
        effective_privilege_level=ONLY_COLLABORATORS
        if all(may_edit(caller, team, dashboard) for _, dashboard in tiles)
        else EVERYONE,
    )
