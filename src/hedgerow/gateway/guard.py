"""The seed's three classes of limits, counted for each connection, so that a call is refused here before PostHog does it
(`HEDGEROW_GATEWAY_GUARD=posthog`). Refused calls cost none of the account's budget there.
"""

from __future__ import annotations

import math
import re
from typing import Final

from hedgerow.core.clock import Clock
from hedgerow.core.http.limits import Counters, Limit, MemoryCounters
from hedgerow.core.http.redis_counters import RedisCounters
from hedgerow.gateway.answers import too_many
from hedgerow.gateway.verdict import Call
from hedgerow.settings import Settings

_ANALYTICS: Final = re.compile(r"/api/(?:projects/[^/]+/)?(?:insights|persons?|session_recordings)(?:/.*)?")


class Guard:
    """Counts calls by connection. Only made when the settings ask for it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Count in this process, or in the Redis of the settings."""
        self._counters: Counters = RedisCounters(settings.redis_url) if settings.redis_url else MemoryCounters(clock)
        self._query = (Limit("gateway_query", settings.rate_limit_query_per_hour, 3600),)
        self._analytics = (
            Limit("gateway_analytics_burst", settings.rate_limit_clickhouse_burst_per_minute, 60),
            Limit("gateway_analytics_sustained", settings.rate_limit_clickhouse_sustained_per_hour, 3600),
        )
        self._crud = (
            Limit("gateway_crud_burst", settings.rate_limit_burst_per_minute, 60),
            Limit("gateway_crud_sustained", settings.rate_limit_sustained_per_hour, 3600),
        )

    async def check(self, call: Call) -> None:
        """Count a call. Raises `GatewayError` 429 that says when the account would take the next one."""
        if call.is_public or not call.path.plain.startswith("/api/"):
            return
        if call.is_query:
            limits, name = self._query, "queries"
        elif _ANALYTICS.fullmatch(call.path.plain):
            limits, name = self._analytics, "analytics calls"
        else:
            limits, name = self._crud, "calls"
        wait = await self._counters.take(limits, str(call.connection.id))
        if wait > 0:
            raise too_many("rate_limited", f"PostHog would refuse more {name} of this account now.", math.ceil(wait))

    async def close(self) -> None:
        """Give back the counters."""
        await self._counters.close()
