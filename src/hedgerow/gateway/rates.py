"""How fast a key may call (gateway §2.9): a bucket of tokens for each key, in this process."""

from __future__ import annotations

import math
from typing import Final
from uuid import UUID

from hedgerow.core.clock import Clock
from hedgerow.gateway.answers import too_many
from hedgerow.gateway.policy import Rate

KEYS_MAX: Final = 20_000


class Rates:
    """Counts calls by key. A key's own rate stands in its policy; `default` is for the others, None is no limit."""

    def __init__(self, clock: Clock, default: Rate | None) -> None:
        """Buckets are full at first."""
        self._clock = clock
        self._default = default
        self._buckets: dict[UUID, tuple[float, float]] = {}

    def take(self, key_id: UUID, own: Rate | None) -> None:
        """Count one call of a key, or of a connection with a rate of its own. Raises `GatewayError` 429 that says when the next one fits."""
        rate = own or self._default
        if rate is None:
            return
        now = self._clock.monotonic()
        tokens, seen = self._buckets.get(key_id, (float(rate.burst), now))
        tokens = min(float(rate.burst), tokens + (now - seen) * rate.per_second)
        if tokens < 1.0:
            wait = max(1, math.ceil((1.0 - tokens) / rate.per_second))
            raise too_many(
                "rate_limited",
                f"At most {rate.per_second:g} calls a second, with bursts of {rate.burst}.",
                wait,
                [
                    (b"ratelimit", f'"second";r=0;t={wait}'.encode()),
                    (
                        b"ratelimit-policy",
                        f'"second";q={rate.burst};w={math.ceil(rate.burst / rate.per_second)}'.encode(),
                    ),
                ],
            )
        if key_id not in self._buckets and len(self._buckets) >= KEYS_MAX:
            self._buckets.pop(next(iter(self._buckets)))
        self._buckets[key_id] = (tokens - 1.0, now)
