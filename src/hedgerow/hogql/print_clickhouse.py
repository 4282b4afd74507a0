"""The lowered tree as ClickHouse SQL: values bound, names quoted, no table without its guard.

Numbers, booleans and NULL are written as literals, because their width decides the types of results (`1` is a UInt8);
they cannot be anything but digits. Every string, and everything that holds one, is a bound parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from hedgerow.hogql import ast
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.lowered import (
    Column,
    From,
    Function,
    Name,
    Named,
    Native,
    Over,
    Property,
    Select,
    SelectSet,
    TableRef,
    Template,
    Wrapped,
)

TEAM = "team"
MOST_NODES = 1_000_000
MOST_DEPTH = 300
_INLINE_NUMBERS = 20
_INT64 = range(-(2**63), 2**63)
_JOIN_WORDS = frozenset(
    "GLOBAL LOCAL JOIN INNER LEFT RIGHT FULL OUTER CROSS ANY ALL ASOF SEMI ANTI PASTE".split()
)
_KEEPS_RIGHT = frozenset({"RIGHT", "FULL"})
_SET_OPERATORS = frozenset(
    {"UNION ALL", "UNION DISTINCT", "INTERSECT", "INTERSECT DISTINCT", "EXCEPT", "EXCEPT DISTINCT"}
)
_MODES = {"cube": "CUBE", "rollup": "ROLLUP", "grouping_sets": "GROUPING SETS"}


class UnguardedTable(Exception):  # noqa: N818 — said of what was about to be printed
    """A table was about to be printed without the project's condition: a bug, never the writer's fault."""


def quoted(name: str) -> str:
    """A ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


class Printer:
    """Prints one query. `parameters` fill up on the way; `tables` are those that the query reads."""

    def __init__(self, team_id: int) -> None:
        self._team_id = team_id
        self.parameters: dict[str, object] = {TEAM: team_id}
        self.tables: set[str] = set()
        self._bound: dict[tuple[str, object], str] = {}
        self._nodes = 0
        self._depth = 0
        self._sets = 0

    def query(self, node: Select | SelectSet) -> str:
        """A whole query."""
        return self._set(node) if isinstance(node, SelectSet) else self._select(node)

    def expr(self, node: Any) -> str:
        """An expression."""
        self._nodes += 1
        self._depth += 1
        if self._nodes > MOST_NODES:
            raise QueryError("This query is too large.", node.start, node.end)
        if self._depth > MOST_DEPTH:
            raise QueryError("This query is nested too deeply.", node.start, node.end)
        text = _PRINTERS[type(node)](self, node)
        self._depth -= 1
        return text

    def list(self, nodes: Sequence[Any]) -> str:
        """Expressions, separated by commas."""
        return ", ".join([self.expr(node) for node in nodes])

    def bind(self, value: object, kind: str) -> str:
        """A bound parameter; equal values share one."""
        key = (kind, tuple(value) if isinstance(value, list) else value)
        name = self._bound.get(key)
        if name is None:
            name = f"v{len(self._bound)}"
            self._bound[key] = name
            self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    # --- expressions ------------------------------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> str:
        return self._value(node.value)

    def _value(self, value: Any) -> str:
        if isinstance(value, str):
            return self.bind(value, "String")
        if value is None:
            return "NULL"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value) if value >= 0 else f"({value})"
        if isinstance(value, float):
            return _float(value)
        if isinstance(value, list | tuple):
            return self._values(value, "[" if isinstance(value, list) else "tuple(")
        if isinstance(value, datetime):
            moment = value.astimezone(UTC) if value.tzinfo is not None else value
            return f"toDateTime64({self.bind(moment.strftime('%Y-%m-%d %H:%M:%S.%f'), 'String')}, 6, 'UTC')"
        if isinstance(value, date):
            return f"toDate({self.bind(value.isoformat(), 'String')})"
        if isinstance(value, UUID):
            return f"toUUID({self.bind(str(value), 'String')})"
        if isinstance(value, dict):
            pairs = [part for pair in value.items() for part in map(self._value, pair)]
            return f"map({', '.join(pairs)})"
        raise QueryError(f"A value of type {type(value).__name__} cannot be used in a query")

    def _values(self, values: Sequence[Any], opening: str) -> str:
        if opening == "[" and values and all(isinstance(value, str) for value in values):
            return self.bind([*values], "Array(String)")
        self._nodes += len(values)
        if self._nodes > MOST_NODES:
            raise QueryError("This query is too large.")
        return opening + ", ".join(map(self._value, values)) + ("]" if opening == "[" else ")")

    def _members(self, node: Any) -> str:
        """The right side of IN: long lists of one kind are one bound array, which is read ten times as fast."""
        if not isinstance(node, ast.Constant) or not isinstance(node.value, list | tuple):
            return self.expr(node)
        values: list[Any] = list(node.value)
        solid = [value for value in values if value is not None]
        kind = None
        if solid and all(isinstance(value, str) for value in solid):
            kind = "String"
        elif len(solid) > _INLINE_NUMBERS and all(type(value) is int and value in _INT64 for value in solid):
            kind = "Int64"
        if kind is None:
            return self._values(values, "tuple(")
        return self.bind(values, f"Array({kind})" if len(solid) == len(values) else f"Array(Nullable({kind}))")

    def _column(self, node: Column) -> str:
        return f"{node.table}.{quoted(node.name)}"

    def _name(self, node: Name) -> str:
        return quoted(node.name)

    def _native(self, node: Native) -> str:
        if node.name in {"in", "notIn"}:
            return f"{node.name}({self.expr(node.args[0])}, {self._members(node.args[1])})"
        params = "" if node.params is None else f"({self.list(node.params)})"
        distinct = "DISTINCT " if node.distinct else ""
        text = f"{node.name}{params}({distinct}{self.list(node.args)})"
        if node.filter_expr is not None:
            text += f" FILTER (WHERE {self.expr(node.filter_expr)})"
        return text

    def _template(self, node: Template) -> str:
        args = [self.expr(arg) for arg in node.args]
        return "".join([piece if isinstance(piece, str) else args[piece] for piece in node.pieces])

    def _wrapped(self, node: Wrapped) -> str:
        return self.expr(node.full)

    def _named(self, node: Named) -> str:
        return f"({self.expr(node.expr)} AS {quoted(node.name)})"

    def _function(self, node: Function) -> str:
        args = ", ".join(quoted(arg) for arg in node.args)
        return f"({args}) -> {self.expr(node.body)}"

    def _over(self, node: Over) -> str:
        call = self._native(node.call)
        if node.window_name is not None:
            return f"{call} OVER {quoted(node.window_name)}"
        return f"{call} OVER ({'' if node.window is None else self._window(node.window)})"

    def _window(self, node: ast.WindowExpr) -> str:
        parts: list[str] = []
        if node.partition_by:
            parts.append(f"PARTITION BY {self.list(node.partition_by)}")
        if node.order_by:
            parts.append(f"ORDER BY {self._order(node.order_by)}")
        if node.frame_method is not None and node.frame_start is not None:
            frame = self._bound_of(node.frame_start)
            if node.frame_end is not None:
                frame = f"BETWEEN {frame} AND {self._bound_of(node.frame_end)}"
            parts.append(f"{node.frame_method} {frame}")
        return " ".join(parts)

    def _bound_of(self, node: ast.WindowFrameExpr) -> str:
        if node.frame_type == "CURRENT ROW":
            return "CURRENT ROW"
        value: Any = node.frame_value
        if value is None:
            return f"UNBOUNDED {node.frame_type}"
        return f"{self.expr(value) if isinstance(value, ast.Node) else self._value(value)} {node.frame_type}"

    def _order(self, keys: Sequence[ast.OrderExpr]) -> str:
        return ", ".join([self._order_key(key) for key in keys])

    def _order_key(self, key: ast.OrderExpr) -> str:
        text = self.expr(key.expr) + (" DESC" if key.order == "DESC" else " ASC")
        if key.nulls is not None:
            text += " NULLS FIRST" if key.nulls == "FIRST" else " NULLS LAST"
        fill = key.with_fill
        if fill is not None:
            text += " WITH FILL"
            for word, value in (("FROM", fill.from_value), ("TO", fill.to_value), ("STEP", fill.step_value)):
                if value is not None:
                    text += f" {word} {self.expr(value)}"
        return text

    def _subquery(self, node: Select | SelectSet) -> str:
        return f"({self.query(node)})"

    # --- SELECT -----------------------------------------------------------------------------------------------------

    def _select(self, node: Select) -> str:
        outputs = ", ".join([f"{self.expr(output.expr)} AS {quoted(output.sql)}" for output in node.outputs])
        clauses = [f"SELECT {'DISTINCT ' if node.distinct else ''}{outputs}"]
        guards: list[str] = []
        if node.sources:
            clauses.append("FROM " + self._from(node.sources, guards))
        if node.array_join_op is not None:
            clauses.append(f"{_one_of(node.array_join_op, _ARRAY_JOINS)} {self._array_join(node.array_join)}")
        if node.prewhere is not None:
            clauses.append(f"PREWHERE {self.expr(node.prewhere)}")
        conditions = [*guards, *(self.expr(each) for each in node.conditions)]
        if node.where is not None:
            conditions.append(self.expr(node.where))
        if conditions:
            clauses.append("WHERE " + (conditions[0] if len(conditions) == 1 else f"and({', '.join(conditions)})"))
        if node.group_by_mode == "all":
            clauses.append("GROUP BY ALL")
        elif node.group_by is not None:
            clauses.append(self._group_by(node.group_by, node.group_by_mode))
        if node.having is not None:
            clauses.append(f"HAVING {self.expr(node.having)}")
        if node.windows:
            windows = [f"{quoted(name)} AS ({self._window(window)})" for name, window in node.windows.items()]
            clauses.append("WINDOW " + ", ".join(windows))
        if node.qualify is not None:
            clauses.append(f"QUALIFY {self.expr(node.qualify)}")
        if node.order_by:
            clauses.append(f"ORDER BY {self._order(node.order_by)}")
        if node.limit_by is not None:
            skipped = node.limit_by.offset_value
            offset = "" if skipped is None else f" OFFSET {self.expr(skipped)}"
            clauses.append(f"LIMIT {self.expr(node.limit_by.n)}{offset} BY {self.list(node.limit_by.exprs)}")
        clauses.extend(self._limits(node))
        return " ".join(clauses)

    def _limits(self, node: Select | SelectSet) -> list[str]:
        clauses: list[str] = []
        if node.limit is not None:
            clauses.append(f"LIMIT {self.expr(node.limit)}{' WITH TIES' if node.limit_with_ties else ''}")
        if node.offset is not None:
            clauses.append(f"OFFSET {self.expr(node.offset)}")
        return clauses

    def _group_by(self, keys: Sequence[Any], mode: str | None) -> str:
        printed = [f"({self.list(key.exprs)})" if isinstance(key, ast.GroupingSet) else self.expr(key) for key in keys]
        text = ", ".join(printed)
        return f"GROUP BY {text}" if mode is None else f"GROUP BY {_MODES[mode]}({text})"

    def _array_join(self, arrays: Sequence[Named]) -> str:
        return ", ".join([f"{self.expr(each.expr)} AS {quoted(each.name)}" for each in arrays])

    def _from(self, sources: Sequence[From], guards: list[str]) -> str:
        text = ""
        for place, source in enumerate(sources):
            if place:
                words = (source.join_type or "").split()
                if not words or not _JOIN_WORDS.issuperset(words):
                    raise QueryError(f"Unsupported join: {source.join_type}")
                text += f" {' '.join(words)} "
            if isinstance(source.source, TableRef):
                text += self._table(source.source, sources, place, guards)
            else:
                text += f"({self.query(source.source)}) AS {source.alias}"
            if source.on is not None:
                text += f" ON {self.expr(source.on)}"
        return text

    def _table(self, table: TableRef, sources: Sequence[From], place: int, guards: list[str]) -> str:
        """A table where it is read. Its guard goes into WHERE, so it must be the one table of this SELECT that every
        row has: the first, with nothing joined that keeps rows of its own.
        """
        if table.args is not None:
            return f"{table.name}({self.list(table.args)}) AS {table.alias}"
        guard = table.guard
        if guard is None or guard.table_alias != table.alias or guard.team_id != self._team_id:
            raise UnguardedTable(table.name)
        if place or any(_KEEPS_RIGHT.intersection((each.join_type or "").split()) for each in sources[1:]):
            raise UnguardedTable(f"{table.name} in a join")
        guards.append(f"equals({table.alias}.`team_id`, {{{TEAM}:Int64}})")
        self.tables.add(table.name)
        return f"{quoted(table.name)} AS {table.alias}{' FINAL' if table.final else ''}"

    def _set(self, node: SelectSet) -> str:
        text = ""
        for operator, select in node.selects:
            if text:
                text += f" {_one_of(operator, _SET_OPERATORS)} "
            text += f"({self.query(select)})"
        if node.order_by is None and node.limit is None and node.offset is None:
            return text
        self._sets += 1
        clauses = [f"SELECT * FROM ({text}) AS __hqs{self._sets}"]
        if node.order_by:
            clauses.append(f"ORDER BY {self._order(node.order_by)}")
        return " ".join([*clauses, *self._limits(node)])

    def unprintable(self, node: Any) -> str:
        """A node that no rule has lowered."""
        raise QueryError(f"Unsupported expression: {type(node).__name__}", node.start, node.end)


_ARRAY_JOINS = frozenset({"ARRAY JOIN", "LEFT ARRAY JOIN", "INNER ARRAY JOIN"})


def _one_of(word: str, allowed: frozenset[str]) -> str:
    if word not in allowed:
        raise QueryError(f"Unsupported: {word}")
    return word


def _float(value: float) -> str:
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "(-inf)"
    return repr(value) if value >= 0 else f"({value!r})"


_PRINTERS: dict[type[Any], Callable[[Printer, Any], str]] = {
    ast.Constant: Printer._constant,  # pyright: ignore[reportPrivateUsage]
    Column: Printer._column,  # pyright: ignore[reportPrivateUsage]
    Name: Printer._name,  # pyright: ignore[reportPrivateUsage]
    Native: Printer._native,  # pyright: ignore[reportPrivateUsage]
    Template: Printer._template,  # pyright: ignore[reportPrivateUsage]
    Wrapped: Printer._wrapped,  # pyright: ignore[reportPrivateUsage]
    Named: Printer._named,  # pyright: ignore[reportPrivateUsage]
    Function: Printer._function,  # pyright: ignore[reportPrivateUsage]
    Over: Printer._over,  # pyright: ignore[reportPrivateUsage]
    Select: Printer._subquery,  # pyright: ignore[reportPrivateUsage]
    SelectSet: Printer._subquery,  # pyright: ignore[reportPrivateUsage]
    Property: Printer.unprintable,
}
