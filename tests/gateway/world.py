"""A gateway on a port of its own in front of the FAKE cloud, and raw sockets to speak to it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from tests.gateway.fake_posthog import VALID_KEY, FakePostHog

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.http import protected
from hedgerow.core.identity.models import User
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway import Gateway, GatewayCall
from hedgerow.gateway.audit import Actor
from hedgerow.gateway.connections import Connection, connection_of
from hedgerow.gateway.credentials import Secrets, seal_credential
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.protocol import StrictProtocol
from hedgerow.settings import Settings

TESTER = Actor("system", "tests")


async def until(ask: Callable[[], Any], *, seconds: float = 10.0) -> Any:
    """Wait for the answer to be true; the last one when the time is over, so that an assert shows it."""
    async with asyncio.timeout(seconds):
        while not (found := ask()):  # noqa: ASYNC110 — what is waited for sets no event
            await asyncio.sleep(0.005)
    return found


class Sink:
    """Keeps what the gateway notes."""

    def __init__(self) -> None:
        self.calls: list[GatewayCall] = []

    async def store(self, calls: Any) -> None:
        self.calls += calls


@dataclass
class Inner:
    """What stands behind the gateway: says which path reached it, so that a slip is seen."""

    reached: list[str] = field(default_factory=list)
    host: bytes = b"127.0.0.1"
    says: bytes | None = None
    """The body of its answers, where a test needs a certain one."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raw = scope["raw_path"].decode()
        self.reached.append(raw)
        if raw == "/bug":
            raise ZeroDivisionError("a bug of the application behind")
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        text = json.dumps({"inner": raw, "method": scope["method"], "headers": headers, "bytes": len(body)}).encode()
        text = self.says or text
        fields = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        if raw == "/login":
            fields.append((b"location", b"/login/?next=/"))
        await send({"type": "http.response.start", "status": 302 if raw == "/login" else 200, "headers": fields})
        await send({"type": "http.response.body", "body": text if scope["method"] != "HEAD" else b""})


@dataclass
class Answer:
    """What came over a raw socket."""

    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class World:
    """Everything of one test."""

    settings: Settings
    clock: Clock
    metadata: Metadata
    gateway: Gateway
    fake: FakePostHog
    inner: Inner
    sink: Sink
    port: int
    user_id: int
    key: str = ""
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=20, trust_env=False))
    secrets: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def new_key(self, policy: dict[str, Any] | None = None, *, user_id: int | None = None) -> str:
        made = await self.gateway.keys.create(TESTER, user_id=user_id or self.user_id, name="a test's", policy=policy)
        self.secrets.add(made.secret)
        return made.secret

    async def for_one_test(self) -> World:
        """A new account with a key that may do everything; what others did is forgotten."""
        self.inner.reached.clear()
        self.sink.calls.clear()
        user_id = await add_user(self.metadata, self.clock)
        made = replace(self, user_id=user_id)
        made.key = await made.new_key({"ingest": True, "manage_connections": True, "manage_keys": True})
        return made

    async def new_user(self) -> int:
        return await add_user(self.metadata, self.clock)

    async def connect(
        self,
        *,
        user_id: int | None = None,
        method: str = "API_KEY",
        status: str = "ACTIVE",
        base_url: str | None = None,
        secret: str = VALID_KEY,
        app: str = "posthog",
        policy: dict[str, Any] | None = None,
        **more: Any,
    ) -> Connection:
        now = self.clock.now()
        row = ConnectionRow(
            id=ids.uuid4(),
            user_id=user_id or self.user_id,
            app=app,
            method=method,
            status=status,
            reason=None,
            name="a test's",
            base_url="" if method == "LOCAL" else base_url or self.fake.url,
            facts={},
            policy=policy or {},
            enabled=True,
            is_pinned=False,
            created_by_key_id=None,
            created_at=now,
            updated_at=now,
            credential=None,
            data_key=None,
            master_key_id=None,
            version=0,
            client_id=None,
            token_url=None,
            expires_at=None,
            refresh_lease_until=None,
            refresh_failures=0,
            next_refresh_at=None,
            rejected_at=None,
        )
        for name, value in more.items():
            setattr(row, name, value)
        self.secrets.add(secret)
        if status == "ACTIVE":
            seal_credential(row, self.gateway.vault, Secrets(api_key=secret))
        async with self.metadata.write() as session:
            session.add(row)
        self.gateway.connections.forget()
        return connection_of(row)

    async def change(self, connection_id: UUID, change: Callable[[ConnectionRow], None]) -> None:
        async with self.metadata.write() as session:
            row = await session.get(ConnectionRow, connection_id)
            assert row is not None
            change(row)
        self.gateway.connections.forget()

    async def call(self, method: str, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.key}", **more.pop("headers", {})}
        return await self.client.request(method, self.url + path, headers=headers, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.call("GET", path, **more)

    async def raw(self, text: str | bytes, *, key: str | None = None) -> Answer:
        """Send exactly this; `$KEY` becomes a valid key. The answer, and whether the server closed after it."""
        data = text.encode("latin-1") if isinstance(text, str) else text
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data.replace(b"$KEY", (key or self.key).encode()))
            return await read_answer(reader)
        finally:
            writer.close()

    async def ask(
        self, target: str, *lines: str, method: str = "GET", host: str = "127.0.0.1", body: str = ""
    ) -> Answer:
        """A request whose target no client would send like this, with a valid key."""
        head = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Authorization: Bearer $KEY", *lines]
        return await self.raw("\r\n".join(head) + "\r\n\r\n" + body)

    def untouched(self) -> bool:
        """Whether nothing reached an account or this server."""
        return not self.fake.received and not self.inner.reached


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int((await reader.readline()).strip(), 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readuntil(b"\r\n")
        else:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        closed = headers.get("connection") == "close" and await _has_ended(reader)
    return Answer(int(first.split(" ")[1]), headers, body, closed)


async def _has_ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read(1) == b""
    except ConnectionError:
        return True


async def add_user(metadata: Metadata, clock: Clock) -> int:
    async with metadata.write() as session:
        user = User(
            uuid=ids.uuid7(),
            distinct_id=ids.secret("", 43),
            email=f"{ids.short_id().lower()}@example.com",
            first_name="",
            last_name="",
            password_hash=None,
            is_active=True,
            is_staff=False,
            date_joined=clock.now(),
            last_login=None,
            current_organization_id=None,
            current_team_id=None,
            settings={},
        )
        session.add(user)
        await session.flush()
        return user.id


@asynccontextmanager
async def serving(app: Any) -> AsyncGenerator[int]:
    """The application on a port, as `hedgerow serve` has it."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        http=StrictProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
    )
    server = uvicorn.Server(config)
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
        listener.close()


class _no_signals:  # noqa: N801
    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


@asynccontextmanager
async def a_world(settings: Settings, clock: Clock, fake: FakePostHog, **more: Any) -> AsyncGenerator[World]:
    """Open a gateway over the settings, with one user, a key that may do everything, and no connection."""
    metadata = await Metadata.open(settings)
    sink = Sink()
    gateway = await Gateway.open(metadata, settings, clock, sink=sink, **more)
    inner = Inner()
    user_id = await add_user(metadata, clock)
    async with serving(protected(gateway.layer(inner, inner), settings)) as port:
        world = World(settings, clock, metadata, gateway, fake, inner, sink, port, user_id)
        world.key = await world.new_key({"ingest": True, "manage_connections": True, "manage_keys": True})
        try:
            yield world
        finally:
            await world.client.aclose()
    await gateway.close()
    await metadata.close()
