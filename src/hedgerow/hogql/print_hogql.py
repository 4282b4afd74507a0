"""HogQL written back as HogQL: the names of result columns, and the `hogql` of an answer (hogql §3, §4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from hedgerow.hogql import ast
from hedgerow.hogql.keywords import KEYWORDS, NAMES

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
#: Words that mean something else, or nothing, where a bare name of that spelling would stand.
_NEVER_BARE = frozenset(
    {word for word, kind in KEYWORDS.items() if kind not in NAMES}
    | {"ARRAY", "COLUMNS", "DISTINCT", "FROM", "NOT", "TRUE", "FALSE"}
)
_BARE_BEFORE_PARENTHESIS = frozenset({"ARRAY", "NOT", "TRUE", "FALSE"})
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_ESCAPED = str.maketrans(_ESCAPES)


def print_hogql(node: ast.Node) -> str:
    """The node as HogQL, in PostHog's form: operators as functions, a query on lines of its own with indents."""
    if isinstance(node, ast.SelectQuery | ast.SelectSetQuery):
        from hedgerow.hogql.print_hogql_select import print_select  # the two print each other

        return print_select(node)
    return _expr(node, 0)


def quoted(name: str) -> str:
    """A name as HogQL writes it: bare where it can be."""
    if (_BARE.match(name) and name.upper() not in _NEVER_BARE) or name == "*":
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "``") + "`"


def _called(name: str) -> str:
    """The name of a function, which the parenthesis behind it makes plainer."""
    return name if name.upper() in _BARE_BEFORE_PARENTHESIS else quoted(name)


def _expr(node: Any, indent: int) -> str:
    printer = _PRINTERS.get(type(node))
    if printer is None:
        return f"<{type(node).__name__}>"
    return printer(node, indent)


def _operand(node: Any, indent: int) -> str:
    """An expression beside an operator of the printed form: in parentheses unless it holds together by itself."""
    text = _expr(node, indent)
    loose = not isinstance(node, _HOLDS) or (
        isinstance(node, ast.CompareOperation) and node.op in {"in cohort", "not in cohort"}
    )
    return f"({text})" if loose else text


def _list(nodes: Any, indent: int) -> str:
    texts = [_expr(each, indent) for each in nodes]
    for place, each in enumerate(nodes):
        if place and isinstance(each, ast.Lambda) and len(each.args) == 1:  # `a, x -> b` is one lambda of two arguments
            texts[place] = f"({texts[place]})"
    return ", ".join(texts)


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
    if node.within_group:
        order = _list(node.within_group, indent)
        return f"{_called(node.name)}({_list(node.params or [], indent)}) WITHIN GROUP (ORDER BY {order})"
    params = "" if node.params is None else f"({_list(node.params, indent)})"
    distinct = "DISTINCT " if node.distinct else ""
    order = f" ORDER BY {_list(node.order_by, indent)}" if node.order_by else ""
    text = f"{_called(node.name)}{params}({distinct}{_list(node.args, indent)}{order})"
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
        left, right = _operand(node.left, indent), _operand(node.right, indent)
        return f"{left} {node.op.upper()} {right}"
    pattern = f"concat('(?i)', {right})" if node.op.endswith("*") else right
    match = f"match({left}, {pattern})"
    return f"not({match})" if node.op.startswith("!") else match


def _distinct_from(node: ast.IsDistinctFrom, indent: int) -> str:
    word = "IS NOT DISTINCT FROM" if node.negated else "IS DISTINCT FROM"
    return f"{_operand(node.left, indent)} {word} {_operand(node.right, indent)}"


def _between(node: ast.BetweenExpr, indent: int) -> str:
    word = "NOT BETWEEN" if node.negated else "BETWEEN"
    return f"{_operand(node.expr, indent)} {word} {_operand(node.low, indent)} AND {_operand(node.high, indent)}"


def _joined(name: str) -> Callable[[Any, int], str]:
    return lambda node, indent: f"{name}({_list(node.exprs, indent)})"


def _alias(node: ast.Alias, indent: int) -> str:
    if node.hidden:
        return _expr(node.expr, indent)
    name = "`team_id`" if node.alias.lower() == "team_id" else quoted(node.alias)
    return f"{_operand(node.expr, indent)} AS {name}"


def _lambda(node: ast.Lambda, indent: int) -> str:
    args = quoted(node.args[0]) if len(node.args) == 1 else "(" + ", ".join(map(quoted, node.args)) + ")"
    return f"{args} -> {_operand(node.expr, indent)}"


def _dict(node: ast.Dict, indent: int) -> str:
    return "{" + ", ".join(f"{_expr(key, indent)}: {_expr(value, indent)}" for key, value in node.items) + "}"


def _array_access(node: ast.ArrayAccess, indent: int) -> str:
    return f"{_operand(node.array, indent)}{'?.' if node.nullish else ''}[{_expr(node.property, indent)}]"


def _array_slice(node: ast.ArraySlice, indent: int) -> str:
    start = "" if node.start_expr is None else _expr(node.start_expr, indent)
    end = "" if node.end_expr is None else _expr(node.end_expr, indent)
    return f"{_operand(node.array, indent)}[{start}:{end}]"


def _tuple_access(node: ast.TupleAccess, indent: int) -> str:
    value = _expr(node.tuple, indent)
    if not isinstance(node.tuple, ast.Field | ast.Call | ast.Tuple | ast.TupleAccess | ast.ArrayAccess):
        value = f"({value})"
    return f"{value}{'?.' if node.nullish else '.'}{node.index}"


def _cast(word: str) -> Callable[[Any, int], str]:
    return lambda node, indent: f"{word}({_expr(node.expr, indent)} AS {node.type_name})"


def _window_function(node: ast.WindowFunction, indent: int) -> str:
    text = f"{_called(node.name)}({_list(node.exprs, indent)})"
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
    text = f"{_operand(node.expr, indent)} {node.order}"
    if node.nulls is not None:
        text += f" NULLS {node.nulls}"
    fill = node.with_fill
    if fill is not None:
        text += " WITH FILL"
        for word, value in (("FROM", fill.from_value), ("TO", fill.to_value), ("STEP", fill.step_value)):
            if value is not None:
                text += f" {word} {_operand(value, indent)}"
    return text


def _tag(node: ast.HogQLXTag, indent: int) -> str:
    parts: list[str] = []
    children = ""
    for attribute in node.attributes:
        value = attribute.value
        if isinstance(value, list):
            children = "".join(f"{{{_expr(each, indent)}}}" for each in value)
        else:
            parts.append(f" {attribute.name}={{{_expr(value, indent)}}}")
    head = f"<{node.kind}{''.join(parts)}"
    return f"{head}>{children}</{node.kind}>" if children else f"{head} />"


def _columns(node: ast.ColumnsExpr, indent: int) -> str:
    if node.regex is not None:
        text = f"COLUMNS({_value(node.regex)})"
    elif node.all_columns:
        text = "*"
    else:
        text = f"COLUMNS({_list(node.columns or [], indent)})"
    if node.exclude:
        text += f" EXCLUDE ({', '.join(_dotted(name) for name in node.exclude)})"
    if node.replace:
        replaced = [f"{_operand(value, indent)} AS {quoted(name)}" for name, value in node.replace.items()]
        text = f"({text} REPLACE ({', '.join(replaced)}))"
    return text


def _dotted(name: str) -> str:
    return ".".join(map(quoted, name.split(".")))


def _expr_call(node: ast.ExprCall, indent: int) -> str:
    """A callee that would be read as the name of a function stands in parentheses."""
    return f"({_expr(node.expr, indent)})({_list(node.args, indent)})"


def _query(node: Any, indent: int) -> str:
    from hedgerow.hogql.print_hogql_select import print_inner

    return print_inner(node, indent)


_HOLDS = (
    ast.Field,
    ast.Constant,
    ast.ArithmeticOperation,
    ast.CompareOperation,
    ast.And,
    ast.Or,
    ast.Not,
    ast.Array,
    ast.Tuple,
    ast.Dict,
    ast.ArrayAccess,
    ast.ArraySlice,
    ast.TupleAccess,
    ast.TypeCast,
    ast.TryCast,
    ast.Call,
    ast.WindowFunction,
    ast.HogQLXTag,
    ast.PositionalRef,
    ast.Placeholder,
    ast.SelectQuery,
    ast.SelectSetQuery,
)
"""Nodes whose printed form is one operand: a call, a literal, a name, something in brackets."""


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
    ast.NamedArgument: lambda node, indent: f"{quoted(node.name)} := {_operand(node.value, indent)}",
    ast.ExprCall: _expr_call,
    ast.Placeholder: lambda node, indent: f"{{{_expr(node.expr, indent)}}}",
    ast.GroupingSet: _joined(""),
    ast.SelectQuery: _query,
    ast.SelectSetQuery: _query,
}
