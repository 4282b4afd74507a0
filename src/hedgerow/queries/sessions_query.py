"""SessionsQuery: rows of sessions, or sums over them (queries §4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from hedgerow.hogql import (
    CompiledQuery,
    HogQLContext,
    Modifiers,
    ProjectSchema,
    QueryError,
    ast,
    compile_select,
    parse_select,
    property_to_expr,
)
from hedgerow.hogql.walk import map_children, shallow, walk
from hedgerow.queries.dates import parse_date
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.events_query import AFTER_DEFAULT, AHEAD, compared, date_of, uuid_of
from hedgerow.queries.hogql_query import modifiers_of
from hedgerow.queries.nodes import Cells, Node, NodeKind, RowFields, cells_of, row_fields
from hedgerow.queries.persons_of import display_name
from hedgerow.queries.run import KindAnswer, Run
from hedgerow.queries.selection import (
    LIMIT_DEFAULT,
    Limit,
    Offset,
    Selected,
    conditions,
    ordered,
    select_of,
    selected,
)

STAR: Final = (
    "session_id", "distinct_id", "$start_timestamp", "$end_timestamp", "$session_duration", "$entry_current_url",
    "$end_current_url", "$pageview_count", "$autocapture_count", "$screen_count", "$is_bounce",
)  # fmt: skip
"""What `*` shows."""
PERSON_OPERATORS: Final = (
    "exact", "is_not", "icontains", "not_icontains", "regex", "not_regex", "is_set", "is_not_set", "gt", "lt", "gte", "lte",
)  # fmt: skip
COHORTS: Final = frozenset({"cohort", "static-cohort", "precalculated-cohort"})
_START: Final = "$start_timestamp"
_IDS: Final = "person_ids"
"""The alias that persons are joined by."""


class SessionsQuery(Node, frozen=True, kw_only=True):
    """The node."""

    select: list[str]
    where: list[str] | None = None
    event: str | None = None
    action_id: int | None = msgspec.field(default=None, name="actionId")
    event_properties: list[dict[str, Any]] | None = msgspec.field(default=None, name="eventProperties")
    person_id: str | None = msgspec.field(default=None, name="personId")
    properties: list[dict[str, Any]] | None = None
    fixed_properties: list[dict[str, Any]] | None = msgspec.field(default=None, name="fixedProperties")
    filter_test_accounts: bool | None = msgspec.field(default=None, name="filterTestAccounts")
    before: str | None = None
    after: str | None = None
    order_by: list[str] | None = msgspec.field(default=None, name="orderBy")
    limit: Limit | None = None
    offset: Offset | None = None


class _Compilation(msgspec.Struct, frozen=True):
    node: SessionsQuery
    modifiers: Modifiers
    names: tuple[str, ...] | None
    test_account_filters: tuple[dict[str, Any], ...]
    now: datetime
    limit: int

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        node, specials = self.node, specials_of(self.names)
        columns = selected(node.select or ["*"], specials)
        order_by = ordered(node.order_by, columns, specials, _START)
        where = [*self._where(schema), *conditions(node.where or (), specials)]
        query = select_of("sessions", columns, where, order_by, limit=self.limit, offset=node.offset or 0)
        return compile_select(
            _with_persons(query), HogQLContext(schema=schema, modifiers=self.modifiers, max_limit=None)
        )

    def _where(self, schema: ProjectSchema) -> list[ast.Expr]:
        node, now = self.node, self.now.astimezone(ZoneInfo(schema.timezone))
        found: list[ast.Expr] = [compared(_START, "<", date_of(node.before, now, now + AHEAD, "before"))]
        after = node.after or AFTER_DEFAULT
        if after != "all":
            found.append(compared(_START, ">", date_of(after, now, now, "after")))
        if node.person_id is not None:
            found.append(_of_ids(compared("person_id", "==", node.person_id)))
        filters = [*(node.properties or []), *(node.fixed_properties or [])]
        if node.filter_test_accounts:
            filters += self.test_account_filters
        found += self._filtered(filters, schema, now)
        if node.event is not None or node.action_id is not None:
            found.append(self._with_event(schema, now, after))
        return found

    def _filtered(self, filters: list[dict[str, Any]], schema: ProjectSchema, now: datetime) -> list[ast.Expr]:
        found: list[ast.Expr] = []
        for each in filters:
            kind = each.get("type")
            if kind in COHORTS:
                continue
            if kind == "person":
                operator = each.get("operator") or "exact"
                if operator not in PERSON_OPERATORS:
                    raise QueryError(
                        f"Unsupported operator '{operator}' for person property filter in sessions query. "
                        f"Supported operators: {', '.join(PERSON_OPERATORS)}"
                    )
                condition = property_to_expr(each, "event", schema, lambda text: parse_date(text, now))
                found.append(_of_ids(condition))
            else:
                found.append(property_to_expr(each, "session", schema, lambda text: parse_date(text, now)))
        return found

    def _with_event(self, schema: ProjectSchema, now: datetime, after: str) -> ast.Expr:
        """That the session has an event of that name, or one that the action matches, in the same time."""
        node = self.node
        parts: list[ast.Expr] = [compared("timestamp", "<", date_of(node.before, now, now + AHEAD, "before"))]
        if after != "all":
            parts.append(compared("timestamp", ">", date_of(after, now, now, "after")))
        if node.event is not None:
            parts.append(compared("event", "==", node.event))
        else:
            parts.append(ast.Call(name="matchesAction", args=[ast.Constant(value=node.action_id)]))
        if node.event_properties:
            parts.append(property_to_expr(node.event_properties, "event", schema, lambda text: parse_date(text, now)))
        inside = parse_select("SELECT $session_id FROM events WHERE {condition}", {"condition": ast.And(exprs=parts)})
        return ast.CompareOperation(left=ast.Field(chain=["session_id"]), right=inside, op="in")


class SessionsQueryKind(NodeKind[SessionsQuery]):
    """See `registry.Kind`."""

    name = "SessionsQuery"
    node = SessionsQuery

    def check(self, node: SessionsQuery) -> None:
        """Raise `QueryRefused` for what the fields alone do not tell."""
        if node.person_id is not None and uuid_of(node.person_id) is None:
            raise QueryRefused("Must be a valid UUID.", attr="query__personId")

    async def calculate(self, node: SessionsQuery, run: Run) -> KindAnswer:
        """Compile and run it, then make values of its special columns."""
        limit = min(node.limit or LIMIT_DEFAULT, run.settings.query_max_rows)
        names = run.team.person_display_name_properties
        work = _Compilation(
            node, modifiers_of(node.modifiers), names, run.team.test_account_filters, run.clock.now(), limit
        )
        compiled = await run.compile(" ".join(node.select), None, work)
        answered = await run.rows(compiled, limit)
        columns, parts = selected(node.select or ["*"], specials_of(names)), answered.parts
        if any(each.special for each in columns):
            aside, cells = await cells_of(parts)
            parts = [await aside(_written, columns, cells)]
        run.close()
        page = (limit, node.offset or 0)
        fields = row_fields(RowFields, columns, answered, compiled, node, page, run)
        return KindAnswer(parts, fields)


def specials_of(names: Sequence[str] | None) -> Mapping[str, ast.Expr]:
    """The special columns, and what is read for each."""
    distinct_id = ast.Field(chain=["distinct_id"])
    shown = display_name(names, distinct_id, of="person")
    person_id = ast.Call(name="toString", args=[ast.Field(chain=["person", "id"])])
    return {
        "*": ast.Tuple(exprs=[ast.Field(chain=[name]) for name in STAR]),
        "person_display_name": ast.Tuple(exprs=[shown, person_id, distinct_id]),
    }


def _written(columns: Sequence[Selected], rows: Cells) -> bytes:
    return msgspec.json.encode([[_value(each, cell) for each, cell in zip(columns, row, strict=True)] for row in rows])


def _value(column: Selected, cell: msgspec.Raw) -> Any:
    if column.special is None:
        return cell
    names = STAR if column.special == "*" else ("display_name", "id", "distinct_id")
    return dict(zip(names, msgspec.json.decode(cell), strict=True))


def _of_ids(condition: ast.Expr) -> ast.Expr:
    """That the session's distinct id is one of those whose person fits."""
    inside = parse_select("SELECT distinct_id FROM person_distinct_ids WHERE {condition}", {"condition": condition})
    return ast.CompareOperation(left=ast.Field(chain=["distinct_id"]), right=inside, op="in")


def _with_persons(query: ast.SelectQuery) -> ast.SelectQuery:
    """The query with `session.x` as `x`, and with `person.…` out of a join by distinct id, where there is any."""
    needs_persons = any(isinstance(node, ast.Field) and node.chain[0] == "person" for node in _own(query))

    def visit(node: ast.Node) -> ast.Node:
        if isinstance(node, ast.SelectQuery | ast.SelectSetQuery):
            return node
        if isinstance(node, ast.Field):
            if node.chain[0] == "session" and len(node.chain) > 1:
                return _field(node, ["sessions", *node.chain[1:]])
            if node.chain[0] == "person":
                return _field(node, [_IDS, *node.chain])
            if needs_persons and node.chain[0] not in {"sessions", "*"}:
                return _field(node, ["sessions", *node.chain])
            return node
        return map_children(node, visit)

    changed = map_children(query, visit)
    if needs_persons:
        source = shallow(changed.select_from) if changed.select_from is not None else None
        assert source is not None
        source.table = ast.Field(chain=["sessions"])
        source.next_join = ast.JoinExpr(
            table=ast.Field(chain=["person_distinct_ids"]),
            alias=_IDS,
            join_type="LEFT JOIN",
            constraint=ast.JoinConstraint(
                expr=ast.CompareOperation(
                    left=ast.Field(chain=["sessions", "distinct_id"]),
                    right=ast.Field(chain=[_IDS, "distinct_id"]),
                    op="==",
                ),
                constraint_type="ON",
            ),
        )
        changed.select_from = source
    return changed


def _field(node: ast.Field, chain: list[str | int]) -> ast.Field:
    moved = shallow(node)
    moved.chain = chain
    return moved


def _own(query: ast.SelectQuery) -> list[ast.Node]:
    """The nodes of the query that are not of a query inside of it."""
    inside = {
        id(node)
        for each in walk(query)
        if each is not query and isinstance(each, ast.SelectQuery)
        for node in walk(each)
    }
    return [node for node in walk(query) if id(node) not in inside]
