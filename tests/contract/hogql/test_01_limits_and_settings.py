"""hogql §1: how many rows come, and what ClickHouse is told beside the query."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.hogql.conftest import Shop

from hedgerow.hogql.context import SETTINGS

pytestmark = pytest.mark.stores


@pytest.mark.parametrize(
    ("text", "rows", "page"),
    [
        ("SELECT number FROM numbers(300)", 100, (100, 0, True)),
        ("SELECT number FROM numbers(100)", 100, (100, 0, False)),
        ("SELECT number FROM numbers(300) LIMIT 150", 150, (None, None, None)),
        ("SELECT number FROM numbers(300) LIMIT 10 OFFSET 295", 5, (None, None, None)),
        ("SELECT number FROM numbers(60000) LIMIT 60000", 50_000, (None, None, None)),
        ("SELECT number FROM numbers(10) LIMIT 1 + 1", 2, (None, None, None)),
        ("SELECT number FROM numbers(150) UNION ALL SELECT number FROM numbers(150)", 200, (None, None, None)),
        ("SELECT number FROM numbers(150) LIMIT 3 UNION ALL SELECT number FROM numbers(150)", 103, (None, None, None)),
    ],
)
async def test_how_many_rows_come(
    shop: Shop, text: str, rows: int, page: tuple[int | None, int | None, bool | None]
) -> None:
    answer = await shop.answer(text)
    assert len(answer.rows) == rows
    assert (answer.body["limit"], answer.body["offset"], answer.body["hasMore"]) == page


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("SELECT 1", ["LIMIT 101"]),
        ("SELECT 1 LIMIT 7", ["LIMIT 7"]),
        ("SELECT 1 LIMIT 50001", ["LIMIT 50000"]),
        ("SELECT 1 LIMIT 1 + 1", ["LIMIT min2(50000, plus(1, 1))"]),
        ("SELECT 1 UNION ALL SELECT 2", ["LIMIT 100", "LIMIT 100"]),
        ("SELECT 1 UNION ALL SELECT 2 LIMIT 5", ["LIMIT 100", "LIMIT 5"]),
        ("SELECT count() FROM (SELECT 1)", ["LIMIT 101"]),
        ("SELECT count() FROM (SELECT 1 LIMIT 60000)", ["LIMIT 50000", "LIMIT 101"]),
        ("WITH x AS (SELECT 1) SELECT count() FROM x", ["LIMIT 101"]),
        ("SELECT 1 WHERE 1 IN (SELECT 1)", ["LIMIT 101"]),
    ],
)
async def test_the_limit_is_in_the_printed_query(shop: Shop, text: str, limits: list[str]) -> None:
    printed = (await shop.answer(text)).body["hogql"]
    assert [line.strip() for line in printed.splitlines() if line.strip().startswith("LIMIT")] == limits


async def test_a_subquery_and_a_cte_have_no_limit(shop: Shop) -> None:
    assert (await shop.answer("SELECT count() FROM (SELECT number FROM numbers(300))")).rows == [[300]]
    assert (await shop.answer("WITH x AS (SELECT number FROM numbers(300)) SELECT count() FROM x")).rows == [[300]]


async def test_an_export_is_not_held_to_a_hundred(shop: Shop) -> None:
    response = await shop.asker.post("SELECT number FROM numbers(1000)")
    assert len(response.json()["results"]) == 100
    response = await shop.asker.request(
        "POST",
        json={"query": {"kind": "HogQLQuery", "query": "SELECT number FROM numbers(1000)"}},
        headers={"Accept": "text/csv"},
    )
    assert response.status_code == 200
    assert len(response.text.splitlines()) == 1_001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transform_null_in", 1),
        ("optimize_min_equality_disjunction_chain_length", 4_294_967_295),
        ("allow_experimental_join_condition", 1),
    ],
)
def test_settings_that_change_rows(name: str, value: Any) -> None:
    assert SETTINGS[name] == value


async def test_null_is_a_member_like_any_other(shop: Shop) -> None:
    """transform_null_in = 1."""
    assert (await shop.answer("SELECT NULL IN (NULL, 1), NULL IN (1, 2), NULL NOT IN (1, 2)")).rows == [[1, 0, 1]]


async def test_nothing_can_be_written(shop: Shop) -> None:
    """readonly = 2, and the grammar before it."""
    detail, place = await shop.refusal("INSERT INTO events SELECT * FROM events")
    assert detail.startswith("mismatched input 'INSERT' expecting")
    assert place == "INSERT INTO events SELECT * FROM events"
