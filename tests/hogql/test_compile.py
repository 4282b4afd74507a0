"""What a compiled query says about itself, and what compiling leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.hogql.project import Schema
from tests.hogql.random_queries import Writer

from hedgerow.hogql import HogQLContext, HogQLError, ast, compile_select, parse_select, print_hogql
from hedgerow.hogql.walk import clone, same

SCHEMA = Schema(1, properties={("event", "amount"): "Numeric", ("person", "age"): "Numeric"}, group_types=["company"])
CONTEXT = HogQLContext(SCHEMA)


def notices(hogql: str) -> list[tuple[str, str]]:
    """Each remark, with the part of the text that it is about."""
    return [(hogql[each.start : each.end], each.message) for each in compile_select(hogql, CONTEXT).notices]


def random_trees(count: int) -> Iterator[tuple[int, ast.SelectQuery | ast.SelectSetQuery]]:
    """Those of the first seeds whose text is HogQL, which most are."""
    parsed = 0
    for seed in range(count):
        with suppress(HogQLError):
            tree = parse_select(Writer(seed).query())
            parsed += 1
            yield seed, tree
    assert parsed > count // 2


def test_a_tree_that_is_given_stays_as_it_is() -> None:
    for _, tree in random_trees(60):
        before = clone(tree)
        try:
            first = compile_select(tree, CONTEXT)
        except HogQLError:
            continue
        assert same(tree, before)
        assert compile_select(tree, CONTEXT) == first


def test_the_same_text_gives_the_same_sql() -> None:
    hogql = "SELECT properties.a, person.properties.b FROM events WHERE event = 'x'"

    assert compile_select(hogql, CONTEXT) == compile_select(hogql, CONTEXT)


def test_hogql_that_is_written_back_means_the_same() -> None:
    for seed, tree in random_trees(150):
        written = print_hogql(tree)
        assert print_hogql(parse_select(written)) == written, f"seed {seed}"


@pytest.mark.parametrize(
    "hogql",
    [
        "SELECT a.b, `a b`, `it``s` FROM events AS `e e`",
        "SELECT x -> x + 1, (x, y) -> y, [1, 2][1], tuple(1).1, a?.[1], a ?? b, [1, 2][1:2]",
        "SELECT CASE WHEN a THEN 1 ELSE 2 END, CASE a WHEN 1 THEN 2 END, a::int, CAST(a AS date), INTERVAL 3 DAY",
        "SELECT sum(x) OVER (PARTITION BY a ORDER BY b DESC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), lag(x) OVER w WINDOW w AS (ORDER BY a)",
        "SELECT a FROM events e LEFT JOIN persons p ON e.a = p.b ARRAY JOIN [1] AS k PREWHERE 1 WHERE 2 GROUP BY a HAVING 3",
        "SELECT a FROM events QUALIFY 1 ORDER BY a ASC NULLS LAST LIMIT 1 OFFSET 2 BY a LIMIT 5 OFFSET 6",
        "WITH a AS (SELECT 1), 2 AS b SELECT DISTINCT b FROM a UNION ALL (SELECT 3 EXCEPT SELECT 4)",
        "SELECT quantile(0.5)(x), count(DISTINCT x), sum(x) FILTER (WHERE y), 'a''b', -1, NULL, true",
        "SELECT a IN COHORT 5, a NOT IN COHORT 'x', a =~ 'x', a !~* 'x', a NOT BETWEEN 1 AND 2, a IS DISTINCT FROM b",
        "SELECT <a href='x' />, {'a': 1}, {x}, COLUMNS('a'), * EXCLUDE (a) FROM numbers(3) AS n SAMPLE 1/2 OFFSET 1/4",
        "SELECT a FROM (SELECT 1) AS t (a) JOIN events FINAL USING a GROUP BY ROLLUP(a)",
    ],
)
def test_every_construct_can_be_written_back(hogql: str) -> None:
    written = print_hogql(parse_select(hogql, {"x": ast.Constant(value=1)}))

    assert print_hogql(parse_select(written)) == written


def test_hogql_is_laid_out_with_a_clause_a_line() -> None:
    query = compile_select(
        "SELECT event, count() FROM events WHERE event = 'a' GROUP BY event", HogQLContext(SCHEMA, page=True)
    )

    assert query.hogql == (
        "SELECT\n    event,\n    count()\nFROM\n    events\nWHERE\n    equals(event, 'a')\nGROUP BY\n    event\n"
        "LIMIT 101\nOFFSET 0"
    )
    assert (query.limit, query.offset) == (100, 0)


def test_it_knows_its_tables() -> None:
    query = compile_select(
        "WITH x AS (SELECT event FROM events) SELECT count() FROM x JOIN persons p ON 1 = 1 WHERE p.pdi.distinct_id = 'a'",
        CONTEXT,
    )

    assert query.table_names == ("events", "persons")
    assert query.tables == {"events", "persons", "person_distinct_ids"}


def test_fields_are_remarked_on_at_their_place() -> None:
    assert notices("SELECT event, properties.amount, properties.plain, person.properties.age FROM events") == [
        ("event", "Field 'event' is of type 'String'"),
        ("properties.amount", "Event property 'amount' is of type 'Float'."),
        ("person.properties.age", "Person property 'age' is of type 'Float'."),
    ]
    assert notices("SELECT e.timestamp FROM persons p JOIN events e ON e.person_id = p.id") == [
        ("e.person_id", "Field 'person_id' is of type 'UUID'"),
        ("p.id", "Field 'id' is of type 'UUID'"),
        ("e.timestamp", "Field 'timestamp' is of type 'DateTime'"),
    ]


@pytest.mark.parametrize(
    ("hogql", "blamed", "message"),
    [
        ("SELECT 1 FROM nothing", "nothing", "Unknown table `nothing`."),
        ("SELECT 1, wat(1) FROM events", "wat(1)", "Unsupported function call 'wat(...)'"),
        ("SELECT 1 WHERE a.b.c = 1", "a.b.c", "Unable to resolve field: a"),
        ("SELECT e.a FROM events e", "e.a", "Field not found: a"),
        ("SELECT group_0 FROM events", "group_0", "Can't select a table when a column is expected: group_0"),
        ("SELECT 1 FROM numbers", "numbers", "Table function 'numbers' requires arguments"),
        ("SELECT 1 FROM numbers(1, 2, 3)", "numbers(1, 2, 3)", "Table function 'numbers' requires at most 2 arguments"),
        ("SELECT 1 FROM events(1)", "events(1)", "Table 'events' does not accept arguments"),
        ("SELECT a FROM events ARRAY JOIN [1]", "[1]", "ARRAY JOIN arrays must have an alias"),
        ("SELECT a::json", "a::json", "Unsupported type cast to 'json'"),
        ("SELECT {x}", "{x}", "Unresolved placeholder: {x}"),
        ("SELECT count() OVER (ORDER BY wat)", "wat", "Unable to resolve field: wat"),
        ("SELECT toInt(1) OVER ()", "toInt(1) OVER ()", "'toInt' is not a window function"),
        ("SELECT quantile(event)(1) FROM events", "quantile(event)(1)", "expects constant parameters"),
        ("SELECT 1 FROM events e JOIN persons p", "persons p", "needs a condition"),
    ],
)
def test_an_error_points_at_its_place(hogql: str, blamed: str, message: str) -> None:
    with pytest.raises(HogQLError) as refused:
        compile_select(hogql, CONTEXT)

    assert message in refused.value.message
    assert hogql[refused.value.start : refused.value.end] == blamed
