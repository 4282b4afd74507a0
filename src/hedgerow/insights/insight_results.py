"""The results that insights carry: at hand, calculated now, or begun in the background (rest-api §10, `refresh`)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hedgerow.core.http import ApiError, Caller, Team
from hedgerow.queries import Queries
from hedgerow.queries.query_log import Who
from hedgerow.queries.refresh import MODES
from hedgerow.queries.schemas import QueryRequest

TRUE: Final = frozenset({"true", "1", "True"})
EXPOSED_BELOW: Final = 500


class Computed(msgspec.Struct, frozen=True, kw_only=True, rename={"has_more": "hasMore"}):
    """What a query's response and an insight both say of a result, by the same names."""

    last_refresh: str | None = None
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


class Result(Computed, frozen=True, kw_only=True):
    """The fields of an insight that come of its query."""

    result: Any = None
    filters_hash: str | None = None


class _Answer(Computed, frozen=True, kw_only=True):
    """What of a query's response an insight carries."""

    results: msgspec.Raw = msgspec.Raw(b"null")
    cache_key: str | None = None


class Wanted(msgspec.Struct, frozen=True):
    """Which results a request wants. `mode` is one of `queries.refresh`; `force_cache` calculates nothing."""

    mode: str = "force_cache"
    filters: dict[str, Any] | None = None
    """Of a dashboard, laid over the queries."""
    variables: dict[str, Any] | None = None


def mode_of(said: object) -> str:
    """What `refresh` means, in a query string or a body."""
    if said is True or (isinstance(said, str) and said in TRUE):
        return "blocking"
    return said if isinstance(said, str) and said in MODES else "force_cache"


async def result_of(
    queries: Queries, caller: Caller, team: Team, query: dict[str, Any] | None, wanted: Wanted, *, raises: bool
) -> Result:
    """The result of an insight's query. What goes wrong is raised as an ApiError, or told in `query_status`."""
    if query is None:
        return Result()
    request = QueryRequest(
        query=query, refresh=wanted.mode, filters_override=wanted.filters, variables_override=wanted.variables
    )
    try:
        if wanted.mode == "force_cache":
            body = await queries.kept(team, request)
        else:
            grant = caller.grant
            who = Who(0 if grant.user is None else grant.user.id, grant.key_id or "", caller.kind == "personal key")
            _, body = await queries.answer(team, f"{caller.kind} {grant.digest}", request, 0, who)
    except ApiError as error:
        if raises and wanted.mode != "force_cache":
            raise
        message = error.detail if error.status < EXPOSED_BELOW else None
        return Result(query_status=_failed(team, message))
    if body is None:
        return Result()
    answer = msgspec.json.decode(b"".join(body), type=_Answer)
    same = {name: getattr(answer, name) for name in Computed.__struct_fields__}
    return Result(**same, result=answer.results, filters_hash=answer.cache_key)


def _failed(team: Team, message: str | None) -> dict[str, Any]:
    return {
        "id": None, "query_async": True, "team_id": team.id, "error": True, "error_message": message, "complete": True,
        "results": None,
    }  # fmt: skip
