"""Filling in `{placeholders}` (hogql §8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from hedgerow.hogql import ast
from hedgerow.hogql.errors import NotSupported, QueryError
from hedgerow.hogql.walk import clone, map_children, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

N = TypeVar("N", bound=ast.Node)


def placeholder_name(node: ast.Placeholder) -> str | None:
    """`filters.dateRange.from` of `{filters.dateRange.from}`; None when an expression stands in the braces."""
    chain = node.chain
    return None if chain is None else ".".join(str(part) for part in chain)


def find_placeholders(node: ast.Node) -> list[ast.Placeholder]:
    """Every placeholder of a tree, in the order of the text as far as fields keep it."""
    return [found for found in walk(node) if isinstance(found, ast.Placeholder)]


def as_expr(value: object) -> ast.Expr:
    """A JSON value as an expression: lists become arrays, objects dicts, everything else a constant."""
    if isinstance(value, ast.Expr):
        return value
    if isinstance(value, (list, tuple)):
        return ast.Array([as_expr(item) for item in cast("list[object]", value)])
    if isinstance(value, dict):
        items = cast("dict[str, object]", value).items()
        return ast.Dict([(ast.Constant(key), as_expr(item)) for key, item in items])
    return ast.Constant(value)


def replace_placeholders(node: N, values: Mapping[str, object]) -> N:
    """The tree with each placeholder replaced by its value; the given tree is not written to.

    A value is looked up by the whole name, `variables.x`, and may be a JSON value or a node, which is copied for each
    use. Raises QueryError with the placeholder's position when there is none, NotSupported for an expression in braces.
    """

    def replace(found: ast.Node) -> ast.Node:
        if isinstance(found, ast.Placeholder):
            return _value_of(found, values)
        return map_children(found, replace)

    return cast("N", replace(node))


def _value_of(node: ast.Placeholder, values: Mapping[str, object]) -> ast.Expr:
    name = placeholder_name(node)
    if name is None:
        raise NotSupported("Placeholder expressions are not yet supported", node.start, node.end)
    if name not in values:
        if not values:
            raise QueryError(f"Unresolved placeholder: {{{name}}}", node.start, node.end)
        known = ", ".join(values)
        message = f"Placeholder {{{name}}} is not available in this context. You can use the following: {known}"
        raise QueryError(message, node.start, node.end)
    value = values[name]
    expr = clone(value) if isinstance(value, ast.Expr) else as_expr(value)
    expr.start, expr.end = node.start, node.end
    return expr
