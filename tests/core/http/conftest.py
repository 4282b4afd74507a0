"""Small applications over an `Access` with a database that is not asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hedgerow.core.clock import ManualClock
from hedgerow.core.http import Access, open_access
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))


@pytest.fixture
async def access(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Access]:
    settings = Settings(data_dir=tmp_path)
    metadata = await Metadata.open(settings)
    made = open_access(metadata, settings, clock)
    yield made
    await made.close()
    await metadata.close()
