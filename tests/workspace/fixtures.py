"""The world as fixtures: `from tests.workspace.fixtures import *` in a conftest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import cast

import pytest
from litestar import Litestar
from tests.stores.databases import database_url
from tests.workspace.world import NOW, Person, World

from hedgerow.core.clock import ManualClock
from hedgerow.core.http import Access, http_layer, open_access, protected
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings
from hedgerow.workspace import routes

__all__ = ["ada", "anyio_backend", "bob", "clock", "metadata", "settings", "world"]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for a module, because SQL's connections belong to theirs."""
    return "asyncio"


@pytest.fixture(scope="module")
async def metadata(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Metadata]:
    """One database for a module: people are new in each test, and see nothing of the others."""
    opened = await Metadata.open(Settings(data_dir=tmp_path_factory.mktemp("data"), database_url=database_url()))
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@cache
def application() -> Litestar:
    """The routes, registered once: that takes longer than most tests. Each test puts its own `Access` into the state."""
    return Litestar([*routes], openapi_config=None, logging_config=None, **http_layer(cast("Access", None)))


@pytest.fixture
async def world(metadata: Metadata, settings: Settings, clock: ManualClock) -> AsyncIterator[World]:
    access = open_access(metadata, settings, clock)
    app = application()
    app.state.access = access
    made = World(protected(app, settings), access, clock)
    yield made
    await made.close()
    await access.close()


@pytest.fixture
async def ada(world: World) -> Person:
    """She owns an organization with a project."""
    return await world.person(first_name="Ada")


@pytest.fixture
async def bob(world: World) -> Person:
    """He owns another."""
    return await world.person(first_name="Bob")
