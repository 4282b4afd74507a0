"""A project with rows behind a server of the query room: real stores, a real route, one of each for a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from litestar import Litestar
from tests.hogql.conftest import store
from tests.hogql.golden_data import fill, has_sessions
from tests.hogql.project import Project, Schema
from tests.queries.world import Asker, NoPeople, World
from tests.stores.opened import Stores, anyio_backend, event_store, settings, stores

from hedgerow.core.clock import Clock
from hedgerow.core.http import Team, http_layer, open_access, protected
from hedgerow.hogql import Action, parse_expr
from hedgerow.queries import LocalWrites, Queries, routes
from hedgerow.taxonomy import Taxonomy

__all__ = ["anyio_backend", "event_store", "settings", "shop", "store", "stores", "zoned"]


@dataclass(frozen=True)
class Answer:
    """What a HogQLQuery came to."""

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    body: dict[str, Any]


@dataclass(frozen=True)
class Shop:
    """A project: its rows and definitions, and somebody who asks over HTTP."""

    rows: Project
    asker: Asker

    async def answer(self, hogql: str, **node: Any) -> Answer:
        """A success, calculated now."""
        body = await self.asker.answer(hogql, refresh="force_blocking", node=node)
        assert [name for name, _ in body["types"]] == body["columns"]
        return Answer(body["columns"], [kind for _, kind in body["types"]], body["results"], body)

    async def refusal(self, hogql: str, **node: Any) -> tuple[str, str | None]:
        """The detail of a refusal, and the part of the text that it points at; the envelope is that of hogql §10."""
        body = await self.asker.refusal(hogql, **node)
        extra = body.pop("extra", None)
        detail = body.pop("detail")
        assert body == {"type": "validation_error", "code": "invalid_input", "attr": None}
        return detail, None if extra is None else hogql[extra["start"] : extra["end"]]

    async def node(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The body of the answer to a query of another kind."""
        response = await self.asker.request("POST", json={"query": {"kind": kind, **fields}})
        assert response.status_code == 200, response.text
        return response.json()


class _Schemas:
    """The schema of a project, as the query room asks for it."""

    def __init__(self) -> None:
        self.by_team: dict[int, Schema] = {}

    async def of(self, team: Team) -> Schema:
        return self.by_team[team.id]


@pytest.fixture(scope="module")
def schemas() -> _Schemas:
    return _Schemas()


@pytest.fixture(scope="module")
async def world(stores: Stores, schemas: _Schemas) -> AsyncIterator[World]:
    clock, writes = Clock(), LocalWrites()
    access = open_access(stores.metadata, stores.settings, clock)
    queries = Queries(stores.events, stores.settings, clock, schema_of=schemas.of, data=writes)
    layer = http_layer(access)
    layer["state"]["queries"] = queries
    app = protected(Litestar([*routes], openapi_config=None, logging_config=None, **layer), stores.settings)
    taxonomy = Taxonomy(stores.metadata, clock, NoPeople().group_types)
    made = World(stores, clock, stores.settings, access, taxonomy, writes, queries, app)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def askers(world: World) -> list[Asker]:
    """Three projects' owners: filled by fixtures that are not asynchronous, for rows are stored in a loop of their own."""
    return [
        await world.project(),
        await world.project(timezone="Europe/Berlin", week_start_day=1),
        await world.project(),
    ]


def _shop(stores: Stores, schemas: _Schemas, asker: Asker) -> Shop:
    rows = Project(stores.events, asker.id)
    fill(rows)
    has_sessions(rows)
    rows.schema.actions += [Action(each, "two", parse_expr("event = 'purchase'")) for each in (8, 9)]
    schemas.by_team[asker.id] = rows.schema
    return Shop(rows, asker)


@pytest.fixture(scope="module")
def shop(stores: Stores, schemas: _Schemas, askers: list[Asker]) -> Shop:
    """The rows of `golden_data`, in UTC, weeks from Sunday."""
    return _shop(stores, schemas, askers[0])


@pytest.fixture(scope="module")
def empty(stores: Stores, schemas: _Schemas, askers: list[Asker]) -> Shop:
    """A project without rows, in UTC: for a module's own."""
    rows = Project(stores.events, askers[2].id)
    schemas.by_team[askers[2].id] = rows.schema
    return Shop(rows, askers[2])


@pytest.fixture(scope="module")
def zoned(stores: Stores, schemas: _Schemas, askers: list[Asker]) -> Shop:
    """The same rows in Berlin, weeks from Monday."""
    made = _shop(stores, schemas, askers[1])
    made.rows.schema.timezone, made.rows.schema.week_start_day = "Europe/Berlin", 1
    return made
