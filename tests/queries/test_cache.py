"""Results are kept while there is room, and given out while they are fresh."""

from __future__ import annotations

import msgspec
import pytest

from hedgerow.queries.cache import CachedResult, MemoryCache, cache_key
from hedgerow.queries.freshness import Interval, LocalWrites, is_fresh
from hedgerow.queries.refresh import Act, Cached, Mode, act_for, mode_of


def result(body: bytes = b"{}", *, seconds: float = 0.0, state: object = 0) -> CachedResult:
    return CachedResult((body,), calculated_us=0, seconds=seconds, state=state)


async def test_what_was_asked_for_longest_ago_goes_first() -> None:
    cache = MemoryCache(bytes_max=10 * 1024)
    for name in ("a", "b", "c", "d"):
        await cache.put(name, result(b"x" * 1_200))
    await cache.get("a")
    await cache.put("e", result(b"x" * 1_200))

    kept = [name for name in "abcde" if await cache.get(name) is not None]
    assert kept == ["a", "c", "d", "e"]


async def test_a_large_result_pushes_nobody_out() -> None:
    cache = MemoryCache(bytes_max=10 * 1024)
    await cache.put("small", result())
    await cache.put("large", result(b"x" * 9_000))

    assert await cache.get("small") is not None
    assert await cache.get("large") is None


async def test_a_newer_result_takes_the_place_of_the_older() -> None:
    cache = MemoryCache(bytes_max=10 * 1024)
    for number in range(100):
        await cache.put("same", result(b"%d" % number))

    found = await cache.get("same")
    assert found is not None
    assert found.body == (b"99",)


def test_a_result_can_leave_the_process() -> None:
    kept = result(b'{"results":[[1]]}', seconds=0.5, state=3)
    assert msgspec.json.decode(msgspec.json.encode(kept), type=CachedResult) == kept


def test_the_key_names_the_project_and_depends_on_every_part() -> None:
    one = cache_key(7, {"query": {"a": 1, "b": 2}})
    assert one == cache_key(7, {"query": {"b": 2, "a": 1}})
    assert one != cache_key(7, {"query": {"a": 1, "b": 3}})
    assert one.startswith("cache_7_")


@pytest.mark.parametrize(
    ("interval", "seconds", "lax", "fresh"),
    [
        ("minute", 299, False, True), ("minute", 300, False, False), ("minute", 899, True, True),
        ("hour", 3_599, False, True), ("hour", 3_600, False, False), ("hour", 7_199, True, True),
        ("day", 21_599, False, True), ("day", 21_600, False, False), ("day", 43_200, True, False),
        ("week", 86_399, False, True), ("month", 86_400, False, False), (None, 21_599, False, True),
    ],
)  # fmt: skip
def test_a_result_is_stale_after_its_time(interval: Interval | None, seconds: int, lax: bool, fresh: bool) -> None:
    assert is_fresh(result(), interval, seconds * 1_000_000, 0, lax=lax) is fresh


async def test_new_data_makes_a_result_stale_unless_it_was_expensive() -> None:
    class Event:
        team_id = 1

    writes = LocalWrites()
    cheap = result(seconds=0.2, state=await writes.now(1))
    expensive = result(seconds=3, state=await writes.now(1))
    writes.saw([Event()])
    now = await writes.now(1)

    assert not is_fresh(cheap, "day", 1_000_000, now)
    assert is_fresh(expensive, "day", 1_000_000, now)
    assert not is_fresh(expensive, "day", 61_000_000, now)
    assert is_fresh(cheap, "day", 1_000_000, await writes.now(2))


@pytest.mark.parametrize(
    ("refresh", "is_async", "mode"),
    [
        (None, None, "blocking"), (None, True, "async"), ("force_async", True, "force_async"),
        (True, None, "force_blocking"), (False, None, "blocking"), ("nonsense", True, "blocking"),
        (3, None, "blocking"), ("lazy_async", None, "lazy_async"),
    ],
)  # fmt: skip
def test_queries_1_2_the_mode_that_is_asked_for(refresh: object, is_async: bool | None, mode: Mode) -> None:
    assert mode_of(refresh, is_async) == mode


@pytest.mark.parametrize(
    ("mode", "fresh", "stale", "none"),
    [
        ("blocking", "give", "calculate", "calculate"),
        ("async", "give", "give and start", "start"),
        ("lazy_async", "give", "give and start", "start"),
        ("async_except_on_cache_miss", "give", "give and start", "calculate"),
        ("force_blocking", "calculate", "calculate", "calculate"),
        ("force_async", "start", "start", "start"),
        ("force_cache", "give", "calculate", "calculate"),
    ],
)
def test_queries_1_2_what_each_mode_does(mode: Mode, fresh: Act, stale: Act, none: Act) -> None:
    wanted: dict[Cached, Act] = {"fresh": fresh, "stale": stale, "none": none}
    assert {cached: act_for(mode, cached) for cached in wanted} == wanted
