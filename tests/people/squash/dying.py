"""Run as a process: squash the overrides of a data folder, and die by SIGKILL at a statement.

    python -m tests.people.squash.dying FOLDER MARK before|after

MARK is a piece of the statement's text; `SQL` is the first deletion of overrides in SQL.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, cast

from hedgerow.capture.writer import Writer
from hedgerow.core.clock import Clock
from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.metadata import Metadata
from hedgerow.people.settlement import Settlement
from hedgerow.people.squash import Squash
from hedgerow.people.store import People
from hedgerow.settings import Settings


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Dying:
    def __init__(self, events: EventStore, mark: str, when: str) -> None:
        self._events = events
        self._mark = mark
        self._when = when

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)

    async def command(self, sql: str, *args: Any, **named: Any) -> None:
        if self._mark in sql and self._when == "before":
            die()
        await self._events.command(sql, *args, **named)
        if self._mark in sql:
            die()


async def main(folder: Path, mark: str, when: str) -> None:
    settings = Settings.load(data_dir=folder)
    metadata = await Metadata.open(settings)
    events = await EventStore.open(settings)
    people = People(metadata, events, Clock())
    writer = Writer(people, events, settings, Clock())
    await writer.start()
    if mark == "SQL":
        drop = people.drop_overrides

        async def drop_and_die(team_id: int, up_to: int, limit: int) -> int:
            if when == "before":
                die()
            await drop(team_id, up_to, min(limit, 2))
            die()
            return 0

        people.drop_overrides = drop_and_die

    async def progress(_share: float) -> None:
        pass

    dying = cast("EventStore", Dying(events, mark, when))
    await Squash(people, dying, Settlement(people, writer)).run({}, progress)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
