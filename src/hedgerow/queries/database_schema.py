"""DatabaseSchemaQuery: the tables of HogQL and their fields, for an editor (queries §3.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from hedgerow.core.http.wording import reworded
from hedgerow.hogql.database import (
    TABLES,
    Column,
    Expression,
    Field,
    LazyJoin,
    Table,
    Traverser,
    VirtualTable,
)
from hedgerow.queries.errors import QueryRefused
from hedgerow.queries.hogql_query import below_query
from hedgerow.queries.run import KindAnswer, Run

LISTED: Final = ("events", "groups", "persons", "query_log", "sessions")
"""The tables that an editor shows; the others can be queried and are not listed."""
_BARE: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_TYPES: Final = {
    "Integer": "integer",
    "Float": "float",
    "Decimal": "decimal",
    "String": "string",
    "UUID": "string",
    "DateTime": "datetime",
    "Date": "date",
    "Boolean": "boolean",
    "Array": "array",
    "JSON": "json",
}

_AROUND: Final = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)")
_CLICKHOUSE_TYPES: Final = (
    ("DateTime", "datetime"),
    ("Date", "date"),
    ("Bool", "boolean"),
    ("UInt", "integer"),
    ("Int", "integer"),
    ("Float", "float"),
    ("Decimal", "decimal"),
    ("Array", "array"),
    ("Tuple", "array"),
    ("Map", "json"),
    ("JSON", "json"),
    ("String", "string"),
    ("FixedString", "string"),
    ("UUID", "string"),
    ("Enum", "string"),
)


class DatabaseSchemaQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The node."""

    kind: str
    connection_id: str | None = msgspec.field(default=None, name="connectionId")
    modifiers: dict[str, Any] | None = None
    tags: dict[str, Any] | None = None
    version: float | None = None
    response: Any = None


class SchemaField(msgspec.Struct, frozen=True):
    """A field of a table."""

    name: str
    hogql_value: str
    type: str
    schema_valid: bool = True
    table: str | None = None
    fields: list[str] | None = None
    chain: list[str] | None = None
    id: str | None = None


class SchemaTable(msgspec.Struct, frozen=True):
    """A table."""

    type: str
    id: str
    name: str
    fields: dict[str, SchemaField]
    row_count: int | None = None


class DatabaseSchema(msgspec.Struct, frozen=True):
    """The response."""

    tables: dict[str, SchemaTable]
    joins: list[dict[str, Any]] = []
    query_status: None = None


class View(Protocol):
    """A saved query, with name and ClickHouse type of its columns."""

    @property
    def name(self) -> str: ...
    @property
    def columns(self) -> Sequence[tuple[str, str]]: ...


@runtime_checkable
class HasViews(Protocol):
    """A schema that can list its views."""

    def views(self) -> Sequence[View]: ...


def type_of(clickhouse: str) -> str:
    """A ClickHouse type, in the words of an editor (queries §3.4)."""
    while inner := _AROUND.fullmatch(clickhouse):
        clickhouse = inner[1]
    return next((word for start, word in _CLICKHOUSE_TYPES if clickhouse.startswith(start)), "unknown")


def _view(view: View) -> SchemaTable:
    fields = {name: SchemaField(name, _written(name), type_of(kind)) for name, kind in view.columns}
    return SchemaTable("view", view.name, view.name, fields)


def _written(name: str) -> str:
    return name if _BARE.fullmatch(name) else f"`{name}`"


def schema_table(table: Table) -> SchemaTable:
    """A table as the editor reads it; `team_id` is nobody's business."""
    fields = {name: _field(field) for name, field in table.fields.items() if name != "team_id"}
    return SchemaTable("posthog", table.name, table.name, fields)


def _field(field: Field) -> SchemaField:
    name = field.name
    value = _written(name)
    if isinstance(field, Column):
        return SchemaField(name, value, _TYPES.get(field.type.family, "unknown"))
    if isinstance(field, Expression):
        return SchemaField(name, value, "expression")
    if isinstance(field, Traverser):
        return SchemaField(name, value, "field_traverser", chain=list(field.chain))
    if isinstance(field, LazyJoin):
        return SchemaField(name, value, "lazy_table", table=field.table, fields=_names(TABLES[field.table]))
    if isinstance(field, VirtualTable):
        return SchemaField(name, value, "virtual_table", fields=[each.name for each in field.fields])
    if field.rule == "person":
        return SchemaField(name, value, "lazy_table", table="persons", fields=_names(TABLES["persons"]))
    return SchemaField(name, value, "string")


def _names(table: Table) -> list[str]:
    return [name for name in table.fields if name != "team_id"]


class DatabaseSchemaQueryKind:
    """See `registry.Kind`."""

    name = "DatabaseSchemaQuery"
    refresh_seconds = 60
    is_plain = True

    def read(self, query: dict[str, Any]) -> DatabaseSchemaQuery:
        """The node. Raises `ValidationFailed` with the field that does not fit."""
        try:
            node = msgspec.convert(query, DatabaseSchemaQuery)
        except msgspec.ValidationError as error:
            raise below_query(reworded(error)) from None
        if node.connection_id is not None:
            raise QueryRefused("Invalid connectionId for this team", attr="query__connectionId")
        return node

    def overridden(
        self, node: DatabaseSchemaQuery, filters: dict[str, Any] | None, variables: dict[str, dict[str, Any]] | None
    ) -> DatabaseSchemaQuery:
        """Nothing in it can be laid over."""
        del filters, variables
        return node

    def interval(self, node: DatabaseSchemaQuery) -> None:
        """Nothing of it is kept."""
        del node

    async def calculate(self, node: DatabaseSchemaQuery, run: Run) -> KindAnswer:
        """The tables, and the project's views."""
        del node
        tables = {name: schema_table(TABLES[name]) for name in LISTED}
        if isinstance(run.schema, HasViews):
            tables |= {view.name: _view(view) for view in run.schema.views()}
        return KindAnswer(None, DatabaseSchema(tables), may_be_kept=False)
