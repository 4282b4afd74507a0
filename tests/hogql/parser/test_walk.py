"""Walking trees."""

from __future__ import annotations

from typing import Any

from tests.hogql.parser.trees import bare

from hedgerow.hogql import ast
from hedgerow.hogql.parser import parse_expr, parse_select
from hedgerow.hogql.walk import children, clone, map_children, same, transform, walk

_TEXT = (
    "with x as (select 1) select {'a': b}, f(c) over (partition by d) from x array join e as g window w as (order by h)"
)


def test_every_node_is_met_once_parents_first() -> None:
    tree = parse_select(_TEXT)
    met = list(walk(tree))
    assert len({id(node) for node in met}) == len(met)
    assert met[0] is tree
    for node in met:
        assert all(met.index(child) > met.index(node) for child in children(node))
    names = {node.chain[0] for node in met if isinstance(node, ast.Field)}
    assert names == {*"bcdeh", "x"}


def test_clone_shares_nothing() -> None:
    tree = parse_select(_TEXT)
    copy = clone(tree)
    assert same(copy, tree)
    assert not {id(node) for node in walk(copy)} & {id(node) for node in walk(tree)}
    for node in walk(copy):
        if isinstance(node, ast.Field):
            node.chain.append("changed")
    assert bare(tree) == bare(parse_select(_TEXT))
    assert not same(copy, tree)


def test_map_children_gives_the_same_node_when_nothing_changes() -> None:
    tree = parse_select(_TEXT)
    assert map_children(tree, lambda node: node) is tree


def test_transform_leaves_the_given_tree_alone() -> None:
    tree = parse_expr("f(a, [b, {'k': a}])")

    def rename(node: ast.Node) -> ast.Node:
        return ast.Field(["z"]) if isinstance(node, ast.Field) and node.chain == ["a"] else node

    changed = transform(tree, rename)
    assert bare(changed) == bare(parse_expr("f(z, [b, {'k': z}])"))
    assert bare(tree) == bare(parse_expr("f(a, [b, {'k': a}])"))


def test_same_looks_at_kinds_of_constants_and_not_at_spans_or_types() -> None:
    assert same(parse_expr("  a +  1"), parse_expr("a+1"))
    assert not same(ast.Constant(1), ast.Constant(1.0))
    assert not same(ast.Constant(1), ast.Constant(True))
    assert not same(ast.Constant(1), ast.PositionalRef(1))
    assert same(ast.Constant(float("nan")), ast.Constant(float("nan")))
    typed = ast.Field(["a"])
    typed.type = "String"
    assert same(typed, ast.Field(["a"]))
    assert not same(parse_expr("{'a': 1}"), parse_expr("{'a': 2}"))
    assert not same(parse_expr("(* replace (a as b))"), parse_expr("(* replace (a as c))"))
    assert not same(parse_expr("f(a)"), parse_expr("f(a, b)"))


def test_nodes_are_keys() -> None:
    nodes: list[Any] = [ast.Field(["a"]), ast.Field(["a"])]
    known = {node: place for place, node in enumerate(nodes)}
    assert [known[node] for node in nodes] == [0, 1]
