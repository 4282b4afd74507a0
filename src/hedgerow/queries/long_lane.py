"""Few queries may be long at once, so that the writer of events keeps a core (docs/decisions/0033).

A query that has run for `SPRINT_SECONDS` needs one of these places to go on. If there is none it is ended, waits for
one, and starts again: what is wasted is one sprint, and only where several long queries run at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from hedgerow.queries.errors import TooBusy

SPRINT_SECONDS: Final = 1.0


class LongLane:
    """Places for long queries."""

    def __init__(self, places: int, waiting_max: int, seconds_max: float) -> None:
        """At most `waiting_max` wait for one, at most `seconds_max`."""
        self._places = asyncio.Semaphore(places)
        self._waiting = 0
        self._waiting_max = waiting_max
        self._seconds_max = seconds_max

    async def try_enter(self) -> bool:
        """Take a place if one is free and nobody waits for it; `leave` gives it back."""
        if self._places.locked():
            return False
        await self._places.acquire()
        return True

    async def enter(self) -> None:
        """Wait for a place; `leave` gives it back. Raises `TooBusy`."""
        async with self._one_more_waits():
            try:
                async with asyncio.timeout(self._seconds_max):
                    await self._places.acquire()
            except TimeoutError:
                raise TooBusy from None

    def leave(self) -> None:
        """Give a place back."""
        self._places.release()

    @asynccontextmanager
    async def _one_more_waits(self) -> AsyncGenerator[None]:
        if self._waiting >= self._waiting_max:
            raise TooBusy
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
