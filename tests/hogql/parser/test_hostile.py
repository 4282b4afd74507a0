"""Texts that were made to hurt: each is answered, or refused with a position, and the process lives."""

from __future__ import annotations

import bisect
import os
import threading

import pytest

from hedgerow.hogql import ast
from hedgerow.hogql.errors import HogQLError
from hedgerow.hogql.parser import MAX_DEPTH, parse_expr, parse_select
from hedgerow.hogql.walk import children, clone, same, transform, walk

_MEGABYTE = 1_000_000

#: Floods of single signs and words: a megabyte of each where time allows.
_FLOOD = _MEGABYTE if os.environ.get("HEDGEROW_TEST_TIER") == "all" else _MEGABYTE // 10

ANSWERED = {
    "16 nested if": "select " + "if(" * 16 + "1" + ", 2, 3)" * 16,
    "100 nested if": "select " + "if(" * 100 + "1" + ", 2, 3)" * 100,
    "100 parentheses": "select " + "(" * 100 + "1" + ")" * 100,
    "a sum of 200": "select " + " + ".join(["x"] * 200),
    "50,000 AND": "select 1 where " + " and ".join(["x = 1"] * 50_000),
    "50,000 ||": "select " + " || ".join(["x"] * 50_000),
    "IN of 50,000": f"select 1 where x in ({', '.join(map(str, range(50_000)))})",
    "50,000 columns": "select " + ", ".join(["x"] * 50_000),
    "50,000 queries": " union all ".join(["select 1"] * 50_000),
    "50,000 branches": "select case " + "when a then b " * 50_000 + "end",
    "a name of 50,000 parts": "select a" + ".a" * 50_000,
    "a megabyte of spaces": "select 1" + " " * _MEGABYTE,
    "a megabyte of comments": "select 1" + " /* */" * (_MEGABYTE // 6),
    "a megabyte of quotes": "select " + "'" * _MEGABYTE,
}

REFUSED = {
    "a megabyte of parentheses": "(" * _MEGABYTE,
    "1,000 parentheses": "select " + "(" * 1_000 + "1" + ")" * 1_000,
    "1,000 nested if": "select " + "if(" * 1_000 + "1" + ", 2, 3)" * 1_000,
    "a sum of 50,000": "select " + " + ".join(["x"] * 50_000),
    "50,000 joins": "select 1 from a" + " join a on 1" * 50_000,
    "an odd megabyte of quotes": "select " + "'" * (_MEGABYTE + 1),
    "a megabyte of digits": "select " + "1" * _MEGABYTE,
    **{
        f"a flood of {sign!r}": (sign * (_FLOOD // len(sign) + 1))[:_FLOOD]
        for sign in ("(", "[", "{", "a ", "a", ",", "<a>", "f'{", "/*", "`", '"', "\\", "😀", "- ", "#")
    },
    **{
        f"a flood of {word!r}": "select " + word * (_FLOOD // len(word))
        for word in (
            *("not ", "case ", "case when ", "interval ", "interval(", "cast(", "cast(x as ", "f(", "a[", "a ? "),
            *("x -> ", "lambda x:", "a between ", "x.1", "(x, y) -> ", "with x as (", "from (", "columns(", "<a b={"),
            *("a::", "a as b ", "{'a': ", "extract(year from ", "trim(both 'x' from ", "exists(select "),
        )
    },
}


@pytest.mark.parametrize("name", ANSWERED)
def test_answered(name: str) -> None:
    query = parse_select(ANSWERED[name])
    assert isinstance(query, (ast.SelectQuery, ast.SelectSetQuery))


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_position(name: str) -> None:
    text = REFUSED[name]
    with pytest.raises(HogQLError) as caught:
        parse_select(text)
    assert caught.value.start is not None
    assert caught.value.end is not None
    assert 0 <= caught.value.start <= caught.value.end <= len(text)
    assert len(caught.value.message) < 200


def _deepest_that_is_read(grow: str) -> str:
    """The text with as many levels as the parser takes; `grow` has a hole for what is inside."""
    before, after = grow.split("_")

    def grown(levels: int) -> str:
        return before * levels + "1" + after * levels

    def is_too_deep(levels: int) -> bool:
        try:
            parse_expr(grown(levels))
        except HogQLError:
            return True
        return False

    return grown(bisect.bisect_left(range(MAX_DEPTH + 1), 1, key=is_too_deep) - 1)


@pytest.mark.parametrize(
    "grow",
    ["f(_)", "(_ + 1)", "[_]", "if(_, 2, 3)", "(select _)", "case when _ then 1 end", "-(_)", "{'k': _}", "<a b={_}/>",
     "(select a from (select _))", "a[_]", "cast(_ as int)", "x -> (_)", "_ + 1", "_ = 1", "_.1", "f'a{_}'"],
)  # fmt: skip
def test_what_is_read_can_be_walked(grow: str) -> None:
    """The deepest tree that the parser returns is no trouble for passes that recurse, in a thread either."""
    text = _deepest_that_is_read(grow)
    assert len(text) > MAX_DEPTH / 5
    trouble: list[BaseException] = []

    def use() -> None:
        try:
            tree = parse_expr(text)
            assert same(clone(tree), tree)
            assert same(transform(tree, lambda node: node), tree)
            assert _depth(tree) <= MAX_DEPTH
            assert len(repr(tree)) > len(text)
        except BaseException as error:  # noqa: BLE001 -- shown by the thread that waits
            trouble.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert not trouble


def _depth(tree: ast.Node) -> int:
    level, depth = [tree], 0
    while level:
        depth += 1
        level = [child for node in level for child in children(node)]
    return depth


def test_walking_is_complete() -> None:
    tree = parse_select(ANSWERED["50,000 columns"])
    assert sum(1 for _ in walk(tree)) == 50_001
