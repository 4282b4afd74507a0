"""The project's condition is read first, and what can share its place is put there (PREWHERE).

ClickHouse is free to try conditions of WHERE in any order, before the guard too. A function that fails on a value then
says that value in its error: `toInt64(distinct_id) = 1` named the distinct ids of other projects. In PREWHERE the guard
has filtered before anything else runs. An explicit PREWHERE turns ClickHouse's own choice off, so the choice is made
here: conditions that cannot fail on any value, over the table's own columns, cheapest first. On 3 million events this is
as fast as ClickHouse's choice.

Tables read with FINAL get the guard alone: other conditions must wait for the newest version of a row.
"""

from __future__ import annotations

from typing import Any

from hedgerow.hogql import ast
from hedgerow.hogql.lowered import Column, Native, Select, SelectSet, Template, Wrapped

_COMPARISONS = frozenset(
    ["equals", "notEquals", "less", "greater", "lessOrEquals", "greaterOrEquals", "isDistinctFrom", "isNotDistinctFrom"]
)
_PATTERNS = frozenset(["like", "notLike", "ilike", "notILike", "match"])
_HARMLESS = frozenset(
    [
        "and",
        "or",
        "xor",
        "not",
        "isNull",
        "isNotNull",
        "ifNull",
        "coalesce",
        "nullIf",
        "if",
        "toString",
        "lower",
        "upper",
        "lowerUTF8",
        "upperUTF8",
        "empty",
        "notEmpty",
        "length",
        "lengthUTF8",
        "startsWith",
        "endsWith",
        "position",
        "JSONExtractRaw",
        "JSONHas",
        "accurateCastOrNull",
        "toTimeZone",
        "now64",
        "concat",
        "parseDateTime64BestEffortOrNull",
        "toDateOrNull",
        "toFloat64OrZero",
        "toInt64OrZero",
        "domain",
        "path",
        "protocol",
    ]
)
_OF_MOMENTS = frozenset(
    [
        "toDate",
        "toYear",
        "toMonth",
        "toQuarter",
        "toDayOfMonth",
        "toDayOfWeek",
        "toHour",
        "toMinute",
        "toStartOfDay",
        "toStartOfHour",
        "toStartOfMinute",
        "toStartOfWeek",
        "toStartOfMonth",
        "toStartOfQuarter",
        "toStartOfYear",
        "toMonday",
        "toUnixTimestamp",
        "toDateTime64",
        "toDateTime",
    ]
)
_CHEAP, _COLUMN, _MAP, _REST = range(4)


def planned(alias: str, conditions: list[Any], *, final: bool) -> tuple[list[Any], list[Any]]:
    """The conditions for PREWHERE, in order, and those for WHERE. `alias` is the table's."""
    if final:
        return [], conditions
    parts = [part for condition in conditions for part in conjuncts(condition)]
    first = [part for part in parts if _cannot_fail(part, alias) and _columns(part)]
    chosen = {id(part) for part in first}
    return sorted(first, key=_cost), [part for part in parts if id(part) not in chosen]


def conjuncts(condition: Any) -> list[Any]:
    """The conditions that an AND is made of."""
    if isinstance(condition, Native) and condition.name == "and":
        return [part for each in condition.args for part in conjuncts(each)]
    return [condition]


def _cannot_fail(node: Any, alias: str) -> bool:
    """Whether no value of a column can make this fail, and it needs nothing but the table's columns."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, Column):
        return node.table == alias
    if isinstance(node, Wrapped):
        return _cannot_fail(node.full, alias)
    if isinstance(node, Template):
        return node.harmless and all(_cannot_fail(arg, alias) for arg in node.args)
    if not isinstance(node, Native) or node.params or node.distinct or node.filter_expr is not None:
        return False
    name, args = node.name, node.args
    checked = args[:1] if name in {"in", "notIn"} and isinstance(args[1], Select | SelectSet) else args
    if not all(_cannot_fail(arg, alias) for arg in checked):
        return False
    if name in _HARMLESS or name in _COMPARISONS:
        return True
    if name in _PATTERNS:
        return isinstance(args[1], ast.Constant)
    if name in {"in", "notIn"}:
        return not _columns(args[1])  # a constant, or a SELECT, which has a guard of its own
    if name in _OF_MOMENTS:
        return args[0].type.is_time or all(isinstance(arg, ast.Constant) for arg in args)
    if name in {"plus", "minus"}:
        return any(arg.type.family == "Interval" for arg in args)
    return name.startswith("toInterval") and isinstance(args[0], ast.Constant)


def _cost(node: Any) -> int:
    """How much of the table must be read for it."""
    columns = _columns(node)
    if any(column.name in {"properties", "elements_chain"} for column in columns):
        return _REST
    if any(column.name == "properties_map" for column in columns):
        return _MAP
    return _CHEAP if all(column.name in {"event", "timestamp"} for column in columns) else _COLUMN


def _columns(node: Any) -> list[Column]:
    if isinstance(node, Column):
        return [node]
    if isinstance(node, Wrapped):
        return _columns(node.full)
    args: list[Any] = node.args if isinstance(node, Native | Template) else []
    return [column for arg in args for column in _columns(arg)]
