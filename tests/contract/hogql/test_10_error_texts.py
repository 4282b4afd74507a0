"""hogql §10, error texts: the detail, word for word, and the place in the text, over HTTP."""

from __future__ import annotations

import pytest
from tests.contract.hogql.conftest import Shop

pytestmark = pytest.mark.stores

_TWO = "events AS a JOIN events AS b ON a.uuid = b.uuid"
_LOOP = "WITH " + ", ".join(
    [
        "c0 AS (SELECT 1 AS a)",
        *(f"c{n} AS (SELECT a FROM c{n - 1} UNION ALL SELECT a FROM c{n - 1})" for n in range(1, 8)),
    ]
)

UNKNOWN = [
    ("SELECT 1 FROM foo", "foo", "Unknown table `foo`."),
    ("SELECT 1 FROM foo.bar", "foo.bar", "Unknown table `foo.bar`."),
    ("SELECT 1 FROM Events", "Events", "Unknown table `Events`."),
    ("SELECT 1 FROM system.tables", "system.tables", "Unknown table `system.tables`."),
    ("SELECT 1 FROM file('/etc/passwd')", "file", "Unknown table `file`."),
    ("SELECT foo FROM events", "foo", "Unable to resolve field: foo"),
    ("SELECT chipotle.the.cloud FROM events", "chipotle.the.cloud", "Unable to resolve field: chipotle"),
    (
        "SELECT min_timestamp FROM events",
        "min_timestamp",
        "Unable to resolve field: min_timestamp. Did you mean: timestamp?",
    ),
    ("SELECT Event FROM events", "Event", "Unable to resolve field: Event. Did you mean: event?"),
    ("SELECT 1 AS total ORDER BY totl", "totl", "Unable to resolve field: totl. Did you mean: total?"),
    (
        "SELECT nam FROM (SELECT event AS name FROM events)",
        "nam",
        "Unable to resolve field: nam. Did you mean: name?",
    ),
    ("SELECT evnts.event FROM events", "evnts.event", "Unable to resolve field: evnts. Did you mean: events?"),
    ("SELECT (SELECT e.event) FROM events AS e", "e.event", "Unable to resolve field: e"),
]
BEHIND = [
    ("SELECT event.b FROM events", "event.b", "Cannot resolve type event.b. Unable to resolve b."),
    ("SELECT person_id.b FROM events", "person_id.b", "Cannot resolve type person_id.b. Unable to resolve b."),
    ("SELECT a.b FROM (SELECT 1 AS a)", "a.b", "Cannot resolve type a.b. Unable to resolve b."),
    ("SELECT person.chipotle FROM events", "person.chipotle", "Field not found: chipotle"),
    ("SELECT e.chipotle FROM events AS e", "e.chipotle", "Field not found: chipotle"),
    ("SELECT pdi.person.chipotle FROM events", "pdi.person.chipotle", "Field not found: chipotle"),
    ("SELECT poe.chipotle FROM events", "poe.chipotle", "Field not found: chipotle"),
    ("SELECT session.chipotle FROM events", "session.chipotle", "Field not found: chipotle"),
    ("SELECT company.chipotle FROM events", "company.chipotle", "Field not found: chipotle"),
    ("SELECT a.x FROM (SELECT event FROM events) AS a", "a.x", "Field x not found on query with alias a"),
]
TABLES_AND_STARS = [
    ("SELECT person FROM events", "person", "Can't select a table when a column is expected: person"),
    ("SELECT pdi FROM events", "pdi", "Can't select a table when a column is expected: pdi"),
    ("SELECT group_0 FROM events", "group_0", "Can't select a table when a column is expected: group_0"),
    (f"SELECT event FROM {_TWO}", "event", "Ambiguous query. Found multiple sources for field: event"),
    ("SELECT *", "*", "Cannot use '*' when there are no tables in the query"),
    (f"SELECT * FROM {_TWO}", "*", "Cannot use '*' without table name when there are multiple tables in the query"),
    (
        "SELECT 1 FROM events AS x JOIN persons AS x ON 1",
        "persons AS x",
        'Already have joined a table called "x". Can\'t join another one with the same name.',
    ),
    (
        "SELECT 1 FROM events CROSS JOIN events",
        "events",
        'Already have joined a table called "events". Can\'t join another one with the same name.',
    ),
]
FUNCTIONS = [
    ("SELECT hamburger(event) FROM events", "hamburger(event)", "Unsupported function call 'hamburger(...)'"),
    ("SELECT coun()", "coun()", "Unsupported function call 'coun(...)'. Perhaps you meant 'count(...)'?"),
    (
        "SELECT noway(event) FROM events",
        "noway(event)",
        "Unsupported function call 'noway(...)'. Perhaps you meant 'now(...)'?",
    ),
    (
        "SELECT tostring(event) FROM events",
        "tostring(event)",
        "Unsupported function call 'tostring(...)'. Perhaps you meant 'toString(...)'?",
    ),
    ("SELECT TOSTRING(1)", "TOSTRING(1)", "Unsupported function call 'TOSTRING(...)'"),
    ("SELECT toInt(1, 2)", "toInt(1, 2)", "Function 'toInt' expects 1 argument, found 2"),
    ("SELECT substring('a', 1)", "substring('a', 1)", "Function 'substring' expects 3 arguments, found 2"),
    ("SELECT concat('a')", "concat('a')", "Function 'concat' expects at least 2 arguments, found 1"),
    ("SELECT range(1, 2, 3, 4)", "range(1, 2, 3, 4)", "Function 'range' expects at most 3 arguments, found 4"),
    ("SELECT sparkline()", "sparkline()", "Function 'sparkline' expects 1 argument, found 0"),
    ("SELECT count(1, 2)", "count(1, 2)", "Aggregation 'count' expects at most 1 argument, found 2"),
    (
        "SELECT quantile(event) FROM events",
        "quantile(event)",
        "Aggregation 'quantile' requires parameters in addition to arguments",
    ),
    ("SELECT topK()(event) FROM events", "topK()(event)", "Aggregation 'topK' expects 1 parameter, found 0"),
    ("SELECT quantile(0.5, 2)(1)", "quantile(0.5, 2)(1)", "Aggregation 'quantile' expects 1 parameter, found 2"),
    ("SELECT equals(1)", "equals(1)", "Comparison 'equals' requires exactly two arguments"),
    ("SELECT less(1, 2, 3)", "less(1, 2, 3)", "Comparison 'less' requires exactly two arguments"),
    ("SELECT count(sum(1))", "sum(1)", "Aggregation 'sum' cannot be nested inside another aggregation 'count'."),
    ("SELECT avg(1 + avg(2))", "avg(2)", "Aggregation 'avg' cannot be nested inside another aggregation 'avg'."),
    (
        "SELECT arrayReduce('foo', [1])",
        "'foo'",
        "Invalid parametric function in 'arrayReduce', 'foo' is not supported.",
    ),
    (
        "SELECT arrayReduce(event, [1]) FROM events",
        "event",
        "Expected constant string as first arg in function 'arrayReduce', got Field",
    ),
    (
        "SELECT arrayReduce(1, [1])",
        "1",
        "Expected constant string as first arg in function 'arrayReduce', got IntegerType '1'",
    ),
    ("SELECT [1][0]", "[1][0]", "SQL indexes start from one, not from zero. E.g: array[1]"),
    (
        "SELECT properties.id.0 FROM events",
        "properties.id.0",
        "SQL indexes start from one, not from zero. E.g: array.1",
    ),
]
SOURCES = [
    ("SELECT 1 FROM numbers", "numbers", "Table function 'numbers' requires arguments"),
    ("SELECT 1 FROM numbers()", "numbers()", "Table function 'numbers' requires at least 1 argument"),
    ("SELECT 1 FROM numbers(1, 2, 3)", "numbers(1, 2, 3)", "Table function 'numbers' requires at most 2 arguments"),
    ("SELECT 1 FROM events(1)", "events(1)", "Table 'events' does not accept arguments"),
    (
        "WITH x AS (SELECT event FROM events) SELECT x.event FROM events",
        "x.event",
        "Cannot access fields on CTE x yet",
    ),
    ("WITH properties AS x SELECT x.$browser FROM events", "x.$browser", "Cannot access fields on CTE x yet"),
    (
        "WITH x AS (SELECT event FROM events) SELECT x FROM events",
        "x",
        "Cannot use table CTE x as a value. Use it in a FROM clause instead.",
    ),
    ("WITH x AS (SELECT * FROM x) SELECT * FROM x", "x", "Unknown table `x`."),
    (f"{_LOOP} SELECT a FROM c7", "c3", "Too many CTE expansions (50+). Probably a CTE loop."),
    (
        "SELECT 1 FROM <a />",
        "<a />",
        "Only selecting from a table or a subquery is supported. Unexpected type: HogQLXTag",
    ),
    (
        "SELECT 1 FROM events CROSS JOIN <a />",
        "<a />",
        "JoinExpr with table of type HogQLXTag not supported",
    ),
    ("SELECT a FROM events ARRAY JOIN [1]", "[1]", "ARRAY JOIN arrays must have an alias"),
    # PostHog's parser says so before its resolver could.
    ("SELECT a ARRAY JOIN [1] AS a", "ARRAY JOIN [1] AS a", "Using ARRAY JOIN without a FROM clause is not permitted"),
]
ALIASES = [
    ("SELECT 1 AS a, 2 AS a", "2 AS a", "Cannot redefine an alias with the name: a"),
    ("SELECT 1 AS ``", "1 AS ``", "Alias cannot be empty"),
    *(
        (f"SELECT 1 AS {name}", name, f'"{name}" cannot be an alias or identifier, as it\'s a reserved keyword')
        for name in ("team_id", "true", "FALSE")
    ),
]
ACTIONS_AND_COHORTS = [
    ("SELECT 1 FROM events WHERE matchesAction(5)", "matchesAction(5)", "Could not find action with ID 5"),
    ("SELECT 1 FROM events WHERE matchesAction('x')", "matchesAction('x')", "Could not find action with name 'x'"),
    (
        "SELECT 1 FROM events WHERE matchesAction('two')",
        "matchesAction('two')",
        "Found multiple actions with name 'two'",
    ),
    (
        "SELECT 1 FROM events WHERE matchesAction(event)",
        "matchesAction(event)",
        "action() takes exactly one string or integer argument",
    ),
    ("SELECT 1 FROM events WHERE person_id IN COHORT event", "event", "IN COHORT only works with constant arguments"),
    (
        "SELECT 1 FROM events WHERE person_id IN COHORT 1.5",
        "1.5",
        "cohort() takes exactly one string or integer argument",
    ),
    ("SELECT 1 FROM events WHERE person_id IN COHORT 'x'", "'x'", "Could not find a cohort with the name 'x'"),
    ("SELECT 1 FROM events WHERE person_id IN COHORT 99", "99", "Could not find cohort with ID 99"),
    ("SELECT 1 FROM events WHERE person_id IN COHORT 'two'", "'two'", "Found multiple cohorts with name 'two'"),
]
GRAMMAR = [
    ("", "", "Empty query"),
    (
        "selec 1",
        "selec 1",
        "mismatched input 'selec' expecting {SELECT, WITH, '{', '(', '<'}",
    ),
    ("SELECT 1; SELECT 2", "SELECT 2", "mismatched input 'SELECT' expecting <EOF>"),
    ("SELECT 1 SETTINGS max_threads = 1", "SETTINGS", "Unsupported: SelectStmt.settingsClause()"),
    ("SELECT DATE '2026-01-05'", "DATE '2026-01-05'", "Unsupported rule: ColumnExprDate"),
]


@pytest.mark.parametrize(
    ("text", "place", "detail"),
    [
        *UNKNOWN,
        *BEHIND,
        *TABLES_AND_STARS,
        *FUNCTIONS,
        *SOURCES,
        *ALIASES,
        *ACTIONS_AND_COHORTS,
        *GRAMMAR,
    ],
)
async def test_the_text_and_its_place(shop: Shop, text: str, place: str | None, detail: str) -> None:
    assert await shop.refusal(text) == (detail, place)


async def test_a_name_may_hold_a_percent_sign(shop: Shop) -> None:
    """Values and names never meet a format string here: PostHog refuses the name."""
    answer = await shop.answer("SELECT '100 %' AS `a%b`")
    assert (answer.columns, answer.rows) == (["a%b"], [["100 %"]])


async def test_offset_may_be_used_with_a_personal_key(shop: Shop) -> None:
    assert (await shop.answer("SELECT number FROM numbers(9) ORDER BY number LIMIT 2 OFFSET 5")).rows == [[5], [6]]


async def test_an_error_is_the_same_the_second_time(shop: Shop) -> None:
    text = "SELECT nothing FROM events"
    assert await shop.refusal(text) == await shop.refusal(text) == ("Unable to resolve field: nothing", "nothing")
