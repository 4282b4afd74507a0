"""When the client hangs up, its query ends in ClickHouse too. Over real sockets, by a real server."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from tests.queries.world import Asker, World

pytestmark = pytest.mark.stores

ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1"
RUNNING = (
    "SELECT count() FROM system.processes WHERE query LIKE '/* query_%1000000000000%' AND query NOT LIKE '%processes%'"
)


@asynccontextmanager
async def served(app: Any) -> AsyncGenerator[int]:
    """The port that uvicorn serves the application at."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listener.close()


async def running(world: World) -> int:
    """Queries that ClickHouse is working on, beside this question."""
    ((count,),) = await world.stores.events.rows(RUNNING)
    return count


async def until_running(world: World, count: int) -> None:
    async with asyncio.timeout(20):
        while True:
            if await running(world) == count:
                return


async def test_a_query_ends_when_its_client_hangs_up(world: World, project: Asker) -> None:
    body = json.dumps({"query": {"kind": "HogQLQuery", "query": ENDLESS}}).encode()
    head = (
        f"POST /api/projects/{project.id}/query/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: {project.headers['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    async with served(world.app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + body)
        await until_running(world, 1)

        writer.close()
        await writer.wait_closed()

        await until_running(world, 0)


async def test_a_query_that_waits_for_its_turn_is_forgotten(world: World, project: Asker) -> None:
    """Two clients, one place: the one that waits hangs up, and nothing of it is left."""
    narrow = World.over(world.stores, world.clock, query_concurrency=1, query_concurrency_per_key=1)
    first = asyncio.create_task(Asker(narrow, project.id, project.user_id, project.headers).post(ENDLESS))
    await until_running(world, 1)
    second = asyncio.create_task(Asker(narrow, project.id, project.user_id, project.headers).post(ENDLESS))
    await asyncio.wait({second}, timeout=0.05)

    second.cancel()
    await asyncio.wait({second})
    first.cancel()
    await asyncio.wait({first})

    await until_running(world, 0)
    await narrow.close()
