"""`/api/projects/:id/event_definitions/` (rest-api §17)."""

from __future__ import annotations

from typing import Final

from litestar import Response, delete, get, post, route
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
    needs,
    uuid_id,
)
from hedgerow.core.resources import below_project, find
from hedgerow.taxonomy.event_definitions import (
    EventOut,
    EventPatch,
    NewEvent,
    change_event,
    create_event,
    delete_event,
    event_of,
    event_out,
    page_of_events,
    typescript,
)
from hedgerow.taxonomy.models import EventDefinition

LISTS: Final = below_project("event_definitions/")
ITEMS: Final = below_project("event_definitions/{definition_id:str}/")
READS: Final = [needs("event_definition:read")]
WRITES: Final = [needs("event_definition:write")]
NOTHING: Final = EventPatch()


@get(LISTS, guards=READS)
async def list_events(
    team: NamedDependency[Team], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> Page[EventOut]:
    """The events that the project has seen, those seen last first."""
    async with access.metadata.read() as session:
        return await page_of_events(session, team, page)


@post(LISTS, guards=WRITES)
async def post_event(
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[NewEvent],
) -> EventOut:
    """An event that has not come yet."""
    row = await create_event(access, caller, team, data)
    async with access.metadata.read() as session:
        return await event_out(session, team, row)


@get([f"{path}by_name/" for path in LISTS], guards=READS)
async def get_event_by_name(
    team: NamedDependency[Team], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> EventOut:
    """The event of a name."""
    async with access.metadata.read() as session:
        return await event_out(session, team, await event_of(session, team, page.said().get("name", "")))


@get([f"{path}typescript/" for path in LISTS], guards=READS)
async def get_typescript(team: NamedDependency[Team], access: NamedDependency[Access]) -> Response[str]:
    """The project's events and their properties as types of TypeScript."""
    async with access.metadata.read() as session:
        return Response(await typescript(session, team), media_type="text/plain")


@get(ITEMS, guards=READS)
async def get_event(
    definition_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access]
) -> EventOut:
    """One event."""
    async with access.metadata.read() as session:
        return await event_out(session, team, await find(session, EventDefinition, team, uuid_id(definition_id)))


@route(ITEMS, http_method=["PATCH", "PUT"], guards=WRITES, status_code=200)
async def change(
    definition_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[EventPatch] = NOTHING,
) -> EventOut:
    """Say what the body has; the name stays."""
    row = await change_event(access, caller, team, uuid_id(definition_id), data)
    async with access.metadata.read() as session:
        return await event_out(session, team, row)


@delete(ITEMS, guards=WRITES, status_code=204)
async def remove(
    definition_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
) -> None:
    """Forget an event until it comes again."""
    await delete_event(access, caller, team, uuid_id(definition_id), state["taxonomy"])


routes = [list_events, post_event, get_event_by_name, get_typescript, get_event, change, remove]
