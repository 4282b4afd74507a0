"""Functions whose ClickHouse form depends on their arguments, and those that only HogQL has (hogql §7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.lowered import Native, Template, bare, constant, native, template
from hedgerow.hogql.markup import CALLS, TAG
from hedgerow.hogql.types import DECIMAL, STRING, STRINGS

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

_OR_ZERO = {
    "tointorzero": "toInt64OrZero",
    "tofloatorzero": "toFloat64OrZero",
    "tofloatordefault": "toFloat64OrDefault",
}
_REDUCERS = frozenset(
    [
        "count",
        "countMap",
        "countMapState",
        "sum",
        "sumMap",
        "sumMapState",
        "min",
        "minMap",
        "minMapState",
        "max",
        "maxMap",
        "maxMapState",
        "avg",
        "avgState",
        "avgMap",
        "avgMapState",
        "median",
        "uniq",
        "uniqState",
        "uniqMap",
        "uniqMapState",
    ]
)
_MOST_DECIMALS = 18
_IPV4 = r"(?:\d{1,3}\.){3}\d{1,3}"
_VERSION = r"(\d+(\.\d+)+)"
_SEMVER = template(
    "arrayMap(__hqx -> toInt64OrZero(__hqx), extractAll(extract(ifNull(toString({0}), ''), {1}), '[0-9]+'))"
)


def or_zero(node: ast.Call, _resolver: Resolver) -> Any:
    """`toIntOrZero` and its like read the text itself, not what a definition made of it."""
    args = [bare(node.args[0], "definition"), *node.args[1:]]
    return Native(name=_OR_ZERO[node.name.lower()], args=args)


def to_decimal(node: ast.Call, _resolver: Resolver) -> Any:
    """`toDecimal(x, scale)`."""
    value: Any = node.args[0]
    scale: Any = node.args[1].value if isinstance(node.args[1], ast.Constant) else None
    if isinstance(scale, bool) or not isinstance(scale, int) or not 0 <= scale <= _MOST_DECIMALS:
        raise QueryError(
            f"toDecimal: the scale must be a constant from 0 to {_MOST_DECIMALS}", node.args[1].start, node.args[1].end
        )
    return native("accurateCastOrNull", value, constant(f"Decimal64({scale})"), type=DECIMAL.or_null())


def concat(node: ast.Call, _resolver: Resolver) -> Any:
    """Texts one after the other; NULL is an empty one."""
    parts: list[Any] = []
    for part in node.args:
        of: Any = part
        if isinstance(of, ast.Constant) and of.value is None:
            parts.append(constant(""))
        elif of.type.nullable:
            parts.append(native("ifNull", native("toString", of), constant(""), type=STRING))
        else:
            parts.append(of)
    return native("concat", *parts, type=STRING)


def array_reduce(node: ast.Call, _resolver: Resolver) -> Any:
    """`arrayReduce('sum', array)`: the aggregate is a constant out of a list."""
    first: Any = node.args[0]
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        got = f"{first.type.family}Type '{first.value}'" if isinstance(first, ast.Constant) else "Field"
        raise QueryError(
            f"Expected constant string as first arg in function 'arrayReduce', got {got}", first.start, first.end
        )
    if first.value not in _REDUCERS:
        raise QueryError(
            f"Invalid parametric function in 'arrayReduce', '{first.value}' is not supported.", first.start, first.end
        )
    return Native(name="arrayReduce", args=node.args)


def ipv4s(node: ast.Call, _resolver: Resolver) -> Any:
    """Every address in a text."""
    return native("extractAll", node.args[0], constant(_IPV4), type=STRINGS)


def sortable_semver(node: ast.Call, _resolver: Resolver) -> Any:
    """The numbers of a version as an array, which compares as versions do; empty for what is not one."""
    return Template(pieces=_SEMVER, args=[node.args[0], constant(_VERSION)])


_HIGHEST = {"h3kRing": 100, "multiFuzzyMatchAny": 3, "multiFuzzyMatchAnyIndex": 3, "multiFuzzyMatchAllIndices": 3}
"""The second argument of functions whose one call can take minutes that nothing ends: h3kRing(x, 1000) took four."""


def bounded(node: ast.Call, _resolver: Resolver) -> Any:
    """A function whose second argument decides how long one call takes."""
    second, highest = node.args[1], _HIGHEST[node.name]
    value: Any = second.value if isinstance(second, ast.Constant) else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise QueryError(
            f"{node.name}: the second argument must be a constant from 0 to {highest}", second.start, second.end
        )
    return Native(name=node.name, args=node.args)


def tag(node: ast.Call, resolver: Resolver) -> Any:
    """A call that makes a HogQLX tag of its arguments."""
    resolver.has_markup = True
    kind, names = CALLS[node.name]
    parts: list[Any] = [constant(TAG), constant(kind)]
    for name, value in zip(names, node.args, strict=False):
        parts += [constant(name), value]
    return native("tuple", *parts)


SPECIAL = {
    "or_zero": or_zero,
    "to_decimal": to_decimal,
    "concat": concat,
    "array_reduce": array_reduce,
    "bounded": bounded,
    "ipv4s": ipv4s,
    "sortable_semver": sortable_semver,
    "sparkline": tag,
    "recording_button": tag,
    "explain_csp_report": tag,
}
