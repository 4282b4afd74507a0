"""From the lists of texts of a row kind to one SELECT (queries §4): columns, conditions, order, page.

A kind has special columns, which are no HogQL: `*`, `person`. Each has an expression that is read in its place, and the
kind makes a value of it afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeVar, cast

import msgspec

from hedgerow.hogql import QueryError, ast, parse_expr, parse_order_expr, print_hogql
from hedgerow.hogql.functions import find
from hedgerow.hogql.walk import children, map_children

LIMIT_DEFAULT: Final = 100
COLUMNS_MAX: Final = 200
Limit = Annotated[int, msgspec.Meta(ge=1)]
Offset = Annotated[int, msgspec.Meta(ge=0)]
N = TypeVar("N", bound=ast.Node)
_COMMENT: Final = "--"
_COUNT: Final = "count()"


class Selected(msgspec.Struct):
    """One column: the text that is echoed, what is read, and the special column's name if it is one."""

    text: str
    expr: ast.Expr
    special: str | None
    is_aggregate: bool


def selected(texts: Sequence[str], specials: Mapping[str, ast.Expr]) -> list[Selected]:
    """The columns of `select`. Raises HogQLError. `expr -- Comment` names a column for people."""
    columns: list[Selected] = []
    for text in texts[:COLUMNS_MAX]:
        name = text.partition(_COMMENT)[0].strip()
        special = name if name in specials else None
        expr = specials[name] if special else _replaced(parse_expr(text), specials)
        if isinstance(expr, ast.ColumnsExpr) or (isinstance(expr, ast.Field) and expr.chain[-1] == "*"):
            raise QueryError(f"`{text[:100]}` stands for several columns. Name them one by one.")
        columns.append(Selected(text, expr, special, has_aggregate(expr)))
    return columns


def conditions(texts: Sequence[str], specials: Mapping[str, ast.Expr]) -> list[ast.Expr]:
    """The conditions of `where`. Raises HogQLError."""
    return [_replaced(parse_expr(text), specials) for text in texts]


def has_aggregate(node: ast.Node) -> bool:
    """Whether an aggregate stands in the expression itself: not in a window, not in a query inside of it."""
    if isinstance(node, ast.SelectQuery | ast.SelectSetQuery | ast.WindowFunction):
        return False
    if isinstance(node, ast.Call):
        function = find(node.name)
        if function is not None and function.kind == "aggregate":
            return True
    return any(has_aggregate(child) for child in children(node))


def ordered(
    order_by: Sequence[str] | None, columns: Sequence[Selected], specials: Mapping[str, ast.Expr], moment: str
) -> list[ast.OrderExpr]:
    """The keys of `orderBy`; without any: `count()`, else the first aggregate, else `moment` if it is selected, each
    descending; else the first column, ascending. Raises HogQLError.
    """
    if order_by:
        return [_replaced(parse_order_expr(text), specials) for text in order_by]
    counts = next((each for each in columns if print_hogql(each.expr) == _COUNT), None)
    descending = counts or next((each for each in columns if each.is_aggregate), None)
    if descending is None:
        descending = next((each for each in columns if is_field(each.expr, moment)), None)
    if descending is not None:
        return [ast.OrderExpr(expr=descending.expr, order="DESC")]
    if not columns:
        return []
    first = columns[0].expr
    if columns[0].special and isinstance(first, ast.Tuple):  # the tuple's order is that of its first, a key
        first = first.exprs[0]
    return [ast.OrderExpr(expr=first, order="ASC")]


def select_of(
    table: str,
    columns: Sequence[Selected],
    where: Sequence[ast.Expr],
    order_by: list[ast.OrderExpr],
    *,
    limit: int,
    offset: int,
) -> ast.SelectQuery:
    """The SELECT: with an aggregate among the columns, the others are the groups; one row more than `limit` is read."""
    is_aggregated = any(each.is_aggregate for each in columns)
    having = [each for each in where if has_aggregate(each)]
    plain = [each for each in where if not has_aggregate(each)]
    groups = [_bare(each.expr) for each in columns if not each.is_aggregate] if is_aggregated else []
    return ast.SelectQuery(
        select=[each.expr for each in columns],
        select_from=ast.JoinExpr(table=ast.Field(chain=[table])),
        where=joined(plain),
        group_by=groups or None,
        having=joined(having),
        order_by=order_by or None,
        limit=ast.Constant(value=limit + 1),
        offset=ast.Constant(value=offset),
    )


def joined(parts: Sequence[ast.Expr]) -> ast.Expr | None:
    """All of the conditions as one; None for none."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return ast.And(exprs=list(parts))


def _bare(expr: ast.Expr) -> ast.Expr:
    return expr.expr if isinstance(expr, ast.Alias) else expr


def is_field(expr: ast.Expr, name: str) -> bool:
    """Whether the expression is the column of that name."""
    return isinstance(expr, ast.Field) and expr.chain == [name]


def _replaced(node: N, specials: Mapping[str, ast.Expr]) -> N:
    """The tree with what a special column stands for in its place."""

    def visit(child: ast.Node) -> ast.Node:
        if isinstance(child, ast.Field) and len(child.chain) == 1 and child.chain[0] in specials:
            return specials[str(child.chain[0])]
        if isinstance(child, ast.SelectQuery | ast.SelectSetQuery):
            return child
        return map_children(child, visit)

    return cast("N", visit(node))
