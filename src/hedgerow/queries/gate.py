"""Who may run a query now: so many at once in the process, so many of one key, so many waiting."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from hedgerow.queries.errors import TooBusy, TooManyAtOnce

WAITING_SHARE: Final = 4
"""One key may have a quarter of all who wait."""


class Gate:
    """Places for queries, given in the order of asking, except that a key at its limit lets others pass."""

    def __init__(self, places: int, places_per_key: int, waiting_max: int, seconds_max: float) -> None:
        """Nobody waits longer than `seconds_max`."""
        self._free = places
        self._per_key = places_per_key
        self._waiting_max = waiting_max
        self._waiting_per_key = max(1, waiting_max // WAITING_SHARE)
        self._seconds_max = seconds_max
        self._running: Counter[str] = Counter()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def place(self, key: str) -> AsyncGenerator[None]:
        """A place for a query of `key` for as long as the block runs. Raises `TooBusy`, `TooManyAtOnce`."""
        if self._free > 0 and self._running[key] < self._per_key:
            self._take(key)
        else:
            await self._wait(key)
        try:
            yield
        finally:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
            self._free += 1
            self._let_in()

    def _take(self, key: str) -> None:
        self._free -= 1
        self._running[key] += 1

    async def _wait(self, key: str) -> None:
        if len(self._waiting) >= self._waiting_max:
            raise TooBusy
        if sum(waiting == key for waiting, _ in self._waiting) >= self._waiting_per_key:
            raise TooManyAtOnce(self._per_key)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (key, turn)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(self._seconds_max):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # let in at the last moment: the place goes to the next
                self._running[key] -= 1
                self._free += 1
                self._let_in()
            elif entry in self._waiting:
                self._waiting.remove(entry)
            if isinstance(error, TimeoutError):
                raise TooBusy from None
            raise

    def _let_in(self) -> None:
        passed: list[tuple[str, asyncio.Future[None]]] = []
        while self._free > 0 and self._waiting:
            key, turn = self._waiting.popleft()
            if turn.done():
                continue
            if self._running[key] >= self._per_key:
                passed.append((key, turn))
                continue
            self._take(key)
            turn.set_result(None)
        self._waiting.extendleft(reversed(passed))
