"""`/api/projects/:id/query/…` and the same under `/api/environments/` (queries §1). Every verb needs `query:read`."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, delete, get, post
from litestar.di import Provide
from litestar.params import QueryParameter
from litestar.types import ASGIApp

from hedgerow.core.http import Access, ApiRequest, Caller, FromPath, JSONBody, NamedDependency, Team, needs
from hedgerow.core.http.limits import LimitClass
from hedgerow.queries.connected import while_connected
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.export import format_of
from hedgerow.queries.pieces import in_blocks, in_pieces
from hedgerow.queries.query_log import Who
from hedgerow.queries.registry import kind_of
from hedgerow.queries.runner import Queries
from hedgerow.queries.schemas import QueryRequest, UpgradeRequest
from hedgerow.queries.status import Status

BODY_BYTES_MAX = 4 << 20
"""A text may be `query_max_text_bytes` long; escapes, values and variables come on top."""


def _paths(rest: str = "") -> list[str]:
    return [f"/api/{base}/{{project_id:str}}/query/{rest}" for base in ("projects", "environments")]


def provide_queries(request: Request[Any, Any, Any]) -> Queries:
    """The dependency `queries`: what `server` put at `app.state.queries`."""
    return request.app.state.queries


SHARED: dict[str, Any] = {"dependencies": {"queries": Provide(provide_queries, sync_to_thread=False)}}
EXPENSIVE: dict[str, Any] = {"guards": [needs("query:read", limit=None)], "request_max_body_size": BODY_BYTES_MAX}
CHEAP: dict[str, Any] = {"guards": [needs("query:read")]}


def who_is(caller: Caller) -> Who:
    """The caller as the query log names them."""
    grant = caller.grant
    return Who(
        user_id=0 if grant.user is None else grant.user.id,
        key_id=grant.key_id or "",
        is_personal_key=caller.kind == "personal key",
    )


async def _answer(
    *, request: ApiRequest, access: Access, caller: Caller, team: Team, queries: Queries, data: QueryRequest
) -> ASGIApp:
    kind, _ = kind_of(data.query)
    if caller.kind == "personal key":
        limit: LimitClass = "hogql" if kind.name == "HogQLQuery" else "query"
        await access.limiter.check(limit, caller.grant.digest)
    key = f"{caller.kind} {caller.grant.digest}"
    size = len(await request.body())
    fmt = format_of(request.query_params.get("format"), request.headers.get("accept", ""))
    if fmt is not None:
        return in_blocks(queries.export(team, key, data, size, fmt, who=who_is(caller)), team.id, request.receive)
    status, body = await while_connected(request.receive, queries.answer(team, key, data, size, who_is(caller)))
    return in_pieces(status, body)


@post(_paths(), **SHARED, **EXPENSIVE)
async def run_query(
    *,
    request: ApiRequest,
    access: NamedDependency[Access],
    caller: NamedDependency[Caller],
    team: NamedDependency[Team],
    queries: NamedDependency[Queries],
    data: JSONBody[QueryRequest],
) -> ASGIApp:
    """Run a query of any kind."""
    return await _answer(request=request, access=access, caller=caller, team=team, queries=queries, data=data)


@post(_paths("{query_id:str}/"), **SHARED, **EXPENSIVE)
async def run_query_of_kind(
    *,
    request: ApiRequest,
    access: NamedDependency[Access],
    caller: NamedDependency[Caller],
    team: NamedDependency[Team],
    queries: NamedDependency[Queries],
    query_id: FromPath[str],
    data: JSONBody[QueryRequest],
) -> ASGIApp:
    """Run a query whose kind also stands in the path."""
    if data.query.get("kind") != query_id:
        raise QueryRefused(f'The query is not of the kind "{query_id}" that the path names.', attr="query__kind")
    return await _answer(request=request, access=access, caller=caller, team=team, queries=queries, data=data)


@get(_paths("{query_id:str}/"), **SHARED, **CHEAP)
async def query_status(
    team: NamedDependency[Team],
    queries: NamedDependency[Queries],
    query_id: FromPath[str],
    show_progress: Annotated[bool, QueryParameter(name="show_progress")] = False,
    show_progress_camel: Annotated[bool, QueryParameter(name="showProgress")] = False,
) -> Response[dict[str, Status]]:
    """How an asynchronous query stands."""
    status = await queries.status(team.id, query_id, show_progress=show_progress or show_progress_camel)
    return Response({"query_status": status}, status_code=status.http_status)


@delete(_paths("{query_id:str}/"), status_code=200, **SHARED, **CHEAP)
async def cancel_query(
    team: NamedDependency[Team],
    queries: NamedDependency[Queries],
    query_id: FromPath[str],
    dequeue_only: Annotated[bool, QueryParameter(name="dequeue_only")] = False,
) -> dict[str, str]:
    """End a query that waits or runs. An unknown one is not an error."""
    return {"message": await queries.cancel(team.id, query_id, dequeue_only=dequeue_only)}


@post(_paths("check_auth_for_async/"), status_code=200, **CHEAP)
async def check_auth_for_async(team: NamedDependency[Team]) -> dict[str, str]:
    """Whether the caller may ask at all."""
    del team
    return {"user": "ok"}


@post(_paths("upgrade/"), status_code=200, **CHEAP)
async def upgrade_query(team: NamedDependency[Team], data: JSONBody[UpgradeRequest]) -> dict[str, Any]:
    """The query with its nodes in their newest version: all are."""
    del team
    return {"query": data.query}


routes = [run_query, run_query_of_kind, query_status, cancel_query, check_auth_for_async, upgrade_query]
