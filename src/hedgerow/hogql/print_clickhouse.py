"""The lowered tree as ClickHouse SQL: no table without its guard, values bound (`bind`), names quoted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hedgerow.hogql import ast
from hedgerow.hogql.bind import TEAM
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.lowered import From, Named, Select, SelectSet, TableRef
from hedgerow.hogql.print_expressions import Expressions, quoted

_JOIN_WORDS = frozenset(
    (
        "GLOBAL",
        "LOCAL",
        "JOIN",
        "INNER",
        "LEFT",
        "RIGHT",
        "FULL",
        "OUTER",
        "CROSS",
        "ANY",
        "ALL",
        "ASOF",
        "SEMI",
        "ANTI",
    )
)
_KEEPS_RIGHT = frozenset({"RIGHT", "FULL"})
_MODES = {"cube": "CUBE", "rollup": "ROLLUP", "grouping_sets": "GROUPING SETS"}
_NO_LIMIT = 2**63 - 1
_ARRAY_JOINS = frozenset({"ARRAY JOIN", "LEFT ARRAY JOIN", "INNER ARRAY JOIN"})
SET_OPERATORS = frozenset(
    {"UNION ALL", "UNION DISTINCT", "INTERSECT", "INTERSECT DISTINCT", "EXCEPT", "EXCEPT DISTINCT"}
)


class UnguardedTable(Exception):  # noqa: N818 — said of what was about to be printed
    """A table was about to be printed without the project's condition: a bug, never the writer's fault."""


class Printer(Expressions):
    """Prints one query. `parameters` fill up on the way; `tables` are those that the query reads."""

    def __init__(self, team_id: int) -> None:
        super().__init__(team_id)
        self.tables: set[str] = set()
        self._sets = 0

    def query(self, node: Select | SelectSet) -> str:
        """A whole query."""
        return self._set(node) if isinstance(node, SelectSet) else self._select(node)

    def _select(self, node: Select) -> str:
        outputs = ", ".join([f"{self.expr(output.expr)} AS {quoted(output.sql)}" for output in node.outputs])
        clauses = [f"SELECT {'DISTINCT ' if node.distinct else ''}{outputs}"]
        guards: list[str] = []
        if node.sources:
            clauses.append("FROM " + self._from(node.sources, guards))
        if node.array_join_op is not None:
            clauses.append(f"{_one_of(node.array_join_op, _ARRAY_JOINS)} {self._array_join(node.array_join)}")
        if guards:
            clauses.append("PREWHERE " + _both([*guards, *map(self.expr, node.prewhere)]))
        if node.where:
            clauses.append("WHERE " + _both([self.expr(each) for each in node.where]))
        if node.group_by_mode == "all":
            clauses.append("GROUP BY ALL")
        elif node.group_by is not None:
            clauses.append(self._group_by(node.group_by, node.group_by_mode))
        if node.having is not None:
            clauses.append(f"HAVING {self.expr(node.having)}")
        if node.windows:
            windows = [f"{quoted(name)} AS ({self.window(window)})" for name, window in node.windows.items()]
            clauses.append("WINDOW " + ", ".join(windows))
        if node.qualify is not None:
            clauses.append(f"QUALIFY {self.expr(node.qualify)}")
        if node.order_by:
            clauses.append(f"ORDER BY {self.order_by(node.order_by)}")
        if node.limit_by is not None:
            skipped = node.limit_by.offset_value
            offset = "" if skipped is None else f" OFFSET {self.expr(skipped)}"
            clauses.append(f"LIMIT {self.expr(node.limit_by.n)}{offset} BY {self.all(node.limit_by.exprs)}")
            if (
                node.limit is None and node.offset is not None
            ):  # ClickHouse reads OFFSET alone only where nothing was limited by
                clauses.append(f"LIMIT {_NO_LIMIT}")
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
        printed = [f"({self.all(key.exprs)})" if isinstance(key, ast.GroupingSet) else self.expr(key) for key in keys]
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
        """A table where it is read. Its guard goes into PREWHERE (see `rules/prewhere`), so it must be the one table of
        this SELECT that every row has: the first, with nothing joined that keeps rows of its own.
        """
        if table.args is not None:
            return f"{table.name}({self.all(table.args)}) AS {table.alias}"
        guard = table.guard
        if guard is None or guard.table_alias != table.alias or guard.team_id != self.team_id:
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
                text += f" {_one_of(operator, SET_OPERATORS)} "
            text += f"({self.query(select)})"
        if node.order_by is None and node.limit is None and node.offset is None:
            return text
        self._sets += 1
        clauses = [f"SELECT * FROM ({text}) AS __hqs{self._sets}"]
        if node.order_by:
            clauses.append(f"ORDER BY {self.order_by(node.order_by)}")
        return " ".join([*clauses, *self._limits(node)])


def _both(conditions: Sequence[str]) -> str:
    return conditions[0] if len(conditions) == 1 else f"and({', '.join(conditions)})"


def _one_of(word: str, allowed: frozenset[str]) -> str:
    if word not in allowed:
        raise QueryError(f"Unsupported: {word}")
    return word
