"""A server inside this process and a client outside of it, so that an answer and its bare SQL can be timed in turns."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from hedgerow.core.storage.embedded import EmbeddedEngine, _connection_string
from hedgerow.core.storage.events import EventStore
from hedgerow.server import Hedgerow
from hedgerow.settings import Settings

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Statement:
    """What ClickHouse was asked for an answer."""

    sql: str
    parameters: Mapping[str, object]
    fmt: str
    settings: Mapping[str, object]


@dataclass
class Inside:
    """A server in this process, a client beside it, and a connection of our own to the same engine."""

    house: Hedgerow
    engine: EmbeddedEngine
    client: asyncio.subprocess.Process
    keys: dict[str, Any]
    statements: list[Statement]
    """Everything that the server asks its event store, newest last."""

    async def ask(self, hogql: str, **more: object) -> float:
        """Milliseconds until the client has the whole answer. The result cache is passed over."""
        body = json.dumps({"query": {"kind": "HogQLQuery", "query": hogql}, "refresh": "force_blocking", **more})
        head = (
            f"POST /api/projects/{self.keys['project_id']}/query/ HTTP/1.1\r\nHost: {HOST}:{self.house.settings.port}\r\n"
            f"Authorization: Bearer {self.keys['personal_api_key']}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body.encode())}\r\n\r\n"
        )
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        self.client.stdin.write(base64.b64encode((head + body).encode()) + b"\n")
        status, _, milliseconds = (await self.client.stdout.readline()).split()
        assert status == b"200", status
        return float(milliseconds)

    async def statement_of(self, hogql: str) -> Statement:
        """What the server asks ClickHouse for a text that it sees for the first time."""
        before = len(self.statements)
        await self.ask(hogql)
        return self.statements[before]

    async def straight(self, statement: Statement) -> float:
        """Milliseconds of the bare statement, in a thread, the hand-over not counted."""

        def timed() -> float:
            started = time.perf_counter()
            self.engine.query(statement.sql, statement.parameters, statement.settings, statement.fmt)
            return (time.perf_counter() - started) * 1000

        return await asyncio.to_thread(timed)


@contextlib.asynccontextmanager
async def inside(folder: Path, keys: dict[str, Any]) -> AsyncIterator[Inside]:
    """Serve `folder` in this process."""
    import chdb

    listener = socket.create_server((HOST, 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    settings = Settings.load({}, data_dir=folder, port=port)
    house = await Hedgerow.open(settings)
    statements = _overheard(house.events)
    config = uvicorn.Config(
        house, http="httptools", loop="none", lifespan="off", access_log=False, log_level="warning", proxy_headers=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.asker",
        HOST,
        str(port),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    engine = EmbeddedEngine(chdb.connect(_connection_string(folder / "clickhouse", settings)))
    try:
        yield Inside(house, engine, client, keys, statements)
    finally:
        engine.close()
        assert client.stdin is not None
        client.stdin.close()
        await client.wait()
        server.should_exit = True
        await serving
        await house.close()


def _overheard(events: EventStore) -> list[Statement]:
    statements: list[Statement] = []
    query = events.query

    async def noted(sql: str, parameters: Mapping[str, object] | None = None, **more: Any) -> bytes:
        if "tag" in more:
            statements.append(Statement(sql, parameters or {}, more["fmt"], more["settings"] or {}))
            del statements[:-1000]
        return await query(sql, parameters, **more)

    events.query = noted  # type: ignore[method-assign]
    return statements
