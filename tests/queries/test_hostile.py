"""Hostile texts are answered or refused with a place, soon, while others are served; the process lives."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
from tests.queries.hostile_texts import TEXTS
from tests.queries.world import Asker, Stores, World

from hedgerow.core.clock import Clock
from hedgerow.hogql import parse_select


@pytest.fixture(scope="module")
async def world(stores: Stores) -> AsyncIterator[World]:
    """A server on which no query may take long."""
    hasty = World.over(stores, Clock(), query_max_seconds=3.0, query_max_memory_bytes=1 << 30)
    yield hasty
    await hasty.close()


@pytest.mark.parametrize("name", TEXTS)
async def test_a_hostile_text_is_answered_or_refused(project: Asker, name: str) -> None:
    text = TEXTS[name]()
    response = await project.post(text, refresh="force_blocking")

    assert response.status_code in {200, 400, 504}, response.text[:500]
    if response.status_code == 400:
        body = response.json()
        assert body["detail"]
        assert len(body["detail"]) < 2_000
        if body["code"] == "invalid_input":
            assert 0 <= body["extra"]["start"] <= body["extra"]["end"] <= len(text)
    assert await project.rows("SELECT 1") == [[1]]


async def test_a_value_may_be_large(project: Asker) -> None:
    rows = await project.rows("SELECT length({list})", values={"list": list(range(100_000))})
    assert rows == [[100_000]]


async def test_a_large_text_is_read_by_another_process(project: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are served meanwhile; what the other process must know of the project it asks for."""
    await project.sends("order paid", {"total": 7})
    readers: list[int] = []

    def parse_and_note(text: str) -> Any:
        readers.append(threading.get_ident())
        return parse_select(text)

    monkeypatch.setattr("hedgerow.queries.hogql_query.parse_select", parse_and_note)
    short = "SELECT properties.total + 1 FROM events WHERE event = {name}"
    others = ", ".join(f"'{n}'" for n in range(50_000))
    long = f"{short} AND distinct_id NOT IN ({others})"
    values = {"name": "order paid"}

    assert await project.rows(long, values=values) == [[8]]
    assert readers == []
    assert await project.rows(short, values=values) == [[8]]
    assert readers == [threading.get_ident()]
    wrong = f"{long} AND nothing = 1"
    body = await project.refusal(wrong, values=values)
    assert body["detail"] == "Unable to resolve field: nothing"
    assert wrong[body["extra"]["start"] : body["extra"]["end"]] == "nothing"


def compilers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "hedgerow.queries.apart" in child.cmdline()[-1]]


async def test_the_other_process_may_die(project: Asker) -> None:
    text = f"SELECT 7 IN ({', '.join(map(str, range(50_000)))})"
    assert await project.rows(text) == [[1]]
    (child,) = compilers()
    child.kill()
    child.wait()

    assert await project.rows(text + " AS again") == [[1]]
    assert compilers() != [child]
