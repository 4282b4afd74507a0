"""How often applications may make themselves known (gateway §6.5)."""

from __future__ import annotations

import ipaddress
import math

from hedgerow.core.clock import Clock
from hedgerow.core.http import Throttled
from hedgerow.core.http.limits import Counters, Limit, MemoryCounters
from hedgerow.core.http.redis_counters import RedisCounters
from hedgerow.settings import Settings

REGISTRATIONS = (Limit("oauth_register_burst", 60, 60), Limit("oauth_register_sustained", 1_000, 3_600))
DOCUMENTS = (Limit("oauth_document_burst", 5, 60), Limit("oauth_document_sustained", 10, 3_600))
DOCUMENTS_IN_ALL = (Limit("oauth_documents", 100, 3_600),)


ASSERTIONS = (Limit("oauth_assertion", 1, 660),)
"""As long as an assertion can be valid, with the skew of clocks on both ends."""
NETWORK_BITS = 64
"""Of an IPv6 address: what one subscriber has at the least. Whoever has one address there has them all."""


class Throttle:
    """Counts by the address of whoever asks; of IPv6 by the network."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Count in memory, or in the Redis of the settings."""
        self._counters: Counters = RedisCounters(settings.redis_url) if settings.redis_url else MemoryCounters(clock)

    async def registration(self, address: str) -> None:
        """One more registration. Raises `Throttled`."""
        await self._take(REGISTRATIONS, whose(address))

    async def document(self, address: str) -> None:
        """One more document that was never read before. Raises `Throttled`."""
        await self._take(DOCUMENTS, whose(address))
        await self._take(DOCUMENTS_IN_ALL, "")

    async def is_first(self, assertion: str) -> bool:
        """Whether an assertion, by its digest, is seen for the first time: by all workers, where they share a Redis."""
        return await self._counters.take(ASSERTIONS, assertion) <= 0

    async def close(self) -> None:
        """Give back the counters."""
        await self._counters.close()

    async def _take(self, limits: tuple[Limit, ...], key: str) -> None:
        wait = await self._counters.take(limits, key)
        if wait > 0:
            raise Throttled(math.ceil(wait))


def whose(address: str) -> str:
    """Whom an address counts for: an IPv4 address for itself, one of IPv6 for its network."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, NETWORK_BITS), strict=False))
