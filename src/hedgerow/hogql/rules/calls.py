"""A call of a function of the allow-list becomes ClickHouse's (hogql §7); any other is refused (hogql §10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hedgerow.hogql import ast
from hedgerow.hogql.errors import NotSupported, QueryError
from hedgerow.hogql.functions import Function, find, nearest
from hedgerow.hogql.lowered import Native, Template
from hedgerow.hogql.rules import date_calls, other_calls
from hedgerow.hogql.rules.comparisons import FUNCTIONS as COMPARISONS
from hedgerow.hogql.rules.comparisons import compare
from hedgerow.hogql.rules.noisy_values import as_stored

if TYPE_CHECKING:
    from hedgerow.hogql.resolve import Resolver

SpecialCall = Callable[[ast.Call, "Resolver"], Any]

SPECIAL: dict[str, SpecialCall] = {**date_calls.SPECIAL, **other_calls.SPECIAL}
"""What `-> @name` in a function table stands for."""


def calls(node: ast.Call, resolver: Resolver) -> Any:
    """The call in ClickHouse's words. Its arguments are lowered already."""
    node.args = [as_stored(arg) for arg in node.args]
    operator = COMPARISONS.get(node.name)
    if operator is not None:
        _plain(node)
        if len(node.args) != 2:
            raise QueryError(f"Comparison '{node.name}' requires exactly two arguments", node.start, node.end)
        return compare(operator, node.args[0], node.args[1], resolver)
    function = known(node)
    check_counts(node, function, node.args, node.params)
    if node.within_group or node.order_by:
        raise NotSupported(f"ORDER BY inside of '{node.name}' is not supported", node.start, node.end)
    if function.kind == "function":
        _plain(node)
    if function.kind == "window":
        raise QueryError(f"'{node.name}' can only be used with OVER", node.start, node.end)
    if function.rule is not None:
        lowered = SPECIAL[function.rule](node, resolver)
        if lowered.type is None:
            lowered.type = function.returns(node.args)
        return lowered
    kind = function.returns(node.args)
    if function.pieces is not None:
        if node.distinct or node.filter_expr is not None:
            raise NotSupported(f"'{node.name}' cannot be used with DISTINCT or FILTER", node.start, node.end)
        return Template(pieces=function.pieces, args=node.args, type=kind)
    return Native(
        name=function.clickhouse or function.name,
        args=node.args,
        params=node.params,
        distinct=node.distinct,
        filter_expr=node.filter_expr,
        type=kind,
    )


def _plain(node: ast.Call) -> None:
    """Refuse what only aggregates know."""
    for word, written in (("DISTINCT", node.distinct), ("FILTER", node.filter_expr is not None)):
        if written:
            raise QueryError(f"{word} is not allowed in function '{node.name}'", node.start, node.end)


def known(node: ast.Call | ast.WindowFunction) -> Function:
    """The function of the list that is called."""
    function = find(node.name)
    if function is None:
        guess = nearest(node.name)
        hint = f". Perhaps you meant '{guess}(...)'?" if guess is not None else ""
        raise QueryError(f"Unsupported function call '{node.name}(...)'{hint}", node.start, node.end)
    return function


def check_counts(
    node: ast.Expr, function: Function, args: Sequence[Any], params: Sequence[Any] | None, *, name: str | None = None
) -> None:
    """Whether arguments and parameters are as many as the function takes."""
    term = "Aggregation" if function.kind == "aggregate" else "Function"
    called = name or getattr(node, "name", function.name)
    _check(node, f"{term} '{called}'", "argument", len(args), (function.min_args, function.max_args))
    if function.min_params and params is None:
        raise QueryError(f"{term} '{called}' requires parameters in addition to arguments", node.start, node.end)
    if params is not None:
        _check(node, f"{term} '{called}'", "parameter", len(params), (function.min_params, function.max_params))
        for param in params:
            if not isinstance(param, ast.Constant):
                raise QueryError(f"{term} '{called}' expects constant parameters", node.start, node.end)


def _check(node: ast.Expr, who: str, what: str, found: int, wanted_counts: tuple[int, int | None]) -> None:
    least, most = wanted_counts
    if found >= least and (most is None or found <= most):
        return
    if least == most:
        wanted, number = "", least
    elif found < least:
        wanted, number = "at least ", least
    else:
        wanted, number = "at most ", most or 0
    plural = "" if number == 1 else "s"
    raise QueryError(f"{who} expects {wanted}{number} {what}{plural}, found {found}", node.start, node.end)
