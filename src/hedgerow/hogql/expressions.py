"""Expressions, one function a kind of node: children first, then the rules (see `rules`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast, types
from hedgerow.hogql.errors import NotSupported, QueryError
from hedgerow.hogql.fields import resolve_field
from hedgerow.hogql.functions import find
from hedgerow.hogql.lowered import (
    Column,
    Function,
    Name,
    Named,
    Native,
    Over,
    Property,
    constant,
    native,
    sql_name,
    type_of,
)
from hedgerow.hogql.markup import as_tuple
from hedgerow.hogql.print_hogql import print_hogql
from hedgerow.hogql.rules.calls import check_counts, known

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

ExpressionRule = Callable[["Resolver", Any], Any]

_ARITHMETIC = {"+": "plus", "-": "minus", "*": "multiply", "/": "divide", "%": "modulo"}
_CASTS = {
    "int": "toInt",
    "integer": "toInt",
    "bigint": "toInt",
    "smallint": "toInt",
    "int64": "toInt",
    "int32": "toInt",
    "float": "toFloat",
    "double": "toFloat",
    "real": "toFloat",
    "numeric": "toFloat",
    "decimal": "toFloat",
    "float64": "toFloat",
    "float32": "toFloat",
    "string": "toString",
    "text": "toString",
    "varchar": "toString",
    "char": "toString",
    "bool": "toBool",
    "boolean": "toBool",
    "date": "toDate",
    "datetime": "toDateTime",
    "timestamp": "toDateTime",
    "timestamptz": "toDateTime",
    "uuid": "toUUID",
}
_TYPE_ARGUMENTS = re.compile(r"(?:nullable\()?([a-z0-9 ]+?)(?:\([0-9, ]*\))?\)?\Z")


def constant_(_resolver: Resolver, node: ast.Constant) -> Any:
    return ast.Constant(value=node.value, type=type_of(node.value), start=node.start, end=node.end)


def call(resolver: Resolver, node: ast.Call) -> Any:
    function = find(node.name)
    aggregate = function is not None and function.kind == "aggregate"
    outer = resolver.aggregation
    if aggregate:
        if outer is not None:
            raise QueryError(
                f"Aggregation '{node.name}' cannot be nested inside another aggregation '{outer}'.",
                node.start,
                node.end,
            )
        resolver.aggregation = node.name
    args = node.args
    if node.name.lower() == "count" and len(args) == 1 and isinstance(args[0], ast.Field) and args[0].chain == ["*"]:
        args = []
    lowered = ast.Call(
        name=node.name,
        args=[resolver.expr(arg) for arg in args],
        params=None if node.params is None else [resolver.expr(param) for param in node.params],
        distinct=node.distinct,
        filter_expr=resolver.maybe(node.filter_expr),
        order_by=node.order_by,
        within_group=node.within_group,
        start=node.start,
        end=node.end,
    )
    resolver.aggregation = outer
    return resolver.rules.apply(lowered, resolver)


def arithmetic(resolver: Resolver, node: ast.ArithmeticOperation) -> Any:
    name = _ARITHMETIC[node.op]
    args = [resolver.expr(node.left), resolver.expr(node.right)]
    function = known(ast.Call(name=name, args=[]))
    return Native(name=name, args=args, type=function.returns(args))


def compared(resolver: Resolver, node: ast.CompareOperation) -> Any:
    return resolver.rules.apply(
        ast.CompareOperation(
            left=resolver.expr(node.left),
            right=resolver.expr(node.right),
            op=node.op,
            start=node.start,
            end=node.end,
        ),
        resolver,
    )


def distinct_from(resolver: Resolver, node: ast.IsDistinctFrom) -> Any:
    left, right = resolver.expr(node.left), resolver.expr(node.right)
    return resolver.rules.apply(ast.IsDistinctFrom(left=left, right=right, negated=node.negated), resolver)


def between(resolver: Resolver, node: ast.BetweenExpr) -> Any:
    lowered = ast.BetweenExpr(
        expr=resolver.expr(node.expr), low=resolver.expr(node.low), high=resolver.expr(node.high), negated=node.negated
    )
    return resolver.rules.apply(lowered, resolver)


def _truth(parts: list[Any]) -> types.ValueType:
    return types.BOOLEAN.or_null(any(part.type.nullable for part in parts))


def and_(resolver: Resolver, node: ast.And) -> Any:
    return _connected(resolver, "and", node.exprs, neutral=True)


def or_(resolver: Resolver, node: ast.Or) -> Any:
    return _connected(resolver, "or", node.exprs, neutral=False)


def _connected(resolver: Resolver, name: str, exprs: list[ast.Expr], *, neutral: bool) -> Any:
    parts: list[Any] = [resolver.expr(each) for each in exprs]
    left = [part for part in parts if not (isinstance(part, ast.Constant) and part.value is neutral)]
    if not left:  # all of them are constants: a comparison's 1 or 0
        return constant(int(neutral))
    if len(left) == 1 and left[0].type.family == "Boolean":
        return left[0]
    if len(left) == 1:
        left.append(constant(neutral))
    return native(name, *left, type=_truth(left))


def not_(resolver: Resolver, node: ast.Not) -> Any:
    value = resolver.expr(node.expr)
    return native("not", value, type=_truth([value]))


def alias(resolver: Resolver, node: ast.Alias) -> Any:
    if node.hidden:
        return resolver.expr(node.expr)
    entry = resolver.declare_alias(node)
    value = resolver.alias_value(entry)
    return Named(expr=value, name=sql_name(node.alias), type=value.type)


def lambda_(resolver: Resolver, node: ast.Lambda) -> Any:
    resolver.scope.arguments.append(dict.fromkeys(node.args, types.ANY))
    try:
        body = resolver.expr(node.expr)
    finally:
        resolver.scope.arguments.pop()
    return Function(args=[sql_name(arg) for arg in node.args], body=body, type=types.ANY)


def array(resolver: Resolver, node: ast.Array) -> Any:
    values = _constants(node.exprs)
    if values is not None:
        return ast.Constant(value=values, type=type_of(values), start=node.start, end=node.end)
    items = [resolver.expr(each) for each in node.exprs]
    return native("array", *items, type=types.array_of(types.common([item.type for item in items])))


def tuple_(resolver: Resolver, node: ast.Tuple) -> Any:
    values = _constants(node.exprs)
    if values is not None:
        return ast.Constant(value=tuple(values), type=type_of(tuple(values)), start=node.start, end=node.end)
    items = [resolver.expr(each) for each in node.exprs]
    return native("tuple", *items, type=types.tuple_of(tuple(item.type for item in items)))


def _constants(exprs: list[ast.Expr]) -> list[Any] | None:
    """The values, when every expression is a constant or a tuple of them: lists of many thousand are common in IN."""
    values: list[Any] = []
    for each in exprs:
        if isinstance(each, ast.Constant):
            values.append(each.value)
        elif isinstance(each, ast.Tuple) and all(isinstance(part, ast.Constant) for part in each.exprs):
            values.append(tuple(part.value for part in each.exprs if isinstance(part, ast.Constant)))
        else:
            return None
    return values or None


def markup(resolver: Resolver, node: ast.Dict | ast.HogQLXTag) -> Any:
    """A tag or a dict: the tuple that it stands for."""
    resolver.has_markup = True
    return resolver.expr(as_tuple(node))


def array_access(resolver: Resolver, node: ast.ArrayAccess) -> Any:
    chain = _property_chain(resolver, node)
    if chain is not None:
        return resolve_field(resolver, chain)
    if isinstance(node.property, ast.Constant) and type(node.property.value) is int and node.property.value == 0:
        raise QueryError("SQL indexes start from one, not from zero. E.g: array[1]", node.start, node.end)
    value, place = resolver.expr(node.array), resolver.expr(node.property)
    if value.type.family == "JSON" and isinstance(value, Column | Name) and isinstance(place, ast.Constant):
        return resolver.finish(Property(base=value, path=[place.value], type=value.type), [place.value])
    call_ = ast.Call(name="arrayElement", args=[value, place], start=node.start, end=node.end)
    return resolver.rules.apply(call_, resolver)


def _property_chain(resolver: Resolver, node: ast.ArrayAccess | ast.TupleAccess) -> ast.Field | None:
    """`properties['a'][1].2` as the chain `properties.a.1.2`, where it begins at properties of a table."""
    keys: list[str | int] = []
    at: ast.Expr = node
    while not isinstance(at, ast.Field):
        if isinstance(at, ast.TupleAccess):
            key: Any = at.index
            at = at.tuple
        elif isinstance(at, ast.ArrayAccess) and isinstance(at.property, ast.Constant):
            key = at.property.value
            at = at.array
        else:
            return None
        if isinstance(key, bool) or not isinstance(key, str | int) or key == 0:
            return None
        keys.append(key)
    if "properties" not in at.chain or not resolver.is_property(at):
        return None
    return ast.Field(chain=[*at.chain, *reversed(keys)], start=node.start, end=node.end)


def array_slice(resolver: Resolver, node: ast.ArraySlice) -> Any:
    value = resolver.expr(node.array)
    start = constant(1) if node.start_expr is None else resolver.expr(node.start_expr)
    if node.end_expr is None:
        return native("arraySlice", value, start, type=value.type)
    end = resolver.expr(node.end_expr)
    length = native("plus", native("minus", end, start), constant(1))
    return native("arraySlice", value, start, length, type=value.type)


def tuple_access(resolver: Resolver, node: ast.TupleAccess) -> Any:
    chain = _property_chain(resolver, node)
    if chain is not None:
        return resolve_field(resolver, chain)
    if node.index == 0:
        raise QueryError("SQL indexes start from one, not from zero. E.g: array.1", node.start, node.end)
    value = resolver.expr(node.tuple)
    items = value.type.items
    kind = items[node.index - 1] if value.type.family == "Tuple" and 0 < node.index <= len(items) else types.ANY
    return native("tupleElement", value, constant(node.index), type=kind)


def type_cast(resolver: Resolver, node: ast.TypeCast | ast.TryCast) -> Any:
    match = _TYPE_ARGUMENTS.match(node.type_name.lower())
    name = _CASTS.get(match.group(1).strip()) if match is not None else None
    if name is None:
        raise NotSupported(f"Unsupported type cast to '{node.type_name}'", node.start, node.end)
    return call(resolver, ast.Call(name=name, args=[node.expr], start=node.start, end=node.end))


def window_function(resolver: Resolver, node: ast.WindowFunction) -> Any:
    function = known(node)
    if function.kind == "function" or function.pieces is not None:
        raise QueryError(f"'{node.name}' is not a window function", node.start, node.end)
    resolver.count_window_function(node)
    params, args = ([*node.exprs], node.args) if node.args else (None, node.exprs)
    lowered: list[Any] = [resolver.expr(arg) for arg in args if not (isinstance(arg, ast.Field) and arg.chain == ["*"])]
    chosen: list[Any] | None = None if params is None else [resolver.expr(param) for param in params]
    check_counts(node, function, lowered, chosen)
    window = resolver.window(node.over_expr)
    name, kind = function.clickhouse or function.name, function.returns(lowered)
    if function.rule == "neighbour":
        name = f"{node.name}InFrame"
        lowered[0] = native("toNullable", lowered[0], type=lowered[0].type.or_null())
        kind = lowered[0].type
        if window is not None and window.order_by and window.frame_method is None:
            window.frame_method = "ROWS"
            window.frame_start = ast.WindowFrameExpr(frame_type="PRECEDING")
            window.frame_end = ast.WindowFrameExpr(frame_type="FOLLOWING")
    called = Native(name=name, args=lowered, params=chosen, filter_expr=resolver.maybe(node.filter_expr), type=kind)
    named = None if node.over_identifier is None else sql_name(node.over_identifier)
    return Over(call=called, window=window, window_name=named, type=kind)


def subquery(resolver: Resolver, node: ast.SelectQuery | ast.SelectSetQuery) -> Any:
    return resolver.subquery_as_value(node)


def placeholder(_resolver: Resolver, node: ast.Placeholder) -> Any:
    if node.chain is None:
        raise QueryError("You can not use placeholders here", node.start, node.end)
    raise QueryError(f"Unresolved placeholder: {{{print_hogql(node.expr)}}}", node.start, node.end)


EXPRESSIONS: dict[type[ast.Node], ExpressionRule] = {
    ast.Constant: constant_,
    ast.Field: resolve_field,
    ast.Call: call,
    ast.ArithmeticOperation: arithmetic,
    ast.CompareOperation: compared,
    ast.IsDistinctFrom: distinct_from,
    ast.BetweenExpr: between,
    ast.And: and_,
    ast.Or: or_,
    ast.Not: not_,
    ast.Alias: alias,
    ast.Lambda: lambda_,
    ast.Array: array,
    ast.Tuple: tuple_,
    ast.Dict: markup,
    ast.HogQLXTag: markup,
    ast.ArrayAccess: array_access,
    ast.ArraySlice: array_slice,
    ast.TupleAccess: tuple_access,
    ast.TypeCast: type_cast,
    ast.TryCast: type_cast,
    ast.WindowFunction: window_function,
    ast.SelectQuery: subquery,
    ast.SelectSetQuery: subquery,
    ast.Placeholder: placeholder,
}
"""How each kind of node is resolved; a kind that is not here is refused."""
