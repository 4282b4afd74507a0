"""A server with a gateway for each test; the database and the FAKE cloud are a module's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.gateway.control.world import ControlWorld, a_control_world
from tests.gateway.fake_posthog import FakePostHog
from tests.workspace.fixtures import anyio_backend, clock, metadata

from hedgerow.core.clock import ManualClock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings

__all__ = ["anyio_backend", "clock", "metadata", "settings", "world"]


@pytest.fixture
def settings(tmp_path: Path, fake: FakePostHog) -> Settings:
    return Settings(
        data_dir=tmp_path,
        gateway_hosts=(f"{fake.url};private",),
        gateway_return_origins=("https://app.example.com",),
        gateway_rate_per_second=0,
    )


@pytest.fixture
async def world(
    metadata: Metadata, settings: Settings, clock: ManualClock, fake: FakePostHog
) -> AsyncIterator[ControlWorld]:
    async with a_control_world(metadata, settings, clock, fake) as made:
        yield made
