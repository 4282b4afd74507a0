"""Look-ups that every call needs, remembered so that none of them waits in the ordinary case.

A value is good for 30 seconds. From its tenth second on, whoever asks gets it at once and has it renewed beside the request;
many who ask for what is not known wait for one look-up together. A write in this process forgets at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable

GOOD_SECONDS: Final = 30.0
RENEWED_AFTER_SECONDS: Final = 10.0
ENTRIES_MAX: Final = 20_000

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Lookups(Generic[Key, Value]):
    """Remembers what `load` found; not that it found None, so that made-up keys push nothing out."""

    def __init__(self, load: Callable[[Key], Awaitable[Value | None]], clock: Clock) -> None:
        """`load` asks the database; its errors are not remembered."""
        self._load = load
        self._clock = clock
        self._entries: dict[Key, tuple[float, Value]] = {}
        self._running: dict[Key, asyncio.Task[Value | None]] = {}
        self._epoch = 0

    def known(self, key: Key) -> Value | None:
        """The value, if no look-up is needed for it."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        age = self._clock.monotonic() - entry[0]
        if age >= GOOD_SECONDS:
            return None
        if age >= RENEWED_AFTER_SECONDS and key not in self._running:
            self._start(key)
        return entry[1]

    async def get(self, key: Key) -> Value | None:
        """The value. Raises what `load` raises."""
        known = self.known(key)
        if known is not None:
            return known
        running = self._running.get(key) or self._start(key)
        return await asyncio.shield(running)

    def forget(self) -> None:
        """Forget everything: something was written. Look-ups that run are not remembered, nor given to who asks from now on."""
        self._epoch += 1
        self._entries.clear()
        self._running.clear()

    def _start(self, key: Key) -> asyncio.Task[Value | None]:
        task = asyncio.get_running_loop().create_task(self._renew(key, self._epoch), name="gateway: look-up")
        self._running[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))
        return task

    def _ended(self, key: Key, task: asyncio.Task[Value | None]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled() and isinstance(task.exception(), MetadataUnavailable):
            return  # whoever waited was told; what is known stays until its time is over

    async def _renew(self, key: Key, epoch: int) -> Value | None:
        value = await self._load(key)
        if epoch != self._epoch:
            return value
        self._entries.pop(key, None)
        if value is not None:
            while len(self._entries) >= ENTRIES_MAX:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = (self._clock.monotonic(), value)
        return value
