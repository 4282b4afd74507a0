"""What else can be asked of flags: status, dependents, remote configuration, many at once (rest-api §11)."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.datastructures import State

from hedgerow.core.http import (
    Access,
    ApiRequest,
    FromPath,
    JSONBody,
    NamedDependency,
    NotFound,
    PageRequest,
    needs,
)
from hedgerow.core.resources import below_project
from hedgerow.flags.blast_radius import BlastRadius, BlastRadiusRequest, blast_radius
from hedgerow.flags.bulk import (
    BulkDelete,
    BulkDeletion,
    BulkIds,
    delete_flags,
    keys_of,
    matching,
    numbers,
    unknown_filters,
)
from hedgerow.flags.dependencies import dependents
from hedgerow.flags.flag_context import SHARED, FlagContext
from hedgerow.flags.flag_status import Status, status_of
from hedgerow.flags.flag_view import found_by_id_or_key, found_flag
from hedgerow.flags.payloads import hidden, opened
from hedgerow.flags.siblings import SiblingFlag, sibling_flags
from hedgerow.queries.connected import while_connected

LISTS: Final = "feature_flags/"
ITEMS: Final = "feature_flags/{flag_id:str}/"
READS: Final = [needs("feature_flag:read")]
WRITES: Final = [needs("feature_flag:write")]
SDKS: Final = [needs("feature_flag:read", limit="remote config", project_secrets="accepted")]
COUNTS: Final = [needs("feature_flag:read", limit="clickhouse")]
NO_CONDITION: Final = BlastRadiusRequest()
NO_IDS: Final = BulkIds()
NOTHING: Final = BulkDelete()


class StatusOut(msgspec.Struct, frozen=True):
    """Whether a flag still does something, and why that is said."""

    status: str
    reason: str


class DependentFlag(msgspec.Struct, frozen=True):
    """An active flag that names another."""

    id: int
    key: str
    name: str


class MatchingIds(msgspec.Struct, frozen=True):
    """The flags that a list has, by id."""

    ids: list[int]
    total: int


class FlagKeys(msgspec.Struct, frozen=True, omit_defaults=True):
    """Keys by id, as text."""

    keys: dict[str, str]
    warning: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """Why nothing was done."""

    error: str


@get(below_project(f"{ITEMS}status/"), guards=READS, **SHARED)
async def flag_status(
    flag_id: FromPath[str], context: NamedDependency[FlagContext], access: NamedDependency[Access]
) -> Response[StatusOut]:
    """Whether a flag is active, inactive, stale, archived, deleted; 404 with the same body where there is none."""
    async with access.metadata.read() as session:
        try:
            found = status_of(await found_flag(session, context.team, flag_id), context.clock.now())
        except NotFound:
            found = Status("UNKNOWN", "Flag could not be found")
    code = 404 if found.state == "UNKNOWN" else 200
    return Response(StatusOut(found.state.lower(), found.reason), status_code=code)


@get(below_project(f"{ITEMS}dependent_flags/"), guards=READS, **SHARED)
async def dependent_flags(
    flag_id: FromPath[str], context: NamedDependency[FlagContext], access: NamedDependency[Access]
) -> list[DependentFlag]:
    """The active flags whose conditions name this one."""
    async with access.metadata.read() as session:
        row = await found_flag(session, context.team, flag_id)
        found = await dependents(session, context.team, row.id)
    return [DependentFlag(node.id, node.key, node.name) for node in found]


@get(below_project(f"{ITEMS}remote_config/"), guards=SDKS, **SHARED)
async def remote_config(
    flag_id: FromPath[str], context: NamedDependency[FlagContext], access: NamedDependency[Access]
) -> Response[Any]:
    """The payload of a flag that is remote configuration, by id or key; 404 without a body where there is none.

    A sealed payload is read by personal keys and the project's secret alone.
    """
    async with access.metadata.read() as session:
        row = await found_by_id_or_key(session, context.team, flag_id)
    if row is None or not row.is_remote_configuration:
        return Response(b"", status_code=404, media_type="text/plain")
    may_read = context.caller.kind in {"personal key", "project secret"}
    filters = opened(context.vault, context.team.id, row.filters) if may_read else hidden(row.filters)
    payload = (filters.get("payloads") or {}).get("true")
    return Response(msgspec.json.encode(payload), media_type="application/json")


@get(below_project(f"{LISTS}matching_ids/"), guards=READS, **SHARED)
async def matching_ids(
    context: NamedDependency[FlagContext], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> MatchingIds:
    """The ids of all flags that a list with the same parameters has."""
    async with access.metadata.read() as session:
        ids = await matching(session, context, page.said())
    return MatchingIds(ids, len(ids))


@post(below_project(f"{LISTS}bulk_keys/"), guards=READS, status_code=200, **SHARED)
async def bulk_keys(
    context: NamedDependency[FlagContext], access: NamedDependency[Access], data: JSONBody[BulkIds] = NO_IDS
) -> Response[FlagKeys | Refusal]:
    """The keys of flags by id; unknown ones are left out."""
    ids, bad = numbers(data.ids)
    if bad and not ids:
        return Response(Refusal("Invalid flag IDs provided"), status_code=400)
    async with access.metadata.read() as session:
        keys = await keys_of(session, context.team, ids)
    return Response(FlagKeys(keys, f"Invalid flag IDs ignored: {bad}" if bad else None))


@post(below_project(f"{LISTS}bulk_delete/"), guards=WRITES, status_code=200, **SHARED)
async def bulk_delete(
    context: NamedDependency[FlagContext], access: NamedDependency[Access], data: JSONBody[BulkDelete] = NOTHING
) -> Response[BulkDeletion | Refusal]:
    """Delete flags named by id, or those that a list narrowed by `filters` has; what cannot be is told with its reason."""
    if data.filters and data.ids:
        return Response(Refusal("Provide either filters or ids, not both"), status_code=400)
    if not data.filters and not data.ids:
        return Response(Refusal("Must provide either filters or ids"), status_code=400)
    if unknown := unknown_filters(data.filters or {}):
        return Response(Refusal(f"Unknown filter keys: {', '.join(unknown)}"), status_code=400)
    ids: list[Any] = data.ids or []
    if data.filters:
        async with access.metadata.read() as session:
            ids = [*await matching(session, context, data.filters)]
    return Response(await delete_flags(access, context, ids))


@post(below_project(f"{LISTS}user_blast_radius/"), guards=COUNTS, status_code=200, **SHARED)
async def user_blast_radius(
    request: ApiRequest,
    context: NamedDependency[FlagContext],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[BlastRadiusRequest] = NO_CONDITION,
) -> BlastRadius:
    """How many persons, or groups of a type, a condition reaches, and how many there are."""
    return await while_connected(request.receive, blast_radius(state["queries"], access, context, data))


@get("/api/organizations/{organization_id:str}/feature_flags/{key:str}/", guards=READS)
async def flags_of_key(request: ApiRequest, key: FromPath[str], access: NamedDependency[Access]) -> list[SiblingFlag]:
    """The flags of one key in all projects of the organization."""
    async with access.metadata.read() as session:
        return await sibling_flags(session, request.organization_id, key)


routes = [
    flags_of_key,
    user_blast_radius,
    flag_status,
    dependent_flags,
    remote_config,
    matching_ids,
    bulk_keys,
    bulk_delete,
]
