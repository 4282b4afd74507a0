"""Hostile texts are answered or refused with a place, soon, while others are served; the process lives."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.queries.world import Asker, Stores, World

from hedgerow.core.clock import Clock
from hedgerow.hogql import parse_select

TEXTS: dict[str, Callable[[], str]] = {
    "1,000 parentheses": lambda: "SELECT " + "(" * 1_000 + "1" + ")" * 1_000,
    "1,000 parentheses that stay open": lambda: "SELECT " + "(" * 1_000,
    "100,000 parentheses": lambda: "SELECT " + "(" * 100_000,
    "16 nested if": lambda: "SELECT " + "if(1, 1, " * 16 + "1" + ")" * 16,
    "1,000 nested if": lambda: "SELECT " + "if(1, 1, " * 1_000 + "1" + ")" * 1_000,
    "a sum of 50,000": lambda: "SELECT " + " + ".join(["1"] * 50_000),
    "IN of 50,000": lambda: f"SELECT 1 WHERE 5 IN ({', '.join(map(str, range(50_000)))})",
    "50,000 columns": lambda: "SELECT " + ", ".join(["1"] * 50_000),
    "AND of 50,000": lambda: "SELECT 1 WHERE " + " AND ".join(["1 = 1"] * 50_000),
    "500 nested subqueries": lambda: "SELECT 1 FROM (" * 500 + "SELECT 1" + ")" * 500,
    "UNION of 2,000": lambda: " UNION ALL ".join(["SELECT 1"] * 2_000),
    "1,000 NOT": lambda: "SELECT " + "NOT " * 1_000 + "1",
    "1,000 minus signs": lambda: "SELECT " + "- " * 1_000 + "1",
    "1,000 lambdas": lambda: "SELECT " + "x -> " * 1_000 + "1",
    "CTEs that double": lambda: (
        "WITH a0 AS (SELECT 1 AS x)"
        + "".join(f", a{n + 1} AS (SELECT x FROM a{n} UNION ALL SELECT x FROM a{n})" for n in range(40))
        + " SELECT count() FROM a40"
    ),
    "columns that double": lambda: (
        "WITH 1 AS a0" + "".join(f", a{n} + a{n} AS a{n + 1}" for n in range(40)) + " SELECT a40"
    ),
    "half a megabyte of one name": lambda: "SELECT " + "a" * 500_000,
    "half a megabyte of dots": lambda: "SELECT a" + ".a" * 250_000,
    "half a megabyte of one string": lambda: "SELECT '" + "x" * 500_000 + "'",
    "half a megabyte of an open string": lambda: "SELECT '" + "x" * 500_000,
    "half a megabyte of backslashes": lambda: "SELECT '" + "\\" * 500_000 + "'",
    "half a megabyte of digits": lambda: "SELECT " + "9" * 500_000,
    "half a megabyte of blanks": lambda: "SELECT" + " " * 500_000 + "1",
    "half a megabyte of comments": lambda: "SELECT " + "/* */" * 100_000 + "1",
    "half a megabyte of an open comment": lambda: "SELECT /*" + "/*" * 250_000,
    "half a megabyte of braces": lambda: "SELECT " + "{" * 500_000,
    "half a megabyte of tags": lambda: "SELECT " + "<a>" * 160_000,
    "a megabyte of commas": lambda: "SELECT " + "," * 1_000_000,
    "more than a megabyte": lambda: "SELECT " + "1 " * 600_000,
    "a million rows of a million characters": lambda: "SELECT repeat('x', 1000000) FROM numbers(1000000) LIMIT 50000",
    "an array of a billion": lambda: "SELECT range(1000000000)",
    "a cross join of a trillion": lambda: "SELECT count() FROM numbers(1000000) a CROSS JOIN numbers(1000000) b",
    "a regular expression with much to try": lambda: f"SELECT match('{'a' * 5_000}', '(a*)*b')",
    "control characters": lambda: "SELECT '\x01\x02\x7f' \x0b\x0c, 1",
    "emoji": lambda: "SELECT 😀 FROM 😀",
    "a name in every quote": lambda: "SELECT `a``b`, \"c\"\"d\", 'e''f'",
}


@pytest.fixture
async def world(stores: Stores, clock: Clock) -> AsyncIterator[World]:
    """A server on which no query may take long."""
    hasty = World.over(stores, clock, query_max_seconds=3.0, query_max_memory_bytes=1 << 30)
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


@pytest.mark.parametrize(
    ("name", "in_loop"), [("a sum of 50,000", False), ("a megabyte of commas", False), ("16 nested if", True)]
)
async def test_a_long_text_is_read_beside_the_event_loop(
    project: Asker, monkeypatch: pytest.MonkeyPatch, name: str, in_loop: bool
) -> None:
    """Others are served meanwhile."""
    readers: list[bool] = []

    def parse_and_note(text: str) -> Any:
        readers.append(threading.current_thread() is loop_thread)
        return parse_select(text)

    loop_thread = threading.current_thread()
    monkeypatch.setattr("hedgerow.queries.hogql_query.parse_select", parse_and_note)
    await project.post(TEXTS[name](), refresh="force_blocking")

    assert readers == [in_loop]
