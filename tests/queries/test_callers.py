"""Who may ask (rest-api §1.2, §1.3), how often (§1.7), and how many queries at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.queries.world import Asker, World
from tests.stores.opened import Stores

CALLERS: dict[str, Callable[[Asker], Awaitable[Asker]]] = {
    "personal key": lambda project: project.by_personal_key(["query:read"]),
    "session": lambda project: project.by_session(),
    "oauth token": lambda project: project.by_oauth_token(["query:read"]),
}
ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1"


@pytest.mark.parametrize("caller", CALLERS)
async def test_whoever_may_read_queries_may_ask_and_end_them(project: Asker, caller: str) -> None:
    asker = await CALLERS[caller](project)
    await project.sends("a")

    assert await asker.rows("SELECT event FROM events") == [["a"]]
    assert (await asker.post("SELECT 1", refresh="force_async", client_query_id="mine")).status_code == 202
    assert (await asker.request("GET", "mine/")).status_code in {200, 202}
    assert (await asker.request("DELETE", "mine/")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("GET", "mine/"), ("DELETE", "mine/"), ("POST", "upgrade/")]
)
async def test_a_key_without_the_scope_may_not(project: Asker, method: str, path: str) -> None:
    asker = await project.by_personal_key(["insight:write"])
    response = await asker.request(method, path, json={"query": {"kind": "HogQLQuery", "query": "SELECT 1"}})
    assert (response.status_code, response.json()) == (
        403,
        {
            "type": "authentication_error",
            "code": "permission_denied",
            "detail": "API key missing required scope 'query:read'",
            "attr": None,
        },
    )


async def test_nobody_may_not(project: Asker) -> None:
    response = await project.with_headers().post("SELECT 1")
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


async def test_who_does_not_belong_to_the_project_may_not(project: Asker) -> None:
    stranger = await project.world.project()
    response = await Asker(project.world, project.id, stranger.user_id, stranger.headers).post("SELECT 1")
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


async def test_the_key_may_stand_in_the_body(project: Asker) -> None:
    key = project.headers["Authorization"].removeprefix("Bearer ")
    response = await project.with_headers().post("SELECT 1", personal_api_key=key)
    assert response.json()["results"] == [[1]]


async def test_rest_api_1_7_hogql_queries_of_a_key_are_counted_in_the_profile_posthog(
    stores: Stores, world: World
) -> None:
    counting = World.over(stores, world.clock, rate_limit_profile="posthog", rate_limit_query_per_hour=3)
    project = await counting.project()
    statuses = [(await project.post("SELECT 1")).status_code for _ in range(4)]
    refused = await project.post("SELECT 1")
    session = await project.by_session()

    assert statuses == [200, 200, 200, 429]
    assert refused.json()["type"] == "throttled_error"
    assert refused.json()["code"] == "throttled"
    assert 0 < int(refused.headers["Retry-After"]) <= 3_660
    assert (await session.post("SELECT 1")).status_code == 200
    await counting.close()


async def test_one_key_s_queries_take_turns_and_too_many_are_refused(stores: Stores, world: World) -> None:
    narrow = World.over(stores, world.clock, query_concurrency=2, query_concurrency_per_key=1, query_waiting=8)
    project, other = await narrow.project(), await narrow.project()

    endless = [asyncio.create_task(project.post(ENDLESS, client_query_id=f"q{number}")) for number in range(6)]
    done, _ = await asyncio.wait(endless, return_when=asyncio.FIRST_COMPLETED)
    refused = next(iter(done)).result()
    assert (refused.status_code, refused.json()["type"]) == (429, "throttled_error")
    assert refused.headers["Retry-After"] == "1"

    assert await other.rows("SELECT 1") == [[1]]

    for number in range(6):
        await project.request("DELETE", f"q{number}/")
    await asyncio.wait(endless)
    await narrow.close()


async def test_when_all_places_are_taken_and_enough_wait_the_next_is_told_to_come_back(
    stores: Stores, world: World
) -> None:
    narrow = World.over(stores, world.clock, query_concurrency=1, query_concurrency_per_key=1, query_waiting=0)
    project, other = await narrow.project(), await narrow.project()
    await project.post(ENDLESS, refresh="force_async", client_query_id="endless")
    async with asyncio.timeout(10):
        while True:
            status = (await project.request("GET", "endless/?show_progress=1")).json()["query_status"]
            if status["query_progress"]["rows_read"]:
                break
    refused = await other.post("SELECT 1")

    assert (refused.status_code, refused.json()) == (
        503,
        {
            "type": "server_error",
            "code": "service_unavailable",
            "detail": "Queries are a little too busy right now. "
            "We're working to free up resources. Please try again later.",
            "attr": None,
        },
    )
    assert refused.headers["Retry-After"] == "5"
    await project.request("DELETE", "endless/")
    await narrow.close()
