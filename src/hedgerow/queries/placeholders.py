"""What fills the placeholders of a HogQL query: values, variables and filters (hogql §8)."""

from __future__ import annotations

from typing import Any, Final, Literal, Self, cast
from zoneinfo import ZoneInfo

import msgspec

from hedgerow.core.clock import Clock
from hedgerow.hogql import ProjectSchema, QueryError, ast, property_to_expr
from hedgerow.hogql.placeholders import find_placeholders, placeholder_name, replace_placeholders
from hedgerow.hogql.walk import map_children
from hedgerow.queries.dates import parse_date

MOMENT_OF_TABLE: Final = {
    "events": "timestamp",
    "logs": "timestamp",
    "traces": "timestamp",
    "sessions": "$start_timestamp",
    "groups": "created_at",
}
"""Tables that `{filters}` can be used with, and their column for dates."""
SCOPE_OF_TABLE: Final[dict[str, Literal["event", "session", "group"]]] = {"sessions": "session", "groups": "group"}
"""What a row of theirs is; those of the others are events."""
_BOUNDS: Final = {"filters.dateRange.from": "date_from", "filters.dateRange.to": "date_to"}
Query = ast.SelectQuery | ast.SelectSetQuery


class DateRange(msgspec.Struct, frozen=True, omit_defaults=True):
    """Two dates as `dates.parse_date` reads them."""

    date_from: str | None = None
    date_to: str | None = None
    explicit_date: bool | None = msgspec.field(default=None, name="explicitDate")


class HogQLFilters(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What `{filters}` stands for."""

    properties: list[dict[str, Any]] | None = None
    date_range: DateRange | None = msgspec.field(default=None, name="dateRange")
    filter_test_accounts: bool | None = msgspec.field(default=None, name="filterTestAccounts")

    def under(self, override: dict[str, Any]) -> Self:
        """With a dashboard's filters laid over it: dates replace, properties are added."""
        dates, properties = self.date_range, list(self.properties or [])
        if override.get("date_from") is not None or override.get("date_to") is not None:
            dates = DateRange(
                _text(override.get("date_from")), _text(override.get("date_to")), bool(override.get("explicitDate"))
            )
        added = override.get("properties")
        if isinstance(added, list):
            properties += [each for each in cast("list[Any]", added) if isinstance(each, dict)]
        return msgspec.structs.replace(self, date_range=dates, properties=properties or None)


class HogQLVariable(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A variable of the query, by its code name, with the value to use."""

    variable_id: str = msgspec.field(default="", name="variableId")
    code_name: str = ""
    value: Any = None
    is_null: bool | None = msgspec.field(default=None, name="isNull")

    def with_value_of(self, override: dict[str, Any]) -> Self:
        """The same variable with another value."""
        is_null = override.get("isNull")
        return msgspec.structs.replace(
            self, value=override.get("value", self.value), is_null=is_null if isinstance(is_null, bool) else None
        )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


class Filler:
    """Fills one query."""

    def __init__(
        self,
        values: dict[str, Any] | None,
        variables: dict[str, HogQLVariable] | None,
        filters: HogQLFilters | None,
        test_account_filters: tuple[dict[str, Any], ...] = (),
    ) -> None:
        """Whatever the request holds; `test_account_filters` are the project's."""
        self._values = dict(values or {})
        self._variables = {each.code_name: each for each in (variables or {}).values()}
        self._filters = filters or HogQLFilters()
        self._test_account_filters = test_account_filters

    def fill(self, query: Query, schema: ProjectSchema, clock: Clock) -> Query:
        """The query without placeholders. Raises `QueryError` with the place of the first that has no value."""
        found = [(node, placeholder_name(node)) for node in find_placeholders(query)]
        if not found:
            return query
        values: dict[str, Any] = dict(self._values)
        for node, name in found:
            if name is not None and name.startswith("variables."):
                values[name] = self._variable(node, name.removeprefix("variables."))
        if any(name is not None and name.partition(".")[0] == "filters" for _, name in found):
            query = cast("Query", _Filters(self._filters, self._test_account_filters, schema, clock).fill(query))
        return replace_placeholders(query, values)

    def _variable(self, node: ast.Placeholder, name: str) -> Any:
        variable = self._variables.get(name)
        if variable is None:
            raise QueryError(f"Variable {name} is missing from query", node.start, node.end)
        return ast.Constant(None) if variable.is_null else variable.value


class _Filters:
    """Replaces `{filters}` and its bounds, each by what it means in its own SELECT."""

    def __init__(
        self,
        filters: HogQLFilters,
        test_account_filters: tuple[dict[str, Any], ...],
        schema: ProjectSchema,
        clock: Clock,
    ) -> None:
        self._filters = filters
        self._dates = filters.date_range or DateRange()
        self._schema = schema
        self._now = clock.now().astimezone(ZoneInfo(schema.timezone))
        self._test_account_filters = test_account_filters if filters.filter_test_accounts else ()
        self._select: ast.SelectQuery | None = None

    def fill(self, node: ast.Node) -> ast.Node:
        if isinstance(node, ast.SelectQuery):
            outer, self._select = self._select, node
            try:
                return map_children(node, self.fill)
            finally:
                self._select = outer
        if isinstance(node, ast.CompareOperation | ast.BetweenExpr) and self._lacks_its_bound(node):
            return ast.CompareOperation(ast.Constant(True), ast.Constant(True), "==")
        if isinstance(node, ast.Placeholder):
            return self._value(node)
        return map_children(node, self.fill)

    def _lacks_its_bound(self, node: ast.CompareOperation | ast.BetweenExpr) -> bool:
        sides = [node.left, node.right] if isinstance(node, ast.CompareOperation) else [node.low, node.high]
        names = [placeholder_name(side) for side in sides if isinstance(side, ast.Placeholder)]
        return any(name in _BOUNDS and self._bound(_BOUNDS[name]) is None for name in names if name is not None)

    def _bound(self, which: str) -> ast.Expr | None:
        text = getattr(self._dates, which)
        if text is None or (text == "all" and which == "date_from"):
            return None
        moment = parse_date(text, self._now)
        return None if moment is None else ast.Constant(moment)

    def _value(self, node: ast.Placeholder) -> ast.Expr:
        name = placeholder_name(node)
        if name is None or name.partition(".")[0] != "filters":
            return node
        if name == "filters":
            return self._condition(node)
        if name not in _BOUNDS:
            raise QueryError(
                f"Unsupported filters placeholder `{{{name}}}`. Supported filters placeholders are: "
                "`{filters}`, `{filters.dateRange.from}`, `{filters.dateRange.to}`.",
                node.start,
                node.end,
            )
        bound = self._bound(_BOUNDS[name])
        if bound is None:
            raise QueryError(
                f"The `{{{name}}}` placeholder must be used directly in a comparison "
                f"(e.g. `timestamp > {{{name}}}`), not nested inside a function call, when the date range is not set.",
                node.start,
                node.end,
            )
        return bound

    def _condition(self, node: ast.Placeholder) -> ast.Expr:
        table = self._table()
        if table is None:
            raise QueryError(
                "Cannot use 'filters' placeholder in a SELECT clause that does not select from the "
                "events, sessions, logs, traces or groups table.",
                node.start,
                node.end,
            )
        properties = [*(self._filters.properties or []), *self._test_account_filters]
        if table == "sessions" and any(each.get("type") not in {"session", None} for each in properties):
            raise QueryError(
                "Can only use session properties in a filter when selecting from only the sessions table.",
                node.start,
                node.end,
            )
        scope = SCOPE_OF_TABLE.get(table, "event")
        conditions: list[ast.Expr] = []
        if properties:
            conditions.append(
                property_to_expr(properties, scope, self._schema, lambda text: parse_date(text, self._now))
            )
        moment = ast.Field([MOMENT_OF_TABLE[table]])
        if (first := self._bound("date_from")) is not None:
            conditions.append(ast.CompareOperation(moment, first, ">="))
        if (last := self._bound("date_to")) is not None:
            conditions.append(ast.CompareOperation(moment, last, "<"))
        if not conditions:
            return ast.Constant(True)
        return conditions[0] if len(conditions) == 1 else ast.And(conditions)

    def _table(self) -> str | None:
        """The first table of FROM that has a column for dates."""
        join = None if self._select is None else self._select.select_from
        while join is not None:
            if isinstance(join.table, ast.Field):
                name = str(join.table.chain[-1])
                if name in MOMENT_OF_TABLE:
                    return name
            join = join.next_join
        return None
