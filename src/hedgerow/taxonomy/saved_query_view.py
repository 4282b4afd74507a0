"""Saved queries as they go over the wire, found and listed (rest-api §26)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from hedgerow.core.http import NotFound, Page, PageRequest, Team, uuid_id
from hedgerow.core.identity.people import UserBasic
from hedgerow.core.resources import authors, contains, find, rows_of
from hedgerow.queries.database_schema import type_of
from hedgerow.taxonomy.models import SavedQuery
from hedgerow.taxonomy.named import Named
from hedgerow.taxonomy.saved_queries import SavedView, named_tables

PAGE_ROWS: Final = 1_000


class ViewColumn(msgspec.Struct, frozen=True):
    """A column of a view, as an editor reads it."""

    key: str
    name: str
    type: str
    schema_valid: bool = True
    fields: list[str] | None = None
    table: str | None = None
    chain: list[str] | None = None


class SavedQueryRow(msgspec.Struct, frozen=True):
    """A view in lists."""

    id: UUID
    deleted: bool
    name: str
    created_by: UserBasic | None
    created_at: datetime
    sync_frequency: str | None
    columns: list[ViewColumn]
    status: str | None
    last_run_at: datetime | None
    latest_error: str | None
    latest_history_id: str
    is_materialized: bool
    managed_viewset_kind: str | None
    origin: str | None


class SavedQueryOut(SavedQueryRow, frozen=True):
    """A view, whole."""

    query: dict[str, Any]


class Ancestors(msgspec.Struct, frozen=True):
    """Tables that a view reads, views among them by their id."""

    ancestors: list[str]


class Descendants(msgspec.Struct, frozen=True):
    """Views that read a view."""

    descendants: list[str]


class Dependencies(msgspec.Struct, frozen=True):
    """How many of each."""

    upstream_count: int
    downstream_count: int


class RunHistory(msgspec.Struct, frozen=True):
    """When a view was stored: never."""

    run_history: list[dict[str, Any]]


async def page_of_views(session: AsyncSession, team: Team, page: PageRequest) -> Page[SavedQueryRow]:
    """The project's views, newest first; pages are numbered by `page`. Raises NotFound for one that is not there."""
    said = page.said()
    number = _page_number(said.get("page", "1"))
    statement = select(SavedQuery).where(SavedQuery.team_id == team.id, SavedQuery.deleted.is_(False))
    if said.get("search"):
        statement = statement.where(contains(SavedQuery.name, said["search"]))
    statement = statement.order_by(SavedQuery.created_at.desc(), SavedQuery.id.desc())
    part = msgspec.structs.replace(page, limit=PAGE_ROWS, offset=(number - 1) * PAGE_ROWS)
    rows, count = await rows_of(session, statement, part)
    by = await authors(session, (row.created_by_id for row in rows))
    if number > 1 and not rows:
        raise NotFound("Invalid page.")
    return Page(
        count=count,
        next=page.url_with(page=number + 1) if number * PAGE_ROWS < count else None,
        previous=page.url_with(page=number - 1 if number > 2 else None) if number > 1 else None,
        results=[SavedQueryRow(**_row(row, by.get(row.created_by_id))) for row in rows],
    )


async def found_view(session: AsyncSession, team: Team, said: str) -> SavedQuery:
    """The view of an id in a path. Raises NotFound."""
    return await find(session, SavedQuery, team, uuid_id(said), SavedQuery.deleted.is_(False))


async def view_id_of(session: AsyncSession, team: Team, said: str) -> UUID:
    """The id of a view, if there is one. Raises NotFound."""
    return (await found_view(session, team, said)).id


async def view_out(session: AsyncSession, row: SavedQuery) -> SavedQueryOut:
    """The view, whole."""
    by = await authors(session, [row.created_by_id])
    query = {"kind": "HogQLQuery", "query": row.query}
    return SavedQueryOut(**_row(row, by.get(row.created_by_id)), query=query)


async def relatives(
    session: AsyncSession, team: Team, said: str, views: Named[SavedView]
) -> tuple[list[str], list[str]]:
    """What a view reads (ids of views, names of tables), and ids of the views that read it; in order of name."""
    row = await found_view(session, team, said)
    statement = select(SavedQuery.name, SavedQuery.id).where(
        SavedQuery.team_id == team.id, SavedQuery.deleted.is_(False)
    )
    ids = {each.name: str(each.id) for each in await session.execute(statement)}
    reads = {each.name: named_tables(each.view.query) for each in views.all}
    read_by: dict[str, set[str]] = {}
    for name, tables in reads.items():
        for table in tables:
            read_by.setdefault(table, set()).add(name)
    up = sorted(_reached(row.name, reads))
    down = sorted(_reached(row.name, read_by))
    return [ids.get(name, name) for name in up], [ids[name] for name in down if name in ids]


def _reached(start: str, edges: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*edges.get(start, ())]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += edges.get(name, ())
    return found


def _row(row: SavedQuery, author: UserBasic | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "deleted": row.deleted,
        "name": row.name,
        "created_by": author,
        "created_at": row.created_at,
        "sync_frequency": row.sync_frequency,
        "columns": [ViewColumn(each["name"], each["name"], type_of(each["type"])) for each in row.columns],
        "status": None,
        "last_run_at": None,
        "latest_error": None,
        "latest_history_id": str(row.history_id),
        "is_materialized": False,
        "managed_viewset_kind": None,
        "origin": None,
    }


def _page_number(said: str) -> int:
    if not (said.isascii() and said.isdecimal()) or len(said) > 9 or int(said) < 1:
        raise NotFound("Invalid page.")
    return int(said)
