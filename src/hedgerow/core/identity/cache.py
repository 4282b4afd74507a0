"""A bounded memory of look-ups that are asked for on every request.

An entry lives for 30 seconds. A write in this process forgets at once; a write in another worker is seen when the
entry's time is over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from hedgerow.core.clock import Clock

SECONDS = 30.0
ENTRIES_MAX = 20_000

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LookupCache(Generic[Key, Value]):
    """Remembers what `load` found; with `absence` also that it found None."""

    def __init__(self, load: Callable[[Key], Awaitable[Value]], clock: Clock, *, absence: bool = True) -> None:
        """`load` asks the database; its errors are not remembered.

        Without `absence` made-up keys cannot push real ones out.
        """
        self._load = load
        self._absence = absence
        self._clock = clock
        self._entries: dict[Key, tuple[float, Value]] = {}
        self._epoch = 0

    async def get(self, key: Key) -> Value:
        """The value, at most 30 seconds old."""
        now = self._clock.monotonic()
        entry = self._entries.get(key)
        if entry is not None and now - entry[0] < SECONDS:
            return entry[1]
        epoch = self._epoch
        value = await self._load(key)
        if epoch == self._epoch and (self._absence or value is not None):  # after a write what we read may be old
            self._entries.pop(key, None)
            while len(self._entries) >= ENTRIES_MAX:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = (now, value)
        return value

    def forget(self) -> None:
        """Forget everything: something was written."""
        self._epoch += 1
        self._entries.clear()
