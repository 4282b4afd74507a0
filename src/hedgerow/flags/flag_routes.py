"""`/api/projects/:id/feature_flags/` (rest-api §11). `routes` are all of this room."""

from __future__ import annotations

from typing import Final

from litestar import get, patch, post, put

from hedgerow.core.http import (
    Access,
    FromPath,
    JSONBody,
    NamedDependency,
    Page,
    PageRequest,
    integer_id,
    needs,
)
from hedgerow.core.resources import activity_routes, below_project, refuse_delete
from hedgerow.flags.early_access_routes import routes as early_access_routes
from hedgerow.flags.flag_action_routes import routes as action_routes
from hedgerow.flags.flag_bodies import FlagPatch, FlagPut, NewFlag
from hedgerow.flags.flag_context import SHARED, FlagContext
from hedgerow.flags.flag_view import FlagOut, flag_id_of, flag_out, found_flag, page_of_flags
from hedgerow.flags.flags import SCOPE, change_flag, create_flag
from hedgerow.flags.models import FeatureFlag

LISTS: Final = below_project("feature_flags/")
ITEMS: Final = below_project("feature_flags/{flag_id:str}/")
READS: Final = [needs("feature_flag:read")]
WRITES: Final = [needs("feature_flag:write")]
NOTHING: Final = FlagPatch()


@get(LISTS, guards=READS, **SHARED)
async def list_flags(
    context: NamedDependency[FlagContext], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> Page[FlagOut]:
    """The project's flags, newest first, or by `order`; without archived ones, and those that surveys own.

    Narrowed by `search` (key, name), `active` (also `STALE`), `archived`, `created_by_id`, `type`, `tags`,
    `evaluation_runtime`, `has_evaluation_contexts` and `excluded_properties` (keys to leave out).
    """
    async with access.metadata.read() as session:
        return await page_of_flags(session, context, page)


@post(LISTS, guards=WRITES, **SHARED)
async def post_flag(
    context: NamedDependency[FlagContext], access: NamedDependency[Access], data: JSONBody[NewFlag]
) -> FlagOut:
    """A new flag."""
    return await _answer(access, context, await create_flag(access, context, data))


@get(ITEMS, guards=READS, **SHARED)
async def get_flag(
    flag_id: FromPath[str], context: NamedDependency[FlagContext], access: NamedDependency[Access]
) -> FlagOut:
    """One flag, deleted or not."""
    async with access.metadata.read() as session:
        return await flag_out(session, context, await found_flag(session, context.team, flag_id))


@patch(ITEMS, guards=WRITES, **SHARED)
async def patch_flag(
    flag_id: FromPath[str],
    context: NamedDependency[FlagContext],
    access: NamedDependency[Access],
    data: JSONBody[FlagPatch] = NOTHING,
) -> FlagOut:
    """Change what the body has; `deleted` hides a flag and brings it back.

    Who sends the `version` and the `original_flag` that they began with is refused (409) where a field that they change
    was changed by somebody else since.
    """
    return await _answer(access, context, await change_flag(access, context, integer_id(flag_id), data))


@put(ITEMS, guards=WRITES, **SHARED)
async def put_flag(
    flag_id: FromPath[str],
    context: NamedDependency[FlagContext],
    access: NamedDependency[Access],
    data: JSONBody[FlagPut],
) -> FlagOut:
    """The same; the key must be there."""
    return await _answer(access, context, await change_flag(access, context, integer_id(flag_id), data))


async def _answer(access: Access, context: FlagContext, row: FeatureFlag) -> FlagOut:
    async with access.metadata.read() as session:
        return await flag_out(session, context, row)


routes = [
    list_flags,
    put_flag,
    post_flag,
    get_flag,
    patch_flag,
    refuse_delete(ITEMS, "feature_flag:write"),
    *action_routes,
    *early_access_routes,
    *activity_routes(LISTS, SCOPE, flag_id_of, "flag_id"),
]
