"""A project with rows, in a real chDB, for the tests of the language."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.hogql.project import Project, fresh_team_id

from hedgerow.core.storage.events import EventStore
from hedgerow.settings import Settings


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    opened = asyncio.run(EventStore.open(Settings(data_dir=tmp_path_factory.mktemp("data"))))
    yield opened
    asyncio.run(opened.close())


@pytest.fixture
def project(store: EventStore) -> Project:
    return Project(store, fresh_team_id())
