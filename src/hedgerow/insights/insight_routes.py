"""`/api/projects/:id/insights/` (rest-api §10)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import get, post, route
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
    ParseFailed,
    Team,
    needs,
)
from hedgerow.core.resources import activity_routes, below_project, refuse_delete
from hedgerow.insights.insight_list import page_of_insights, viewed_last
from hedgerow.insights.insight_results import Wanted, mode_of, result_of
from hedgerow.insights.insight_view import InsightBasic, InsightOut, basic, insights_out, with_result
from hedgerow.insights.insights import (
    SCOPE,
    InsightBody,
    change_insight,
    create_insight,
    filters_from,
    found_insight,
    insight_id_of,
    note_viewed,
)
from hedgerow.insights.models import Insight
from hedgerow.queries.connected import while_connected

LISTS: Final = below_project("insights/")
ITEMS: Final = below_project("insights/{insight_id:str}/")
READS: Final = [needs("insight:read", limit="clickhouse")]
WRITES: Final = [needs("insight:write")]
NOTHING: Final = InsightBody()
MCP: Final = "mcp"


class Viewed(msgspec.Struct, frozen=True):
    """Which insights somebody looks at."""

    insight_ids: list[int]


class Cancelled(msgspec.Struct, frozen=True):
    """Which query is to end."""

    client_query_id: str


def wanted_of(page: PageRequest) -> Wanted:
    """Which results the query string asks for. Raises ParseFailed for an override that is no JSON object."""
    said = page.said()
    return Wanted(
        mode_of(said.get("refresh")), _override(said, "filters_override"), _override(said, "variables_override")
    )


def _override(said: dict[str, str], name: str) -> dict[str, Any] | None:
    if not said.get(name):
        return None
    try:
        return msgspec.json.decode(said[name], type=dict[str, Any])
    except msgspec.MsgspecError:
        raise ParseFailed(f"{name} must be a JSON object", attr=name) from None


@get(LISTS, guards=READS)
async def list_insights(
    *,
    request: ApiRequest,
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    page: NamedDependency[PageRequest],
    access: NamedDependency[Access],
    state: State,
) -> Page[InsightOut] | Page[InsightBasic]:
    """The project's insights. One whose query fails has no result and says why; it does not break the list."""
    async with access.metadata.read() as session:
        found, count = await page_of_insights(session, caller, team, page, access.clock)
    if page.said().get("basic", "").lower() in {"true", "1"}:
        return page.page([basic(each) for each in found], count)
    wanted = wanted_of(page)

    async def with_results() -> list[InsightOut]:
        return [
            with_result(each, await result_of(state["queries"], caller, team, each.query, wanted, raises=False))
            for each in found
        ]

    return page.page(await while_connected(request.receive, with_results()), count)


@post(LISTS, guards=WRITES)
async def post_insight(
    *,
    request: ApiRequest,
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[InsightBody] = NOTHING,
) -> InsightOut:
    """A new insight. Filters of an old client become a query."""
    row = await create_insight(access, caller, team, data, wraps=_wraps(request))
    return await _shown(access, caller, team, row, state)


@get(ITEMS, guards=READS)
async def get_insight(
    *,
    request: ApiRequest,
    insight_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    page: NamedDependency[PageRequest],
    access: NamedDependency[Access],
    state: State,
) -> InsightOut:
    """One insight, by number or short id. `refresh` says whether its result may be calculated.

    `from_dashboard` lays the filters of a dashboard, which it is on, over its query.
    """
    wanted, dashboard = wanted_of(page), page.said().get("from_dashboard")
    async with access.metadata.read() as session:
        row = await found_insight(session, team, insight_id)
        (found,) = await insights_out(session, caller, team, [row])
        if dashboard:
            filters = {**await filters_from(session, team, row, dashboard), **(wanted.filters or {})}
            wanted = msgspec.structs.replace(wanted, filters=filters or None)
    work = result_of(state["queries"], caller, team, row.query, wanted, raises=True)
    return with_result(found, await while_connected(request.receive, work))


@route(ITEMS, http_method=["PATCH", "PUT"], guards=WRITES, status_code=200)
async def change(
    *,
    request: ApiRequest,
    insight_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[InsightBody] = NOTHING,
) -> InsightOut:
    """Change what the body has; `deleted` hides an insight and brings it back, `dashboards` is the whole set.

    No field is required, so PUT does the same.
    """
    row = await change_insight(access, caller, team, insight_id, data, wraps=_wraps(request))
    return await _shown(access, caller, team, row, state)


@post([f"{path}viewed/" for path in ITEMS], guards=WRITES)
async def view_insight(
    insight_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
) -> None:
    """The caller looks at it now."""
    await note_viewed(access, caller, team, [insight_id])


@post([f"{path}viewed/" for path in LISTS], guards=WRITES)
async def view_insights(
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[Viewed],
) -> None:
    """The caller looks at several now."""
    await note_viewed(access, caller, team, [str(each) for each in data.insight_ids])


@get([f"{path}my_last_viewed/" for path in LISTS], guards=[needs(None)])
async def list_last_viewed(
    team: NamedDependency[Team], caller: NamedDependency[Caller], access: NamedDependency[Access]
) -> list[InsightBasic]:
    """The insights that the signed-in user looked at last."""
    async with access.metadata.read() as session:
        return [basic(each) for each in await viewed_last(session, caller, team)]


@post([f"{path}cancel/" for path in LISTS], guards=WRITES)
async def cancel_calculation(team: NamedDependency[Team], state: State, data: JSONBody[Cancelled]) -> dict[str, str]:
    """End a query that waits or runs. An unknown one is not an error."""
    return {"message": await state["queries"].cancel(team.id, data.client_query_id)}


def _wraps(request: ApiRequest) -> bool:
    return request.headers.get("x-posthog-client", "").lower() == MCP


async def _shown(access: Access, caller: Caller, team: Team, row: Insight, state: State) -> InsightOut:
    async with access.metadata.read() as session:
        (found,) = await insights_out(session, caller, team, [row])
    return with_result(found, await result_of(state["queries"], caller, team, row.query, Wanted(), raises=False))


routes = [
    list_insights,
    post_insight,
    get_insight,
    change,
    view_insight,
    view_insights,
    list_last_viewed,
    cancel_calculation,
    refuse_delete(ITEMS, "insight:write"),
    *activity_routes(LISTS, SCOPE, insight_id_of, "insight_id"),
]
