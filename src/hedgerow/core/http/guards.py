"""What stands on every route: who may come in.

    @get("/api/projects/{project_id:str}/persons/", guards=[needs("person:read", limit="clickhouse")])
    async def list_persons(team: Team, caller: Caller, page: PageRequest) -> …

A path parameter named `project_id` is the project, one named `organization_id` the organization. The guard proves the
caller, finds both, checks key limits, scope and membership, and counts the request, in PostHog's order; after it,
`request.caller`, `request.team` and `request.organization_id` are set (also as dependencies `caller`, `team`).
"""

from __future__ import annotations

from typing import Any, Literal, cast
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.types import AsyncAnyCallable

from hedgerow.core.http.access import Access, ProjectSecrets
from hedgerow.core.http.callers import Caller, Kind
from hedgerow.core.http.errors import NotFound, PermissionDenied
from hedgerow.core.http.limits import LimitClass
from hedgerow.core.http.request import ApiRequest
from hedgerow.core.identity.scopes import is_scope
from hedgerow.core.identity.teams import Team

Subject = Literal["parent", "target", "current"]
"""What the project or organization of the path is to the route: the parent of what is asked for, the very thing that
is asked for, or not in the path at all, so that the user's current project is meant."""


def needs(
    scope: str | None,
    *,
    limit: LimitClass | None = "crud",
    project_secrets: ProjectSecrets = "unknown",
    subject: Subject = "parent",
    any_reach: bool = False,
    refusal: str = "This action does not support personal API key access",
) -> AsyncAnyCallable:
    """A guard that lets in callers who hold `scope`; `None` keeps every kind of key out, with `refusal` as the reason.

    `limit` is the class that requests by personal keys are counted in (rest-api §1.7); None counts nothing.
    `any_reach` lets in keys that are limited to some projects or organizations: the route itself cuts what it shows.
    """
    if scope is not None and not is_scope(scope):
        raise ValueError(f"{scope!r} is not a scope")

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        request = cast("ApiRequest", connection)
        access: Access = request.app.state.access
        caller = await access.authenticate(request, project_secrets)
        if caller.kind != "session":
            _refuse_kind(caller, scope, project_secrets, refusal)
        team, organization_id = await _where(access, request, caller, subject)
        if caller.kind in {"personal key", "oauth token"} and not any_reach:
            caller.require_reach(team, organization_id)
        if scope is not None and caller.kind != "project secret":
            caller.require(scope)
        if team is not None and caller.kind != "project secret" and not caller.level_in(team.organization_id):
            raise PermissionDenied("You don't have access to the project.")
        if limit is not None and caller.kind == "personal key":
            await access.limiter.check(limit, caller.grant.digest)
        request.caller = caller
        if team is not None:
            request.team = team
        if organization_id is not None:
            request.organization_id = organization_id

    guard.__doc__ = f"needs {scope}"
    return guard


def proven(*kinds: Kind, refusal: str) -> AsyncAnyCallable:
    """A guard that lets in callers of some kinds, whatever their scopes: for what concerns the caller alone."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        request = cast("ApiRequest", connection)
        access: Access = request.app.state.access
        request.caller = await access.authenticate(request)
        if request.caller.kind not in kinds:
            raise PermissionDenied(refusal)

    return guard


def _refuse_kind(caller: Caller, scope: str | None, project_secrets: ProjectSecrets, refusal: str) -> None:
    if caller.kind == "oauth token" and not caller.scopes:
        raise PermissionDenied("OAuth token has no scopes and cannot access this resource")
    if caller.kind == "project secret" and project_secrets != "accepted":
        raise PermissionDenied("This action does not support project secret API key access")
    if scope is None:
        raise PermissionDenied(refusal)


async def _where(
    access: Access, request: ApiRequest, caller: Caller, subject: Subject
) -> tuple[Team | None, UUID | None]:
    """The project and the organization that the request is about."""
    path = request.path_params
    team: Team | None = None
    organization_id: UUID | None = None
    if "organization_id" in path:
        inner = "project_id" in path
        organization_id = await access.organization(
            caller, path["organization_id"], is_target=subject == "target" and not inner
        )
    if "project_id" in path:
        team = await access.project(request, caller, path["project_id"], is_target=subject == "target")
        if organization_id is not None and team.organization_id != organization_id:
            raise NotFound(None if subject == "target" else "Project not found.")
    elif subject == "current":
        team = await access.current_project(request, caller)
    return team, organization_id if team is None else team.organization_id
