"""hogql §2, the shape of the language: every row of its table runs; what the grammar leaves out is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.hogql.cases import Case, asked, read_cases
from tests.contract.hogql.conftest import Shop

pytestmark = pytest.mark.stores

FILE = Path(__file__).with_name("02_shape.txt")
CASES = read_cases(FILE)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
async def test_the_answer(shop: Shop, zoned: Shop, case: Case) -> None:
    await asked(FILE, case, shop, zoned)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO events SELECT 1",
        "DROP TABLE events",
        "ALTER TABLE events DELETE WHERE 1",
        "SET max_threads = 1",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "TRUNCATE events",
        "SYSTEM RELOAD CONFIG",
        "SELECT 1 FORMAT JSON",
        "SELECT 1 INTO OUTFILE 'x'",
        "SELECT 1; SELECT 2",
        "SELECT * REPLACE (1 AS event) FROM events",
    ],
)
async def test_what_the_grammar_leaves_out(shop: Shop, text: str) -> None:
    detail, place = await shop.refusal(text)
    assert "input" in detail
    assert place is not None


async def test_settings_and_literals_of_dates_are_not_supported(shop: Shop) -> None:
    assert (await shop.refusal("SELECT 1 SETTINGS a = 1"))[0] == "Unsupported: SelectStmt.settingsClause()"
    assert (await shop.refusal("SELECT DATE '2026-01-05'"))[0] == "Unsupported rule: ColumnExprDate"


async def test_a_cte_of_a_query_is_for_from_only(shop: Shop) -> None:
    detail, _ = await shop.refusal("WITH x AS (SELECT 1 AS a) SELECT x")
    assert detail == "Cannot use table CTE x as a value. Use it in a FROM clause instead."
