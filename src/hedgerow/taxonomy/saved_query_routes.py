"""`/api/projects/:id/warehouse_saved_queries/` (rest-api §26)."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, delete, get, patch, post, put
from litestar.datastructures import State
from litestar.di import Provide

from hedgerow.core.http import (
    Access,
    Caller,
    FromPath,
    JSONBody,
    NamedDependency,
    Page,
    PageRequest,
    PermissionDenied,
    Team,
    needs,
    uuid_id,
)
from hedgerow.core.resources import activity_routes, below_project
from hedgerow.taxonomy.models import SavedQuery
from hedgerow.taxonomy.saved_queries import SCOPE, NewSavedQuery, SavedQueries, SavedQueryPatch
from hedgerow.taxonomy.saved_query_view import (
    Ancestors,
    Dependencies,
    Descendants,
    RunHistory,
    SavedQueryOut,
    SavedQueryRow,
    found_view,
    page_of_views,
    relatives,
    view_id_of,
    view_out,
)

LISTS: Final = below_project("warehouse_saved_queries/")
ITEMS: Final = below_project("warehouse_saved_queries/{view_id:str}/")
READS: Final = [needs("warehouse_view:read")]
WRITES: Final = [needs("warehouse_view:write")]
NOTHING: Final = SavedQueryPatch()
NOT_STORED: Final = "A view is not stored here: each query that names it runs it anew."


def provide_views(request: Request[Any, Any, Any]) -> SavedQueries:
    """The dependency `views`: what `server` put at `app.state.saved_queries`."""
    return request.app.state.saved_queries


SHARED: Final[dict[str, Any]] = {"dependencies": {"views": Provide(provide_views, sync_to_thread=False)}}


@get(LISTS, guards=READS)
async def list_saved_queries(
    team: NamedDependency[Team], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> Page[SavedQueryRow]:
    """The project's views, newest first, without their queries; pages are numbered."""
    async with access.metadata.read() as session:
        return await page_of_views(session, team, page)


@post(LISTS, guards=WRITES, **SHARED)
async def create_saved_query(
    *,
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    views: NamedDependency[SavedQueries],
    state: State,
    data: JSONBody[NewSavedQuery],
) -> SavedQueryOut:
    """A new view. Its columns are found out at once, so a query that cannot run is refused."""
    row = await views.create(access, caller, team, await state["schema_of"](team), data)
    return await _out(access, row)


@get(ITEMS, guards=READS)
async def get_saved_query(
    view_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access]
) -> SavedQueryOut:
    """One view, with its query."""
    async with access.metadata.read() as session:
        return await view_out(session, await found_view(session, team, view_id))


@patch(ITEMS, guards=WRITES, **SHARED)
async def patch_saved_query(
    *,
    view_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    views: NamedDependency[SavedQueries],
    state: State,
    data: JSONBody[SavedQueryPatch] = NOTHING,
) -> SavedQueryOut:
    """Change what the body has. Who changes the query says by `edited_history_id` which one they saw."""
    schema = await state["schema_of"](team)
    return await _out(access, await views.change(access, caller, team, schema, row_id=uuid_id(view_id), body=data))


@put(ITEMS, guards=WRITES, **SHARED)
async def put_saved_query(
    *,
    view_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    views: NamedDependency[SavedQueries],
    state: State,
    data: JSONBody[NewSavedQuery],
) -> SavedQueryOut:
    """Replace name, query and frequency; the last one wins."""
    async with access.metadata.read() as session:
        row = await found_view(session, team, view_id)
    body = SavedQueryPatch(
        name=data.name,
        query=data.query,
        sync_frequency=data.sync_frequency,
        edited_history_id=str(row.history_id),
    )
    schema = await state["schema_of"](team)
    return await _out(access, await views.change(access, caller, team, schema, row_id=row.id, body=body))


@delete(ITEMS, guards=WRITES, **SHARED)
async def delete_saved_query(
    *,
    view_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    views: NamedDependency[SavedQueries],
    state: State,
) -> None:
    """Delete a view: queries that name it do not find it any more."""
    schema = await state["schema_of"](team)
    await views.change(access, caller, team, schema, row_id=uuid_id(view_id), body=SavedQueryPatch(deleted=True))


@post([f"{path}run/" for path in ITEMS], guards=WRITES, status_code=200, **SHARED)
async def run_saved_query(
    *,
    view_id: FromPath[str],
    team: NamedDependency[Team],
    access: NamedDependency[Access],
    views: NamedDependency[SavedQueries],
    state: State,
) -> SavedQueryOut:
    """Find out anew whether the view runs, and what its columns are."""
    row = await views.check_again(access, team, await state["schema_of"](team), uuid_id(view_id))
    return await _out(access, row)


def _never(action: str) -> Any:
    @post([f"{path}{action}/" for path in ITEMS], guards=WRITES, status_code=200)
    async def refuse(view_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access]) -> None:
        async with access.metadata.read() as session:
            await found_view(session, team, view_id)
        raise PermissionDenied(NOT_STORED)

    refuse.__doc__ = f"Refused: {NOT_STORED}"
    return refuse


@get([f"{path}ancestors/" for path in ITEMS], guards=READS)
async def list_ancestors(
    view_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access], state: State
) -> Ancestors:
    """What the view reads, directly or by other views."""
    views = await state["saved_queries"].shelf.of(team.id)
    async with access.metadata.read() as session:
        return Ancestors((await relatives(session, team, view_id, views))[0])


@get([f"{path}descendants/" for path in ITEMS], guards=READS)
async def list_descendants(
    view_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access], state: State
) -> Descendants:
    """The views that read it, directly or by other views."""
    views = await state["saved_queries"].shelf.of(team.id)
    async with access.metadata.read() as session:
        return Descendants((await relatives(session, team, view_id, views))[1])


@get([f"{path}dependencies/" for path in ITEMS], guards=READS)
async def count_dependencies(
    view_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access], state: State
) -> Dependencies:
    """How many tables it reads, and how many views read it."""
    views = await state["saved_queries"].shelf.of(team.id)
    async with access.metadata.read() as session:
        up, down = await relatives(session, team, view_id, views)
    return Dependencies(len(up), len(down))


@get([f"{path}run_history/" for path in ITEMS], guards=READS)
async def list_run_history(
    view_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access]
) -> RunHistory:
    """When the view's rows were stored: a view has none."""
    async with access.metadata.read() as session:
        await found_view(session, team, view_id)
    return RunHistory([])


async def _out(access: Access, row: SavedQuery) -> SavedQueryOut:
    async with access.metadata.read() as session:
        return await view_out(session, row)


routes = [
    list_saved_queries,
    create_saved_query,
    get_saved_query,
    patch_saved_query,
    put_saved_query,
    delete_saved_query,
    run_saved_query,
    _never("materialize"),
    _never("revert_materialization"),
    _never("cancel"),
    list_ancestors,
    list_descendants,
    count_dependencies,
    list_run_history,
    *activity_routes(LISTS, SCOPE, view_id_of, "view_id"),
]
