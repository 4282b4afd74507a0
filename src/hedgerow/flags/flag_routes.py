"""`/api/projects/:id/feature_flags/` (rest-api §11)."""

from __future__ import annotations

from typing import Final

from litestar import get, patch, post
from litestar.datastructures import State

from hedgerow.core.http import (
    Access,
    Caller,
    FromPath,
    JSONBody,
    NamedDependency,
    Page,
    PageRequest,
    Team,
    integer_id,
    needs,
)
from hedgerow.core.resources import activity_routes, below_project, refuse_delete
from hedgerow.flags.flag_view import FlagOut, flag_id_of, flag_out, found_flag, page_of_flags
from hedgerow.flags.flags import SCOPE, FlagPatch, NewFlag, change_flag, create_flag

LISTS: Final = below_project("feature_flags/")
ITEMS: Final = below_project("feature_flags/{flag_id:str}/")
READS: Final = [needs("feature_flag:read")]
WRITES: Final = [needs("feature_flag:write")]
NOTHING: Final = FlagPatch()


@get(LISTS, guards=READS)
async def list_flags(
    team: NamedDependency[Team], page: NamedDependency[PageRequest], access: NamedDependency[Access], state: State
) -> Page[FlagOut]:
    """The project's flags, newest first."""
    schema = await state["schema_of"](team)
    async with access.metadata.read() as session:
        return await page_of_flags(session, team, schema, page)


@post(LISTS, guards=WRITES)
async def post_flag(
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[NewFlag],
) -> FlagOut:
    """A new flag."""
    schema = await state["schema_of"](team)
    row = await create_flag(access, caller, team, schema=schema, body=data)
    async with access.metadata.read() as session:
        return await flag_out(session, team, schema, row)


@get(ITEMS, guards=READS)
async def get_flag(
    flag_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access], state: State
) -> FlagOut:
    """One flag, deleted or not."""
    schema = await state["schema_of"](team)
    async with access.metadata.read() as session:
        return await flag_out(session, team, schema, await found_flag(session, team, flag_id))


@patch(ITEMS, guards=WRITES)
async def patch_flag(
    *,
    flag_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[FlagPatch] = NOTHING,
) -> FlagOut:
    """Change what the body has; `deleted` hides a flag and brings it back."""
    schema = await state["schema_of"](team)
    row = await change_flag(access, caller, team, schema=schema, flag_id=integer_id(flag_id), body=data)
    async with access.metadata.read() as session:
        return await flag_out(session, team, schema, row)


routes = [
    list_flags,
    post_flag,
    get_flag,
    patch_flag,
    refuse_delete(ITEMS, "feature_flag:write"),
    *activity_routes(LISTS, SCOPE, flag_id_of, "flag_id"),
]
