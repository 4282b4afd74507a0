"""Both stores as fixtures, opened once for a module: import them into a `conftest.py`.

Events are embedded, or with `HEDGEROW_TEST_CLICKHOUSE=http` behind the stand-in of a server; SQL is what `databases` says.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from tests.clickhouse_http.running import stand_in
from tests.stores.databases import database_url

from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings


@dataclass
class Stores:
    """Both, and the settings that they were opened with."""

    events: EventStore
    metadata: Metadata
    settings: Settings


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
