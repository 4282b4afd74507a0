"""Texts that mean harm, or are merely far too large: answered, or refused with a place; the engine lives on."""

from __future__ import annotations

import pytest
from tests.hogql.project import Project

from hedgerow.core.storage.events import StoreError
from hedgerow.hogql import HogQLError


def nested(before: str, inner: str, after: str, times: int) -> str:
    return "SELECT " + before * times + inner + after * times


DEEP = {
    "1,000 parentheses": nested("(", "1", ")", 1_000),
    "1,000 nested if": nested("if(1 = 1, ", "1", ", 2)", 1_000),
    "a sum of 50,000": "SELECT " + "+".join(["1"] * 50_000),
    "1,000 nested arrays": nested("[", "1", "]", 1_000),
    "1,000 nested lambdas": nested("arrayMap(x -> ", "[1]", ", [1])", 1_000),
    "1,000 nested subqueries": "SELECT * FROM " + "(SELECT * FROM " * 1_000 + "(SELECT 1)" + ")" * 1_000,
    "columns of a megabyte": "SELECT " + ",".join(["event"] * 140_000) + " FROM events",
    "50,000 ORs": "SELECT 1 FROM events WHERE " + " OR ".join(f"event = 'v{i}'" for i in range(50_000)),
    "CTEs that double": "WITH 1 AS a0, " + ", ".join(f"a{i} + a{i} AS a{i + 1}" for i in range(40)) + " SELECT a40",
    "CTEs that double as tables": "WITH a0 AS (SELECT 1 AS x), "
    + ", ".join(f"a{i + 1} AS (SELECT l.x FROM a{i} l CROSS JOIN a{i} r)" for i in range(30))
    + " SELECT * FROM a30",
    "100 subqueries as values": nested("(SELECT ", "1", ")", 100),
    "30 subqueries in IN": "SELECT 1 WHERE 1 IN (" * 30 + "SELECT 1" + ")" * 30,
    "300 windows": "SELECT "
    + ", ".join(f"row_number() OVER (ORDER BY number + {i})" for i in range(300))
    + " FROM numbers(1)",
    "5,000 subqueries in IN": "SELECT " + " OR ".join(["1 IN (SELECT 1)"] * 5_000),
    "a function's name of a megabyte": "SELECT " + "a" * 1_000_000 + "(1)",
    "a field of a megabyte": "SELECT " + "a" * 1_000_000 + " FROM events",
}


@pytest.mark.parametrize("hogql", DEEP.values(), ids=DEEP.keys())
def test_it_is_refused_with_its_place(project: Project, hogql: str) -> None:
    with pytest.raises(HogQLError) as refused:
        project.compiles(hogql)

    assert refused.value.start is not None


ANSWERED = {
    "200 parentheses": (nested("(", "1", ")", 200), [[1]]),
    "16 nested if": (nested("if(1 = 1, ", "1", ", 2)", 16), [[1]]),
    "200 nested if": (nested("if(1 = 1, ", "1", ", 2)", 200), [[1]]),
    "a sum of 200": ("SELECT " + "+".join(["1"] * 200), [[200]]),
    "IN of 50,000 texts": (f"SELECT 'v7' IN ({', '.join(repr(f'v{i}') for i in range(50_000))})", [[1]]),
    "IN of 50,000 numbers": (f"SELECT number IN ({', '.join(map(str, range(50_000)))}) FROM numbers(1)", [[1]]),
    "IN of 50,000 pairs": ("SELECT ('a', 'v7') IN (" + ", ".join(f"('a', 'v{i}')" for i in range(50_000)) + ")", [[1]]),
    "a text of a megabyte": (f"SELECT length('{'a' * 1_000_000}')", [[1_000_000]]),
    "comparisons in comparisons": (nested("(", "nullIf(1, 2)", " = nullIf(1, 2))", 60), [[1]]),
    "ten subqueries in IN": ("SELECT 1 WHERE 1 IN (" * 10 + "SELECT 1" + ")" * 10, [[1]]),
    "BETWEEN in BETWEEN": (nested("(", "1", " BETWEEN 1 AND 2)", 100), [[1]]),
}


@pytest.mark.parametrize(("hogql", "rows"), ANSWERED.values(), ids=ANSWERED.keys())
def test_it_is_answered(project: Project, hogql: str, rows: list[list[object]]) -> None:
    assert project.asks(hogql) == rows


TOO_MUCH = {
    "aliases that double": "SELECT 1 AS a0, " + ", ".join(f"a{i} + a{i} AS a{i + 1}" for i in range(40)),
    "100 lambdas": nested("arrayMap(x -> ", "[1]", ", [1])", 80),
    "5,000 branches": " UNION ALL ".join(["SELECT 1"] * 5_000),
}


@pytest.mark.parametrize("hogql", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_clickhouse_refuses_it_and_lives(project: Project, hogql: str) -> None:
    with pytest.raises(StoreError):
        project.asks(hogql)

    assert project.asks("SELECT 1") == [[1]]


@pytest.mark.parametrize("call", ["h3kRing(1, 1000)", "h3kRing(1, number)", "multiFuzzyMatchAny('a', 8, ['(a|b)+'])"])
def test_a_call_that_nothing_could_end_is_refused(project: Project, call: str) -> None:
    with pytest.raises(HogQLError, match="the second argument must be a constant from 0 to"):
        project.compiles(f"SELECT {call} FROM numbers(1)")


def test_an_error_that_quotes_broken_utf8_is_an_error_like_any_other(project: Project) -> None:
    project.sends("é" * 3)

    with pytest.raises(StoreError, match="Cannot parse string"):
        project.asks("SELECT _toInt64(substring(event, 1, 3)) FROM events")

    assert project.asks("SELECT event FROM events") == [["ééé"]]


@pytest.mark.parametrize(
    "text",
    ["'it''s'", r"'a\\b'", r"'tab\there'", "'日本'", "'😀'", "'{v0:String}'", "'%s'", "'\0'", "'`'", "'--'", "'/*'"],
)
def test_a_text_comes_back_as_it_went(project: Project, text: str) -> None:
    expected = text[1:-1].replace("''", "'").replace(r"\\", "\\").replace(r"\t", "\t")

    assert project.asks(f"SELECT {text}, [{text}][1], tuple({text}, 1).1") == [[expected] * 3]


@pytest.mark.parametrize(
    "name", ["{v0:String}", "a`b", 'q"x', "%(x)s", "a\\b", "__hq0", "__hq__hq0", "--", "日本", "c0", "a.b"]
)
def test_a_column_may_be_called_anything(project: Project, name: str) -> None:
    written = name.replace("\\", "\\\\").replace("`", "``")

    assert project.compiles(f"SELECT 1 AS `{written}`").columns == [name]
    assert project.asks(f"SELECT `{written}` + 1 FROM (SELECT 1 AS `{written}`)") == [[2]]
