"""The tree that the ClickHouse printer reads: names are resolved, functions are ClickHouse's, values are bound.

Only the resolver and the rules make these nodes. Nothing in them is text of the query's writer except string values
(which the printer binds) and names that pass `quote` below.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from hedgerow.hogql import ast, types
from hedgerow.hogql.types import ANY, ValueType

RESERVED = "__hq"
"""Names that begin so are the printer's own; a writer's name that does is moved out of the way by `sql_name`."""


def sql_name(name: str) -> str:
    """The ClickHouse name for a name that the writer chose: never one that the compiler makes (`__hq0`).

    A table alias that the writer could choose too would be an open door: `SELECT tuple(…) AS events` would take the
    place of the table in its own project guard.
    """
    return f"{RESERVED}_{name}" if name.startswith(RESERVED) else name


class Lowered(ast.Expr, kw_only=True):
    """A node of the printer's tree. `type` is always a ValueType.

    `label` is what a result column is called that holds a field: the last part of its chain, `a__b` for `properties.a.b`.
    `remark` is what an editor is told about a property; empty where there is nothing to say.
    """

    label: str | None = None
    remark: str | None = None


class Column(Lowered):
    """A column of a source in FROM: `table` is the alias that the resolver made, `name` a ClickHouse column."""

    table: str
    name: str


class Property(Lowered):
    """A key of a JSON text, before a rule decides where to read it: `path` is keys and array places (from 1).

    `source` is the ClickHouse table behind the text, None when the text comes out of a subquery.
    """

    base: Column | Name
    path: list[str | int]
    source: str | None = None


class Name(Lowered):
    """An alias of this SELECT or an argument of a lambda, by its ClickHouse name."""

    name: str


class Native(Lowered):
    """A ClickHouse function: `name(params)(args)`. The name is one of ours, never the writer's."""

    name: str
    args: list[Any]
    params: list[Any] | None = None
    distinct: bool = False
    filter_expr: Any = None


class Template(Lowered):
    """ClickHouse text of ours with `{0}` for arguments: `pieces` is that text, split at them once (see `template`).

    `harmless` ones cannot fail on any value of their arguments.
    """

    pieces: tuple[str | int, ...]
    args: list[Any]
    harmless: bool = False


class Wrapped(Lowered):
    """A value with a cast or a zone around it that the node above may take off again.

    `bare` is the value itself, `why` the rule that wrapped it.
    """

    bare: Any
    full: Any
    why: str


class Over(Lowered):
    """A window function: `call OVER window`, the window by name or by its parts."""

    call: Native
    window: ast.WindowExpr | None = None
    window_name: str | None = None


class Named(Lowered):
    """`expr AS name` inside an expression."""

    expr: Any
    name: str


class Function(Lowered):
    """A lambda: `(args) -> body`."""

    args: list[str]
    body: Any


class Guard(msgspec.Struct, frozen=True):
    """The project's condition on one table: only the resolver makes it, the printer prints no table without one."""

    table_alias: str
    team_id: int


class TableRef(msgspec.Struct, frozen=True):
    """A ClickHouse table. `guard` is None only for table functions, which hold nobody's rows."""

    name: str
    alias: str
    guard: Guard | None
    args: tuple[Any, ...] | None = None
    final: bool = False


class From(msgspec.Struct):
    """One source in FROM; `join_type` and `on` say how it is joined to those before it."""

    source: TableRef | Select | SelectSet
    alias: str
    join_type: str | None = None
    on: Any = None
    using: list[str] | None = None


class Output(msgspec.Struct):
    """One column of a SELECT: what people call it, what ClickHouse calls it, and what it is."""

    name: str
    sql: str
    expr: Any
    type: ValueType
    named_by_writer: bool = False


class Select(Lowered):
    """One SELECT, ready to print. Guards are in the tables themselves; `prewhere` and `where` are what else must hold."""

    outputs: list[Output]
    sources: list[From] = msgspec.field(default_factory=list)
    distinct: bool = False
    array_join_op: str | None = None
    array_join: list[Any] = msgspec.field(default_factory=list)
    prewhere: list[Any] = msgspec.field(default_factory=list)
    where: list[Any] = msgspec.field(default_factory=list)
    group_by: list[Any] | None = None
    group_by_mode: str | None = None
    having: Any = None
    qualify: Any = None
    windows: dict[str, ast.WindowExpr] | None = None
    order_by: list[ast.OrderExpr] | None = None
    interpolate: list[ast.InterpolateExpr] | None = None
    limit_by: ast.LimitByExpr | None = None
    limit: Any = None
    limit_with_ties: bool = False
    offset: Any = None


class SelectSet(Lowered):
    """Selects combined by set operators: the first has none."""

    selects: list[tuple[str, Select | SelectSet]]
    order_by: list[ast.OrderExpr] | None = None
    limit: Any = None
    limit_with_ties: bool = False
    offset: Any = None

    @property
    def outputs(self) -> list[Output]:
        """The columns, which the first select names."""
        return self.selects[0][1].outputs


def template(text: str) -> tuple[str | int, ...]:
    """Split `f({0}, {1})` into what `Template.pieces` wants. `{{` and `}}` are not known: no text of ours has braces."""
    pieces: list[str | int] = []
    for part in text.split("{"):
        place, closing, rest = part.partition("}")
        if not closing:
            pieces.append(part)
            continue
        pieces.append(int(place))
        pieces.append(rest)
    return tuple(piece for piece in pieces if piece != "")


def native(name: str, *args: Any, type: ValueType = ANY) -> Native:  # noqa: A002 — the field's own name
    """A call of a ClickHouse function, with its type."""
    return Native(name=name, args=list(args), type=type)


def constant(value: object) -> ast.Constant:
    """A value of ours, with its type."""
    return ast.Constant(value=value, type=type_of(value))


def type_of(value: object) -> ValueType:
    """The type of a Python value as a HogQL constant."""
    if value is None:
        return types.NULL
    if isinstance(value, list):
        return types.array_of(types.common([type_of(each) for each in value[:_SAMPLE]]) if value else ANY)
    if isinstance(value, tuple):
        return types.tuple_of(tuple(type_of(each) for each in value[:_SAMPLE]))
    return _OF_PYTHON.get(type(value), ANY)


_SAMPLE = 100
_OF_PYTHON: dict[type, ValueType] = {
    bool: types.BOOLEAN,
    int: types.INTEGER,
    float: types.FLOAT,
    str: types.STRING,
    datetime: types.DATETIME,
    date: types.DATE,
    UUID: types.UUID,
}


def bare(expr: Any, why: str | None = None) -> Any:
    """The expression without the cast or zone that a rule put around it (only that of `why`, when given)."""
    if isinstance(expr, Wrapped) and (why is None or expr.why == why):
        return expr.bare
    return expr
