"""Saved queries: HogQL that can be named in FROM, like a table (rest-api §26).

A view is not stored rows: each query that names it runs its text. So its answer is never old, and nothing of it can be
materialized, scheduled or cancelled.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.core.http import Access, Caller, Team, ValidationFailed, at_most
from hedgerow.core.resources import Subject, editing, find, flush_or, sent
from hedgerow.core.storage.events import EventStore, StoreError
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import log
from hedgerow.hogql import HogQLContext, HogQLError, ProjectSchema, View, compile_select, parse_select
from hedgerow.hogql.ast import CTE, Field, JoinExpr
from hedgerow.hogql.database import TABLES
from hedgerow.hogql.walk import walk
from hedgerow.queries.errors import from_hogql, from_store
from hedgerow.queries.run import query_limits
from hedgerow.settings import Settings
from hedgerow.taxonomy.models import SavedQuery
from hedgerow.taxonomy.named import Shelf

SCOPE: Final = "DataWarehouseSavedQuery"
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
NAME_LENGTH: Final = 128
QUERY_LENGTH: Final = 100_000
FREQUENCIES: Final = ("never", "5min", "30min", "1hour", "6hour", "12hour", "24hour", "7day", "30day")
WRONG_NAME: Final = (
    "Invalid view name. A view's name begins with a letter or an underscore, and has only letters, digits,"
    " underscores and dots."
)
CYCLE: Final = "Model contains a cycle"
NO_TYPES: Final = "Failed to retrieve types for view"
CHANGED: Final = "The query was modified by someone else."


class QueryNode(msgspec.Struct, frozen=True):
    """The query of a view: HogQL in a node."""

    query: str
    kind: str = "HogQLQuery"


class NewSavedQuery(msgspec.Struct, frozen=True):
    """The body that makes one."""

    name: str
    query: QueryNode
    sync_frequency: str | None = None


class SavedQueryPatch(msgspec.Struct, frozen=True):
    """The body that changes one."""

    name: str | UnsetType = UNSET
    query: QueryNode | UnsetType = UNSET
    sync_frequency: str | UnsetType | None = UNSET
    deleted: bool | UnsetType | None = UNSET
    edited_history_id: str | UnsetType | None = UNSET


@dataclass(frozen=True)
class SavedView:
    """A view as HogQL and the editor see it."""

    name: str
    view: View
    columns: tuple[tuple[str, str], ...]
    """Name and ClickHouse type."""


class SavedQueries:
    """The views of all projects. One per process."""

    def __init__(
        self,
        metadata: Metadata,
        events: EventStore,
        settings: Settings,
        clock: Clock,
        *,
        changed: Callable[[int], None],
    ) -> None:
        """Texts are in `metadata`; `events` finds out what their columns are; `changed` as in `Shelf`."""
        self._metadata = metadata
        self._events = events
        self._settings = settings
        self.shelf: Shelf[SavedView] = Shelf(self._load, clock, changed=changed, has_other_workers=not events.embedded)

    async def _load(self, team_id: int) -> list[SavedView]:
        statement = select(SavedQuery).where(SavedQuery.team_id == team_id, SavedQuery.deleted.is_(False))
        async with self._metadata.read() as session:
            rows = (await session.scalars(statement.order_by(SavedQuery.name))).all()
        return await asyncio.to_thread(_views, rows)

    async def create(
        self, access: Access, caller: Caller, team: Team, schema: ProjectSchema, body: NewSavedQuery
    ) -> SavedQuery:
        """Check and store a new one. Raises ValidationFailed, or what the query is refused with."""
        name = _name(body.name)
        frequency = _frequency(body.sync_frequency)
        columns = await self.columns(schema, name, _text(body.query))
        async with editing(access, caller, team) as edit:
            row = SavedQuery(
                **edit.made(),
                id=ids.uuid7(),
                name=name,
                query=body.query.query,
                columns=columns,
                sync_frequency=frequency,
                history_id=ids.uuid7(),
                updated_at=edit.clock.now(),
                deleted=False,
            )
            edit.session.add(row)
            await flush_or(edit.session, _taken(name))
            edit.note_created(Subject(SCOPE, row.id, name))
        self.shelf.forget(team.id)
        return row

    async def change(
        self,
        access: Access,
        caller: Caller,
        team: Team,
        schema: ProjectSchema,
        *,
        row_id: UUID,
        body: SavedQueryPatch,
    ) -> SavedQuery:
        """Change what the body has. Raises NotFound, ValidationFailed, or what the query is refused with."""
        fields = sent(body)
        columns = None
        if isinstance(body.query, QueryNode):  # a dry run must not keep the database from others
            async with access.metadata.read() as session:
                row = await find(session, SavedQuery, team, row_id, SavedQuery.deleted.is_(False))
            columns = await self.columns(schema, str(fields.get("name", row.name)), _text(body.query))
        async with editing(access, caller, team) as edit:
            row = await find(edit.session, SavedQuery, team, row_id, SavedQuery.deleted.is_(False), to_change=True)
            before = _shown(row)
            if "name" in fields:
                row.name = _name(fields["name"])
            if "sync_frequency" in fields:
                row.sync_frequency = _frequency(fields["sync_frequency"])
            if isinstance(body.query, QueryNode) and columns is not None:
                if body.edited_history_id != str(row.history_id):
                    raise ValidationFailed(CHANGED)
                row.query, row.columns, row.history_id = body.query.query, columns, ids.uuid7()
            row.updated_at = edit.clock.now()
            row.deleted = bool(fields.get("deleted"))
            await flush_or(edit.session, _taken(row.name))
            edit.note_updated(Subject(SCOPE, row.id, row.name), before, _shown(row))
        self.shelf.forget(team.id)
        return row

    async def check_again(self, access: Access, team: Team, schema: ProjectSchema, row_id: UUID) -> SavedQuery:
        """Find out once more what its columns are: a view that it reads may have changed."""
        async with access.metadata.read() as session:
            row = await find(session, SavedQuery, team, row_id, SavedQuery.deleted.is_(False))
        columns = await self.columns(schema, row.name, row.query)
        async with access.metadata.write() as session:
            row = await find(session, SavedQuery, team, row_id, SavedQuery.deleted.is_(False), to_change=True)
            row.columns = columns
        self.shelf.forget(team.id)
        return row

    async def columns(self, schema: ProjectSchema, name: str, text: str) -> list[dict[str, Any]]:
        """Name and ClickHouse type of each column of a text, by a dry run. Raises what the query is refused with."""
        try:
            tree = await asyncio.to_thread(parse_select, text)
            if name in reached(tree, schema):
                raise ValidationFailed(CYCLE, attr="query")
            query = compile_select(tree, HogQLContext(schema=schema, limit_top=None, max_limit=None))
        except HogQLError as error:
            refused = from_hogql(error)
            refused.attr = "query"
            raise refused from None
        limits = {**query.settings, **query_limits(self._settings)}
        try:
            rows = await self._events.rows(f"DESCRIBE ({query.sql})", query.parameters, settings=limits, settled=False)
        except StoreError as error:
            log("taxonomy").info("view_without_types", error=error.message[:300])
            refused = from_store(error)
            raise ValidationFailed(
                refused.detail if refused.status < 500 else NO_TYPES, attr="query", code=refused.code
            ) from None
        return [{"name": said, "type": row[1]} for said, row in zip(query.columns, rows, strict=True)]


def reached(tree: Any, schema: ProjectSchema) -> set[str]:
    """The names of tables that a query reads, those that their views read, and so on."""
    found: set[str] = set()
    waiting = [*named_tables(tree)]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for view in schema.view(name) or ():
            waiting += named_tables(view.query)
    return found


def named_tables(tree: Any) -> set[str]:
    """Names in FROM, anywhere in a query; what a CTE of it is called is no table."""
    tables: set[str] = set()
    ctes: set[str] = set()
    for node in walk(tree):
        if isinstance(node, JoinExpr) and isinstance(node.table, Field):
            tables.add(".".join(map(str, node.table.chain)))
        elif isinstance(node, CTE):
            ctes.add(node.name)
    return tables - ctes


def _views(rows: Sequence[SavedQuery]) -> list[SavedView]:
    found: list[SavedView] = []
    for row in rows:
        try:
            tree = parse_select(row.query)
        except HogQLError as error:
            log("taxonomy").warning("view_not_read", saved_query=str(row.id), error=error.message[:300])
            continue
        columns = tuple((column["name"], column["type"]) for column in row.columns)
        found.append(SavedView(row.name, View(row.name, tree), columns))
    return found


def _shown(row: SavedQuery) -> Mapping[str, Any]:
    return {"name": row.name, "query": row.query, "sync_frequency": row.sync_frequency, "deleted": row.deleted}


def _name(name: str) -> str:
    if not name.strip():
        raise ValidationFailed("This field may not be blank.", attr="name", code="blank")
    at_most(name, NAME_LENGTH, "name")
    if not NAME.fullmatch(name):
        raise ValidationFailed(WRONG_NAME, attr="name")
    if name in TABLES:
        raise ValidationFailed("A table with this name already exists.", attr="name", code="unique")
    return name


def _text(node: QueryNode) -> str:
    if node.kind != "HogQLQuery":
        raise ValidationFailed(f"Query must be a HogQLQuery. Got: {node.kind[:100]}", attr="query")
    if not node.query.strip():
        raise ValidationFailed("This field may not be blank.", attr="query", code="blank")
    return at_most(node.query, QUERY_LENGTH, "query")


def _frequency(said: str | None) -> str | None:
    if said is not None and said not in FREQUENCIES:
        raise ValidationFailed(f'"{said[:100]}" is not a valid choice.', attr="sync_frequency", code="invalid_choice")
    return said


def _taken(name: str) -> ValidationFailed:
    return ValidationFailed(f"A view with the name '{name}' already exists.", attr="name", code="unique")
