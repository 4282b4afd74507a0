"""`/api/projects/:id/property_definitions/` (rest-api §18)."""

from __future__ import annotations

from typing import Final

from litestar import delete, get, route
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
from hedgerow.taxonomy.models import PropertyDefinition
from hedgerow.taxonomy.property_definitions import (
    PropertyOut,
    PropertyPatch,
    change_property,
    delete_property,
    page_of_properties,
    property_out,
    seen_together,
)

LISTS: Final = below_project("property_definitions/")
ITEMS: Final = below_project("property_definitions/{definition_id:str}/")
READS: Final = [needs("property_definition:read")]
WRITES: Final = [needs("property_definition:write")]
NOTHING: Final = PropertyPatch()


@get(LISTS, guards=READS)
async def list_properties(
    team: NamedDependency[Team], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> Page[PropertyOut]:
    """The properties of the project's events; with `type`, of its persons, of one group type, or of sessions."""
    async with access.metadata.read() as session:
        return await page_of_properties(session, team, page)


@get([f"{path}seen_together/" for path in LISTS], guards=READS)
async def list_seen_together(
    team: NamedDependency[Team], page: NamedDependency[PageRequest], access: NamedDependency[Access]
) -> dict[str, bool]:
    """Whether each event of `event_names` came with the property `property_name`."""
    async with access.metadata.read() as session:
        return await seen_together(session, team, page)


@get(ITEMS, guards=READS)
async def get_property(
    definition_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access]
) -> PropertyOut:
    """One property."""
    async with access.metadata.read() as session:
        return await property_out(session, team, await find(session, PropertyDefinition, team, uuid_id(definition_id)))


@route(ITEMS, http_method=["PATCH", "PUT"], guards=WRITES, status_code=200)
async def change(
    *,
    definition_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
    data: JSONBody[PropertyPatch] = NOTHING,
) -> PropertyOut:
    """Say what the body has; the name stays. A type that is set here is not found out anew."""
    row = await change_property(access, caller, team, state["taxonomy"], row_id=uuid_id(definition_id), body=data)
    async with access.metadata.read() as session:
        return await property_out(session, team, row)


@delete(ITEMS, guards=WRITES, status_code=204)
async def remove(
    definition_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    state: State,
) -> None:
    """Forget a property until it comes again."""
    await delete_property(access, caller, team, uuid_id(definition_id), state["taxonomy"])


routes = [list_properties, list_seen_together, get_property, change, remove]
