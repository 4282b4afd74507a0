"""`/api/projects/:id/actions/` (rest-api §13)."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, Response, get, post, route
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
    Team,
    integer_id,
    needs,
)
from hedgerow.core.resources import activity_routes, below_project, refuse_delete
from hedgerow.taxonomy.action_view import (
    ActionOut,
    Reference,
    action_id_of,
    action_out,
    csv_of,
    found_action,
    page_of_actions,
)
from hedgerow.taxonomy.actions import SCOPE, ActionBody, Actions, TagsBody, TagsOut

LISTS: Final = below_project("actions/")
ITEMS: Final = below_project("actions/{action_id:str}/")
READS: Final = [needs("action:read")]
WRITES: Final = [needs("action:write")]
NOTHING: Final = ActionBody()
OF_A_FILE: Final = {"Content-Disposition": 'attachment; filename="actions.csv"'}


def provide_actions(request: Request[Any, Any, Any]) -> Actions:
    """The dependency `actions`: what `server` put at `app.state.actions`."""
    return request.app.state.actions


SHARED: Final[dict[str, Any]] = {"dependencies": {"actions": Provide(provide_actions, sync_to_thread=False)}}


@get(LISTS, guards=READS)
async def list_actions(
    team: NamedDependency[Team], page: NamedDependency[PageRequest], access: NamedDependency[Access], state: State
) -> Page[ActionOut] | Response[bytes]:
    """The project's actions; all of them where no `limit` is asked for. `format=csv` gives a table."""
    async with access.metadata.read() as session:
        found = await page_of_actions(session, team, page, state["action_references"])
    if page.said().get("format") == "csv":
        return Response(csv_of(found.results), media_type="text/csv", headers=OF_A_FILE)
    return found


@post(LISTS, guards=WRITES, **SHARED)
async def post_action(
    *,
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    actions: NamedDependency[Actions],
    state: State,
    data: JSONBody[ActionBody] = NOTHING,
) -> ActionOut:
    """A new action."""
    row = await actions.create(access, caller, team, await state["schema_of"](team), data)
    async with access.metadata.read() as session:
        return await action_out(session, team, row)


@get(ITEMS, guards=READS)
async def get_action(
    action_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access]
) -> ActionOut:
    """One action, deleted or not."""
    async with access.metadata.read() as session:
        return await action_out(session, team, await found_action(session, team, action_id))


@route(ITEMS, http_method=["PATCH", "PUT"], guards=WRITES, status_code=200, **SHARED)
async def change_action(
    *,
    action_id: FromPath[str],
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    actions: NamedDependency[Actions],
    state: State,
    data: JSONBody[ActionBody] = NOTHING,
) -> ActionOut:
    """Change what the body has; `steps` replaces all steps; `deleted` hides an action and brings it back."""
    schema = await state["schema_of"](team)
    row = await actions.change(access, caller, team, schema, action_id=integer_id(action_id), body=data)
    async with access.metadata.read() as session:
        return await action_out(session, team, row)


@get([f"{path}references/" for path in ITEMS], guards=READS)
async def list_references(
    action_id: FromPath[str], team: NamedDependency[Team], access: NamedDependency[Access], state: State
) -> list[Reference]:
    """What is made of the action."""
    async with access.metadata.read() as session:
        row = await found_action(session, team, action_id)
        return (await state["action_references"](session, team.id)).get(row.id, [])


@post([f"{path}bulk_update_tags/" for path in LISTS], guards=WRITES, status_code=200, **SHARED)
async def tag_actions(
    team: NamedDependency[Team],
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    actions: NamedDependency[Actions],
    data: JSONBody[TagsBody],
) -> TagsOut:
    """Add tags to many actions, take them away, or replace them."""
    return await actions.tag(access, caller, team, data)


routes = [
    list_actions,
    post_action,
    get_action,
    change_action,
    list_references,
    tag_actions,
    refuse_delete(ITEMS, "action:write"),
    *activity_routes(LISTS, SCOPE, action_id_of, "action_id"),
]
