"""How the tables of functions are written, and what becomes of a line (hogql §7).

A line of a table is `name args returns [-> ClickHouse]`:

- `*name` is found in any letter case, `name` only as written;
- args are `2`, `1-2` or `2+`; `1,2` before a slash are parameters: `1/1` is `topK(n)(x)`, `0-1/1` is `quantile`;
- returns is a type of `types.BY_NAME`, nullable when an argument is; with `?` always, with `!` never nullable; or a rule
  of `RETURNS` (`arg1`, `common`, …);
- the ClickHouse side is a name, a text with `{0}` for arguments, or `@rule` for one of `rules/calls.py`. Without an arrow
  the name is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from hedgerow.hogql import types
from hedgerow.hogql.lowered import template
from hedgerow.hogql.types import ANY, ValueType

Kind = Literal["function", "aggregate", "window"]
Arguments = Sequence[Any]
"""Lowered expressions, each with its `type`."""


class Function(msgspec.Struct, frozen=True):
    """A function that HogQL knows. Exactly one of `clickhouse`, `pieces` and `rule` says what is printed."""

    name: str
    kind: Kind
    min_args: int
    max_args: int | None
    returns: Callable[[Arguments], ValueType]
    min_params: int = 0
    max_params: int = 0
    any_case: bool = False
    clickhouse: str | None = None
    pieces: tuple[str | int, ...] | None = None
    rule: str | None = None


def _nth(index: int) -> Callable[[Arguments], ValueType]:
    return lambda args: _type(args, index)


def _type(args: Arguments, index: int) -> ValueType:
    return args[index].type if index < len(args) else ANY


def _common(start: int, step: int = 1) -> Callable[[Arguments], ValueType]:
    return lambda args: types.common([each.type for each in args[start::step]])


def _multi_if(args: Arguments) -> ValueType:
    return types.common([*(each.type for each in args[1::2]), args[-1].type] if len(args) % 2 else [ANY])


def _coalesce(args: Arguments) -> ValueType:
    found = types.common([each.type for each in args])
    return found if all(each.type.nullable for each in args) else found.not_null()


def _array_of_first(args: Arguments) -> ValueType:
    return types.array_of(_type(args, 0).not_null())


def _element(args: Arguments) -> ValueType:
    of = _type(args, 0)
    if of.family == "Map" and len(of.items) == 2:
        return of.items[1]
    return types.element(of)


def _last_array(args: Arguments) -> ValueType:
    of = _type(args, len(args) - 1)
    return of if of.family == "Array" else types.BY_NAME["array"]


def _arithmetic(args: Arguments) -> ValueType:
    families = [each.type.family for each in args]
    nullable = any(each.type.nullable for each in args)
    for time in ("DateTime", "Date"):
        if time in families:
            other = families[1 - families.index(time)] if len(families) == 2 else "Any"
            if other in {"Integer", "Interval"}:
                return (types.DATETIME if time == "DateTime" else ANY).or_null(nullable)
            return ANY
    found = types.common([each.type for each in args])
    if found.family == "Boolean":
        return types.INTEGER.or_null(nullable)
    return found if found.is_number else ANY


_DAY_UNITS = frozenset({"toIntervalWeek", "toIntervalMonth", "toIntervalQuarter", "toIntervalYear"})


def _start_of_interval(args: Arguments) -> ValueType:
    unit = getattr(args[1], "name", None) if len(args) > 1 else None
    if not isinstance(unit, str) or not unit.startswith("toInterval"):
        return ANY
    family = types.DATE if unit in _DAY_UNITS else types.DATETIME
    return family.or_null(_type(args, 0).nullable)


RETURNS: dict[str, Callable[[Arguments], ValueType]] = {
    "arg1": _nth(0),
    "arg2": _nth(1),
    "arg3": _nth(2),
    "common": _common(0),
    "if": _common(1),
    "multiIf": _multi_if,
    "coalesce": _coalesce,
    "array1": _array_of_first,
    "element1": _element,
    "arrayLast": _last_array,
    "arithmetic": _arithmetic,
    "startOfInterval": _start_of_interval,
    "bool?arg": lambda args: types.BOOLEAN.or_null(any(each.type.nullable for each in args)),
    "nullable1": lambda args: _type(args, 0).or_null(),
    "solid1": lambda args: _type(args, 0).not_null(),
    "arrayOf": lambda args: (
        types.array_of(types.common([each.type for each in args])) if args else types.BY_NAME["array"]
    ),
    "tupleOf": lambda args: types.tuple_of(tuple(each.type for each in args)),
}


def _returns(word: str) -> Callable[[Arguments], ValueType]:
    rule = RETURNS.get(word)
    if rule is not None:
        return rule
    mark = word[-1] if word[-1] in "?!" else ""
    found = types.BY_NAME[word.rstrip("?!")]
    if found.nullable or mark == "!":
        return lambda _args: found
    nullable = found.or_null()
    if mark == "?":
        return lambda _args: nullable
    return lambda args: nullable if any(each.type.nullable for each in args) else found


_LINE = re.compile(r"(\*?)(\S+)\s+(?:(\S+)/)?(\d\S*)\s+(\S+)(?:\s+->\s+(.+))?\Z")


def _counts(text: str) -> tuple[int, int | None]:
    if text.endswith("+"):
        return int(text[:-1]), None
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def table(text: str, kind: Kind = "function") -> list[Function]:
    """The functions of a table; raises ValueError for a line that is not one."""
    found: list[Function] = []
    for line in text.splitlines():
        line = line.partition("# ")[0].strip()  # noqa: PLW2901
        if not line:
            continue
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"not a line of the function table: {line!r}")
        any_case, name, params, args, returns, target = match.groups()
        min_params, max_params = _counts(params) if params else (0, 0)
        min_args, max_args = _counts(args)
        function = Function(
            name=name,
            kind=kind,
            min_args=min_args,
            max_args=max_args,
            min_params=min_params,
            max_params=1_000 if max_params is None else max_params,
            any_case=bool(any_case),
            returns=_returns(returns),
            clickhouse=name if target is None else None,
        )
        if target is not None:
            function = msgspec.structs.replace(function, **_target(target))
        found.append(function)
    return found


def _target(text: str) -> dict[str, Any]:
    if text.startswith("@"):
        return {"rule": text[1:]}
    if "{" in text:
        return {"pieces": template(text)}
    return {"clickhouse": text}


def conditional(function: Function) -> Function:
    """The `If` form of an aggregate: one argument more, the condition, at the end."""
    inner = function.returns
    return msgspec.structs.replace(
        function,
        name=function.name + "If",
        min_args=function.min_args + 1,
        max_args=None if function.max_args is None else function.max_args + 1,
        clickhouse=f"{function.clickhouse}If",
        any_case=False,
        returns=lambda args: inner(args[:-1]).or_null(bool(args) and args[-1].type.nullable),
    )
