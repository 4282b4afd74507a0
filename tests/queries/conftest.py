"""Stores for a module, and a server over them for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.queries.world import Asker, World
from tests.stores.opened import Stores, anyio_backend, event_store, settings, stores

from hedgerow.core.clock import Clock
from hedgerow.core.storage.events import EventStore

__all__ = ["anyio_backend", "clock", "event_store", "events", "project", "settings", "stores", "world"]


@pytest.fixture(scope="module")
def events(event_store: EventStore) -> EventStore:
    """The event store: embedded, or over HTTP to the stand-in."""
    return event_store


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
