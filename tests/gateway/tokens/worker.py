"""A gateway process of its own: opens the database that it is told, refreshes one connection, says what came of it.

    python -m tests.gateway.tokens.worker '{"data_dir": …, "database_url": …, "hosts": […], "connection": …, "calls": 200}'

One JSON line when it is ready; it begins when a line comes in; one JSON line at the end. With `began_at` it lives on: each line
that comes in is an hour later, when the token has ended, and is answered by one JSON line, until there are no more.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from hedgerow.core.clock import Clock, ManualClock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway import Gateway
from hedgerow.gateway.connections import Connection, connection_of
from hedgerow.gateway.models import ConnectionRow
from hedgerow.settings import Settings

HOUR = 3_600


async def work(asked: dict[str, Any]) -> None:
    settings = Settings(
        data_dir=Path(asked["data_dir"]), database_url=asked["database_url"], gateway_hosts=tuple(asked["hosts"])
    )
    clock = ManualClock(datetime.fromisoformat(asked["began_at"])) if asked["began_at"] else Clock()
    metadata = await Metadata.open(settings)
    gateway = await Gateway.open(metadata, settings, clock)
    gateway.control.refresher.lease_seconds = asked["lease_seconds"]
    say({"ready": True})
    while await asyncio.to_thread(sys.stdin.readline):
        if isinstance(clock, ManualClock):
            clock.advance(HOUR + 1)
        connection = await stored(metadata, asked["connection"])
        for _ in range(asked["rounds"]):
            connection = await gateway.control.refresher.newer(connection)
        say(await outcomes(gateway, connection, asked["calls"]))
        if not isinstance(clock, ManualClock):
            break
    await gateway.close()
    await metadata.close()


async def stored(metadata: Metadata, connection_id: str) -> Connection:
    async with metadata.read() as session:
        row = await session.get(ConnectionRow, UUID(connection_id))
    assert row is not None
    return connection_of(row)


async def outcomes(gateway: Gateway, connection: Connection, calls: int) -> dict[str, Any]:
    """What so many calls at once get: digests of tokens, or names of errors."""
    came = await asyncio.gather(
        *(gateway.credentials.for_connection(connection) for _ in range(calls)), return_exceptions=True
    )
    told = sorted(
        {
            type(one).__name__
            if isinstance(one, BaseException)
            else hashlib.sha256(one.headers[0][1].removeprefix(b"Bearer ")).hexdigest()
            for one in came
        }
    )
    return {"outcomes": told, "count": len(came)}


def say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    asyncio.run(work(json.loads(sys.argv[1])))
