"""What the parser says, and where."""

from __future__ import annotations

import pickle

import pytest

from hedgerow.hogql.errors import HogQLError, NotSupported, QueryError, SyntaxError_
from hedgerow.hogql.parser import parse_expr, parse_order_expr, parse_select

_START = "{SELECT, WITH, '{', '(', '<'}"


@pytest.mark.parametrize(
    ("text", "message", "start"),
    [
        ("selec event from events", f"mismatched input 'selec' expecting {_START}", 0),
        ("", "Empty query", 0),
        ("  -- nothing\n", "Empty query", 0),
        ("drop table events", f"mismatched input 'drop' expecting {_START}", 0),
        ("select 1; select 2", "mismatched input 'select' expecting <EOF>", 10),
        ("select 1 format JSON", "extraneous input 'JSON' expecting <EOF>", 16),
        ("select 1 from t where", "mismatched input '<EOF>' expecting an expression", 21),
        ("select (1", "mismatched input '<EOF>' expecting ')'", 9),
        ("select f(1, 2", "mismatched input '<EOF>' expecting ')'", 13),
        ("select 1 from t group a", "mismatched input 'a' expecting BY", 22),
        ("select a ! b", "Unexpected character '!' (U+0021)", 9),
        ("select é", "Unexpected character U+00E9", 7),
        ("select 'abc", "A quote is not closed: '", 7),
        ("select 1 /* c", "A comment is not closed", 9),
        ("select a }", "Unmatched curly bracket", 9),
        ("select case when a then b", "mismatched input '<EOF>' expecting END", 25),
        ("select from events", 'Cannot use "from" before an implicit alias', 7),
        ("select 1 as team_id", '"team_id" cannot be an alias or identifier, as it\'s a reserved keyword', 12),
        ("select a from t array join b", "ARRAY JOIN arrays must have an alias", 27),
        ("select array join b as c", "mismatched input 'join' expecting <EOF>", 13),
        ("<A>x</B>", "Opening and closing HogQLX tags must match. Got A and B", 0),
        ("select a from t left left join u", "There is no LEFT LEFT JOIN", 16),
        ("select 0b12", "Malformed number 0b12", 7),
        ("select 0o17", "Octal numbers such as 0o17 are not supported: write a decimal number", 7),
    ],
)
def test_syntax_errors(text: str, message: str, start: int) -> None:
    with pytest.raises(SyntaxError_) as caught:
        parse_select(text)
    assert (caught.value.message, caught.value.start) == (message, start)
    assert caught.value.end is not None
    assert start <= caught.value.end <= len(text)


@pytest.mark.parametrize(
    ("text", "message", "start"),
    [
        ("select 1 settings a = 1", "Unsupported: SelectStmt.settingsClause()", 9),
        ("select top 3 a", "Unsupported: SelectStmt.topClause()", 0),
        ("select a from t where 1 sample 1", "Unsupported: SelectStmt.sampleClause()", 24),
        ("select date '2020-01-01'", "Unsupported rule: ColumnExprDate", 7),
        ("select timestamp '2020'", "Unsupported rule: ColumnExprTimestamp", 7),
        ("select substring(a from 1)", "Unsupported rule: ColumnExprSubstring", 7),
        ("select interval '1 dog'", "Unsupported interval unit: dog", 7),
        ("select interval 'day'", "Unsupported interval type: must be in the format '<count> <unit>'", 7),
        ("select interval '1.5 day'", "Unsupported interval count: '1.5' is not a valid integer", 7),
        ("(select 1 limit 2) order by a", "ORDER BY behind a query that has ORDER BY or LIMIT is not supported", 19),
    ],
)
def test_what_is_known_and_refused(text: str, message: str, start: int) -> None:
    with pytest.raises(NotSupported) as caught:
        parse_select(text)
    assert (caught.value.message, caught.value.start) == (message, start)


def test_an_expression_ends_where_it_ends() -> None:
    with pytest.raises(SyntaxError_, match="extraneous input 'b' expecting <EOF>") as caught:
        parse_expr("a b")
    assert (caught.value.start, caught.value.end) == (2, 3)
    with pytest.raises(SyntaxError_, match="mismatched input ',' expecting <EOF>"):
        parse_order_expr("a desc, b")


def test_a_tag_is_not_a_query() -> None:
    with pytest.raises(QueryError, match="A query is wanted here"):
        parse_select("<Sparkline data={[1]} />")


def test_errors_cross_processes() -> None:
    error = pickle.loads(pickle.dumps(SyntaxError_("no", 3, 5)))
    assert (type(error), error.message, error.start, error.end) == (SyntaxError_, "no", 3, 5)
    assert str(error) == "no"
    assert isinstance(error, HogQLError)
