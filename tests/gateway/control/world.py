"""A whole small server in this process: its people, its OAuth provider, its gateway, and a FAKE cloud beside it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
from litestar import Litestar
from sqlalchemy import delete, select
from tests.gateway.fake_oauth import FakeOAuth
from tests.gateway.fake_posthog import FakePostHog
from tests.gateway.world import TESTER
from tests.workspace.world import Person
from tests.workspace.world import World as Workspace

from hedgerow.core.clock import ManualClock
from hedgerow.core.http import Access, http_layer, open_access, protected
from hedgerow.core.http.sessions import SESSION_COOKIE
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway import Gateway
from hedgerow.gateway.models import AuditEntry, ConnectionRow, UpstreamClient
from hedgerow.gateway.routes import routes as gateway_routes
from hedgerow.oauth import OAuthProvider
from hedgerow.oauth import routes as oauth_routes
from hedgerow.server import client_addresses
from hedgerow.settings import Settings
from hedgerow.workspace import routes as workspace_routes

ORIGIN = "http://127.0.0.1:8000"
EVERYTHING = {"ingest": True, "manage_connections": True, "manage_keys": True}


@cache
def application() -> Litestar:
    layer = http_layer(cast("Access", None))
    routes = [*workspace_routes, *oauth_routes, *gateway_routes]
    return Litestar(routes, openapi_config=None, logging_config=None, **layer)


class Own:
    """This server, without a socket."""

    host = b"127.0.0.1:8000"

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


@dataclass
class Browser:
    """Keeps cookies, follows nothing by itself."""

    http: httpx.AsyncClient

    async def get(self, url: str, **more: Any) -> httpx.Response:
        return await self.http.get(url, **more)

    async def open(self, url: str) -> httpx.Response:
        """As a person opens it: redirects on this server are followed."""
        answer = await self.get(url)
        for _ in range(5):
            if answer.status_code not in {302, 303} or not answer.headers["location"].startswith(("/", ORIGIN)):
                break
            answer = await self.get(answer.headers["location"])
        return answer

    async def send(self, page: httpx.Response, action: str, **fields: str) -> httpx.Response:
        """Send a form of the page, with these fields filled in."""
        form = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page.text, re.DOTALL)
        assert form is not None, page.text
        filled = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[0]))
        headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
        return await self.http.post(action, data={**filled, **fields}, headers=headers)

    def cookie(self, name: str) -> str | None:
        return next((cookie.value for cookie in self.http.cookies.jar if cookie.name == name), None)


@dataclass
class ControlWorld:
    """Everything of one test."""

    app: Any
    access: Access
    clock: ManualClock
    metadata: Metadata
    gateway: Gateway
    fake: FakePostHog
    oauth: FakeOAuth
    workspace: Workspace
    ada: Person
    key: str
    settings: Settings
    browsers: list[Browser] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def browser(self, session: str | None = None) -> Browser:
        cookies = {SESSION_COOKIE: session} if session else {}
        transport = httpx.ASGITransport(self.app)
        made = Browser(httpx.AsyncClient(transport=transport, base_url=ORIGIN, cookies=cookies))
        self.browsers.append(made)
        return made

    async def call(self, method: str, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}", **more.pop("headers", {})}
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            return await client.request(method, path, headers=headers, **more)

    async def new_key(self, policy: dict[str, Any] | None = None, *, user_id: int | None = None) -> str:
        made = await self.gateway.keys.create(
            TESTER, user_id=user_id or self.ada.user.id, name="a test's", policy=policy
        )
        return made.secret

    async def create(self, **body: Any) -> dict[str, Any]:
        answer = await self.call("POST", "/connections", json={"app": "posthog", **body})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def connection(self, connection_id: str) -> dict[str, Any]:
        answer = await self.call("GET", f"/connections/{connection_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()["connection"]

    async def row(self, connection_id: str) -> ConnectionRow:
        async with self.metadata.read() as session:
            row = await session.get(ConnectionRow, UUID(connection_id))
        assert row is not None
        return row

    async def audit(self, subject_id: str) -> list[AuditEntry]:
        async with self.metadata.read() as session:
            found = select(AuditEntry).where(AuditEntry.subject_id == subject_id).order_by(AuditEntry.id)
            return list(await session.scalars(found))

    async def to_consent(self, url: str, browser: Browser, host: str, **fields: str) -> dict[str, str]:
        """From the connect link to the account's consent page: what is asked there."""
        page = await browser.open(url)
        assert page.status_code == 200, page.text
        sent = await browser.send(page, "/connect/start", host=host, wish="basic", **fields)
        assert sent.status_code == 303, sent.text
        assert sent.headers["location"].startswith(f"{self.fake.url}/oauth/authorize/?")
        return asked_in(sent.headers["location"])

    async def connected(self, host: str | None = None, **body: Any) -> str:
        """A connection to the FAKE cloud by OAuth, the whole way; its id."""
        made = await self.create(**body)
        browser = self.browser()
        asked = await self.to_consent(made["url"], browser, host or self.fake.url)
        page = await browser.open(self.oauth.answer_to(asked))
        assert "Connected" in page.text, page.text
        return made["connection_id"]


def asked_in(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query, strict_parsing=True).items()}


def token_in(url: str) -> str:
    return asked_in(url)["session_token"]


def text_of(page: httpx.Response) -> str:
    """What stands on a page, without tags."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


@asynccontextmanager
async def a_control_world(
    metadata: Metadata, settings: Settings, clock: ManualClock, fake: FakePostHog
) -> AsyncGenerator[ControlWorld]:
    async with metadata.write() as session:  # of earlier tests, sealed with keys of theirs
        await session.execute(delete(ConnectionRow))
        await session.execute(delete(UpstreamClient))
    access = open_access(metadata, settings, clock)
    listed = application()
    listed.state.access = access
    provider = OAuthProvider(access, lambda _scope: "192.0.2.1")
    await provider.start()
    gateway = await Gateway.open(metadata, settings, clock)
    listed.state.oauth = provider
    listed.state.gateway = gateway
    gateway.control.revocations.forget = access.credentials.forget
    app = protected(gateway.layer(listed, Own(listed), address_of=client_addresses(settings)), settings)
    workspace = Workspace(app, access, clock)
    ada = await workspace.person(first_name="Ada")
    oauth = FakeOAuth(fake).install()
    made = ControlWorld(app, access, clock, metadata, gateway, fake, oauth, workspace, ada, "", settings)
    made.key = await made.new_key(EVERYTHING)
    try:
        yield made
    finally:
        for browser in made.browsers:
            await browser.http.aclose()
        await workspace.close()
        oauth.gate.set()
        await gateway.close()
        await provider.close()
        await access.close()
