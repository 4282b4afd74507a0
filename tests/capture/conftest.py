"""One capture side for a module, a project of its own for each test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from tests.capture.room import NOW, CaptureProject, Room
from tests.clickhouse_http.running import stand_in
from tests.stores.databases import database_url

from hedgerow.core.clock import ManualClock
from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings


@pytest.fixture(scope="module")
def capture_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("capture")
    with ExitStack() as stack:
        url = ""
        if os.environ.get("HEDGEROW_TEST_CLICKHOUSE") == "http":
            url = stack.enter_context(stand_in(folder / "clickhouse"))
        yield Settings(data_dir=folder, clickhouse_url=url, database_url=database_url())


@pytest.fixture(scope="module")
def capture_events(capture_settings: Settings) -> Iterator[EventStore]:
    store = asyncio.run(EventStore.open(capture_settings))
    yield store
    asyncio.run(store.close())


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for a module, because SQL's connections belong to theirs."""
    return "asyncio"


@pytest.fixture(scope="module")
async def room(capture_events: EventStore, capture_settings: Settings) -> AsyncIterator[Room]:
    metadata = await Metadata.open(capture_settings)
    made = Room(capture_settings, capture_events, metadata)
    await made.writer.start()
    yield made
    await made.writer.stop()
    await metadata.close()


@pytest.fixture
async def project(room: Room) -> CaptureProject:
    return await room.new_project()


@pytest.fixture
def clock(room: Room) -> Iterator[ManualClock]:
    """The room's clock; set back when the test ends."""
    yield room.clock
    room.clock._now = NOW
