"""A server of the query room alone: real stores, real routes, projects with events, keys of every kind to ask with."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx
import msgspec
from litestar import Litestar
from tests.stores.opened import Stores

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.crypto import digest
from hedgerow.core.http import Access, http_layer, open_access, protected
from hedgerow.core.http.sessions import SESSION_COOKIE, csrf_token
from hedgerow.core.identity.models import (
    OAuthAccessToken,
    Organization,
    OrganizationMembership,
    PersonalAPIKey,
    Project,
    User,
    UserSession,
)
from hedgerow.queries import LocalWrites, Queries, routes
from hedgerow.settings import Settings
from hedgerow.taxonomy import Schemas, Taxonomy

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
NAMESPACE = UUID("7f2f2f0a-0000-5000-8000-000000000001")
_numbers = itertools.count(1)


class NoPeople:
    """What the room of people would say of projects in which nobody merged."""

    async def group_types(self, team_id: int) -> Mapping[str, int]:
        del team_id
        return {"company": 0}

    async def has_person_overrides(self, team_id: int) -> bool:
        del team_id
        return False


@dataclass(frozen=True)
class SeenEvent:
    """What observers are told of."""

    team_id: int
    event: str
    keys: dict[str, Any]
    created_at_us: int
    set: dict[str, Any] | None = None
    set_once: dict[str, Any] | None = None
    group_identify: None = None


@dataclass
class World:
    """One server. Tests talk to it through `client`, or through a project."""

    stores: Stores
    clock: Clock
    settings: Settings
    access: Access
    taxonomy: Taxonomy
    writes: LocalWrites
    queries: Queries
    app: Any
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    @classmethod
    def over(cls, stores: Stores, clock: Clock, **settings: Any) -> World:
        """A server over open stores, with settings of its own."""
        chosen = msgspec.structs.replace(stores.settings, **settings)
        people = NoPeople()
        taxonomy = Taxonomy(stores.metadata, clock, people.group_types)
        schemas = Schemas(taxonomy, people)
        writes = LocalWrites()
        queries = Queries(stores.events, chosen, clock, schema_of=schemas.of, data=writes)
        access = open_access(stores.metadata, chosen, clock)
        layer = http_layer(access)
        layer["state"]["queries"] = queries
        app = protected(Litestar([*routes], openapi_config=None, logging_config=None, **layer), chosen)
        return cls(stores, clock, chosen, access, taxonomy, writes, queries, app)

    async def close(self) -> None:
        await self.client.aclose()
        await self.queries.close()
        await self.access.close()

    async def project(self, **columns: Any) -> Asker:
        """A new project in a new organization, asked by its owner with a personal key."""
        number, moment = next(_numbers), NOW
        organization = Organization(
            id=ids.uuid7(), name=f"Org {number}", slug=f"org-{number}-{ids.short_id(6)}", created_at=moment,
            updated_at=moment, deleted_at=None, settings={},
        )  # fmt: skip
        user = User(
            uuid=ids.uuid7(), distinct_id=ids.secret("", 20), email=f"user{number}-{ids.short_id(6).lower()}@example.test",
            first_name="Ada", last_name="Lee", password_hash=None, is_active=True, is_staff=False, date_joined=moment,
            last_login=None, current_organization_id=organization.id, current_team_id=None, settings={},
        )  # fmt: skip
        project = Project(
            **{
                "id": 1_000 + number,
                "uuid": ids.uuid7(), "organization_id": organization.id, "name": f"Project {number}",
                "api_token": ids.secret("phc_"), "timezone": "UTC", "week_start_day": 0, "anonymize_ips": False,
                "cookieless_server_hash_mode": 0, "ingested_event": False, "created_at": moment, "updated_at": moment,
                "deleted_at": None, "settings": {},
            } | columns
        )  # fmt: skip
        async with self.stores.metadata.write() as session:
            session.add(organization)
            await session.flush()
            session.add_all([user, project])
            await session.flush()
            user.current_team_id = project.id
            session.add(
                OrganizationMembership(
                    id=ids.uuid7(),
                    organization_id=organization.id,
                    user_id=user.id,
                    level=15,
                    joined_at=moment,
                    updated_at=moment,
                )
            )
        asker = Asker(self, project.id, user.id)
        return await asker.by_personal_key()


@dataclass(frozen=True)
class Asker:
    """A project, and somebody who asks it."""

    world: World
    id: int
    user_id: int
    headers: dict[str, str] = field(default_factory=dict[str, str])

    # -- who asks --------------------------------------------------------------------------------------------------

    async def by_personal_key(self, scopes: Sequence[str] = ("*",)) -> Asker:
        secret = ids.secret("phx_")
        async with self.world.stores.metadata.write() as session:
            session.add(
                PersonalAPIKey(
                    id=ids.short_id(),
                    user_id=self.user_id,
                    label="test",
                    digest=digest(secret),
                    mask="phx_...test",
                    scopes=list(scopes),
                    scoped_teams=None,
                    scoped_organizations=None,
                    created_at=NOW,
                    last_used_at=None,
                    last_rolled_at=None,
                )
            )
        return self.with_headers(Authorization=f"Bearer {secret}")

    async def by_oauth_token(self, scopes: Sequence[str] = ("query:read",)) -> Asker:
        secret = ids.secret("pha_")
        async with self.world.stores.metadata.write() as session:
            session.add(
                OAuthAccessToken(
                    id=ids.uuid7(),
                    user_id=self.user_id,
                    digest=digest(secret),
                    client_name="test",
                    scopes=list(scopes),
                    scoped_teams=None,
                    scoped_organizations=None,
                    created_at=NOW,
                    expires_at=NOW + timedelta(days=36_500),
                    last_used_at=None,
                )
            )
        return self.with_headers(Authorization=f"Bearer {secret}")

    async def by_session(self) -> Asker:
        secret = ids.secret("")
        async with self.world.stores.metadata.write() as session:
            session.add(
                UserSession(
                    digest=digest(secret),
                    user_id=self.user_id,
                    created_at=NOW,
                    expires_at=NOW + timedelta(days=36_500),
                    last_used_at=NOW,
                    user_agent="test",
                )
            )
        return self.with_headers(Cookie=f"{SESSION_COOKIE}={secret}", **{"X-CSRFToken": csrf_token(secret)})

    def with_headers(self, **headers: str) -> Asker:
        return Asker(self.world, self.id, self.user_id, headers)

    # -- what happens ----------------------------------------------------------------------------------------------

    async def sends(self, event: str, properties: dict[str, Any] | str | None = None, **columns: Any) -> None:
        """One event, stored and noticed."""
        number = next(_numbers)
        by = columns.pop("by", "ann")
        at = columns.pop("at", "2026-01-05 10:00:00.000000")
        text = properties if isinstance(properties, str) else json.dumps(properties or {})
        row = {
            "team_id": self.id,
            "uuid": str(uuid5(NAMESPACE, str(number))),
            "event": event,
            "timestamp": at,
            "created_at": at,
            "distinct_id": by,
            "person_id": str(ids.person_uuid(self.id, by)),
            "person_mode": "full",
            "person_created_at": at,
            "properties": text,
            **columns,
        }
        await self.world.stores.events.insert("events", json.dumps(row).encode(), token=f"event {number}")
        seen = [SeenEvent(self.id, event, json.loads(text), int(NOW.timestamp() * 1_000_000))]
        self.world.taxonomy.saw(seen)
        self.world.writes.saw(seen)

    # -- what is asked ---------------------------------------------------------------------------------------------

    async def request(self, method: str, path: str = "", **arguments: Any) -> httpx.Response:
        headers = {**self.headers, **arguments.pop("headers", {})}
        url = f"/api/projects/{self.id}/query/{path}"
        return await self.world.client.request(method, url, headers=headers, **arguments)

    async def post(self, hogql: str, **body: Any) -> httpx.Response:
        """The whole response to a HogQLQuery; `node` is merged into the query."""
        node = {"kind": "HogQLQuery", "query": hogql, **body.pop("node", {})}
        return await self.request("POST", json={"query": node, **body})

    async def answer(self, hogql: str, **body: Any) -> dict[str, Any]:
        """The body of a response that must be a success."""
        response = await self.post(hogql, **body)
        assert response.status_code == 200, response.text
        return response.json()

    async def rows(self, hogql: str, **node: Any) -> list[list[Any]]:
        """The rows, calculated now."""
        return (await self.answer(hogql, refresh="force_blocking", node=node))["results"]

    async def refusal(self, hogql: str, **node: Any) -> dict[str, Any]:
        """The body of a response that must be a 400."""
        response = await self.post(hogql, node=node)
        assert response.status_code == 400, response.text
        return response.json()
