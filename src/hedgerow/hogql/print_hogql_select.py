"""SELECT statements written back as HogQL, one clause a line (see `print_hogql`)."""

from __future__ import annotations

from typing import Any

from hedgerow.hogql import ast
from hedgerow.hogql.print_hogql import _expr, _list, _window, quoted  # pyright: ignore[reportPrivateUsage]

_STEP = "    "
_MODES = {"cube": "CUBE", "rollup": "ROLLUP", "grouping_sets": "GROUPING SETS"}


def print_select(node: ast.SelectQuery | ast.SelectSetQuery) -> str:
    """A query that stands alone."""
    return _set(node, 0) if isinstance(node, ast.SelectSetQuery) else _select(node, 0)


def print_inner(node: Any, indent: int) -> str:
    """A query that stands inside of another one, in parentheses; anything else as it is."""
    if isinstance(node, ast.SelectQuery | ast.SelectSetQuery):
        pad = _STEP * (indent + 1)
        body = _set(node, indent + 1) if isinstance(node, ast.SelectSetQuery) else _select(node, indent + 1)
        return f"(\n{pad}{body}\n{_STEP * indent})"
    return _expr(node, indent)


def _block(word: str, items: list[str], indent: int) -> str:
    pad = "\n" + _STEP * (indent + 1)
    return word + pad + f",{pad}".join(items)


def _select(node: ast.SelectQuery, indent: int) -> str:
    inside = indent + 1
    clauses: list[str] = []
    if node.ctes:
        clauses.append(_block("WITH", [_cte(cte, inside) for cte in node.ctes], indent))
    items = [_expr(each, inside) for each in node.select]
    clauses.append(_block("SELECT DISTINCT" if node.distinct else "SELECT", items, indent))
    if node.select_from is not None:
        clauses.append(_block("FROM", [_join(node.select_from, inside)], indent))
    if node.array_join_op and node.array_join_list:
        clauses.append(_block(node.array_join_op, [_expr(each, inside) for each in node.array_join_list], indent))
    for word, expr in (("PREWHERE", node.prewhere), ("WHERE", node.where)):
        if expr is not None:
            clauses.append(_block(word, [_expr(expr, inside)], indent))
    if node.group_by_mode == "all":
        clauses.append("GROUP BY ALL")
    elif node.group_by:
        clauses.append(_group_by(node, indent))
    for word, expr in (("HAVING", node.having), ("QUALIFY", node.qualify)):
        if expr is not None:
            clauses.append(_block(word, [_expr(expr, inside)], indent))
    if node.window_exprs:
        windows = [f"{quoted(name)} AS ({_window(each, inside)})" for name, each in node.window_exprs.items()]
        clauses.append(_block("WINDOW", windows, indent))
    clauses.extend(_tail(node, indent))
    return f"\n{_STEP * indent}".join(clauses)


def _group_by(node: ast.SelectQuery, indent: int) -> str:
    mode = _MODES.get(node.group_by_mode or "")
    items = [_expr(each, indent + 1) for each in node.group_by or []]
    return _block("GROUP BY", items, indent) if mode is None else f"GROUP BY {mode}({', '.join(items)})"


def _tail(node: ast.SelectQuery | ast.SelectSetQuery, indent: int) -> list[str]:
    clauses: list[str] = []
    if node.order_by:
        clauses.append(_block("ORDER BY", [_ordered(each, indent + 1) for each in node.order_by], indent))
    by = node.limit_by if isinstance(node, ast.SelectQuery) else None
    if by is not None:
        skipped = "" if by.offset_value is None else f" OFFSET {_expr(by.offset_value, indent)}"
        clauses.append(f"LIMIT {_expr(by.n, indent)}{skipped} BY {_list(by.exprs, indent)}")
    if node.limit is not None:
        percent = "%" if node.limit_percent else ""
        ties = " WITH TIES" if node.limit_with_ties else ""
        clauses.append(f"LIMIT {_expr(node.limit, indent)}{percent}{ties}")
    if node.offset is not None:
        clauses.append(f"OFFSET {_expr(node.offset, indent)}")
    return clauses


def _ordered(node: ast.OrderExpr, indent: int) -> str:
    text = _expr(node, indent)
    fill = node.with_fill
    if fill is not None:
        text += " WITH FILL"
        for word, value in (("FROM", fill.from_value), ("TO", fill.to_value), ("STEP", fill.step_value)):
            if value is not None:
                text += f" {word} {_expr(value, indent)}"
    return text


def _cte(cte: ast.CTE, indent: int) -> str:
    if cte.cte_type == "subquery":
        return f"{quoted(cte.name)} AS {print_inner(cte.expr, indent)}"
    return f"{_expr(cte.expr, indent)} AS {quoted(cte.name)}"


def _join(node: ast.JoinExpr, indent: int) -> str:
    text = "" if node.join_type is None else f"{node.join_type} "
    text += print_inner(node.table, indent)
    if node.table_args is not None:
        text += f"({_list(node.table_args, indent)})"
    if node.alias is not None:
        text += f" AS {quoted(node.alias)}"
    if node.column_aliases:
        text += f" ({', '.join(map(quoted, node.column_aliases))})"
    if node.table_final:
        text += " FINAL"
    if node.sample is not None:
        text += f" SAMPLE {_ratio(node.sample.sample_value, indent)}"
        if node.sample.offset_value is not None:
            text += f" OFFSET {_ratio(node.sample.offset_value, indent)}"
    if node.constraint is not None:
        text += f" {node.constraint.constraint_type} {_expr(node.constraint.expr, indent)}"
    if node.next_join is not None:
        text += f"\n{_STEP * indent}{_join(node.next_join, indent)}"
    return text


def _ratio(node: Any, indent: int) -> str:
    if not isinstance(node, ast.RatioExpr):
        return _expr(node, indent)
    right = "" if node.right is None else f"/{_expr(node.right, indent)}"
    return f"{_expr(node.left, indent)}{right}"


def _set(node: ast.SelectSetQuery, indent: int) -> str:
    between = f"\n{_STEP * indent}"
    text = _branch(node.initial_select_query, indent)
    for each in node.subsequent_select_queries:
        text += f"{between}{each.set_operator}{between}{_branch(each.select_query, indent)}"
    for clause in _tail(node, indent):
        text += between + clause
    return text


def _branch(node: Any, indent: int) -> str:
    if isinstance(node, ast.SelectSetQuery):
        return print_inner(node, indent)
    return _select(node, indent) if isinstance(node, ast.SelectQuery) else _expr(node, indent)
