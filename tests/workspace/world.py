"""A server with people in it, asked as its clients ask: over HTTP, by key, session, project secret or OAuth token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

import httpx
from litestar.types import ASGIApp

from hedgerow.core import ids
from hedgerow.core.clock import ManualClock
from hedgerow.core.crypto import digest, mask
from hedgerow.core.http import Access
from hedgerow.core.http.sessions import CSRF_HEADER, SESSION_COOKIE, csrf_token
from hedgerow.core.identity.models import (
    OAuthAccessToken,
    OrganizationMembership,
    PersonalAPIKey,
    User,
    UserSession,
)
from hedgerow.workspace.organizations import make_organization
from hedgerow.workspace.projects import make_project

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CALLERS = ("personal key", "session", "oauth token")


class Client:
    """Asks as one caller. `get("/api/…")` and its like return the response."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str], base_url: str = "http://127.0.0.1:8000") -> None:
        self.headers = dict(headers)
        transport = httpx.ASGITransport(app)  # pyright: ignore[reportArgumentType]
        self._http = httpx.AsyncClient(transport=transport, base_url=base_url, headers=self.headers)

    async def ask(self, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        if json is not None:
            more["json"] = json
        return await self._http.request(method, path, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.ask("GET", path, **more)

    async def post(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        return await self.ask("POST", path, json, **more)

    async def patch(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        return await self.ask("PATCH", path, json, **more)

    async def put(self, path: str, json: Any = None, **more: Any) -> httpx.Response:
        return await self.ask("PUT", path, json, **more)

    async def delete(self, path: str, **more: Any) -> httpx.Response:
        return await self.ask("DELETE", path, **more)

    async def close(self) -> None:
        await self._http.aclose()


@dataclass
class World:
    """The server, and who lives on it."""

    app: ASGIApp
    access: Access
    clock: ManualClock
    clients: list[Client] = field(default_factory=list[Client])

    def client(self, headers: Mapping[str, str] | None = None, **more: Any) -> Client:
        """Somebody with these headers; nobody without."""
        made = Client(self.app, headers or {}, **more)
        self.clients.append(made)
        return made

    async def close(self) -> None:
        for client in self.clients:
            await client.close()

    async def person(self, **changes: Any) -> Person:
        """A user with an organization and a project of their own."""
        user = await self._user(**changes)
        person = Person(self, user, UUID(int=0), 0, "", "")
        await person.has_organization()
        return person

    async def loner(self, **changes: Any) -> Person:
        """A user who belongs to nothing."""
        return Person(self, await self._user(**changes), UUID(int=0), 0, "", "")

    async def _user(self, **changes: Any) -> User:
        number = ids.short_id(6).lower()
        fields: dict[str, Any] = {
            "uuid": ids.uuid7(),
            "distinct_id": number,
            "email": f"{number}@example.test",
            "first_name": "Ada",
            "last_name": "Lee",
            "password_hash": None,
            "is_active": True,
            "is_staff": False,
            "date_joined": NOW,
            "last_login": None,
            "current_organization_id": None,
            "current_team_id": None,
            "settings": {},
            **changes,
        }
        async with self.access.metadata.write() as session:
            user = User(**fields)
            session.add(user)
        return user


@dataclass
class Person:
    """A user, with their organization and project."""

    world: World
    user: User
    organization_id: UUID
    project_id: int
    project_token: str
    project_secret: str

    async def has_organization(self, name: str = "Fernhill") -> Self:
        """Own a new organization with a project."""
        async with self.world.access.metadata.write() as session:
            organization, _ = await make_organization(session, self.world.clock, {"name": name}, self.user.id)
            made = await make_project(session, self.world.clock, organization.id, {}, self.user.id)
        self.world.access.forget()
        self.organization_id = organization.id
        self.project_id = made.project.id
        self.project_token = made.project.api_token
        self.project_secret = made.secret_key
        return self

    async def joins(self, other: Person, level: int = 1) -> Self:
        """Become a member of the other's organization."""
        async with self.world.access.metadata.write() as session:
            session.add(
                OrganizationMembership(
                    id=ids.uuid7(),
                    organization_id=other.organization_id,
                    user_id=self.user.id,
                    level=level,
                    joined_at=self.world.clock.now(),
                    updated_at=self.world.clock.now(),
                )
            )
        self.world.access.forget()
        return self

    async def key(self, *scopes: str, **limits: Any) -> str:
        """The secret of a new personal key; without scopes it may do everything."""
        secret = ids.secret("phx_")
        async with self.world.access.metadata.write() as session:
            session.add(
                PersonalAPIKey(
                    id=ids.short_id(10),
                    user_id=self.user.id,
                    label="test",
                    digest=digest(secret),
                    mask=mask(secret),
                    scopes=list(scopes) or ["*"],
                    created_at=NOW,
                    last_used_at=None,
                    last_rolled_at=None,
                    **{"scoped_teams": None, "scoped_organizations": None, **limits},
                )
            )
        return secret

    async def oauth_token(self, *scopes: str, seconds: int = 3600, **limits: Any) -> str:
        """The secret of a new OAuth token; without scopes it may do everything."""
        secret = ids.secret("pha_")
        async with self.world.access.metadata.write() as session:
            session.add(
                OAuthAccessToken(
                    id=ids.uuid7(),
                    user_id=self.user.id,
                    digest=digest(secret),
                    client_name="An application",
                    scopes=list(scopes) or ["*"],
                    created_at=NOW,
                    expires_at=self.world.clock.now() + timedelta(seconds=seconds),
                    last_used_at=None,
                    **{"scoped_teams": None, "scoped_organizations": None, **limits},
                )
            )
        return secret

    async def session(self) -> str:
        """The secret of a new sign-in session."""
        secret = ids.secret("", 43)
        async with self.world.access.metadata.write() as session:
            session.add(
                UserSession(
                    digest=digest(secret),
                    user_id=self.user.id,
                    created_at=self.world.clock.now(),
                    expires_at=self.world.clock.now() + timedelta(days=14),
                    last_used_at=self.world.clock.now(),
                    user_agent="a browser",
                )
            )
        return secret

    async def by_key(self, *scopes: str, **limits: Any) -> Client:
        """Ask with a new personal key."""
        return self.world.client({"Authorization": f"Bearer {await self.key(*scopes, **limits)}"})

    async def by_session(self) -> Client:
        """Ask as a page does in which the user signed in."""
        secret = await self.session()
        return self.world.client({"Cookie": f"{SESSION_COOKIE}={secret}", CSRF_HEADER: csrf_token(secret)})

    async def asks_by(self, caller: str, *scopes: str, **limits: Any) -> Client:
        """Ask as one of `CALLERS`, or as "project secret" or "nobody"."""
        match caller:
            case "personal key":
                return await self.by_key(*scopes, **limits)
            case "session":
                return await self.by_session()
            case "oauth token":
                token = await self.oauth_token(*scopes, **limits)
                return self.world.client({"Authorization": f"Bearer {token}"})
            case "project secret":
                return self.world.client({"Authorization": f"Bearer {self.project_secret}"})
            case _:
                return self.world.client()
