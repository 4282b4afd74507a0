"""A metadata store of its own for each test, on the engine of this run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.stores.databases import database_url

from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, database_url=database_url())


@pytest.fixture
async def metadata(settings: Settings) -> AsyncIterator[Metadata]:
    opened = await Metadata.open(settings)
    yield opened
    await opened.close()
