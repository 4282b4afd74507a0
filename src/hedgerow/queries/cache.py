"""Results that were calculated, kept for whoever asks the same (queries §1.2, §1.3). In memory, bounded by bytes."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Any, Final, Protocol

import msgspec

ENTRY_BYTES: Final = 1_024
"""What an entry costs beside its result."""
LARGEST_SHARE: Final = 4
"""A result larger than a quarter of the cache is not kept."""


class CachedResult(msgspec.Struct, frozen=True):
    """A result and the moment it holds for. Can be encoded, so that a cache outside this process may hold it."""

    body: tuple[bytes, ...]
    """The kind's own fields of the response: one JSON object, in pieces."""
    calculated_us: int
    """µs since 1970 UTC."""
    seconds: float
    """How long it took."""
    state: Any
    """The project's data then (`freshness.DataState`)."""


class ResultCache(Protocol):
    """Where results are kept."""

    async def get(self, key: str) -> CachedResult | None:
        """The newest result under this key."""
        ...

    async def put(self, key: str, result: CachedResult) -> None:
        """Keep a result, as long as there is room."""
        ...


class MemoryCache:
    """Results in this process; what was asked for longest ago goes first."""

    def __init__(self, bytes_max: int) -> None:
        """Hold at most `bytes_max`."""
        self._bytes_max = bytes_max
        self._bytes = 0
        self._results: OrderedDict[str, CachedResult] = OrderedDict()

    async def get(self, key: str) -> CachedResult | None:
        """The newest result under this key."""
        found = self._results.get(key)
        if found is not None:
            self._results.move_to_end(key)
        return found

    async def put(self, key: str, result: CachedResult) -> None:
        """Keep a result, unless it alone would push out much of the others."""
        old = self._results.pop(key, None)
        if old is not None:
            self._bytes -= _size(old)
        size = _size(result)
        if size > self._bytes_max // LARGEST_SHARE:
            return
        self._results[key] = result
        self._bytes += size
        while self._bytes > self._bytes_max:
            _, oldest = self._results.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(result: CachedResult) -> int:
    return sum(map(len, result.body)) + ENTRY_BYTES


def cache_key(team_id: int, parts: Any) -> str:
    """`cache_<team id>_<hash>` of everything that decides the result."""
    text = msgspec.json.encode(parts, order="deterministic")
    return f"cache_{team_id}_{blake2b(text, digest_size=16).hexdigest()}"
