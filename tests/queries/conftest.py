"""Stores for a module, and a server over them for each test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from tests.clickhouse_http.running import stand_in
from tests.queries.world import Asker, Stores, World
from tests.stores.databases import database_url

from hedgerow.core.clock import Clock
from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    """The event store: embedded, or over HTTP to the stand-in."""
    folder = tmp_path_factory.mktemp("data")
    with ExitStack() as stack:
        settings = Settings(data_dir=folder)
        if os.environ.get("HEDGEROW_TEST_CLICKHOUSE") == "http":
            settings = Settings(data_dir=folder, clickhouse_url=stack.enter_context(stand_in(folder / "clickhouse")))
        store = asyncio.run(EventStore.open(settings))
        yield store
        asyncio.run(store.close())


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for a module, because SQL's connections belong to theirs."""
    return "asyncio"


@pytest.fixture(scope="module")
async def stores(events: EventStore, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stores]:
    """Both stores."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("sql"), database_url=database_url())
    metadata = await Metadata.open(settings)
    yield Stores(events, metadata, settings)
    await metadata.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def world(stores: Stores, clock: Clock) -> AsyncIterator[World]:
    made = World.over(stores, clock)
    yield made
    await made.close()


@pytest.fixture
async def project(world: World) -> Asker:
    """A project of its own, asked by its owner with a personal key."""
    return await world.project()
