"""rest-api §1.7: in the profile `posthog` personal keys are counted, each for itself, and sessions are not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.workspace.fixtures import application
from tests.workspace.world import Person, World

from hedgerow.core.clock import ManualClock
from hedgerow.core.http import open_access, protected
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings

pytestmark = pytest.mark.stores


@pytest.fixture
async def world(metadata: Metadata, tmp_path: Path, clock: ManualClock) -> AsyncIterator[World]:
    settings = Settings(data_dir=tmp_path, rate_limit_profile="posthog", rate_limit_burst_per_minute=3)
    access = open_access(metadata, settings, clock)
    app = application()
    app.state.access = access
    made = World(protected(app, settings), access, clock)
    yield made
    await made.close()
    await access.close()


async def test_the_fourth_request_of_a_key_waits(ada: Person) -> None:
    client, other = await ada.by_key(), await ada.by_key()
    for _ in range(3):
        assert (await client.get("/api/projects/")).status_code == 200
    answer = await client.get("/api/users/@me/")
    assert answer.status_code == 429
    wait = int(answer.headers["retry-after"])
    assert answer.json() == {
        "type": "throttled_error",
        "code": "throttled",
        "detail": f"Request was throttled. Expected available in {wait} seconds.",
        "attr": None,
    }
    assert (await other.get("/api/projects/")).status_code == 200
    ada.world.clock.advance(wait)
    assert (await client.get("/api/projects/")).status_code == 200


@pytest.mark.parametrize("caller", ["session", "oauth token"])
async def test_others_are_not_counted(ada: Person, caller: str) -> None:
    client = await ada.asks_by(caller)
    for _ in range(10):
        assert (await client.get("/api/projects/")).status_code == 200


async def test_a_refused_key_is_not_counted(ada: Person) -> None:
    client = await ada.by_key("project:read")
    for _ in range(10):
        assert (await client.get("/api/users/@me/")).status_code == 403
    assert (await client.get("/api/projects/")).status_code == 200
