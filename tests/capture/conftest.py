"""One capture side for a module, a project of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.capture.room import NOW, CaptureProject, Room
from tests.stores.opened import Stores, anyio_backend, event_store, settings, stores

from hedgerow.core.clock import ManualClock

__all__ = ["anyio_backend", "clock", "event_store", "project", "room", "settings", "stores"]


@pytest.fixture(scope="module")
async def room(stores: Stores) -> AsyncIterator[Room]:
    made = Room(stores.settings, stores.events, stores.metadata)
    await made.writer.start()
    yield made
    await made.writer.stop()


@pytest.fixture
async def project(room: Room) -> CaptureProject:
    return await room.new_project()


@pytest.fixture
def clock(room: Room) -> Iterator[ManualClock]:
    """The room's clock; set back when the test ends."""
    yield room.clock
    room.clock._now = NOW
