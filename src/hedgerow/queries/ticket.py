"""One calculation on its way: where it stands, and how it is ended early."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

from hedgerow.core import ids
from hedgerow.core.storage.events import EventStore, StoreError, StoreUnavailable

KILLS_MAX: Final = 100
KILL_SECONDS: Final = 0.05
"""Between two tries: ClickHouse knows a query only once it has read it."""


class Ticket:
    """A calculation. `tag` is what ClickHouse knows its queries by."""

    def __init__(self, team_id: int, query_id: str) -> None:
        """`query_id` is the asker's."""
        self.team_id = team_id
        self.query_id = query_id
        self.tag: Final = f"query_{ids.uuid4().hex}"
        self.stage: Literal["waiting", "running"] = "waiting"
        self.is_cancelled = False
        self.task: asyncio.Task[Any] | None = None

    async def cancel(self, events: EventStore) -> None:
        """End it, and return when it has ended."""
        self.is_cancelled = True
        task = self.task
        if task is None:
            return
        for _ in range(KILLS_MAX):
            if task.done():
                return
            if self.stage == "waiting":
                task.cancel()
                await asyncio.wait({task}, timeout=KILL_SECONDS)
            elif not await _kill_once(events, self.tag, task):
                return


async def kill(events: EventStore, tag: str, running: asyncio.Future[Any]) -> None:
    """End the query of this tag in ClickHouse, and return when `running` is done."""
    for _ in range(KILLS_MAX):
        if running.done() or not await _kill_once(events, tag, running):
            return


async def _kill_once(events: EventStore, tag: str, running: asyncio.Future[Any]) -> bool:
    """Try once, and give it a moment to end; False when ClickHouse does not answer."""
    try:
        await events.kill(tag)
    except (StoreError, StoreUnavailable):
        return False
    await asyncio.wait({running}, timeout=KILL_SECONDS)
    return True
