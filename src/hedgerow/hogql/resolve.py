"""Resolving: every name gets a type, every table its project guard (hogql §3).

The resolver walks a SELECT once. Sources in FROM come first, then expressions in the order in which ClickHouse's names
need them. What it leaves is the tree of `lowered`, which the printer writes down without further questions.
"""

from __future__ import annotations

from typing import Any

from hedgerow.hogql import ast
from hedgerow.hogql.context import HogQLContext, Notice
from hedgerow.hogql.database import INTERNAL_TABLES, TABLES, Field, LazyJoin, Table
from hedgerow.hogql.errors import NotSupported, QueryError
from hedgerow.hogql.expressions import EXPRESSIONS
from hedgerow.hogql.fields import group_type_field, label_of, table_field
from hedgerow.hogql.lowered import Lowered, Property, Select, SelectSet
from hedgerow.hogql.rules import Rules
from hedgerow.hogql.scopes import AliasEntry, Chain, Scope, TableSource
from hedgerow.hogql.types import ANY

_RULES = Rules()
_RESERVED_ALIASES = frozenset({"true", "false", "null", "team_id"})
MOST_EXPANSIONS = 50
MOST_NODES = 100_000
MOST_WINDOW_FUNCTIONS = 200
"""Each window is a step of ClickHouse's plan over all columns: with 1,500 planning takes minutes that nothing ends."""
MOST_ANALYSES = 8_192
"""ClickHouse analyses a subquery in IN twice, one in IN inside of it four times …, at 5 to 50 µs each, and nothing ends it."""


class Resolver:
    """The state of one compilation. `rules` and the functions of `expressions`, `fields` and `selects` work on it."""

    def __init__(self, context: HogQLContext) -> None:
        self.context = context
        self.rules = _RULES
        self.team_id = context.schema.team_id
        self.zone = context.schema.timezone if context.modifiers.convert_to_project_timezone else "UTC"
        self.scope = Scope()
        self.aggregation: str | None = None
        self.in_join_condition = False
        self.has_markup = False
        """Whether a tag or a dict was met, which result names and the printed query show as tuples."""
        self.notices: list[Notice] = []
        self.table_names: dict[str, None] = {}
        self._aliases = 0
        self._expansions = 0
        self._nodes = 0
        self._value_depth = 0
        self._analyses = 0
        self._window_functions = 0
        self._property_types: dict[tuple[str, str, int | None], str | None] = {}

    # --- expressions ------------------------------------------------------------------------------------------------

    def expr(self, node: Any) -> Any:
        """The lowered form of an expression; raises HogQLError with its place in the text."""
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise QueryError("This query is too large.", node.start, node.end)
        rule = EXPRESSIONS.get(type(node))
        if rule is None:
            raise NotSupported(f"Unsupported expression: {type(node).__name__}", node.start, node.end)
        lowered = rule(self, node)
        if lowered.start is None:
            lowered.start, lowered.end = node.start, node.end
        return lowered

    def maybe(self, node: Any) -> Any:
        """The same for a part that may be missing."""
        return None if node is None else self.expr(node)

    def finish(self, expr: Any, chain: Chain) -> Any:
        """A field that was found: property access is decided, and it knows what its result column is called."""
        if not isinstance(expr, Lowered):
            return expr
        label = label_of(chain, expr)
        if isinstance(expr, Property):
            expr = self.rules.apply(expr, self)
            expr.remark = expr.remark or ""
        expr.label = label
        return expr

    def subquery(self, query: ast.SelectQuery | ast.SelectSetQuery) -> Select | SelectSet:
        """A query inside this one, with its own names."""
        from hedgerow.hogql.selects import select_or_set

        outer = self.scope, self.aggregation, self.in_join_condition
        self.aggregation, self.in_join_condition = None, False
        try:
            lowered = select_or_set(self, query, outer[0])
        finally:
            self.scope, self.aggregation, self.in_join_condition = outer
        lowered.type = lowered.outputs[0].type if len(lowered.outputs) == 1 else ANY
        return lowered

    def subquery_as_value(self, query: ast.SelectQuery | ast.SelectSetQuery) -> Select | SelectSet:
        """A subquery in an expression. Raises QueryError where too many stand in each other."""
        self._value_depth += 1
        self._analyses += 2**self._value_depth
        try:
            if self._analyses > MOST_ANALYSES:
                raise QueryError("Too many subqueries are values within each other.", query.start, query.end)
            return self.subquery(query)
        finally:
            self._value_depth -= 1

    def count_window_function(self, node: ast.WindowFunction) -> None:
        """One more. Raises QueryError where there are too many."""
        self._window_functions += 1
        if self._window_functions > MOST_WINDOW_FUNCTIONS:
            raise QueryError(
                f"There are too many window functions: more than {MOST_WINDOW_FUNCTIONS}.", node.start, node.end
            )

    def window(self, node: ast.WindowExpr | None) -> ast.WindowExpr | None:
        """A window with lowered parts."""
        if node is None:
            return None
        return ast.WindowExpr(
            partition_by=None if node.partition_by is None else [self.expr(each) for each in node.partition_by],
            order_by=None if node.order_by is None else [self.order(each) for each in node.order_by],
            frame_method=node.frame_method,
            frame_start=self._bound(node.frame_start),
            frame_end=self._bound(node.frame_end),
        )

    def _bound(self, node: ast.WindowFrameExpr | None) -> ast.WindowFrameExpr | None:
        if node is None or not isinstance(node.frame_value, ast.Expr):
            return node
        return ast.WindowFrameExpr(frame_type=node.frame_type, frame_value=self.expr(node.frame_value))

    def order(self, node: ast.OrderExpr) -> ast.OrderExpr:
        """A key of ORDER BY, lowered."""
        fill = node.with_fill
        return ast.OrderExpr(
            expr=self.expr(node.expr),
            order=node.order,
            nulls=node.nulls,
            with_fill=None
            if fill is None
            else ast.WithFillExpr(
                from_value=self.maybe(fill.from_value),
                to_value=self.maybe(fill.to_value),
                step_value=self.maybe(fill.step_value),
            ),
        )

    # --- aliases ----------------------------------------------------------------------------------------------------

    def declare_alias(self, node: ast.Alias) -> AliasEntry:
        """Take an alias into this SELECT."""
        entry = self.scope.aliases.get(node.alias)
        if entry is not None:
            if entry.node is node:
                return entry
            raise QueryError(f"Cannot redefine an alias with the name: {node.alias}", node.start, node.end)
        if not node.alias:
            raise QueryError("Alias cannot be empty", node.start, node.end)
        if node.alias.lower() in _RESERVED_ALIASES:
            raise QueryError(
                f'"{node.alias}" cannot be an alias or identifier, as it\'s a reserved keyword', node.start, node.end
            )
        entry = AliasEntry(node)
        self.scope.aliases[node.alias] = entry
        return entry

    def alias_value(self, entry: AliasEntry) -> Any:
        """What an alias stands for, resolved once. While that happens the alias itself is not seen."""
        if entry.resolved is None:
            entry.busy = True
            outer = self.aggregation
            self.aggregation = None
            try:
                entry.resolved = self.expr(entry.node.expr)
            finally:
                entry.busy = False
                self.aggregation = outer
        return entry.resolved

    # --- tables -----------------------------------------------------------------------------------------------------

    def new_alias(self) -> str:
        """A table alias that no writer can have."""
        self._aliases += 1
        return f"__hq{self._aliases - 1}"

    def table_named(self, chain: Chain) -> Table | None:
        """The table of that name; `posthog.events` is `events`."""
        if len(chain) == 2 and chain[0] == "posthog":
            chain = chain[1:]
        return TABLES.get(str(chain[0])) if len(chain) == 1 else None

    def table_of_join(self, join: LazyJoin) -> Table:
        """The table that a lazy join leads to."""
        return TABLES.get(join.table) or INTERNAL_TABLES[join.table]

    def join_type(self, join: LazyJoin) -> str:
        """How a lazy join is written, given the modifiers."""
        if join.name == "joined_person" and self.context.modifiers.persons_join_mode == "inner":
            return "INNER JOIN"
        return join.join_type

    def group_type_field(self, table: Table, name: str) -> Field | None:
        """The lazy join that a group type's name stands for."""
        return group_type_field(self, table, name)

    def table_field(self, source: TableSource, field: Field | None, chain: Chain, at: ast.Node) -> Any:
        """The expression for a chain that begins at a table."""
        return table_field(self, source, field, chain, at)

    def expression_field(self, source: TableSource, hogql: str) -> Any:
        """A field that is written in HogQL over its table's own fields."""
        from hedgerow.hogql.parser import parse_expr

        outer = self.scope
        self.scope = Scope()
        self.scope.sources.append(source)
        try:
            return self.expr(parse_expr(hogql))
        finally:
            self.scope = outer

    def is_property(self, field: ast.Field) -> bool:
        """Whether a field leads to properties of a table, so that `[…]` after it is a further key."""
        name = str(field.chain[0])
        return name not in self.scope.aliases and self.scope.argument(name) is None

    def property_type(self, owner: str, name: str, group_index: int | None) -> str | None:
        """The type of a property's definition, asked once a compilation."""
        key = (owner, name, group_index)
        if key not in self._property_types:
            if owner == "group" and group_index is None:
                self._property_types[key] = None
            else:
                self._property_types[key] = self.context.schema.property_type(owner, name, group_index)
        return self._property_types[key]

    # --- what is told about the text --------------------------------------------------------------------------------

    def count_expansion(self, at: ast.Node) -> None:
        """Count the use of a CTE, so that CTEs over CTEs cannot double without end."""
        self._expansions += 1
        if self._expansions > MOST_EXPANSIONS:
            raise QueryError("Too many CTE expansions (50+). Probably a CTE loop.", at.start, at.end)
