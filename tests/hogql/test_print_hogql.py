"""HogQL that was written back is read as the same tree: nothing that the parser keeps is dropped on the way."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hogql.parser.generator import Texts
from tests.hogql.parser.trees import bare
from tests.hogql.random_queries import Writer

from hedgerow.hogql import ast
from hedgerow.hogql.errors import HogQLError
from hedgerow.hogql.keywords import KEYWORDS
from hedgerow.hogql.parser import parse_expr, parse_tree
from hedgerow.hogql.print_hogql import print_hogql
from hedgerow.hogql.walk import same, transform

_CORPUS = Path(__file__).parent / "parser" / "corpus"
_GOLDEN = Path(__file__).parents[1] / "golden" / "hogql"
_FUZZED = int(os.environ.get("HEDGEROW_FUZZ_EXAMPLES", "2000"))
_OPERATORS = {
    "+": "plus",
    "-": "minus",
    "*": "multiply",
    "/": "divide",
    "%": "modulo",
    "==": "equals",
    "!=": "notEquals",
    "<": "less",
    "<=": "lessOrEquals",
    ">": "greater",
    ">=": "greaterOrEquals",
    "like": "like",
    "not like": "notLike",
    "ilike": "ilike",
    "not ilike": "notILike",
    "in": "in",
    "not in": "notIn",
    "global in": "globalIn",
    "global not in": "globalNotIn",
}


def _as_calls(node: ast.Node) -> ast.Node:
    """The tree with operators as the calls that they are written back as (hogql §3)."""
    match node:
        case ast.ArithmeticOperation():
            return ast.Call(name=_OPERATORS[node.op], args=[node.left, node.right])
        case ast.CompareOperation(is_null_comparison_style=True):
            return ast.Call(name="isNull" if node.op == "==" else "isNotNull", args=[node.left])
        case ast.CompareOperation(op="in cohort" | "not in cohort"):
            return node
        case ast.CompareOperation() if node.op in _OPERATORS:
            return ast.Call(name=_OPERATORS[node.op], args=[node.left, node.right])
        case ast.CompareOperation():
            insensitive = ast.Call(name="concat", args=[ast.Constant(value="(?i)"), node.right])
            found = ast.Call(name="match", args=[node.left, insensitive if node.op.endswith("*") else node.right])
            return ast.Call(name="not", args=[found]) if node.op.startswith("!") else found
        case ast.And() | ast.Or() | ast.Tuple():
            return ast.Call(name=type(node).__name__.lower(), args=node.exprs)
        case ast.Not():
            return ast.Call(name="not", args=[node.expr])
        case _:
            return node


def _read(rule: str, text: str) -> ast.Expr:
    return parse_expr(text) if rule == "expr" else parse_tree(text)


def _check(texts: Iterable[tuple[str, str]]) -> int:
    """How many of the texts could be read; each of them must come back as it was."""
    count = 0
    for rule, text in texts:
        try:
            tree = _read(rule, text)
        except HogQLError:
            continue
        written = print_hogql(tree)
        again = _read("select" if isinstance(tree, ast.SelectQuery | ast.SelectSetQuery) else rule, written)
        wanted, got = transform(tree, _as_calls), transform(again, _as_calls)
        assert same(wanted, got), (text, written, bare(wanted), bare(got))
        count += 1
    return count


def _corpus() -> Iterator[tuple[str, str]]:
    for name, rule in (("contract.txt", "select"), ("selects.txt", "select"), ("expressions.txt", "expr")):
        for line in (_CORPUS / name).read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("## "):
                yield rule, line


def _generated(seed: int, count: int) -> Iterator[tuple[str, str]]:
    stream = Texts(seed)
    for _ in range(count):
        yield stream.next()


def test_the_corpus_is_written_back_as_it_was() -> None:
    assert _check(_corpus()) > 700


def test_generated_texts_are_written_back_as_they_were() -> None:
    assert _check(_generated(61, 2_000)) > 1_000


def test_random_queries_over_real_tables_are_written_back_as_they_were() -> None:
    assert _check(("select", Writer(seed).query()) for seed in range(500)) > 400


def test_the_golden_queries_are_written_back_as_they_were() -> None:
    texts = re.findall(r"^hogql> (.*)$", "\n".join(map(Path.read_text, _GOLDEN.glob("*.txt"))), re.MULTILINE)
    assert _check(("select", text) for text in texts) > 150


@pytest.mark.fuzz
def test_many_generated_texts_are_written_back_as_they_were() -> None:
    for seed in range(_FUZZED // 1_000):
        assert _check(_generated(80_000 + seed, 1_000)) > 500


@pytest.mark.parametrize("word", [*sorted(KEYWORDS), "TRUE", "false", "a b", "x`y", "ä", "1a", "\\", "team_id", "*"])
def test_any_name_is_written_back_as_a_name(word: str) -> None:
    name = word.lower()
    field, call = ast.Field(chain=[name, "b"]), ast.Call(name=name, args=[ast.Field(chain=["a"])])
    if name == "*":
        return
    column: ast.Expr = ast.Field(chain=[name])
    query = ast.SelectQuery(
        select=[column, ast.Alias(alias=name, expr=ast.Call(name="f", args=[column, field]))],
        ctes=[ast.CTE(name=name, expr=ast.SelectQuery(select=[column]), cte_type="subquery", columns=[name])],
        select_from=ast.JoinExpr(table=ast.Field(chain=[name]), alias=name),
        where=ast.ArrayAccess(array=column, property=call),
        group_by=[column],
        order_by=[ast.OrderExpr(expr=column)],
    )
    again = transform(parse_tree(print_hogql(query)), _as_calls)
    assert same(transform(query, _as_calls), again), (print_hogql(query), bare(again))


@pytest.mark.parametrize(
    "text",
    [
        "select sum(a) filter (where b) over (order by c desc nulls first rows between 1 preceding and current row)",
        "select a order by a desc nulls last with fill from 1 to 2 step 3 interpolate (b as c + 1, d)",
        "select a from t group by rollup(a, b)",
        "select a from t group by a, b with cube",
        "select a from t group by grouping sets ((a), (a, b), ())",
        "select a from t group by all",
        "(select 1 limit 5) union all (select 2 limit 1) order by a desc nulls first limit 3 offset 2",
        "((select 1 union all select 2) limit 1) except (select 3) offset 1",
        "select a from ((select 1) intersect (select 2) order by 1 limit 4 with ties)",
        "with recursive a (b) using key (b) as not materialized (select 1), c as materialized (select 2) select 3",
        "select a from (values (1, 'x'), (2, 'y')) as v (a, b)",
        "select a from t pivot (sum(x) for y in (1, 2) z in (3) group by b) as p join u unpivot (c for d in (e, f)) on 1",
        "select (* exclude (a, b.c) replace (a + 1 as b)), t.* exclude (a), columns('^a'), *columns(a, b)",
        "select a from t asof semi right join u on t.a >= u.a",
        "select (f)(a), f(1)((select 2)), quantile(0.5) within group (order by a desc)",
        "select (a as b) between 1 and 2, (x -> x)[1], (a is distinct from b) is not distinct from c, f(a, (x -> x))",
    ],
)
def test_what_was_asked_for_is_written_back(text: str) -> None:
    assert _check([("select", text)]) == 1


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("SELECT 1 FROM events FORMAT CSV", "FORMAT", "FORMAT is not supported"),
        ("SELECT 1 FROM events e FORMAT CSV", "FORMAT", "FORMAT is not supported"),
        ("SELECT 1 FROM (SELECT 1) AS e FORMAT JSONEachRow", "FORMAT", "FORMAT is not supported"),
        ("SELECT 1 FROM events WHERE 1 FORMAT CSV", "FORMAT", "mismatched input 'FORMAT' expecting <EOF>"),
        ("SELECT 1 FROM events INTO OUTFILE 'x'", "OUTFILE", "A table has one alias"),
        ("SELECT 1 FROM events a b", "b", "A table has one alias"),
        ("SELECT 1 FROM events GROUP BY ALL WITH ROLLUP", "WITH ROLLUP", "WITH ROLLUP needs a plain list in GROUP BY"),
        ("SELECT 1 FROM events WITH CUBE", "WITH CUBE", "WITH CUBE needs a plain list in GROUP BY"),
        (
            "(SELECT 1 AS a) UNION ALL (SELECT 2) ORDER BY a INTERPOLATE (a)",
            "ORDER BY a INTERPOLATE (a)",
            "INTERPOLATE behind a set of queries is not supported",
        ),
        (
            "SELECT quantile(0.5)(DISTINCT a) OVER () FROM events",
            "quantile(0.5)(DISTINCT a)",
            "DISTINCT is not supported in 'quantile(…) OVER'",
        ),
    ],
)
def test_what_would_be_dropped_is_refused_with_its_place(text: str, at: str, message: str) -> None:
    with pytest.raises(HogQLError) as refused:
        parse_tree(text)
    assert (refused.value.message, refused.value.start) == (message, text.index(at))


def test_format_alone_is_an_alias() -> None:
    query = parse_tree("SELECT format.event FROM events format")
    assert isinstance(query, ast.SelectQuery)
    assert query.select_from is not None
    assert query.select_from.alias == "format"


@given(
    st.text(max_size=40), st.text(max_size=40) | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
)
@settings(max_examples=2_000 if os.environ.get("HEDGEROW_TEST_TIER") == "all" else 300, deadline=None)
def test_no_name_and_no_value_says_anything_else(name: str, value: object) -> None:
    """What a client sends as a key or a value of a filter is written into a text: it must stay a name and a value."""
    field = ast.Field(chain=["properties", name])
    condition = ast.CompareOperation(left=field, right=ast.Constant(value=value), op="==")
    again = parse_expr(print_hogql(condition))
    assert same(transform(again, _as_calls), transform(condition, _as_calls)), print_hogql(condition)
