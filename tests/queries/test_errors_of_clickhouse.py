"""What ClickHouse says of queries that are too large, or wrong in ways that only it notices, is the asker's to mend: 400."""

from __future__ import annotations

from typing import Any

import pytest
from tests.queries.world import Asker

from hedgerow.core.http import ApiError
from hedgerow.core.storage.events import EventStore, StoreError
from hedgerow.queries.errors import from_store

pytestmark = pytest.mark.stores
THREE_DEEP = "SELECT 1 FROM (SELECT 1 FROM (SELECT 1))"
SUM = "SELECT number + 1, number * 2 FROM numbers(3)"
JOIN = "SELECT count() FROM numbers(10) AS a JOIN numbers(10) AS b ON a.number = b.number"
COUNT = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1"


async def said(events: EventStore, sql: str, limits: dict[str, Any], **parameters: object) -> tuple[str, ApiError]:
    """The name of ClickHouse's error, and ours."""
    with pytest.raises(StoreError) as refused:
        await events.query(sql, parameters, settings=limits)
    return refused.value.name, from_store(refused.value)


@pytest.mark.parametrize(
    ("name", "sql", "limits"),
    [
        ("TOO_BIG_AST", "SELECT 1, 2, 3, 4", {"max_ast_elements": 3}),
        ("TOO_DEEP_AST", "SELECT 1 + (2 + (3 + (4 + 5)))", {"max_ast_depth": 3}),
        ("TOO_DEEP_RECURSION", "SELECT ((((((((((((1))))))))))))", {"max_parser_depth": 10}),
        ("TOO_SLOW_PARSING", "SELECT ((((1 + 1)))), [1, (2)]", {"max_parser_backtracks": 5}),
        ("TOO_DEEP_SUBQUERIES", THREE_DEEP, {"max_subquery_depth": 1}),
        ("SYNTAX_ERROR", "SELECT 1, 2, 3, 4, 5, 6", {"max_query_size": 10}),
        ("TOO_MANY_COLUMNS", "SELECT * FROM system.tables", {"max_columns_to_read": 1}),
        ("TOO_MANY_TEMPORARY_COLUMNS", SUM, {"max_temporary_columns": 1}),
        ("TOO_MANY_TEMPORARY_NON_CONST_COLUMNS", SUM, {"max_temporary_non_const_columns": 1}),
    ],
)
async def test_too_complex(events: EventStore, name: str, sql: str, limits: dict[str, Any]) -> None:
    theirs, ours = await said(events, sql, limits)

    assert theirs == name
    assert (ours.status, ours.type, ours.code) == (400, "validation_error", name.lower())
    assert ours.detail.startswith("This query is too complex to run.")


@pytest.mark.parametrize(
    ("name", "sql", "limits"),
    [
        ("TOO_MANY_ROWS", SUM, {"max_rows_to_read": 1}),
        ("TOO_MANY_ROWS", "SELECT number FROM numbers(10) GROUP BY number", {"max_rows_to_group_by": 1}),
        ("TOO_MANY_ROWS_OR_BYTES", SUM, {"max_result_rows": 1, "result_overflow_mode": "throw"}),
        ("SET_SIZE_LIMIT_EXCEEDED", "SELECT 1 IN (SELECT number FROM numbers(10))", {"max_rows_in_set": 1}),
        ("SET_SIZE_LIMIT_EXCEEDED", JOIN, {"max_rows_in_join": 1}),
    ],
)
async def test_too_much(events: EventStore, name: str, sql: str, limits: dict[str, Any]) -> None:
    theirs, ours = await said(events, sql, limits)

    assert theirs == name
    assert (ours.status, ours.code) == (400, name.lower())
    assert ours.detail.startswith("This query reads or returns more data than the limit allows.")


@pytest.mark.parametrize(
    ("name", "code", "sql", "limits"),
    [
        ("TIMEOUT_EXCEEDED", "timeout_exceeded", COUNT, {"max_execution_time": 0.1}),
        (
            "TOO_SLOW",
            "timeout_exceeded",
            COUNT,
            {"min_execution_speed": 10**12, "timeout_before_checking_execution_speed": 0.1},
        ),
        (
            "MEMORY_LIMIT_EXCEEDED",
            "memory_limit_exceeded",
            "SELECT groupArray(number) FROM numbers(100000000)",
            {"max_memory_usage": 20_000_000},
        ),
    ],
)
async def test_too_long(events: EventStore, name: str, code: str, sql: str, limits: dict[str, Any]) -> None:
    theirs, ours = await said(events, sql, limits)

    assert theirs == name
    assert (ours.status, ours.type, ours.code) == (504, "server_error", code)


@pytest.mark.parametrize(
    ("name", "sql"),
    [
        ("WITH_TIES_WITHOUT_ORDER_BY", "SELECT number FROM numbers(3) LIMIT 1 WITH TIES"),
        ("DEPRECATED_FUNCTION", "SELECT runningDifference(number) FROM numbers(3)"),
        ("CANNOT_NORMALIZE_STRING", "SELECT normalizeUTF8NFC(unhex('ff'))"),
        ("TOO_LARGE_STRING_SIZE", "SELECT repeat('x', 10000000000)"),
        ("TOO_LARGE_ARRAY_SIZE", "SELECT arrayWithConstant(1000000000000, 1)"),
    ],
)
async def test_wrong_in_itself(events: EventStore, name: str, sql: str) -> None:
    theirs, ours = await said(events, sql, {})

    assert theirs == name
    assert (ours.status, ours.type, ours.code) == (400, "validation_error", name.lower())
    assert "SELECT" not in ours.detail


async def test_a_bound_value_that_does_not_fit_is_not_quoted(events: EventStore) -> None:
    theirs, ours = await said(events, "SELECT {x:UInt8}", {}, x="secret")

    assert theirs == "BAD_QUERY_PARAMETER"
    assert (ours.status, ours.code, ours.detail) == (
        400,
        "bad_query_parameter",
        "A value cannot be read as the wanted type.",
    )


@pytest.mark.parametrize(
    "values",
    [
        {"x": 10**18}, {"x": 2**63}, {"x": 2**64}, {"x": -(2**63) - 1}, {"x": 10**40}, {"x": 1e308}, {"x": -0.0}, {"x": "\t\\N"},
        {"x": "'"}, {"x": []}, {"x": [[]]}, {"x": [1, "a", None]}, {"x": [1.5, 2**70]}, {"x": {"a": 1}}, {"x": None}, {"x": True},
        {"x": [[1], ["a"]]}, {"x": "\u2028\ud7ff\U0001f600"}, {"x": [None]}, {"x": [True, 2]},
    ],
)  # fmt: skip
async def test_any_value_is_answered_or_refused(project: Asker, values: dict[str, Any]) -> None:
    for text in ("SELECT {x}", "SELECT count() FROM events WHERE event = {x}", "SELECT 1 WHERE 1 IN ({x})"):
        response = await project.post(text, node={"values": values}, refresh="force_blocking")
        assert response.status_code in {200, 400}, (text, response.text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT number FROM numbers(3) ORDER BY number WITH FILL STEP 0",
        "SELECT sum(number) OVER (ROWS BETWEEN 3 PRECEDING AND 5 PRECEDING) FROM numbers(3)",
        "SELECT 1 FROM numbers(1) AS a ASOF JOIN numbers(1) AS b ON a.number = b.number",
        "SELECT 1 FROM numbers(1) AS a FULL JOIN numbers(1) AS b ON a.number > b.number",
        "SELECT event FROM events SAMPLE 0.5",
        "SELECT * FROM events FINAL",
        "SELECT 1 UNION ALL SELECT 1, 2",
        "SELECT 1 UNION ALL SELECT [1]",
        "SELECT (SELECT number FROM numbers(3))",
        "SELECT 1 IN (SELECT 1, 2)",
        "SELECT 1 IN ('a')",
        "SELECT 1 WHERE sum(1) = 1",
        "SELECT sum(count()) FROM events",
        "SELECT 1 GROUP BY 5",
        "SELECT 1 LIMIT -1",
        "SELECT 1 LIMIT 1.5",
        "SELECT number FROM numbers(3) LIMIT 1 WITH TIES",
        "SELECT arrayMap((x, y) -> 1, [1], [1, 2])",
        "SELECT [1][0], (1, 2).3",
        "SELECT toStartOfInterval(now(), toIntervalDay(0))",
        "SELECT formatDateTime(now(), '%')",
        "SELECT dateTrunc('x', now())",
        "SELECT toTimeZone(now(), 'Nowhere')",
        "SELECT quantile(2)(1)",
        "SELECT topK(0)(event) FROM events",
        "SELECT if('a', 1, 2)",
        "SELECT if(1, [1], 'a')",
    ],
)
async def test_what_only_clickhouse_notices_is_no_error_of_ours(project: Asker, text: str) -> None:
    response = await project.post(text, refresh="force_blocking")

    assert response.status_code in {200, 400}, response.text
