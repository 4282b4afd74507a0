"""`/api/projects/` and `/api/environments/`, which are the same, also below an organization (rest-api §3)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import delete, get, patch, post

from hedgerow.core.http import (
    Access,
    ApiRequest,
    Caller,
    JSONBody,
    NamedDependency,
    NotFound,
    Page,
    PageRequest,
    PermissionDenied,
    Team,
    needs,
)
from hedgerow.core.identity.people import ADMIN
from hedgerow.workspace.project_fields import ADMIN_FIELDS, NOTHING, ProjectPatch, changes
from hedgerow.workspace.project_view import project_view
from hedgerow.workspace.projects import (
    change_project,
    delete_project,
    drop_backup,
    find_project,
    make_project,
    page_of_projects,
    reset_token,
    rotate_secret,
)
from hedgerow.workspace.schemas import TeamBasic

LISTS = ["/api/projects/", "/api/environments/", "/api/organizations/{organization_id:str}/projects/"]
OBJECTS = [f"{path}{{project_id:str}}/" for path in LISTS]
NO_ORGANIZATION = "You need to belong to an organization."
NOT_ADMIN = "You don't have sufficient permissions in the project."


def below(action: str) -> list[str]:
    """The paths of an action of one project."""
    return [f"{path}{action}/" for path in OBJECTS]


@get(LISTS, guards=[needs("project:read", any_reach=True)])
async def list_projects(
    request: ApiRequest,
    caller: NamedDependency[Caller],
    page: NamedDependency[PageRequest],
    access: NamedDependency[Access],
) -> Page[TeamBasic]:
    """The projects of the organization in the path, else of the current one."""
    return await page_of_projects(access.metadata, caller, _organization(request), page)


@post(LISTS, guards=[needs("project:write")])
async def create_project(
    request: ApiRequest,
    caller: NamedDependency[Caller],
    access: NamedDependency[Access],
    data: JSONBody[ProjectPatch] = NOTHING,
) -> dict[str, Any]:
    """A new project, which becomes the current one. The answer shows its secret key, this once."""
    organization_id = _organization(request)
    if organization_id is None:
        raise NotFound(NO_ORGANIZATION)
    caller.require_reach(None, organization_id)
    if caller.level_in(organization_id) < ADMIN:
        raise PermissionDenied("Your organization access level is insufficient.")
    fields = changes(data)
    async with access.metadata.write() as session:
        made = await make_project(session, access.clock, organization_id, fields, caller.user.id)
    access.forget()
    return await project_view(made.project, caller, request.app.state, secret=made.secret_key)


@get(OBJECTS, guards=[needs("project:read", subject="target")])
async def get_project(
    request: ApiRequest,
    caller: NamedDependency[Caller],
    team: NamedDependency[Team],
    access: NamedDependency[Access],
) -> dict[str, Any]:
    """One project, whole."""
    async with access.metadata.read() as session:
        project = await find_project(session, team.id)
    return await project_view(project, caller, request.app.state)


@patch(OBJECTS, guards=[needs("project:write", subject="target")])
async def patch_project(
    request: ApiRequest,
    caller: NamedDependency[Caller],
    team: NamedDependency[Team],
    access: NamedDependency[Access],
    data: JSONBody[ProjectPatch] = NOTHING,
) -> dict[str, Any]:
    """Change what the body has. Configuration is open to members, the rest to administrators."""
    fields = changes(data)
    if ADMIN_FIELDS & fields.keys():
        _require_admin(caller, team)
    async with access.metadata.write() as session:
        project = await find_project(session, team.id, to_change=True)
        change_project(project, access.clock, fields)
    access.forget()
    return await project_view(project, caller, request.app.state)


@delete(OBJECTS, guards=[needs("project:write", subject="target")])
async def remove_project(
    caller: NamedDependency[Caller], team: NamedDependency[Team], access: NamedDependency[Access]
) -> None:
    """Delete the project: its tokens stop working and nobody finds it again."""
    _require_admin(caller, team)
    async with access.metadata.write() as session:
        await delete_project(session, await find_project(session, team.id, to_change=True), access.clock)
    access.forget()


@patch(below("reset_token"), guards=[needs("project:write", subject="target")])
async def reset_project_token(
    request: ApiRequest,
    caller: NamedDependency[Caller],
    team: NamedDependency[Team],
    access: NamedDependency[Access],
) -> dict[str, Any]:
    """A new public token; the old one stops working at once."""
    _require_admin(caller, team)
    async with access.metadata.write() as session:
        project = await find_project(session, team.id, to_change=True)
        reset_token(project, access.clock)
    access.forget()
    return await project_view(project, caller, request.app.state)


@patch(below("rotate_secret_token"), guards=[needs("project:write", subject="target")])
async def rotate_secret_token(
    request: ApiRequest,
    caller: NamedDependency[Caller],
    team: NamedDependency[Team],
    access: NamedDependency[Access],
) -> dict[str, Any]:
    """A new secret key, shown this once. The one in use goes on working as the backup until that is deleted."""
    _require_admin(caller, team)
    async with access.metadata.write() as session:
        project = await find_project(session, team.id, to_change=True)
        secret = await rotate_secret(session, project, access.clock)
    access.forget()
    return await project_view(project, caller, request.app.state, secret=secret)


@patch(below("delete_secret_token_backup"), guards=[needs("project:write", subject="target")])
async def delete_secret_token_backup(
    request: ApiRequest,
    caller: NamedDependency[Caller],
    team: NamedDependency[Team],
    access: NamedDependency[Access],
) -> dict[str, Any]:
    """End the secret key from before the last rotation."""
    _require_admin(caller, team)
    async with access.metadata.write() as session:
        project = await find_project(session, team.id, to_change=True)
        await drop_backup(session, project)
    access.forget()
    return await project_view(project, caller, request.app.state)


@get(below("is_generating_demo_data"), guards=[needs("project:read", subject="target")])
async def is_generating_demo_data() -> dict[str, bool]:
    """Never: demo data comes from the command line, and is there when that ends."""
    return {"is_generating_demo_data": False}


def _organization(request: ApiRequest) -> UUID | None:
    if "organization_id" in request.path_params:
        return request.organization_id
    return request.caller.user.organization_id


def _require_admin(caller: Caller, team: Team) -> None:
    if caller.level_in(team.organization_id) < ADMIN:
        raise PermissionDenied(NOT_ADMIN)


routes = [
    list_projects,
    create_project,
    get_project,
    patch_project,
    remove_project,
    reset_project_token,
    rotate_secret_token,
    delete_secret_token_backup,
    is_generating_demo_data,
]
