"""What is looked up on every request is remembered: at most 30 seconds, bounded, and never past a write."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from hedgerow.core.clock import ManualClock
from hedgerow.core.identity import cache as module
from hedgerow.core.identity.cache import LookupCache


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Table:
    """A database that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.value = "old"
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def load(self, key: str) -> str:
        self.asked += 1
        self.was_asked.set()
        read = f"{key}: {self.value}"
        await self.may_answer.wait()
        return read


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, tzinfo=UTC))


async def test_the_database_is_asked_again_after_30_seconds(clock: ManualClock) -> None:
    table = Table()
    remembered = LookupCache(table.load, clock)
    assert [await remembered.get("a") for _ in range(3)] == ["a: old"] * 3
    table.value = "new"
    clock.advance(29.9)
    assert (await remembered.get("a"), table.asked) == ("a: old", 1)
    clock.advance(0.2)
    assert (await remembered.get("a"), table.asked) == ("a: new", 2)


async def test_a_write_is_seen_at_once_even_by_who_was_just_reading(clock: ManualClock) -> None:
    table = Table()
    remembered = LookupCache(table.load, clock)
    table.may_answer.clear()
    reading = asyncio.create_task(remembered.get("a"))
    await table.was_asked.wait()
    table.value = "new"
    remembered.forget()
    table.may_answer.set()
    await reading
    assert await remembered.get("a") == "a: new"


async def test_it_is_bounded_and_the_oldest_goes_first(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENTRIES_MAX", 2)
    table = Table()
    remembered = LookupCache(table.load, clock)
    for key in ("a", "b", "c"):
        await remembered.get(key)
    await remembered.get("c")
    assert table.asked == 3
    await remembered.get("a")
    assert table.asked == 4
