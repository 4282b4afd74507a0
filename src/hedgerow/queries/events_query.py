"""EventsQuery: rows of events, or sums over them (queries §4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
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
    property_to_expr,
)
from hedgerow.queries.dates import parse_date
from hedgerow.queries.elements import elements_of
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.hogql_query import modifiers_of
from hedgerow.queries.nodes import Cells, Node, NodeKind, RowFields, cells_of, row_fields
from hedgerow.queries.persons_of import Person, display_name, persons_of
from hedgerow.queries.run import KindAnswer, Run
from hedgerow.queries.selection import (
    LIMIT_DEFAULT,
    Limit,
    Offset,
    Selected,
    conditions,
    is_field,
    ordered,
    select_of,
    selected,
)

AFTER_DEFAULT: Final = "-24h"
AHEAD: Final = timedelta(seconds=5)
"""Events from further in the future are hidden."""
STAR: Final = (
    "uuid", "event", "properties", "timestamp", "distinct_id", "elements_chain", "created_at", "person_mode", "$session_id",
)  # fmt: skip
"""What `*` reads; the last is only looked at."""
_TIMESTAMP: Final = "timestamp"


class EventsQuery(Node, frozen=True, kw_only=True):
    """The node."""

    select: list[str]
    where: list[str] | None = None
    event: str | None = None
    events: list[str] | None = None
    action_id: int | None = msgspec.field(default=None, name="actionId")
    action_steps: list[dict[str, Any]] | None = msgspec.field(default=None, name="actionSteps")
    person_id: str | None = msgspec.field(default=None, name="personId")
    properties: list[dict[str, Any]] | None = None
    fixed_properties: list[dict[str, Any]] | None = msgspec.field(default=None, name="fixedProperties")
    filter_test_accounts: bool | None = msgspec.field(default=None, name="filterTestAccounts")
    before: str | None = None
    after: str | None = None
    order_by: list[str] | None = msgspec.field(default=None, name="orderBy")
    source: dict[str, Any] | None = None
    limit: Limit | None = None
    offset: Offset | None = None


class _Compilation(msgspec.Struct, frozen=True):
    """All that compiling the node needs beside the project's schema. Goes into a pickle."""

    node: EventsQuery
    modifiers: Modifiers
    names: tuple[str, ...] | None
    """Of the project's properties that a person is shown by."""
    test_account_filters: tuple[dict[str, Any], ...]
    now: datetime
    limit: int

    def __call__(self, schema: ProjectSchema) -> CompiledQuery:
        node = self.node
        specials = specials_of(self.names)
        columns = selected(node.select or ["*"], specials)
        order_by = ordered(node.order_by, columns, specials, _TIMESTAMP)
        if _cursor_column(columns, order_by) == len(columns):
            hidden = ast.Field(chain=[_TIMESTAMP])
            columns = [*columns, Selected(_TIMESTAMP, hidden, special=None, is_aggregate=False)]
        where = [*self._where(schema), *conditions(node.where or (), specials)]
        query = select_of("events", columns, where, order_by, limit=self.limit, offset=node.offset or 0)
        return compile_select(query, HogQLContext(schema=schema, modifiers=self.modifiers, max_limit=None))

    def _where(self, schema: ProjectSchema) -> list[ast.Expr]:
        node, now = self.node, self.now.astimezone(ZoneInfo(schema.timezone))
        found: list[ast.Expr] = [compared(_TIMESTAMP, "<", date_of(node.before, now, now + AHEAD, "before"))]
        after = node.after or AFTER_DEFAULT
        if after != "all":
            found.append(compared(_TIMESTAMP, ">", date_of(after, now, now, "after")))
        names = [*([node.event] if node.event else []), *(node.events or [])]
        if names:
            listed = ast.Tuple(exprs=[ast.Constant(value=name) for name in names])
            found.append(ast.CompareOperation(left=ast.Field(chain=["event"]), right=listed, op="in"))
        if node.action_id is not None:
            found.append(ast.Call(name="matchesAction", args=[ast.Constant(value=node.action_id)]))
        if node.person_id is not None:
            found.append(compared("person_id", "==", node.person_id))
        filters = [*(node.properties or []), *(node.fixed_properties or [])]
        if node.filter_test_accounts:
            filters += self.test_account_filters
        if filters:
            found.append(property_to_expr(filters, "event", schema, lambda text: parse_date(text, now)))
        return found


class EventsQueryKind(NodeKind[EventsQuery]):
    """See `registry.Kind`."""

    name = "EventsQuery"
    node = EventsQuery

    def check(self, node: EventsQuery) -> None:
        """Raise `QueryRefused` for what the fields alone do not tell."""
        if node.source is not None:
            raise QueryRefused(f"Unsupported query kind: {str(node.source.get('kind'))[:100]}", attr="query__source")
        if node.action_steps:
            raise QueryRefused("Steps without an action cannot be matched. Use actionId.", attr="query__actionSteps")
        if node.person_id is not None and uuid_of(node.person_id) is None:
            raise QueryRefused("Must be a valid UUID.", attr="query__personId")

    def overridden(
        self, node: EventsQuery, filters: dict[str, Any] | None, variables: dict[str, dict[str, Any]] | None
    ) -> EventsQuery:
        """Dates of a dashboard replace the query's, its properties are added."""
        del variables
        if filters is None:
            return node
        first, last, properties = (filters.get(name) for name in ("date_from", "date_to", "properties"))
        if isinstance(first, str) or isinstance(last, str):
            node = msgspec.structs.replace(
                node,
                after=first if isinstance(first, str) else node.after,
                before=last if isinstance(last, str) else node.before,
            )
        if isinstance(properties, list):
            added: list[Any] = [each for each in properties if isinstance(each, dict)]
            node = msgspec.structs.replace(node, properties=[*(node.properties or []), *added])
        return node

    async def calculate(self, node: EventsQuery, run: Run) -> KindAnswer:
        """Compile and run it, then make values of its special columns."""
        limit = min(node.limit or LIMIT_DEFAULT, run.settings.query_max_rows)
        modifiers, names = modifiers_of(node.modifiers), run.team.person_display_name_properties
        work = _Compilation(node, modifiers, names, run.team.test_account_filters, run.clock.now(), limit)
        compiled = await run.compile(" ".join(node.select), None, work)
        answered = await run.rows(compiled, limit)
        columns = selected(node.select or ["*"], specials_of(names))
        order_by = ordered(node.order_by, columns, specials_of(names), _TIMESTAMP)
        rows, cursor = _Rows(columns, run.team.id), None
        place = _cursor_column(columns, order_by)
        parts = answered.parts
        if rows.are_special or place == len(columns) or (place is not None and answered.has_more):
            aside, cells = await cells_of(parts)
            if answered.has_more and place is not None:
                cursor = rows.moment_of(cells[-1], place)
            persons = await persons_of(run, modifiers, rows.distinct_ids(cells)) if rows.show_persons else {}
            parts = [await aside(rows.written, cells, persons)]
        run.close()
        page = (limit, node.offset or 0)
        fields = row_fields(RowFields, columns, answered, compiled, node, page, run, cursor=cursor)
        return KindAnswer(parts, fields)


def specials_of(names: Sequence[str] | None) -> Mapping[str, ast.Expr]:
    """The special columns, and what is read for each."""
    distinct_id = ast.Field(chain=["distinct_id"])
    shown = display_name(names, ast.Field(chain=["distinct_id"]), of="person")
    person_id = ast.Call(name="toString", args=[ast.Field(chain=["person_id"])])
    return {
        "*": ast.Tuple(exprs=[ast.Field(chain=[name]) for name in STAR]),
        "person": ast.Tuple(exprs=[distinct_id]),
        "person_display_name": ast.Tuple(exprs=[shown, person_id, distinct_id]),
    }


class _Rows:
    """Cells of special columns become what people read."""

    def __init__(self, columns: Sequence[Selected], team_id: int) -> None:
        self._columns = columns
        self._team_id = team_id
        self._star = next((place for place, each in enumerate(columns) if each.special == "*"), None)
        self.are_special = any(each.special for each in columns)
        self.show_persons = any(each.special == "person" for each in columns)

    def distinct_ids(self, rows: Cells) -> set[str]:
        """Whose persons are shown."""
        places = [place for place, each in enumerate(self._columns) if each.special == "person"]
        return {msgspec.json.decode(row[place], type=tuple[str])[0] for row in rows for place in places}

    def moment_of(self, row: list[msgspec.Raw], place: int) -> str:
        """The row's timestamp as a cursor: ISO 8601 with an offset."""
        cell = msgspec.json.decode(row[place])
        return datetime.fromisoformat(cell[STAR.index(_TIMESTAMP)] if place == self._star else cell).isoformat()

    def written(self, rows: Cells, persons: Mapping[str, Person]) -> bytes:
        """The rows as JSON."""
        return msgspec.json.encode(
            [[self._value(each, cell, persons) for each, cell in zip(self._columns, row, strict=False)] for row in rows]
        )

    def _value(self, column: Selected, cell: msgspec.Raw, persons: Mapping[str, Person]) -> Any:
        if column.special is None:
            return cell
        read = msgspec.json.decode(cell)
        if column.special == "*":
            return self._event(dict(zip(STAR, read, strict=True)))
        if column.special == "person":
            person = persons.get(read[0])
            return (
                {"distinct_id": read[0]}
                if person is None
                else {**msgspec.structs.asdict(person), "distinct_id": read[0]}
            )
        return dict(zip(("display_name", "id", "distinct_id"), read, strict=True))

    def _event(self, event: dict[str, Any]) -> dict[str, Any]:
        text, chain = str(event["properties"]), str(event["elements_chain"])
        if event.pop("$session_id") and text.endswith("}"):  # nothing is recorded yet
            text = f'{text[:-1]}{"" if text == "{}" else ","}"$has_recording":false}}'
        event["properties"] = msgspec.Raw(text.encode() or b"{}")
        event["team_id"] = self._team_id
        if chain:
            event["elements"] = elements_of(chain)
        return event


def _cursor_column(columns: Sequence[Selected], order_by: Sequence[ast.OrderExpr]) -> int | None:
    """The place of the timestamp that a cursor is made of: one past the columns if none has it; None for no cursor."""
    if any(each.is_aggregate for each in columns) or not order_by or not is_field(order_by[0].expr, _TIMESTAMP):
        return None
    for place, each in enumerate(columns):
        if each.special == "*" or (each.special is None and is_field(each.expr, _TIMESTAMP)):
            return place
    return len(columns)


def compared(name: str, op: Any, value: object) -> ast.Expr:
    """A column compared with a value."""
    return ast.CompareOperation(left=ast.Field(chain=[name]), right=ast.Constant(value=value), op=op)


def date_of(text: str | None, now: datetime, otherwise: datetime, field: str) -> datetime:
    """The moment that a text means; `otherwise` for none. Raises HogQLError that names the field."""
    if text is None:
        return otherwise
    found = parse_date(text, now)
    if found is None:
        raise QueryError(f"The date of `{field}` cannot be read.")
    return found


def uuid_of(text: str) -> UUID | None:
    """The UUID that a text is, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
