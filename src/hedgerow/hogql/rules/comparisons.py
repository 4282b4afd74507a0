"""A comparison is never NULL, except in JOIN … ON (hogql §6, "NULL in comparisons").

    equals like ilike match     one side NULL: 0    both: 1
    their negations             one side NULL: 1    both: 0
    < <= > >= BETWEEN           0
    IN, NOT IN                  ClickHouse with transform_null_in = 1

Sides that cannot be NULL get the plain function, so that ClickHouse can use the table's key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.lowered import Function, Name, Select, SelectSet, Template, constant, native, template
from hedgerow.hogql.rules.noisy_values import as_stored
from hedgerow.hogql.rules.raw_values import on_raw_value
from hedgerow.hogql.rules.timezone import align
from hedgerow.hogql.types import BOOLEAN

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

_ORDER = {"<": "less", "<=": "lessOrEquals", ">": "greater", ">=": "greaterOrEquals"}
_SAME = {"==": "equals", "like": "like", "ilike": "ilike", "=~": "match", "=~*": "match"}
_OTHER = {"!=": "notEquals", "not like": "notLike", "not ilike": "notILike", "!~": "match", "!~*": "match"}
_MEMBER = {"in": "in", "global in": "in", "not in": "notIn", "global not in": "notIn"}
_NULLS = {"==": "isNull", "!=": "isNotNull"}
_DISTINCT = {"==": "isNotDistinctFrom", "!=": "isDistinctFrom"}
_BOTH_NULL = template("isNull({0}) AND isNull({1})")
_ANY_SOLID = template("isNotNull({0}) OR isNotNull({1})")

FUNCTIONS = {
    "equals": "==",
    "notEquals": "!=",
    "less": "<",
    "greater": ">",
    "lessOrEquals": "<=",
    "greaterOrEquals": ">=",
    "like": "like",
    "ilike": "ilike",
    "notLike": "not like",
    "notILike": "not ilike",
    "in": "in",
    "notIn": "not in",
}
"""The functions that mean a comparison, and its operator."""


def comparisons(node: ast.CompareOperation | ast.BetweenExpr | ast.IsDistinctFrom, resolver: Resolver) -> Any:
    """The comparison in ClickHouse's functions."""
    if isinstance(node, ast.BetweenExpr):
        return _between(node, resolver)
    if isinstance(node, ast.IsDistinctFrom):
        left, right = align(node.left, node.right, resolver.zone)
        name = "isNotDistinctFrom" if node.negated else "isDistinctFrom"
        return native(name, left, right, type=BOOLEAN)
    return compare(node.op, node.left, node.right, resolver)


def compare(op: str, left: Any, right: Any, resolver: Resolver) -> Any:
    """`left op right` of lowered sides."""
    null_test = _NULLS.get(op)
    if null_test is not None:
        if _is_null(right):
            return native(null_test, left, type=BOOLEAN)
        if _is_null(left):
            return native(null_test, right, type=BOOLEAN)
    left, right = align(as_stored(left), as_stored(right), resolver.zone)
    raw = on_raw_value(op, left, right, resolver)
    if raw is not None:
        return raw
    member = _MEMBER.get(op)
    if member is not None:
        return native(member, left, right, type=BOOLEAN)
    if op in {"=~*", "!~*"}:
        right = _any_case(right)
    nullable = (left.type.nullable, right.type.nullable)
    name = _ORDER.get(op)
    if name is not None:
        return _plain_or(native(name, left, right), nullable, constant(0), resolver)
    name = _SAME.get(op)
    if name is not None:
        plain = native(name, left, right)
        return _null_safe(op, plain, nullable, resolver, whole=False)
    plain = native(_OTHER[op], left, right)
    if _OTHER[op] == "match":
        plain = native("not", plain)
    return _null_safe(op, plain, nullable, resolver, whole=True)


def _plain_or(plain: Any, nullable: tuple[bool, bool], otherwise: Any, resolver: Resolver) -> Any:
    """The comparison, with `otherwise` in place of NULL where NULL can come up and matters."""
    if nullable == (False, False):
        plain.type = BOOLEAN
        return plain
    if resolver.in_join_condition:
        plain.type = BOOLEAN.or_null()
        return plain
    return native("ifNull", plain, otherwise, type=BOOLEAN)


def _null_safe(op: str, plain: Any, nullable: tuple[bool, bool], resolver: Resolver, *, whole: bool) -> Any:
    """A comparison that says what NULL on one side and on both means; `whole` for the negated ones."""
    if nullable != (True, True) or resolver.in_join_condition:
        return _plain_or(plain, nullable, constant(int(whole)), resolver)
    call = plain.args[0] if plain.name == "not" else plain
    left, right = call.args
    if op in _DISTINCT:
        return native(_DISTINCT[op], left, right, type=BOOLEAN)
    if _is_small(left) and _is_small(right):
        pieces = _ANY_SOLID if whole else _BOTH_NULL
        return native("ifNull", plain, Template(pieces=pieces, args=[left, right]), type=BOOLEAN)
    return _once(plain, call, left, right, whole=whole)


def _once(plain: Any, call: Any, left: Any, right: Any, *, whole: bool) -> Any:
    """The same for long sides, each written once: a lambda over one-element arrays."""
    names = Name(name="__hql"), Name(name="__hqr")
    call.args = list(names)
    pieces = _ANY_SOLID if whole else _BOTH_NULL
    body = native("ifNull", plain, Template(pieces=pieces, args=list(names)))
    function = Function(args=["__hql", "__hqr"], body=body)
    mapped = native("arrayMap", function, native("array", left), native("array", right))
    return native("arrayElement", mapped, constant(1), type=BOOLEAN)


def _between(node: ast.BetweenExpr, resolver: Resolver) -> Any:
    value: Any = node.expr
    low = align(value, node.low, resolver.zone)
    high = align(value, node.high, resolver.zone)
    if low[0] is not high[0]:  # only one bound is a moment: leave the zone where it is
        low, high = (value, node.low), (value, node.high)
    if not _is_small(value):
        name = Name(name="__hqv", type=value.type)
        body = _range(name, low[1], high[1], resolver, negated=node.negated)
        function = Function(args=["__hqv"], body=body)
        return native("arrayElement", native("arrayMap", function, native("array", low[0])), constant(1), type=BOOLEAN)
    return _range(low[0], low[1], high[1], resolver, negated=node.negated)


def _range(value: Any, low: Any, high: Any, resolver: Resolver, *, negated: bool) -> Any:
    names = ("less", "greater", "or") if negated else ("greaterOrEquals", "lessOrEquals", "and")
    both = native(names[2], native(names[0], value, low), native(names[1], value, high))
    nullable = value.type.nullable or low.type.nullable or high.type.nullable
    return _plain_or(both, (nullable, nullable), constant(0), resolver)


def _is_null(expr: Any) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is None


def _any_case(pattern: Any) -> Any:
    if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str):
        return constant("(?i)" + pattern.value)
    return native("concat", constant("(?i)"), pattern, type=pattern.type)


_SMALL_NODES = 24


def _is_small(expr: Any) -> bool:
    """Whether writing the expression twice is cheap: nesting such comparisons must not double the text each time."""
    budget = _SMALL_NODES
    stack: list[Any] = [expr]
    while stack:
        budget -= 1
        if budget < 0:
            return False
        node = stack.pop()
        if isinstance(node, Select | SelectSet):
            return False
        args = getattr(node, "args", None)
        if isinstance(args, list):
            stack.extend(args)
        for name in ("full", "body", "expr", "call"):
            inner = getattr(node, name, None)
            if inner is not None:
                stack.append(inner)
    return True
