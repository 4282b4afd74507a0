"""Expressions of the lowered tree as ClickHouse text: functions throughout, no operators, so no question of precedence."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from hedgerow.hogql import ast
from hedgerow.hogql.bind import Values
from hedgerow.hogql.errors import QueryError
from hedgerow.hogql.lowered import (
    Column,
    Function,
    Name,
    Named,
    Native,
    Over,
    Select,
    SelectSet,
    Template,
    Wrapped,
)

MOST_DEPTH = 300


def quoted(name: str) -> str:
    """A ClickHouse identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


class Expressions(Values):
    """Prints expressions; `query` prints the SELECTs inside of them."""

    def __init__(self, team_id: int) -> None:
        super().__init__(team_id)
        self._depth = 0

    @abstractmethod
    def query(self, node: Select | SelectSet) -> str:
        """A whole query."""

    def expr(self, node: Any) -> str:
        """An expression."""
        printer = self._printers.get(type(node))
        if printer is None:
            raise QueryError(f"Unsupported expression: {type(node).__name__}", node.start, node.end)
        self.count(1)
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise QueryError("This query is nested too deeply.", node.start, node.end)
        text = printer(self, node)
        self._depth -= 1
        return text

    def all(self, nodes: Sequence[Any]) -> str:
        """Expressions, separated by commas."""
        return ", ".join([self.expr(node) for node in nodes])

    def window(self, node: ast.WindowExpr) -> str:
        """What stands in `OVER (…)`."""
        parts: list[str] = []
        if node.partition_by:
            parts.append(f"PARTITION BY {self.all(node.partition_by)}")
        if node.order_by:
            parts.append(f"ORDER BY {self.order_by(node.order_by)}")
        if node.frame_method is not None and node.frame_start is not None:
            frame = self._frame_bound(node.frame_start)
            if node.frame_end is not None:
                frame = f"BETWEEN {frame} AND {self._frame_bound(node.frame_end)}"
            parts.append(f"{node.frame_method} {frame}")
        return " ".join(parts)

    def _frame_bound(self, node: ast.WindowFrameExpr) -> str:
        if node.frame_type == "CURRENT ROW":
            return "CURRENT ROW"
        value: Any = node.frame_value
        if value is None:
            return f"UNBOUNDED {node.frame_type}"
        return f"{self.expr(value) if isinstance(value, ast.Node) else self.value(value)} {node.frame_type}"

    def order_by(self, keys: Sequence[ast.OrderExpr]) -> str:
        """The keys of ORDER BY."""
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

    def _constant(self, node: ast.Constant) -> str:
        return self.value(node.value)

    def _column(self, node: Column) -> str:
        if not node.table:  # a column of the set that ORDER BY sorts
            return quoted(node.name)
        return f"{node.table}.{quoted(node.name)}"

    def _name(self, node: Name) -> str:
        return quoted(node.name)

    def _native(self, node: Native) -> str:
        if node.name in {"in", "notIn"}:
            left, right = node.args
            constants = isinstance(right, ast.Constant) and isinstance(right.value, list | tuple)
            members = self.members([*right.value], left.type) if constants else self.expr(right)
            return f"{node.name}({self.expr(left)}, {members})"
        params = "" if node.params is None else f"({self.all(node.params)})"
        distinct = "DISTINCT " if node.distinct else ""
        text = f"{node.name}{params}({distinct}{self.all(node.args)})"
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
        return f"{call} OVER ({'' if node.window is None else self.window(node.window)})"

    def _subquery(self, node: Select | SelectSet) -> str:
        return f"({self.query(node)})"

    _printers: ClassVar[dict[type[Any], Callable[[Any, Any], str]]] = {
        ast.Constant: _constant,
        Column: _column,
        Name: _name,
        Native: _native,
        Template: _template,
        Wrapped: _wrapped,
        Named: _named,
        Function: _function,
        Over: _over,
        Select: _subquery,
        SelectSet: _subquery,
    }
