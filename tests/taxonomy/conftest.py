"""A SQL store for definitions, and events that were seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.stores.databases import database_url

from hedgerow.core.clock import ManualClock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings
from hedgerow.taxonomy import Taxonomy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Group(msgspec.Struct):
    type: str
    set: dict[str, Any]


class Event(msgspec.Struct):
    team_id: int = 1
    event: str = "$pageview"
    keys: dict[str, Any] = {}
    set: dict[str, Any] | None = None
    set_once: dict[str, Any] | None = None
    created_at_us: int = int(NOW.timestamp()) * 1_000_000
    group_identify: Group | None = None


async def company_is_0(team_id: int) -> Mapping[str, int]:
    del team_id
    return {"company": 0}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def metadata(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Metadata]:
    opened = await Metadata.open(Settings(data_dir=tmp_path_factory.mktemp("data"), database_url=database_url()))
    yield opened
    await opened.close()


@pytest.fixture
def taxonomy(metadata: Metadata, clock: ManualClock) -> Taxonomy:
    return Taxonomy(metadata, clock, company_is_0, properties_max=100)
