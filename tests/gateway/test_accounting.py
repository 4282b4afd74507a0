"""What is noted of a call: sums of its hour, an event, and never a secret (gateway §5.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from tests.gateway.fake_posthog import VALID_KEY
from tests.gateway.world import World, until

from hedgerow.core.clock import Clock
from hedgerow.core.errors import StartupError
from hedgerow.gateway import GatewayCall, event_of
from hedgerow.gateway.accounting import QUEUE_MAX, Accounting, route_of
from hedgerow.gateway.events_url import EventsUrl
from hedgerow.gateway.models import Usage
from hedgerow.gateway.upstream import UpstreamClient


async def the_call(world: World, **wanted: Any) -> GatewayCall:
    """The one call that has these fields, by the test's own user unless they say otherwise."""
    wanted = {"user_id": world.user_id, **wanted}

    def found() -> list[GatewayCall]:
        return [
            call for call in world.sink.calls if all(getattr(call, name) == value for name, value in wanted.items())
        ]

    await until(found)
    (call,) = found()
    return call


async def test_a_call_is_noted_with_its_route_and_its_times(world: World) -> None:
    connection = await world.connect()
    await world.call(
        "POST",
        "/posthog/api/projects/136209/insights/aBc123XY/?limit=10&phx_secretInAName=1&search=somebody%40example.com",
        content=b"12345",
    )
    call = await the_call(world, method="POST")
    assert (call.route, call.status, call.origin, call.policy) == (
        "/api/projects/{id}/insights/{value}/",
        200,
        "upstream",
        "allowed",
    )
    assert (call.connection_id, call.user_id, call.bytes_in) == (connection.id, world.user_id, 5)
    assert call.query_names == ["limit", "search"]
    assert call.bytes_out > 0
    assert call.upstream_us > 0
    assert call.gateway_us > 0
    text = msgspec.json.encode(event_of(call)).decode()
    for secret in (world.key, VALID_KEY, "somebody", "phx_secret"):
        assert secret not in text


async def test_a_refusal_is_noted_with_its_rule(world: World) -> None:
    await world.connect()
    key = await world.new_key({"mode": "read_only"})
    await world.call("DELETE", "/posthog/api/projects/1/", key=key)
    call = await the_call(world, method="DELETE")
    assert (call.status, call.origin, call.code, call.policy) == (403, "gateway", "policy_denied", "read_only")
    await world.client.get(f"{world.url}/posthog/api/nobody/")
    call = await the_call(world, code="missing_api_key", user_id=0)
    assert (call.key_id, call.connection_id) == (None, None)


async def test_calls_become_sums_of_their_hour(world: World) -> None:
    connection = await world.connect()
    for _ in range(3):
        await world.get("/posthog/api/projects/1/insights/")
    await world.get("/posthog/status?code=418")
    key = await world.new_key({"mode": "read_only"})
    await world.call("DELETE", "/posthog/api/projects/2/insights/", key=key)
    await world.gateway.accounting.flush()
    async with world.metadata.read() as session:
        rows = list(await session.scalars(select(Usage).where(Usage.user_id == world.user_id)))
    sums = {row.route: (row.calls, row.refused, row.failed) for row in rows}
    assert sums == {
        "GET /api/projects/{id}/insights/": (3, 0, 0),
        "GET /status/": (1, 0, 1),
        "DELETE /api/projects/{id}/insights/": (1, 1, 0),
    }
    assert {row.connection_id for row in rows} == {connection.id}
    assert all(row.gateway_us > 0 for row in rows)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("", "/"),
        ("/api/users/@me", "/api/users/@me/"),
        ("/api/projects/@current/query", "/api/projects/@current/query/"),
        ("/api/projects/1/persons/0190aaaa-0000-0000-0000-000000000000", "/api/projects/{id}/persons/{uuid}/"),
        ("/api/projects/1/persons/someone@example.com", "/api/projects/{id}/persons/{value}/"),
        ("/i/v0/e", "/i/v0/e/"),
        ("/a" * 30, "/a/a/a/a/a/a/a/a/"),
    ],
)
def test_a_route_names_no_one(path: str, route: str) -> None:
    assert route_of(path) == route


class Broken:
    """A sink that fails."""

    def __init__(self) -> None:
        self.asked = 0

    async def store(self, calls: Sequence[GatewayCall]) -> None:
        self.asked += len(calls)
        raise ConnectionError("down")


async def test_a_sink_that_fails_or_is_slow_is_in_nobody_s_way(world: World) -> None:
    await world.connect()
    await world.get("/posthog/api/")
    call = await the_call(world, method="GET")
    sink = Broken()
    accounting = Accounting(world.metadata, Clock(), sink)
    for _ in range(QUEUE_MAX + 10):
        accounting.add(call)
    await accounting.flush()
    assert sink.asked == QUEUE_MAX


async def test_a_gateway_that_runs_alone_sends_its_calls_to_a_server(world: World) -> None:
    await world.connect()
    await world.get("/posthog/api/")
    call = await the_call(world, method="GET")
    client = UpstreamClient(Clock())
    sink = EventsUrl(f"http://phc_token@127.0.0.1:{world.fake.port}", client)
    await sink.store([call, call])
    sent = msgspec.json.decode(world.fake.last.body)
    assert (world.fake.last.path, sent["api_key"], len(sent["batch"])) == ("/batch/", "phc_token", 2)
    assert sent["batch"][0]["event"] == "gateway call"
    assert sent["batch"][0]["properties"]["route"] == "/api/"
    await client.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1", "phc_x@host", "ftp://phc_x@host", "http://phc_x@"])
def test_an_events_url_that_cannot_be_used_stops_the_start(url: str) -> None:
    with pytest.raises(StartupError, match="HEDGEROW_EVENTS_URL"):
        EventsUrl(url, UpstreamClient(Clock()))


async def test_nothing_waits_for_the_accounting(world: World) -> None:
    """The database can be busy for as long as it likes."""
    await world.connect()
    await world.get("/posthog/api/")
    async with world.metadata.write():
        answers = await asyncio.gather(*(world.get("/posthog/api/") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
