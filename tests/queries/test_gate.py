"""Queries run so many at once, of one key so many, and only so many wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest

from hedgerow.queries.errors import TooBusy, TooManyAtOnce
from hedgerow.queries.gate import Gate


class Visitors:
    """Tasks that hold a place until they are told to leave."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.inside: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.leave: dict[str, asyncio.Event] = {}
        self.when_left: dict[str, Callable[[], object]] = {}

    async def come(self, name: str, key: str) -> asyncio.Task[None]:
        self.leave[name] = asyncio.Event()
        task = asyncio.create_task(self._stay(name, key))
        self.tasks.append(task)
        await settled()
        return task

    async def _stay(self, name: str, key: str) -> None:
        async with self.gate.place(key):
            self.inside.append(name)
            try:
                await self.leave[name].wait()
            finally:
                self.inside.remove(name)
        self.when_left.get(name, lambda: None)()

    async def go(self, name: str) -> None:
        self.leave[name].set()
        await settled()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@asynccontextmanager
async def visitors(gate: Gate) -> AsyncGenerator[Visitors]:
    them = Visitors(gate)
    try:
        yield them
    finally:
        for task in them.tasks:
            task.cancel()
        await asyncio.gather(*them.tasks, return_exceptions=True)


async def test_who_comes_first_is_let_in_first() -> None:
    async with visitors(Gate(2, 2, 8, 60)) as them:
        for name in "abcd":
            await them.come(name, key=name)
        assert them.inside == ["a", "b"]

        await them.go("b")
        assert them.inside == ["a", "c"]


async def test_a_key_at_its_limit_lets_others_pass() -> None:
    async with visitors(Gate(3, 2, 8, 60)) as them:
        for name in ("a1", "a2", "a3", "b1", "b2"):
            await them.come(name, key=name[0])
        assert them.inside == ["a1", "a2", "b1"]

        await them.go("b1")
        assert them.inside == ["a1", "a2", "b2"]

        await them.go("a1")
        assert them.inside == ["a2", "b2", "a3"]


async def test_when_enough_wait_the_next_is_refused() -> None:
    async with visitors(Gate(1, 1, 4, 60)) as them:
        for name in "abcde":
            await them.come(name, key=name)

        with pytest.raises(TooBusy):
            await (await them.come("f", key="f"))


async def test_one_key_may_not_fill_the_queue() -> None:
    async with visitors(Gate(1, 1, 4, 60)) as them:
        await them.come("a1", key="a")
        await them.come("a2", key="a")

        with pytest.raises(TooManyAtOnce) as raised:
            await (await them.come("a3", key="a"))
        await them.come("b1", key="b")
        await them.go("a1")

    assert raised.value.status == 429
    assert raised.value.answer_headers["Retry-After"] == "1"


async def test_who_waits_too_long_is_refused_and_takes_no_place() -> None:
    async with visitors(Gate(1, 1, 4, 0.01)) as them:
        await them.come("a", key="a")

        with pytest.raises(TooBusy):
            await (await them.come("b", key="b"))
        await them.go("a")
        await them.come("c", key="c")
        assert them.inside == ["c"]


async def test_who_leaves_the_queue_takes_no_place() -> None:
    async with visitors(Gate(1, 1, 4, 60)) as them:
        await them.come("a", key="a")
        waiting = await them.come("b", key="b")
        waiting.cancel()
        await them.come("c", key="c")
        await them.go("a")
        assert them.inside == ["c"]


async def test_who_leaves_as_it_is_let_in_passes_its_place_on() -> None:
    async with visitors(Gate(1, 1, 4, 60)) as them:
        await them.come("a", key="a")
        let_in = await them.come("b", key="b")
        await them.come("c", key="c")
        them.when_left["a"] = let_in.cancel  # b's turn has come, but b has not noticed yet
        await them.go("a")
        assert them.inside == ["c"]
