"""Stores and an application for the tests of the query endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from hedgerow.core.storage.events import EventStore
from hedgerow.settings import Settings


@pytest.fixture
def single_lane_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    """An event store with one connection for queries, so that each query follows the one before on it."""
    store = asyncio.run(EventStore.open(Settings(data_dir=tmp_path_factory.mktemp("data"), query_concurrency=1)))
    yield store
    asyncio.run(store.close())
