"""`hedgerow init`: once a database, by however many processes, and everything that it prints works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.stores.databases import database_url
from tests.workspace.world import NOW, World

from hedgerow.core.clock import ManualClock
from hedgerow.core.http import open_access, rest_app
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings
from hedgerow.workspace import first_setup, routes

pytestmark = pytest.mark.stores


@pytest.fixture
async def world(tmp_path: Path, clock: ManualClock) -> AsyncIterator[World]:
    settings = Settings(data_dir=tmp_path, database_url=database_url())
    metadata = await Metadata.open(settings)
    access = open_access(metadata, settings, clock)
    made = World(rest_app(access, routes), access, clock)
    yield made
    await made.close()
    await access.close()
    await metadata.close()


async def test_what_it_prints_works(world: World) -> None:
    made = (await first_setup(world.access.metadata, world.access.settings, ManualClock(NOW))).printed()
    assert list(made) == [
        "url",
        "organization_id",
        "project_id",
        "project_token",
        "project_secret_key",
        "personal_api_key",
        "gateway_key",
        "email",
        "password",
    ]
    client = world.client({"Authorization": f"Bearer {made['personal_api_key']}"})
    project = (await client.get("/api/projects/@current/")).json()
    assert (project["id"], project["api_token"], project["name"]) == (1, made["project_token"], "Default project")
    assert (await client.get("/api/organizations/@current/")).json()["id"] == made["organization_id"]
    body = {"email": made["email"], "password": made["password"]}
    assert (await world.client().post("/api/login/", body)).status_code == 200
    grant = await world.access.credentials.project_secret(str(made["project_secret_key"]))
    assert grant is not None
    assert grant.team_id == made["project_id"]


async def test_a_second_call_shows_no_secret(world: World) -> None:
    first = (await first_setup(world.access.metadata, world.access.settings, ManualClock(NOW))).printed()
    second = (await first_setup(world.access.metadata, world.access.settings, ManualClock(NOW))).printed()
    shown = ("url", "organization_id", "project_id", "project_token", "email")
    assert second == {name: first[name] for name in shown}


async def test_many_calls_at_once_create_one(world: World) -> None:
    calls = (first_setup(world.access.metadata, world.access.settings, ManualClock(NOW)) for _ in range(4))
    made = await asyncio.gather(*calls)
    assert sorted(each.created for each in made) == [False, False, False, True]
    assert len({each.organization_id for each in made}) == 1
