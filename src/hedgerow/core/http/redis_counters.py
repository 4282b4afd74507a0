"""Requests counted in a Redis or Valkey that all workers share.

One script counts a request under all its limits, in one step, by Redis' own time. If Redis cannot be reached, requests
pass uncounted and the log says so: a limit is not worth an outage.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from hedgerow.core.http.limits import STEPS, Limit
from hedgerow.core.telemetry import log

PREFIX = "hedgerow:rate:"
SCRIPT = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local steps = tonumber(ARGV[1])
local wait = 0
local newest = {}
for i, key in ipairs(KEYS) do
    local most = tonumber(ARGV[2 * i])
    local step_seconds = tonumber(ARGV[2 * i + 1]) / steps
    newest[i] = math.floor(now / step_seconds)
    local counts = {}
    local total = 0
    local flat = redis.call('HGETALL', key)
    for j = 1, #flat, 2 do
        local step = tonumber(flat[j])
        if step < newest[i] - steps then
            redis.call('HDEL', key, flat[j])
        else
            local count = tonumber(flat[j + 1])
            counts[#counts + 1] = {step, count}
            total = total + count
        end
    end
    if total >= most then
        table.sort(counts, function(a, b) return a[1] < b[1] end)
        local excess = total - most + 1
        for _, pair in ipairs(counts) do
            excess = excess - pair[2]
            if excess <= 0 then
                wait = math.max(wait, (pair[1] + steps + 1) * step_seconds - now)
                break
            end
        end
    end
end
if wait == 0 then
    for i, key in ipairs(KEYS) do
        redis.call('HINCRBY', key, newest[i], 1)
        redis.call('EXPIRE', key, tonumber(ARGV[2 * i + 1]) + 60)
    end
end
return tostring(wait)
"""


class RedisCounters:
    """Counts in Redis."""

    def __init__(self, url: str) -> None:
        """`url` as Redis clients write it: `redis://host:6379/0`. Connects when it first counts."""
        self._redis: Redis = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
        self._script = self._redis.register_script(SCRIPT)

    async def take(self, limits: tuple[Limit, ...], key: str) -> float:
        """Count one request of `key` under all limits and return 0; or count nothing and return the seconds to wait."""
        names = [f"{PREFIX}{{{key}}}:{limit.scope}" for limit in limits]  # {…}: one node of a cluster
        numbers: list[Any] = [STEPS]
        for limit in limits:
            numbers += [limit.requests, limit.seconds]
        try:
            return float(await self._script(keys=names, args=numbers))
        except (RedisError, OSError) as error:
            log("http").warning("requests_not_counted", error=str(error))
            return 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
