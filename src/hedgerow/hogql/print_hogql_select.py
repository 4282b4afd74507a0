"""SELECT statements written back as HogQL, one clause a line (see `print_hogql`)."""

from __future__ import annotations

import re
from typing import Any

from hedgerow.hogql import ast
from hedgerow.hogql.print_hogql import _expr, _list, _operand, _window, quoted  # pyright: ignore[reportPrivateUsage]

_STEP = "    "
_MODE_IN_NAME = re.compile(r"all\Z|(?:cube|rollup)(?=\()", re.IGNORECASE)
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


def _in_parentheses(node: Any, indent: int) -> str:
    text = print_inner(node, indent)
    return text if isinstance(node, ast.SelectQuery | ast.SelectSetQuery) else f"({text})"


def _block(word: str, items: list[str], indent: int) -> str:
    pad = "\n" + _STEP * (indent + 1)
    return word + pad + f",{pad}".join(items)


def _select(node: ast.SelectQuery, indent: int) -> str:
    inside = indent + 1
    clauses: list[str] = []
    if node.ctes:
        word = "WITH RECURSIVE" if any(cte.recursive for cte in node.ctes) else "WITH"
        clauses.append(_block(word, [_cte(cte, inside) for cte in node.ctes], indent))
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
    keys = node.group_by or []
    items = [_expr(each, indent + 1) for each in keys]
    if len(items) == 1 and mode is None and (named := _MODE_IN_NAME.match(items[0])):
        items[0] = f"`{named[0]}`{items[0][named.end() :]}"  # a column of that name, not the mode
    return _block("GROUP BY", items, indent) if mode is None else f"GROUP BY {mode}({', '.join(items)})"


def _tail(node: ast.SelectQuery | ast.SelectSetQuery, indent: int) -> list[str]:
    clauses: list[str] = []
    if node.order_by:
        clauses.append(_block("ORDER BY", [_expr(each, indent + 1) for each in node.order_by], indent))
    if isinstance(node, ast.SelectQuery) and node.interpolate is not None:
        clauses.append(_interpolate(node.interpolate, indent))
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


def _interpolate(exprs: list[ast.InterpolateExpr], indent: int) -> str:
    items = [
        _expr(each.expr, indent) + ("" if each.value is None else f" AS {_operand(each.value, indent)}")
        for each in exprs
    ]
    return f"INTERPOLATE ({', '.join(items)})" if items else "INTERPOLATE"


def _cte(cte: ast.CTE, indent: int) -> str:
    if cte.cte_type != "subquery":
        return f"{_operand(cte.expr, indent)} AS {quoted(cte.name)}"
    text = quoted(cte.name)
    if cte.columns:
        text += f" ({', '.join(map(quoted, cte.columns))})"
    if cte.using_key:
        text += f" USING KEY ({', '.join(map(quoted, cte.using_key))})"
    text += {None: " AS", True: " AS MATERIALIZED", False: " AS NOT MATERIALIZED"}[cte.materialized]
    return f"{text} {_in_parentheses(cte.expr, indent)}"


def _join(node: ast.JoinExpr, indent: int) -> str:
    text = "" if node.join_type is None else f"{_join_words(node.join_type)} "
    text += _table(node.table, indent)
    if node.table_args is not None:
        text += f"({_list(node.table_args, indent)})"
    if node.alias is not None:
        text += f" AS {'`team_id`' if node.alias.lower() == 'team_id' else quoted(node.alias)}"
    if node.column_aliases:
        text += f" ({', '.join(map(quoted, node.column_aliases))})"
    if node.table_final:
        text += " FINAL"
    if node.sample is not None:
        text += f" SAMPLE {_ratio(node.sample.sample_value, indent)}"
        if node.sample.offset_value is not None:
            text += f" OFFSET {_ratio(node.sample.offset_value, indent)}"
    if node.constraint is not None:
        text += f" {_constraint(node.constraint, indent)}"
    if node.next_join is not None:
        text += f"\n{_STEP * indent}{_join(node.next_join, indent)}"
    return text


def _constraint(node: ast.JoinConstraint, indent: int) -> str:
    if node.constraint_type == "USING" and isinstance(node.expr, ast.Tuple):
        return f"USING ({_list(node.expr.exprs, indent)})"
    if node.constraint_type == "USING":
        return f"USING ({_expr(node.expr, indent)})"
    return f"ON {_expr(node.expr, indent)}"


def _join_words(join_type: str) -> str:
    """The words in an order that can be read again: two kinds of strictness stand before the side."""
    words = join_type.split()
    if "ASOF" in words and ("SEMI" in words or "ANTI" in words):
        strictness = ["ASOF", "SEMI" if "SEMI" in words else "ANTI"]
        words = [*strictness, *(word for word in words if word not in strictness)]
    return " ".join(words)


def _table(node: Any, indent: int) -> str:
    """What stands in FROM: a name, a query, VALUES, PIVOT and UNPIVOT over any of them."""
    if isinstance(node, ast.JoinExpr):
        return _join(node, indent) if node.next_join is None else f"({_join(node, indent)})"
    if isinstance(node, ast.ValuesQuery):
        return f"(VALUES {', '.join(f'({_list(row, indent)})' for row in node.rows)})"
    if isinstance(node, ast.PivotExpr):
        columns = " ".join(
            f"{_columns_of(each.column, indent)} IN ({_list(each.values, indent)})" for each in node.columns
        )
        grouped = f" GROUP BY {_list(node.group_by, indent)}" if node.group_by else ""
        return f"{_table(node.table, indent)} PIVOT ({_list(node.aggregates, indent)} FOR {columns}{grouped})"
    if isinstance(node, ast.UnpivotExpr):
        columns = ", ".join(
            f"{_columns_of(each.value_columns, indent)} FOR {_columns_of(each.name_columns, indent)}"
            f" IN ({_list(each.unpivot_values, indent)})"
            for each in node.columns
        )
        nulls = "INCLUDE NULLS " if node.include_nulls else ""
        return f"{_table(node.table, indent)} UNPIVOT {nulls}({columns})"
    return print_inner(node, indent)


def _columns_of(node: ast.Expr, indent: int) -> str:
    return f"({_list(node.exprs, indent)})" if isinstance(node, ast.Tuple) else _operand(node, indent)


def _ratio(node: Any, indent: int) -> str:
    if not isinstance(node, ast.RatioExpr):
        return _expr(node, indent)
    right = "" if node.right is None else f"/{_expr(node.right, indent)}"
    return f"{_expr(node.left, indent)}{right}"


def _set(node: ast.SelectSetQuery, indent: int) -> str:
    between = f"\n{_STEP * indent}"
    tail = _tail(node, indent)
    text = _branch(node.initial_select_query, indent)
    for each in node.subsequent_select_queries:
        last = each is node.subsequent_select_queries[-1]
        text += f"{between}{each.set_operator}{between}{_branch(each.select_query, indent, alone=last and bool(tail))}"
    for clause in tail:
        text += between + clause
    return text


def _branch(node: Any, indent: int, *, alone: bool = False) -> str:
    """One query of a set; `alone`, in parentheses, where ORDER BY or LIMIT of the whole set follows."""
    if alone or isinstance(node, ast.SelectSetQuery):
        return print_inner(node, indent)
    return _select(node, indent) if isinstance(node, ast.SelectQuery) else _expr(node, indent)
