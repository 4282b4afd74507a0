"""Few queries may be long at once: the others make room, and come back."""

from __future__ import annotations

import asyncio

import pytest
from tests.queries.test_hanging_up import ENDLESS, until_running
from tests.queries.world import Asker, World

PLACES = 1


@pytest.fixture(autouse=True)
def one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with two cores."""
    monkeypatch.setattr("hedgerow.queries.run.cores_for_queries", lambda: PLACES)
    monkeypatch.setattr("hedgerow.queries.runner.cores_for_queries", lambda: PLACES)


async def test_of_several_endless_queries_one_goes_on_and_short_ones_pass(world: World, project: Asker) -> None:
    if not world.stores.events.embedded:
        pytest.skip("an engine with a machine of its own has no long lane")
    for number in range(3):
        await project.post(ENDLESS, refresh="force_async", client_query_id=f"endless {number}")
    await until_running(world, 3)

    await until_running(world, 1)
    assert await project.rows("SELECT 1") == [[1]]
    statuses = [(await project.request("GET", f"endless {number}/")).status_code for number in range(3)]
    assert statuses == [202, 202, 202]

    for number in range(3):
        await project.request("DELETE", f"endless {number}/")
    await until_running(world, 0)


async def test_a_query_that_made_room_is_answered_in_the_end(world: World, project: Asker) -> None:
    endless = asyncio.create_task(project.post(ENDLESS, client_query_id="endless"))
    await until_running(world, 1)
    text = "SELECT count() FROM numbers(600000000) WHERE cityHash64(number) = 1"
    long = asyncio.create_task(project.post(text))
    await asyncio.wait({long}, timeout=3)

    await project.request("DELETE", "endless/")
    await endless
    response = await long

    assert (response.status_code, response.json()["results"]) == (200, [[0]])
