"""Filling in placeholders (hogql §8)."""

from __future__ import annotations

import pytest
from tests.hogql.parser.trees import bare

from hedgerow.hogql import ast
from hedgerow.hogql.errors import NotSupported, QueryError
from hedgerow.hogql.parser import parse_expr, parse_order_expr, parse_select
from hedgerow.hogql.placeholders import as_expr, find_placeholders, placeholder_name, replace_placeholders


def test_values_take_the_place_and_the_span() -> None:
    text = "a = {x} and b in {y} and {z}"
    tree = parse_expr(text, {"x": ast.Constant(1), "y": as_expr(["p", None]), "z": parse_expr("c > 2")})
    assert bare(tree) == bare(parse_expr("a = 1 and b in ['p', null] and c > 2"))
    assert isinstance(tree, ast.And)
    assert text[tree.exprs[2].start : tree.exprs[2].end] == "{z}"


def test_a_value_is_copied_for_each_use() -> None:
    value = parse_expr("f(a)")
    tree = parse_expr("{x} + {x}", {"x": value})
    assert isinstance(tree, ast.ArithmeticOperation)
    assert tree.left is not tree.right
    assert tree.left is not value
    assert (value.start, value.end) == (0, 4)


def test_the_given_tree_is_not_written_to() -> None:
    tree = parse_select("select {a.b} from {t}")
    replace_placeholders(tree, {"a.b": 1, "t": parse_select("select 2")})
    assert [placeholder_name(found) for found in find_placeholders(tree)] == ["a.b", "t"]


def test_values_of_every_json_kind() -> None:
    assert bare(as_expr({"a": [1, 2.5, True, None, "x"]})) == bare(parse_expr("{'a': [1, 2.5, true, null, 'x']}"))


def test_placeholders_in_order_expressions() -> None:
    assert bare(parse_order_expr("{x} desc", {"x": ast.Field(["a"])})) == bare(parse_order_expr("a desc"))


def test_without_values_placeholders_stay() -> None:
    assert isinstance(parse_expr("{x}"), ast.Placeholder)


def test_missing_values() -> None:
    with pytest.raises(QueryError, match=r"^Unresolved placeholder: \{x\}$") as caught:
        parse_expr("1 + {x}", {})
    assert (caught.value.start, caught.value.end) == (4, 7)
    with pytest.raises(QueryError) as caught:
        parse_expr("{x.y}", {"a": ast.Constant(1), "b": ast.Constant(2)})
    assert caught.value.message == (
        "Placeholder {x.y} is not available in this context. You can use the following: a, b"
    )
    with pytest.raises(NotSupported, match="Placeholder expressions are not yet supported"):
        parse_expr("{f(1)}", {"x": ast.Constant(1)})
