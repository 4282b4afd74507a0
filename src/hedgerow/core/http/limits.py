"""How often one personal key may ask (rest-api §1.7): named limits, the classes of routes that obey them, and the counting.

Profile `posthog` counts with the numbers of the settings, which are the seed document's. Profile `local` counts nothing:
on one's own machine only the process is protected, by bounds on what runs at once (`core.http.hosts.Busy`, the queue of
queries). In either profile sessions are not limited, and several limits apply at once.

A window slides in sixty steps: what fell into the step that is just leaving still counts, so never more than the stated
number passes in any window, and a refused request comes back at most one step later than it could have.
"""

from __future__ import annotations

import math
from typing import Literal, Protocol

import msgspec

from hedgerow.core.clock import Clock
from hedgerow.core.http.errors import Throttled
from hedgerow.settings import Settings

LimitClass = Literal[
    "crud", "clickhouse", "persons", "query", "hogql", "local evaluation", "remote config", "snapshots", "sign-in"
]
"""What kind of work a route causes."""

STEPS = 60


class Limit(msgspec.Struct, frozen=True):
    """At most `requests` in any `seconds`; 0 requests is no limit."""

    scope: str
    """PostHog's name, and the name under which it is counted."""
    requests: int
    seconds: int


def limit_classes(settings: Settings) -> dict[LimitClass, tuple[Limit, ...]]:
    """The limits of each class in the profile that the settings name."""
    sign_in = (Limit("sign_in", settings.rate_limit_sign_in_per_minute, 60),)
    if settings.rate_limit_profile == "local":
        return {"sign-in": sign_in}
    clickhouse = (
        Limit("clickhouse_burst", settings.rate_limit_clickhouse_burst_per_minute, 60),
        Limit("clickhouse_sustained", settings.rate_limit_clickhouse_sustained_per_hour, 3600),
    )
    queries = (
        Limit("api_queries_burst", settings.rate_limit_api_queries_burst_per_minute, 60),
        Limit("api_queries_sustained", settings.rate_limit_api_queries_sustained_per_hour, 3600),
    )
    return {
        "crud": (
            Limit("burst", settings.rate_limit_burst_per_minute, 60),
            Limit("sustained", settings.rate_limit_sustained_per_hour, 3600),
        ),
        "clickhouse": clickhouse,
        "persons": (
            *clickhouse,
            Limit("persons_burst", settings.rate_limit_persons_burst_per_minute, 60),
            Limit("persons_sustained", settings.rate_limit_persons_sustained_per_hour, 3600),
        ),
        "query": queries,
        "hogql": (*queries, Limit("query", settings.rate_limit_query_per_hour, 3600)),
        "local evaluation": (Limit("feature_flag_evaluations", settings.rate_limit_local_evaluation_per_minute, 60),),
        "remote config": (Limit("feature_flag_remote_config", settings.rate_limit_remote_config_per_minute, 60),),
        "snapshots": (
            Limit("snapshots_burst", settings.rate_limit_snapshots_burst_per_minute, 60),
            Limit("snapshots_sustained", settings.rate_limit_snapshots_sustained_per_hour, 3600),
        ),
        "sign-in": sign_in,
    }


class Counters(Protocol):
    """Where requests are counted: in this process, or in a Redis that all workers share."""

    async def take(self, limits: tuple[Limit, ...], key: str) -> float:
        """Count one request of `key` under all limits and return 0; or count nothing and return the seconds to wait."""
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...


class RateLimiter:
    """Refuses what is too much."""

    def __init__(self, classes: dict[LimitClass, tuple[Limit, ...]], counters: Counters) -> None:
        """Limits of 0 requests are left out."""
        self._classes = {name: tuple(limit for limit in limits if limit.requests) for name, limits in classes.items()}
        self._counters = counters

    async def check(self, limit: LimitClass, key: str) -> None:
        """Count one request of `key` in the class. Raises `Throttled` when one of its limits is reached."""
        limits = self._classes.get(limit)
        if not limits:
            return
        wait = await self._counters.take(limits, key)
        if wait > 0:
            raise Throttled(math.ceil(wait))

    async def close(self) -> None:
        """Give back the counters."""
        await self._counters.close()


class MemoryCounters:
    """Counts in this process, `KEYS_MAX` keys at most: beyond that the oldest key is counted from zero again."""

    KEYS_MAX = 50_000

    def __init__(self, clock: Clock) -> None:
        """Time is the clock's monotonic one."""
        self._clock = clock
        self._counts: dict[tuple[str, str], _Window] = {}

    async def take(self, limits: tuple[Limit, ...], key: str) -> float:
        """Count one request of `key` under all limits and return 0; or count nothing and return the seconds to wait."""
        now = self._clock.monotonic()
        windows = [self._window(limit, key) for limit in limits]
        wait = max(window.wait(now, limit) for window, limit in zip(windows, limits, strict=True))
        if wait <= 0:
            for window in windows:
                window.count()
        return wait

    async def close(self) -> None:
        """Nothing is held."""

    def _window(self, limit: Limit, key: str) -> _Window:
        name = (limit.scope, key)
        window = self._counts.get(name)
        if window is None:
            if len(self._counts) >= self.KEYS_MAX:
                self._counts.pop(next(iter(self._counts)))
            window = self._counts[name] = _Window()
        return window


class _Window:
    """The requests of one key under one limit: how many in each of the last steps."""

    __slots__ = ("_newest", "_steps", "_total")

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}
        self._newest = 0
        self._total = 0

    def wait(self, now: float, limit: Limit) -> float:
        """Seconds until one more request fits; 0 if it fits now. Notes the time for `count`."""
        step_seconds = limit.seconds / STEPS
        self._newest = int(now // step_seconds)
        oldest = self._newest - STEPS
        while self._steps and (first := next(iter(self._steps))) < oldest:
            self._total -= self._steps.pop(first)
        if self._total < limit.requests:
            return 0.0
        excess = self._total - limit.requests + 1
        for step, count in self._steps.items():
            excess -= count
            if excess <= 0:
                return (step + STEPS + 1) * step_seconds - now
        return float(limit.seconds)

    def count(self) -> None:
        """One more request in the step that `wait` was asked about."""
        self._steps[self._newest] = self._steps.get(self._newest, 0) + 1
        self._total += 1
