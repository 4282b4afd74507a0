"""HogQL written back as HogQL: the names of result columns, and the `hogql` of an answer (hogql §3, §4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from hedgerow.hogql import ast

_BARE = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*\Z")
_ARITHMETIC = {"+": "plus", "-": "minus", "*": "multiply", "/": "divide", "%": "modulo"}
_COMPARE = {
    "==": "equals",
    "!=": "notEquals",
    ">": "greater",
    ">=": "greaterOrEquals",
    "<": "less",
    "<=": "lessOrEquals",
    "like": "like",
    "ilike": "ilike",
    "not like": "notLike",
    "not ilike": "notILike",
    "in": "in",
    "not in": "notIn",
    "global in": "globalIn",
    "global not in": "globalNotIn",
}
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", "\b": "\\b", "\f": "\\f"}
_ESCAPED = str.maketrans(_ESCAPES)


def print_hogql(node: ast.Node) -> str:
    """The node as HogQL, in PostHog's form: operators as functions, a query on lines of its own with indents."""
    if isinstance(node, ast.SelectQuery | ast.SelectSetQuery):
        from hedgerow.hogql.print_hogql_select import print_select  # the two print each other

        return print_select(node)
    return _expr(node, 0)


def quoted(name: str) -> str:
    """A name as HogQL writes it: bare where it can be."""
    if _BARE.match(name) or name == "*":
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "``") + "`"


def _expr(node: Any, indent: int) -> str:
    printer = _PRINTERS.get(type(node))
    if printer is None:
        return f"<{type(node).__name__}>"
    return printer(node, indent)


def _list(nodes: Any, indent: int) -> str:
    return ", ".join(_expr(each, indent) for each in nodes)


def _value(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value.translate(_ESCAPED)}'"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, tuple):
        return "tuple(" + ", ".join(map(_value, value)) + ")"
    if isinstance(value, datetime):
        return f"toDateTime('{value.isoformat(' ')}')"
    if isinstance(value, date):
        return f"toDate('{value.isoformat()}')"
    if isinstance(value, UUID):
        return f"toUUID('{value}')"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_value(key)}: {_value(each)}" for key, each in value.items()) + "}"
    return repr(value)


def _constant(node: ast.Constant, _indent: int) -> str:
    return _value(node.value)


def _field(node: ast.Field, _indent: int) -> str:
    return ".".join(quoted(part) if isinstance(part, str) else str(part) for part in node.chain)


def _call(node: ast.Call, indent: int) -> str:
    params = "" if node.params is None else f"({_list(node.params, indent)})"
    distinct = "DISTINCT " if node.distinct else ""
    order = f" ORDER BY {_list(node.order_by, indent)}" if node.order_by else ""
    text = f"{quoted(node.name)}{params}({distinct}{_list(node.args, indent)}{order})"
    if node.within_group:
        text += f" WITHIN GROUP (ORDER BY {_list(node.within_group, indent)})"
    if node.filter_expr is not None:
        text += f" FILTER (WHERE {_expr(node.filter_expr, indent)})"
    return text


def _arithmetic(node: ast.ArithmeticOperation, indent: int) -> str:
    return f"{_ARITHMETIC[node.op]}({_expr(node.left, indent)}, {_expr(node.right, indent)})"


def _compare(node: ast.CompareOperation, indent: int) -> str:
    left, right = _expr(node.left, indent), _expr(node.right, indent)
    if node.is_null_comparison_style:
        return f"{'isNull' if node.op == '==' else 'isNotNull'}({left})"
    name = _COMPARE.get(node.op)
    if name is not None:
        return f"{name}({left}, {right})"
    if node.op in {"in cohort", "not in cohort"}:
        return f"{left} {node.op.upper()} {right}"
    pattern = f"concat('(?i)', {right})" if node.op.endswith("*") else right
    match = f"match({left}, {pattern})"
    return f"not({match})" if node.op.startswith("!") else match


def _distinct_from(node: ast.IsDistinctFrom, indent: int) -> str:
    return f"{_expr(node.left, indent)} IS {'NOT ' if node.negated else ''}DISTINCT FROM {_expr(node.right, indent)}"


def _between(node: ast.BetweenExpr, indent: int) -> str:
    word = "NOT BETWEEN" if node.negated else "BETWEEN"
    return f"{_expr(node.expr, indent)} {word} {_expr(node.low, indent)} AND {_expr(node.high, indent)}"


def _joined(name: str) -> Callable[[Any, int], str]:
    return lambda node, indent: f"{name}({_list(node.exprs, indent)})"


def _alias(node: ast.Alias, indent: int) -> str:
    return _expr(node.expr, indent) if node.hidden else f"{_expr(node.expr, indent)} AS {quoted(node.alias)}"


def _lambda(node: ast.Lambda, indent: int) -> str:
    args = quoted(node.args[0]) if len(node.args) == 1 else "(" + ", ".join(map(quoted, node.args)) + ")"
    return f"{args} -> {_expr(node.expr, indent)}"


def _dict(node: ast.Dict, indent: int) -> str:
    return "{" + ", ".join(f"{_expr(key, indent)}: {_expr(value, indent)}" for key, value in node.items) + "}"


def _array_access(node: ast.ArrayAccess, indent: int) -> str:
    return f"{_expr(node.array, indent)}{'?.' if node.nullish else ''}[{_expr(node.property, indent)}]"


def _array_slice(node: ast.ArraySlice, indent: int) -> str:
    start = "" if node.start_expr is None else _expr(node.start_expr, indent)
    end = "" if node.end_expr is None else _expr(node.end_expr, indent)
    return f"{_expr(node.array, indent)}[{start}:{end}]"


def _tuple_access(node: ast.TupleAccess, indent: int) -> str:
    value = _expr(node.tuple, indent)
    if not isinstance(node.tuple, ast.Field | ast.Call | ast.Tuple | ast.TupleAccess):
        value = f"({value})"
    return f"{value}{'?.' if node.nullish else '.'}{node.index}"


def _cast(word: str) -> Callable[[Any, int], str]:
    return lambda node, indent: f"{word}({_expr(node.expr, indent)} AS {node.type_name})"


def _window_function(node: ast.WindowFunction, indent: int) -> str:
    text = f"{quoted(node.name)}({_list(node.exprs, indent)})"
    if node.args:
        text += f"({_list(node.args, indent)})"
    if node.filter_expr is not None:
        text += f" FILTER (WHERE {_expr(node.filter_expr, indent)})"
    if node.over_identifier is not None:
        return f"{text} OVER {quoted(node.over_identifier)}"
    window = "" if node.over_expr is None else _window(node.over_expr, indent)
    return f"{text} OVER ({window})"


def _window(node: ast.WindowExpr, indent: int) -> str:
    parts: list[str] = []
    if node.partition_by:
        parts.append(f"PARTITION BY {_list(node.partition_by, indent)}")
    if node.order_by:
        parts.append(f"ORDER BY {_list(node.order_by, indent)}")
    if node.frame_method is not None and node.frame_start is not None:
        start = _bound(node.frame_start, indent)
        frame = start if node.frame_end is None else f"BETWEEN {start} AND {_bound(node.frame_end, indent)}"
        parts.append(f"{node.frame_method} {frame}")
    return " ".join(parts)


def _bound(node: ast.WindowFrameExpr, indent: int) -> str:
    if node.frame_type == "CURRENT ROW":
        return "CURRENT ROW"
    value = node.frame_value
    if value is None:
        return f"UNBOUNDED {node.frame_type}"
    return f"{_expr(value, indent) if isinstance(value, ast.Node) else value} {node.frame_type}"


def _order(node: ast.OrderExpr, indent: int) -> str:
    nulls = "" if node.nulls is None else f" NULLS {node.nulls}"
    return f"{_expr(node.expr, indent)} {node.order}{nulls}"


def _tag(node: ast.HogQLXTag, indent: int) -> str:
    parts: list[str] = []
    children = ""
    for attribute in node.attributes:
        value = attribute.value
        if isinstance(value, list):
            children = "".join(f"{{{_expr(each, indent)}}}" for each in value)
        else:
            parts.append(f" {quoted(attribute.name)}={{{_expr(value, indent)}}}")
    head = f"<{quoted(node.kind)}{''.join(parts)}"
    return f"{head}>{children}</{quoted(node.kind)}>" if children else f"{head} />"


def _columns(node: ast.ColumnsExpr, indent: int) -> str:
    if node.regex is not None:
        text = f"COLUMNS({_value(node.regex)})"
    elif node.all_columns:
        text = "*"
    else:
        text = f"COLUMNS({_list(node.columns or [], indent)})"
    if node.exclude:
        text += f" EXCLUDE ({', '.join(map(quoted, node.exclude))})"
    if node.replace:
        text += f" REPLACE ({', '.join(f'{_expr(v, indent)} AS {quoted(k)}' for k, v in node.replace.items())})"
    return text


def _query(node: Any, indent: int) -> str:
    from hedgerow.hogql.print_hogql_select import print_inner

    return print_inner(node, indent)


_PRINTERS: dict[type[Any], Callable[[Any, int], str]] = {
    ast.Constant: _constant,
    ast.Field: _field,
    ast.Call: _call,
    ast.ArithmeticOperation: _arithmetic,
    ast.CompareOperation: _compare,
    ast.IsDistinctFrom: _distinct_from,
    ast.BetweenExpr: _between,
    ast.And: _joined("and"),
    ast.Or: _joined("or"),
    ast.Not: lambda node, indent: f"not({_expr(node.expr, indent)})",
    ast.Alias: _alias,
    ast.Lambda: _lambda,
    ast.Array: lambda node, indent: f"[{_list(node.exprs, indent)}]",
    ast.Tuple: _joined("tuple"),
    ast.Dict: _dict,
    ast.ArrayAccess: _array_access,
    ast.ArraySlice: _array_slice,
    ast.TupleAccess: _tuple_access,
    ast.TypeCast: _cast("CAST"),
    ast.TryCast: _cast("TRY_CAST"),
    ast.WindowFunction: _window_function,
    ast.OrderExpr: _order,
    ast.HogQLXTag: _tag,
    ast.ColumnsExpr: _columns,
    ast.SpreadExpr: lambda node, indent: f"*{_expr(node.expr, indent)}",
    ast.PositionalRef: lambda node, _indent: f"#{node.index}",
    ast.NamedArgument: lambda node, indent: f"{quoted(node.name)} := {_expr(node.value, indent)}",
    ast.ExprCall: lambda node, indent: f"{_expr(node.expr, indent)}({_list(node.args, indent)})",
    ast.Placeholder: lambda node, indent: f"{{{_expr(node.expr, indent)}}}",
    ast.GroupingSet: _joined(""),
    ast.SelectQuery: _query,
    ast.SelectSetQuery: _query,
}
