"""How many rows a query may give (hogql §1): the implicit limit and the highest one.

no LIMIT at the top           LIMIT 100 on it, or on every branch of a set; one row more when it is read by pages
ORDER BY of a whole set       the implicit limit is the set's: the first hundred of its order
LIMIT above 50,000            silently 50,000, in every SELECT
LIMIT that is no constant     min2(50000, it)
"""

from __future__ import annotations

from typing import Any, TypeVar

from hedgerow.hogql import ast
from hedgerow.hogql.context import HogQLContext
from hedgerow.hogql.walk import map_children, shallow

Q = TypeVar("Q", ast.SelectQuery, ast.SelectSetQuery)
Query = ast.SelectQuery | ast.SelectSetQuery


def limited(query: Query, context: HogQLContext) -> tuple[Query, int | None, int | None]:
    """The query with its limits, and limit and offset of the page when it is read by pages."""
    if context.max_limit is not None:
        query = _lowered(query, context.max_limit)
    if context.limit_top is None:
        return query, None, None
    if isinstance(query, ast.SelectQuery) and query.limit is None and context.page:
        paged = shallow(query)
        paged.limit = ast.Constant(value=context.limit_top + 1)
        paged.offset = query.offset or ast.Constant(value=context.offset)
        return paged, context.limit_top, context.offset
    return _with_implicit(query, context.limit_top), None, None


def _with_implicit(query: Any, limit: int) -> Any:
    if isinstance(query, ast.SelectSetQuery):
        if query.limit is not None:
            return query
        changed = shallow(query)
        if query.order_by is not None or query.offset is not None:  # the whole set is sorted, then cut
            changed.limit = ast.Constant(value=limit)
            return changed
        changed.initial_select_query = _with_implicit(query.initial_select_query, limit)
        changed.subsequent_select_queries = [
            ast.SelectSetNode(select_query=_with_implicit(each.select_query, limit), set_operator=each.set_operator)
            for each in query.subsequent_select_queries
        ]
        return changed
    if not isinstance(query, ast.SelectQuery) or query.limit is not None:
        return query
    changed = shallow(query)
    changed.limit = ast.Constant(value=limit)
    return changed


def _lowered(query: Any, highest: int) -> Any:
    """The tree with no LIMIT above the highest. Parts without a query inside are left as they are."""

    def visit(node: ast.Node) -> ast.Node:
        changed = map_children(node, visit)
        if isinstance(changed, ast.SelectQuery | ast.SelectSetQuery) and changed.limit is not None:
            limit = _at_most(changed.limit, highest)
            if limit is not changed.limit:
                changed = shallow(changed) if changed is node else changed
                changed.limit = limit
        return changed

    return visit(query)


def _at_most(limit: ast.Expr, highest: int) -> ast.Expr:
    if isinstance(limit, ast.Constant):
        value: Any = limit.value
        if isinstance(value, int) and not isinstance(value, bool):
            return ast.Constant(value=highest, start=limit.start, end=limit.end) if value > highest else limit
    return ast.Call(name="min2", args=[ast.Constant(value=highest), limit], start=limit.start, end=limit.end)
