"""From a request to a proven caller (rest-api §1.2) and to the project or organization that its path names (§1.1).

    candidate, in this order                          kind
    Authorization: Bearer phs_…, secret_api_token     project secret (only where the route takes one)
    Authorization: Bearer pha_…                       oauth token
    Authorization: Bearer …                           personal key
    personal_api_key in the body, in the query        personal key
    session cookie                                    session

The first candidate decides: after a bad key nothing else is tried.
"""

from __future__ import annotations

import re
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import select

from hedgerow.core.clock import Clock
from hedgerow.core.http.callers import Caller, Kind
from hedgerow.core.http.errors import (
    AuthenticationFailed,
    NotAuthenticated,
    NotFound,
    ParseFailed,
    PermissionDenied,
    UnsupportedMediaType,
    ValidationFailed,
)
from hedgerow.core.http.limits import RateLimiter
from hedgerow.core.http.request import FORMS, ApiRequest
from hedgerow.core.http.sessions import CSRF_FIELD, SAFE_METHODS, SESSION_COOKIE, refuse_forgery
from hedgerow.core.identity.credentials import Credentials, Grant
from hedgerow.core.identity.models import Organization
from hedgerow.core.identity.teams import Team, Teams
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings

CURRENT = "@current"
ProjectSecrets = Literal["unknown", "refused", "accepted"]
"""What a route makes of `phs_` keys: never heard of them (401), knows and refuses them (403), takes them."""

_BEARER = re.compile(r"\s*bearer\s+(\S.*?)\s*", re.IGNORECASE)


class Access:
    """What the guards of all routes lean on. One for the process, at `app.state.access`."""

    def __init__(self, metadata: Metadata, settings: Settings, clock: Clock, limiter: RateLimiter) -> None:
        """Make the caches of projects and credentials over `metadata`."""
        self.metadata = metadata
        self.settings = settings
        self.clock = clock
        self.limiter = limiter
        self.teams = Teams(metadata, clock)
        self.credentials = Credentials(metadata, clock)

    def forget(self) -> None:
        """Drop every cached look-up: something about users, keys or projects was written."""
        self.teams.forget()
        self.credentials.forget()

    async def close(self) -> None:
        """Finish what still runs; call it before the database closes."""
        await self.credentials.close()
        await self.limiter.close()

    # Who asks

    async def authenticate(self, request: ApiRequest, project_secrets: ProjectSecrets = "unknown") -> Caller:
        """The caller. Raises `NotAuthenticated`, `AuthenticationFailed`; for writes by a session also `PermissionDenied`."""
        secret = _bearer(request)
        if secret is not None:
            return await self._by_key(secret, "Authorization header", project_secrets)
        fields = await _body_fields(request)
        if project_secrets != "unknown" and (secret := _text(fields, "secret_api_token")):
            return await self._by_project_secret(secret, "body")
        if secret := _text(fields, "personal_api_key"):
            return await self._by_personal_key(secret, "body")
        if secret := _text(request.query_params, "personal_api_key"):
            return await self._by_personal_key(secret, "query string")
        if cookie := request.cookies.get(SESSION_COOKIE):
            return await self._by_session(request, cookie, fields)
        raise NotAuthenticated

    async def _by_key(self, secret: str, source: str, project_secrets: ProjectSecrets) -> Caller:
        if secret.startswith("pha_"):
            return await self._by_oauth_token(secret)
        if secret.startswith("phs_") and project_secrets != "unknown":
            return await self._by_project_secret(secret, source)
        return await self._by_personal_key(secret, source)

    async def _by_personal_key(self, secret: str, source: str) -> Caller:
        return _caller(
            "personal key",
            await self.credentials.personal_key(secret),
            f"Personal API key found in request {source} is invalid.",
        )

    async def _by_project_secret(self, secret: str, source: str) -> Caller:
        return _caller(
            "project secret",
            await self.credentials.project_secret(secret),
            f"Project secret API key found in request {source} is invalid.",
        )

    async def _by_oauth_token(self, secret: str) -> Caller:
        grant = await self.credentials.oauth_token(secret)
        if grant is not None and self.credentials.has_expired(grant):
            raise AuthenticationFailed("Access token has expired.")
        return _caller("oauth token", grant, "Access token is invalid.")

    async def _by_session(self, request: ApiRequest, cookie: str, fields: dict[str, Any]) -> Caller:
        grant = await self.credentials.session(cookie)
        if grant is None:
            raise NotAuthenticated
        if request.method not in SAFE_METHODS:
            refuse_forgery(request, cookie, _text(fields, CSRF_FIELD))
        return Caller("session", grant)

    # Where

    async def project(self, request: ApiRequest, caller: Caller, said: str, *, is_target: bool) -> Team:
        """The project that the path names: a number or `@current`. A project token in the request overrides it.

        `is_target`: the project is what is asked for (`/api/projects/1/`), so one that the caller does not belong to is
        simply not found; else it is the parent of what is asked for, and the answer is 403.
        Raises `NotFound`, `PermissionDenied`, `AuthenticationFailed`.
        """
        team = await self._team(request, caller, said, is_target=is_target)
        if team is None:
            raise NotFound("Not found." if is_target and said.isdecimal() else "Project not found.")
        if caller.kind == "project secret":
            if caller.grant.team_id != team.id:
                raise PermissionDenied(f"API key does not have access to the requested project: ID {team.id}.")
            return team
        if is_target and not caller.level_in(team.organization_id):
            raise NotFound
        return team

    async def _team(self, request: ApiRequest, caller: Caller, said: str, *, is_target: bool) -> Team | None:
        if not is_target and (token := await _project_token(request)):
            team = await self.teams.by_token(token)
            if team is None:
                raise AuthenticationFailed
            return team
        if said == CURRENT:
            current = caller.grant.team_id if caller.grant.user is None else caller.grant.user.team_id
            return None if current is None else await self.teams.by_id(current)
        if not (said.isascii() and said.isdecimal()) or len(said) > 19:
            return None
        return await self.teams.by_id(int(said))

    async def current_project(self, request: ApiRequest, caller: Caller) -> Team:
        """The caller's current project, for routes that have none in their path. Raises `ValidationFailed` if unset."""
        team = await self._team(request, caller, CURRENT, is_target=False)
        if team is None:
            raise ValidationFailed("This endpoint requires the current project to be set on your account.")
        return team

    async def organization(self, caller: Caller, said: str, *, is_target: bool) -> UUID:
        """The organization that the path names: a UUID or `@current`; `is_target` as in `project`.

        Raises `NotFound`, `PermissionDenied`.
        """
        levels = caller.user.levels
        if said == CURRENT:
            if caller.user.organization_id is None:
                text = "Current organization not found." if is_target else "You need to belong to an organization."
                raise NotFound(text)
            return caller.user.organization_id
        organization_id = parse_uuid(said)
        if organization_id is None:
            raise NotFound("Organization not found.")
        if organization_id in levels:
            return organization_id
        if is_target:
            raise NotFound
        if await self._organization_exists(organization_id):
            raise PermissionDenied
        raise NotFound("Organization not found.")

    async def _organization_exists(self, organization_id: UUID) -> bool:
        async with self.metadata.read() as session:
            found = select(Organization.id).where(Organization.id == organization_id, Organization.deleted_at.is_(None))
            return await session.scalar(found) is not None


def _caller(kind: Kind, grant: Grant | None, refusal: str) -> Caller:
    if grant is None:
        raise AuthenticationFailed(refusal)
    return Caller(kind, grant)


def parse_uuid(said: str) -> UUID | None:
    """A UUID in its usual form with hyphens, in either case; None for anything else."""
    try:
        found = UUID(said)
    except ValueError:
        return None
    return found if str(found) == said.lower() else None


def _bearer(request: ApiRequest) -> str | None:
    for name, value in request.scope["headers"]:
        if name == b"authorization":
            match = _BEARER.fullmatch(value.decode("latin-1"))
            return None if match is None else match[1]
    return None


async def _body_fields(request: ApiRequest) -> dict[str, Any]:
    """The body of a write, if it is an object that can be read: what a key or a token may stand in."""
    if request.method in SAFE_METHODS:
        return {}
    try:
        body: Any = await request.json()
    except (ParseFailed, UnsupportedMediaType, ValidationFailed):
        return {}  # the route itself will say so, once it is known who asks
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def _text(fields: Any, name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


async def _project_token(request: ApiRequest) -> str | None:
    """The project token that came with the request: in the query, or as a form field."""
    query = request.query_params
    token = _text(query, "token") or _text(query, "api_key")
    if token is None and request.content_type[0].lower() in FORMS:
        fields = await _body_fields(request)
        token = _text(fields, "token") or _text(fields, "api_key")
    return token
