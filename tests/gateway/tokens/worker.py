"""A gateway process of its own: opens the database that it is told, refreshes one connection, says what came of it.

    python -m tests.gateway.tokens.worker '{"data_dir": …, "database_url": …, "hosts": […], "connection": …, "calls": 200}'

One JSON line when it is ready; it begins when a line comes in; one JSON line at the end.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from hedgerow.core.clock import Clock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.gateway import Gateway
from hedgerow.gateway.connections import connection_of
from hedgerow.gateway.models import ConnectionRow
from hedgerow.settings import Settings


async def work(asked: dict[str, Any]) -> None:
    settings = Settings(
        data_dir=Path(asked["data_dir"]), database_url=asked["database_url"], gateway_hosts=tuple(asked["hosts"])
    )
    metadata = await Metadata.open(settings)
    gateway = await Gateway.open(metadata, settings, Clock())
    gateway.control.refresher.lease_seconds = asked["lease_seconds"]
    print(json.dumps({"ready": True}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    async with metadata.read() as session:
        row = await session.get(ConnectionRow, UUID(asked["connection"]))
    assert row is not None
    connection = connection_of(row)
    for _ in range(asked["rounds"]):
        connection = await gateway.control.refresher.newer(connection)
    outcomes = await asyncio.gather(
        *(gateway.credentials.for_connection(connection) for _ in range(asked["calls"])), return_exceptions=True
    )
    told = sorted(
        {
            type(one).__name__
            if isinstance(one, BaseException)
            else hashlib.sha256(one.headers[0][1].removeprefix(b"Bearer ")).hexdigest()
            for one in outcomes
        }
    )
    print(json.dumps({"outcomes": told, "count": len(outcomes)}), flush=True)
    await gateway.close()
    await metadata.close()


if __name__ == "__main__":
    asyncio.run(work(json.loads(sys.argv[1])))
