"""A FAKE cloud and a gateway in front of it for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.gateway.fake_posthog import FakePostHog
from tests.gateway.secrecy import nothing_secret_is_left
from tests.gateway.world import World, a_world
from tests.stores.databases import database_url

from hedgerow.core.clock import Clock
from hedgerow.settings import Settings


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for a module: its gateway serves every test of it."""
    return "asyncio"


@pytest.fixture(scope="module", autouse=True)
def secrecy() -> Iterator[None]:
    """Whatever a module's tests do: no secret that was made meanwhile is left anywhere."""
    with nothing_secret_is_left():
        yield


@pytest.fixture(scope="module")
async def cloud() -> AsyncIterator[FakePostHog]:
    made = FakePostHog()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, cloud: FakePostHog) -> Settings:
    return Settings(
        data_dir=tmp_path_factory.mktemp("gateway"),
        database_url=database_url(),
        gateway_hosts=(f"{cloud.url};private",),
        gateway_rate_per_second=0,
        gateway_first_byte_seconds=2,
        gateway_idle_seconds=2,
        gateway_body_max_bytes=8 << 20,
    )


@pytest.fixture(scope="module")
async def house(settings: Settings, cloud: FakePostHog) -> AsyncIterator[World]:
    async with a_world(settings, Clock(), cloud) as made:
        yield made


@pytest.fixture
async def fake(cloud: FakePostHog) -> FakePostHog:
    cloud.reset()
    return cloud


@pytest.fixture
async def world(house: World, fake: FakePostHog) -> World:
    """The module's gateway, with an account of the test's own."""
    return await house.for_one_test()
