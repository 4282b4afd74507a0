"""Cached, now or in the background (queries §1.2, §1.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.queries.world import Asker

from hedgerow.core.clock import Clock, ManualClock

pytestmark = pytest.mark.stores

COUNT = "SELECT count() FROM events"
ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1"


@pytest.fixture
def clock() -> Clock:
    return ManualClock(datetime(2026, 1, 5, 10, tzinfo=UTC))


async def eventually(ask: Callable[[], Awaitable[httpx.Response]], status: int) -> dict[str, Any]:
    """The body of the first response with this status; asked for ten seconds."""
    async with asyncio.timeout(10):
        while True:
            response = await ask()
            if response.status_code == status:
                return response.json()


async def test_blocking_gives_the_cached_result_until_something_changes(project: Asker) -> None:
    await project.sends("a")
    first = await project.answer(COUNT)
    second = await project.answer(COUNT)
    await project.sends("b")
    third = await project.answer(COUNT)

    assert [each["is_cached"] for each in (first, second, third)] == [False, True, False]
    assert [each["results"] for each in (first, second, third)] == [[[1]], [[1]], [[2]]]
    assert first["last_refresh"] == second["last_refresh"] == "2026-01-05T10:00:00.000000Z"
    assert first["next_allowed_client_refresh"] == "2026-01-05T10:01:00Z"
    assert first["cache_target_age"] == "2026-01-05T16:00:00Z"


async def test_a_cached_result_is_stale_after_six_hours(project: Asker, clock: ManualClock) -> None:
    await project.answer("SELECT 1")
    clock.advance(6 * 3_600 - 1)
    assert (await project.answer("SELECT 1"))["is_cached"] is True
    clock.advance(1)
    assert (await project.answer("SELECT 1"))["is_cached"] is False


async def test_force_blocking_calculates_now(project: Asker) -> None:
    await project.answer("SELECT 1")
    assert (await project.answer("SELECT 1", refresh="force_blocking"))["is_cached"] is False
    assert (await project.answer("SELECT 1", refresh=True))["is_cached"] is False
    assert (await project.answer("SELECT 1", refresh="force_cache"))["is_cached"] is True


async def test_the_key_is_made_of_what_decides_the_result(project: Asker) -> None:
    one = (await project.answer("SELECT 1"))["cache_key"]
    assert (await project.answer("SELECT 1", node={"tags": {"scene": "x"}}, name="n"))["cache_key"] == one
    assert (await project.answer("SELECT 2"))["cache_key"] != one
    assert (await project.answer("SELECT 1", node={"values": {"a": 1}}))["cache_key"] != one
    assert (await project.answer("SELECT 1", node={"modifiers": {"personsJoinMode": "inner"}}))["cache_key"] != one


async def test_force_async_answers_202_and_has_the_result_later(project: Asker) -> None:
    await project.sends("a")
    response = await project.post(COUNT, refresh="force_async", client_query_id="mine")
    body = response.json()

    assert response.status_code == 202
    assert body.keys() == {"query_status"}
    status = body["query_status"]
    assert (status["id"], status["complete"], status["results"]) == ("mine", False, None)

    done = (await eventually(lambda: project.request("GET", "mine/"), 200))["query_status"]
    results = done.pop("results")
    task = done.pop("task_id")
    assert task == status["task_id"]
    assert done == {
        "id": "mine",
        "query_async": True,
        "team_id": project.id,
        "insight_id": None,
        "dashboard_id": None,
        "error": False,
        "complete": True,
        "error_message": None,
        "start_time": "2026-01-05T10:00:00Z",
        "pickup_time": "2026-01-05T10:00:00Z",
        "end_time": "2026-01-05T10:00:00Z",
        "expiration_time": "2026-01-05T10:10:00Z",
        "labels": None,
    }
    assert results["results"] == [[1]]
    assert results["is_cached"] is False


async def test_async_gives_a_fresh_result_at_once(project: Asker) -> None:
    await project.answer(COUNT)
    response = await project.post(COUNT, refresh="async")
    assert (response.status_code, response.json()["is_cached"]) == (200, True)


async def test_async_of_old_is_the_same(project: Asker) -> None:
    assert (await project.post(COUNT, **{"async": True})).status_code == 202


async def test_async_gives_a_stale_result_with_the_status(project: Asker) -> None:
    await project.answer(COUNT)
    await project.sends("a")
    response = await project.post(COUNT, refresh="async", client_query_id="again")
    body = response.json()

    assert response.status_code == 202
    assert (body["results"], body["is_cached"], body["query_status"]["complete"]) == ([[0]], True, False)
    done = await eventually(lambda: project.request("GET", "again/"), 200)
    assert done["query_status"]["results"]["results"] == [[1]]
    assert (await project.post(COUNT, refresh="async")).json()["results"] == [[1]]


async def test_async_except_on_cache_miss_calculates_what_is_not_cached(project: Asker) -> None:
    assert (await project.post(COUNT, refresh="async_except_on_cache_miss")).status_code == 200
    await project.sends("a")
    assert (await project.post(COUNT, refresh="async_except_on_cache_miss")).status_code == 202


async def test_lazy_async_goes_by_twelve_hours(project: Asker, clock: ManualClock) -> None:
    await project.answer(COUNT)
    await project.sends("a")
    clock.advance(12 * 3_600 - 1)
    assert (await project.post(COUNT, refresh="lazy_async")).status_code == 200
    clock.advance(1)
    assert (await project.post(COUNT, refresh="lazy_async")).status_code == 202


async def test_an_asynchronous_query_that_fails_says_so(project: Asker) -> None:
    await project.post("SELECT nothing FROM events", refresh="force_async", client_query_id="bad")
    status = (await eventually(lambda: project.request("GET", "bad/"), 400))["query_status"]
    assert (status["complete"], status["error"], status["results"]) == (True, True, None)
    assert status["error_message"].startswith("Unable to resolve field: nothing")


async def test_an_unknown_or_another_project_s_status_is_not_found(project: Asker, clock: ManualClock) -> None:
    await project.post(COUNT, refresh="force_async", client_query_id="mine")
    await eventually(lambda: project.request("GET", "mine/"), 200)
    other = await project.world.project()

    response = await other.request("GET", "mine/")
    assert (response.status_code, response.json()) == (
        404,
        {"type": "invalid_request", "code": "not_found", "attr": None,
         "detail": f"Query mine not found for team {other.id}"},
    )  # fmt: skip
    clock.advance(601)
    assert (await project.request("GET", "mine/")).status_code == 404


async def test_a_running_query_shows_its_progress_and_can_be_ended(project: Asker) -> None:
    started = await project.post(ENDLESS, refresh="force_async", client_query_id="endless")
    assert started.status_code == 202

    async def progress() -> httpx.Response:
        response = await project.request("GET", "endless/?show_progress=true")
        read = response.json()["query_status"]["query_progress"]["rows_read"]
        return httpx.Response(200 if read else response.status_code, json=response.json())

    assert (await eventually(progress, 200))["query_status"]["complete"] is False

    ended = await project.request("DELETE", "endless/")
    assert (ended.status_code, ended.json()) == (200, {"message": "Query cancelled."})
    status = (await project.request("GET", "endless/")).json()["query_status"]
    assert (status["complete"], status["error_message"]) == (True, "Query was cancelled.")


async def test_ending_an_unknown_query_is_no_error(project: Asker) -> None:
    assert (await project.request("DELETE", "unknown/")).status_code == 200


async def test_ending_a_query_ends_the_request_that_waits_for_it(project: Asker) -> None:
    waiting = asyncio.create_task(project.post(ENDLESS, client_query_id="sync"))

    async def end() -> httpx.Response:
        ended = await project.request("DELETE", "sync/")
        return httpx.Response(200 if ended.json()["message"] == "Query cancelled." else 404, json={})

    await eventually(end, 200)
    response = await waiting
    assert (response.status_code, response.json()["code"]) == (400, "query_was_cancelled")
    assert await project.rows("SELECT 1") == [[1]]


async def test_another_project_cannot_end_it(project: Asker) -> None:
    other = await project.world.project()
    await project.post(ENDLESS, refresh="force_async", client_query_id="theirs")
    assert (await other.request("DELETE", "theirs/")).json() == {"message": "There is no such query any more."}
    assert (await project.request("GET", "theirs/")).status_code == 202
    await project.request("DELETE", "theirs/")


async def test_check_auth_and_upgrade(project: Asker) -> None:
    query = {"kind": "HogQLQuery", "query": "SELECT 1"}
    assert (await project.request("POST", "check_auth_for_async/")).json() == {"user": "ok"}
    assert (await project.request("POST", "upgrade/", json={"query": query})).json() == {"query": query}
