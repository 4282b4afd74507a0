"""`/api/projects/:id/dashboards/` (rest-api §9)."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import get, patch, post, route
from litestar.datastructures import State

from hedgerow.core.http import (
    Access,
    ApiRequest,
    Caller,
    FromPath,
    JSONBody,
    NamedDependency,
    Page,
    PageRequest,
    Team,
    ValidationFailed,
    needs,
)
from hedgerow.core.resources import activity_routes, below_project, editing, refuse_delete
from hedgerow.insights.dashboard_view import DashboardBasic, DashboardOut, dashboard_out, page_of_dashboards, shown
from hedgerow.insights.dashboards import (
    SCOPE,
    DashboardPatch,
    NewDashboard,
    change_dashboard,
    create_dashboard,
    dashboard_id_of,
    found_dashboard,
    note_seen,
    to_edit,
)
from hedgerow.insights.insight_routes import wanted_of
from hedgerow.insights.tiles import move, put_copy, put_in_order, tile_on
from hedgerow.queries.connected import while_connected

LISTS: Final = below_project("dashboards/")
ITEMS: Final = below_project("dashboards/{dashboard_id:str}/")
READS: Final = [needs("dashboard:read")]
WRITES: Final = [needs("dashboard:write")]
NEW: Final = NewDashboard()
NOTHING: Final = DashboardPatch()
SAME: Final = "Destination must be a different dashboard than the source."


class TileId(msgspec.Struct, frozen=True):
    """A tile, by its number."""

    id: int


class Move(msgspec.Struct, frozen=True):
    """Where a tile goes."""

    tile: TileId
    to_dashboard: int = msgspec.field(name="toDashboard")


class CopyTile(msgspec.Struct, frozen=True):
    """Where a tile comes from."""

    from_dashboard_id: int = msgspec.field(name="fromDashboardId")
    tile_id: int = msgspec.field(name="tileId")


class Order(msgspec.Struct, frozen=True):
    """Tiles, first to last."""

    tile_order: list[int]


@get(LISTS, guards=READS)
async def list_dashboards(
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    page: NamedDependency[PageRequest],
    access: NamedDependency[Access],
) -> Page[DashboardBasic]:
    """The project's dashboards without their tiles, pinned ones first, then by name."""
    async with access.metadata.read() as session:
        found, count = await page_of_dashboards(session, caller, team, page)
    return page.page(found, count)


@post(LISTS, guards=WRITES)
async def post_dashboard(
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[NewDashboard] = NEW,
) -> DashboardOut:
    """A new dashboard; `use_dashboard` makes it a copy of another."""
    return await shown(state, caller, team, await create_dashboard(access, caller, team, data))


@get(ITEMS, guards=READS)
async def get_dashboard(
    *,
    request: ApiRequest,
    dashboard_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    page: NamedDependency[PageRequest],
    access: NamedDependency[Access],
    state: State,
) -> DashboardOut:
    """One dashboard with its tiles and their insights. `refresh` says whether results may be calculated."""
    wanted = wanted_of(page)
    row = await note_seen(access, caller, team, dashboard_id)
    work = dashboard_out(access, queries=state["queries"], caller=caller, team=team, row=row, wanted=wanted)
    return await while_connected(request.receive, work)


@route(ITEMS, http_method=["PATCH", "PUT"], guards=WRITES, status_code=200)
async def change(
    *,
    dashboard_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[DashboardPatch] = NOTHING,
) -> DashboardOut:
    """Change what the body has: tiles too. `deleted` hides a dashboard and brings it back.

    No field is required, so PUT does the same.
    """
    return await shown(state, caller, team, await change_dashboard(access, caller, team, dashboard_id, data))


@patch([f"{path}move_tile/" for path in ITEMS], guards=WRITES)
async def move_tile(
    *,
    dashboard_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[Move],
) -> DashboardOut:
    """Take a tile to another dashboard; the one that it left is the answer."""
    async with editing(access, caller, team) as edit:
        source = await to_edit(edit, caller, dashboard_id)
        target = await to_edit(edit, caller, str(data.to_dashboard))
        await move(edit, await tile_on(edit, source.id, data.tile.id), target.id)
    return await shown(state, caller, team, source)


@post([f"{path}copy_tile/" for path in ITEMS], guards=WRITES, status_code=200)
async def copy_tile(
    *,
    dashboard_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[CopyTile],
) -> DashboardOut:
    """Put a tile of another dashboard here too; both show the same insight."""
    async with editing(access, caller, team) as edit:
        target = await to_edit(edit, caller, dashboard_id)
        if target.id == data.from_dashboard_id:
            raise ValidationFailed(SAME)
        source = await found_dashboard(edit.session, team, str(data.from_dashboard_id))
        await put_copy(edit, await tile_on(edit, source.id, data.tile_id), target.id, deep=False)
    return await shown(state, caller, team, target)


@post([f"{path}reorder_tiles/" for path in ITEMS], guards=WRITES, status_code=200)
async def reorder_tiles(
    *,
    dashboard_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[Order],
) -> DashboardOut:
    """Put tiles in an order: two columns, row by row."""
    async with editing(access, caller, team) as edit:
        row = await to_edit(edit, caller, dashboard_id)
        await put_in_order(edit, row.id, data.tile_order)
    return await shown(state, caller, team, row)


routes = [
    list_dashboards,
    post_dashboard,
    get_dashboard,
    change,
    move_tile,
    copy_tile,
    reorder_tiles,
    refuse_delete(ITEMS, "dashboard:write"),
    *activity_routes(LISTS, SCOPE, dashboard_id_of, "dashboard_id"),
]
