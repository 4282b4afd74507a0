"""How often an address may open links that are none (gateway §4.2 row 49). Links that are there always open."""

from __future__ import annotations

from typing import Final

from hedgerow.core.clock import Clock

PER_MINUTE: Final = 10
ADDRESSES_MAX: Final = 10_000


class Guesses:
    """Counts by address and minute, in this process."""

    def __init__(self, clock: Clock) -> None:
        """Nobody has guessed yet."""
        self._clock = clock
        self._counts: dict[str, tuple[int, int]] = {}

    def may_fail(self, address: str) -> bool:
        """Count one; False once there were too many in this minute."""
        minute = int(self._clock.monotonic() // 60)
        counted, count = self._counts.pop(address, (minute, 0))
        count = count + 1 if counted == minute else 1
        while len(self._counts) >= ADDRESSES_MAX:
            del self._counts[next(iter(self._counts))]
        self._counts[address] = (minute, count)
        return count <= PER_MINUTE
