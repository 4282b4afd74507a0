"""Stores for a module, a writer with a project of its own for each test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from tests.clickhouse_http.running import stand_in
from tests.stores.databases import database_url
from tests.writer.world import Stores, World

from hedgerow.core.clock import Clock
from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.metadata import Metadata
from hedgerow.doctor import compare
from hedgerow.settings import Settings


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("data")
    with ExitStack() as stack:
        url = ""
        if os.environ.get("HEDGEROW_TEST_CLICKHOUSE") == "http":
            url = stack.enter_context(stand_in(folder / "clickhouse"))
        yield Settings(data_dir=folder, clickhouse_url=url, database_url=database_url())


@pytest.fixture(scope="module")
def event_store(settings: Settings) -> Iterator[EventStore]:
    store = asyncio.run(EventStore.open(settings))
    yield store
    asyncio.run(store.close())


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for a module, because SQL's connections belong to theirs."""
    return "asyncio"


@pytest.fixture(scope="module")
async def stores(event_store: EventStore, settings: Settings) -> AsyncIterator[Stores]:
    metadata = await Metadata.open(settings)
    yield Stores(event_store, metadata, settings)
    await metadata.close()


@pytest.fixture
async def world(stores: Stores) -> AsyncIterator[World]:
    """A running writer. When the test ends both stores must agree."""
    made = World(stores, Clock(), stores.settings)
    await made.start()
    yield made
    await made.writer.stop()
    made.steps.fail(0)
    await made.people.outbox.replay()  # as the next start does
    report = await compare(stores.metadata, stores.events)
    assert report.healthy, report.as_text()
