"""Stores for a module, a writer with a project of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.stores.opened import Stores, anyio_backend, event_store, settings, stores
from tests.writer.world import World

from hedgerow.core.clock import Clock
from hedgerow.doctor import compare

__all__ = ["anyio_backend", "event_store", "settings", "stores", "world"]


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
