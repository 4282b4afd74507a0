"""Dashboards as they go over the wire, found and listed (rest-api §9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
from litestar.datastructures import State
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import Access, Caller, PageRequest, Team, row_number
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import access_level, authors, contains, has_tag, rows_of, tags_of
from hedgerow.insights.dashboards import SCOPE
from hedgerow.insights.insight_results import Wanted, result_of
from hedgerow.insights.insight_view import InsightOut, insights_out, with_result
from hedgerow.insights.insights import EVERYONE, ONLY_COLLABORATORS, may_edit
from hedgerow.insights.models import (
    Dashboard,
    DashboardText,
    DashboardTile,
    DashboardView,
    Insight,
    SharingConfiguration,
)
from hedgerow.insights.tiles import tiles_of
from hedgerow.queries import Queries

GENERATED = "Generated Dashboard"


class DashboardBasic(msgspec.Struct, frozen=True, kw_only=True):
    """A dashboard in lists."""

    id: int
    name: str | None
    description: str
    pinned: bool
    created_at: datetime
    created_by: UserBasic | None
    last_accessed_at: datetime | None
    last_viewed_at: datetime | None
    is_shared: bool
    deleted: bool
    creation_mode: str
    tags: list[str]
    restriction_level: int
    effective_restriction_level: int
    effective_privilege_level: int
    user_access_level: str | None
    access_control_version: str = "v2"
    last_refresh: datetime | None
    team_id: int


class TextTile(msgspec.Struct, frozen=True):
    """Where a text is."""

    id: int
    dashboard_id: int
    deleted: bool | None = None


class TextOut(msgspec.Struct, frozen=True):
    """The text of a tile."""

    id: int
    body: str
    created_by: UserBasic | None
    last_modified_at: datetime
    last_modified_by: UserBasic | None
    team: int
    dashboard_tiles: list[TextTile]


class TileError(msgspec.Struct, frozen=True):
    """Why a tile has no result."""

    type: str
    message: str | None


class TileOut(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A tile."""

    id: int
    insight: InsightOut | None
    text: TextOut | None
    button_tile: dict[str, Any] | None
    layouts: dict[str, Any]
    color: str | None
    filters_overrides: dict[str, Any]
    show_description: bool | None
    transparent_background: bool | None
    order: int
    last_refresh: str | None
    is_cached: bool
    error: TileError | msgspec.UnsetType = msgspec.UNSET


class DashboardOut(DashboardBasic, frozen=True, kw_only=True):
    """A dashboard, whole."""

    filters: dict[str, Any]
    variables: dict[str, Any] | None
    persisted_filters: dict[str, Any] | None
    persisted_variables: dict[str, Any] | None
    breakdown_colors: Any
    data_color_theme_id: int | None
    quick_filter_ids: list[str]
    tiles: list[TileOut]


async def page_of_dashboards(
    session: AsyncSession, caller: Caller, team: Team, page: PageRequest
) -> tuple[list[DashboardBasic], int]:
    """A page of the project's dashboards, pinned ones first, then by name; and how many there are."""
    said = page.said()
    statement = select(Dashboard).where(Dashboard.team_id == team.id, Dashboard.deleted.is_(False))
    mode = said.get("creation_mode")
    statement = statement.where(Dashboard.creation_mode == mode if mode else Dashboard.creation_mode != "unlisted")
    if said.get("search"):
        part = said["search"]
        statement = statement.where(or_(contains(Dashboard.name, part), contains(Dashboard.description, part)))
    if said.get("exclude_generated", "").lower() in {"true", "1"}:
        named = Dashboard.name.startswith(GENERATED, autoescape=True)
        statement = statement.where(or_(Dashboard.name.is_(None), ~named))
    if said.get("pinned", "").lower() in {"true", "1", "false", "0"}:
        statement = statement.where(Dashboard.pinned.is_(said["pinned"].lower() in {"true", "1"}))
    if (author := row_number(said.get("created_by"))) is not None:
        statement = statement.where(Dashboard.created_by_id == author)
    tags = [value for name, value in page.query if name == "tags" and value]
    if tags:
        statement = statement.where(has_tag(team.id, SCOPE, Dashboard.id, tags))
    order = (Dashboard.pinned.desc(), Dashboard.name.asc().nulls_last(), Dashboard.id)
    rows, count = await rows_of(session, statement.order_by(*order), page)
    found = await _basics(session, caller, team, rows)
    return [DashboardBasic(**each) for each in found], count


async def dashboard_out(
    access: Access, *, queries: Queries, caller: Caller, team: Team, row: Dashboard, wanted: Wanted
) -> DashboardOut:
    """A dashboard with its tiles, and what comes of their queries."""
    async with access.metadata.read() as session:
        (fields,) = await _basics(session, caller, team, [row])
        tiles = [] if row.deleted else list(await tiles_of(session, row.id))
        insight_ids = [tile.insight_id for tile in tiles if tile.insight_id is not None]
        rows = (await session.scalars(select(Insight).where(Insight.id.in_(insight_ids)))).all()
        insights = {each.id: each for each in await insights_out(session, caller, team, rows)}
        texts = await _texts(session, tiles)
    filters = row.filters if wanted.filters is None else {**row.filters, **wanted.filters}
    variables = row.variables if wanted.variables is None else wanted.variables
    out: list[TileOut] = []
    for order, tile in enumerate(sorted(tiles, key=_place)):
        laid = {**filters, **tile.filters_overrides}
        asked = Wanted(wanted.mode, laid or None, variables or None)
        insight = None if tile.insight_id is None else insights[tile.insight_id]
        if insight is not None:
            result = await result_of(queries, caller, team, insight.query, asked, raises=False)
            insight = with_result(insight, result)
        out.append(_tile(tile, order, insight, texts))
    return DashboardOut(
        **fields,
        filters=filters,
        variables=variables,
        persisted_filters=row.filters or None,
        persisted_variables=row.variables,
        breakdown_colors=row.breakdown_colors,
        data_color_theme_id=row.data_color_theme_id,
        quick_filter_ids=row.quick_filter_ids,
        tiles=out,
    )


async def _texts(session: AsyncSession, tiles: Sequence[DashboardTile]) -> dict[int, TextOut]:
    place = {tile.text_id: tile for tile in tiles if tile.text_id is not None}
    rows = (await session.scalars(select(DashboardText).where(DashboardText.id.in_(place)))).all()
    by = await authors(session, [user for row in rows for user in (row.created_by_id, row.last_modified_by_id)])
    return {
        row.id: TextOut(
            id=row.id,
            body=row.body,
            created_by=by.get(row.created_by_id),
            last_modified_at=row.last_modified_at,
            last_modified_by=by.get(row.last_modified_by_id),
            team=row.team_id,
            dashboard_tiles=[TextTile(place[row.id].id, place[row.id].dashboard_id)],
        )
        for row in rows
    }


def _tile(tile: DashboardTile, order: int, insight: InsightOut | None, texts: dict[int, TextOut]) -> TileOut:
    status: Any = None if insight is None else insight.query_status
    error: TileError | msgspec.UnsetType = msgspec.UNSET
    if isinstance(status, dict) and status.get("error"):  # pyright: ignore[reportUnknownMemberType]
        error = TileError("validation_error", cast("dict[str, Any]", status).get("error_message"))
    return TileOut(
        id=tile.id,
        insight=insight,
        text=None if tile.text_id is None else texts[tile.text_id],
        button_tile=tile.button,
        layouts=tile.layouts,
        color=tile.color,
        filters_overrides=tile.filters_overrides,
        show_description=tile.show_description,
        transparent_background=tile.transparent_background,
        order=order,
        last_refresh=None if insight is None else insight.last_refresh,
        is_cached=insight is not None and insight.is_cached,
        error=error,
    )


def _place(tile: DashboardTile) -> tuple[float, float, int]:
    """By its place in the wide layout; what has none comes last."""
    layout: Any = tile.layouts.get("sm")
    x, y = (layout.get("x"), layout.get("y")) if isinstance(layout, dict) else (None, None)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if isinstance(x, int | float) and isinstance(y, int | float):
        return (y, x, tile.id)
    return (float("inf"), 0, tile.id)


async def _basics(session: AsyncSession, caller: Caller, team: Team, rows: Sequence[Dashboard]) -> list[dict[str, Any]]:
    """The fields of lists, in four statements however many there are."""
    ids = [row.id for row in rows]
    by = await authors(session, (row.created_by_id for row in rows))
    tags = await tags_of(session, team.id, SCOPE, ids)
    user = caller.user_or_nobody
    viewed: dict[int, datetime] = {}
    if user is not None:
        views = select(DashboardView).where(DashboardView.user_id == user.id, DashboardView.dashboard_id.in_(ids))
        viewed = {view.dashboard_id: view.last_viewed_at for view in await session.scalars(views)}
    shared = select(SharingConfiguration.item_id).where(
        SharingConfiguration.team_id == team.id,
        SharingConfiguration.kind == "dashboard",
        SharingConfiguration.enabled.is_(True),
        SharingConfiguration.item_id.in_([str(each) for each in ids]),
    )
    is_shared = set(await session.scalars(shared))
    return [
        {
            "id": row.id,
            "name": row.name,
            "description": row.description,
            "pinned": row.pinned,
            "created_at": row.created_at,
            "created_by": by.get(row.created_by_id),
            "last_accessed_at": row.last_accessed_at,
            "last_viewed_at": viewed.get(row.id),
            "is_shared": str(row.id) in is_shared,
            "deleted": row.deleted,
            "creation_mode": row.creation_mode,
            "tags": tags.get(str(row.id), []),
            "restriction_level": row.restriction_level,
            "effective_restriction_level": row.restriction_level,
            "effective_privilege_level": ONLY_COLLABORATORS if may_edit(caller, team, row) else EVERYONE,
            "user_access_level": access_level(caller, team, row.created_by_id),
            "last_refresh": row.last_refresh,
            "team_id": row.team_id,
        }
        for row in rows
    ]


async def shown(state: State, caller: Caller, team: Team, row: Dashboard) -> DashboardOut:
    """A dashboard after it was written: results only as far as they are at hand."""
    return await dashboard_out(
        state["access"], queries=state["queries"], caller=caller, team=team, row=row, wanted=Wanted()
    )
