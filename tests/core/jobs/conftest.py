"""A database of its own for each test, and workers over it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.stores.databases import database_url

from hedgerow.core.clock import Clock
from hedgerow.core.jobs import Jobs
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings

MakeWorker = Callable[..., Jobs]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def metadata(tmp_path: Path) -> AsyncIterator[Metadata]:
    opened = await Metadata.open(Settings(data_dir=tmp_path, database_url=database_url()))
    yield opened
    await opened.close()


@pytest.fixture
async def worker(metadata: Metadata) -> AsyncIterator[MakeWorker]:
    """Makes workers, and stops them at the end."""
    made: list[Jobs] = []

    def make(*, clock: Clock | None = None, is_alone: bool = False, lease_seconds: float = 60.0) -> Jobs:
        made.append(Jobs(metadata, clock or Clock(), is_alone=is_alone, lease_seconds=lease_seconds))
        return made[-1]

    yield make
    for jobs in made:
        await jobs.stop()
