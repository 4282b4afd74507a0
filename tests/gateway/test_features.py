"""Budgets, repeated writes, dry runs, the guard (gateway §5.2): what a caller sees, and what the account does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.gateway.fake_posthog import FakePostHog, respond
from tests.gateway.world import World, a_world, until
from tests.stores.databases import database_url

from hedgerow.core.clock import ManualClock
from hedgerow.gateway.models import IdempotentCall
from hedgerow.settings import Settings

QUERY = "/posthog/api/projects/1/query/"


async def statuses(world: World, key: str, *calls: tuple[str, str]) -> list[int]:
    return [(await world.call(method, path, key=key)).status_code for method, path in calls]


# Budgets


@pytest.mark.parametrize(
    ("unit", "calls", "found"),
    [
        ("requests", [("GET", "/posthog/api/"), ("POST", QUERY), ("GET", "/posthog/api/")], [200, 200, 429]),
        ("queries", [("GET", "/posthog/api/"), ("POST", QUERY), ("POST", QUERY), ("POST", QUERY)], [200, 200, 200, 429]),
        ("writes", [("POST", QUERY), ("PATCH", "/posthog/a/"), ("DELETE", "/posthog/a/"), ("PUT", "/posthog/a/")], [200, 200, 200, 429]),
        ("bytes", [("GET", "/posthog/big?bytes=1"), ("GET", "/posthog/big?bytes=1"), ("GET", "/posthog/a/")], [200, 200, 429]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["key", "connection"])
async def test_a_budget_ends(
    world: World, *, unit: str, calls: list[tuple[str, str]], found: list[int], where: str
) -> None:
    policy = {"budgets": [{"unit": unit, "limit": 2, "per": "day"}]}
    await world.connect(policy=policy if where == "connection" else None)
    key = await world.new_key(policy if where == "key" else None)
    assert await statuses(world, key, *calls) == found
    received = len(world.fake.received)
    answer = await world.call(*calls[-1], key=key)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (429, "budget_exhausted")
    assert 0 < int(answer.headers["retry-after"]) <= 86_400
    assert answer.headers["ratelimit"].startswith(f'"{unit}-day";r=0;t=')
    assert answer.headers["ratelimit-policy"] == f'"{unit}-day";q=2;w=86400'
    assert len(world.fake.received) == received


async def test_what_is_left_is_told_and_a_call_that_never_went_costs_nothing(world: World, fake: FakePostHog) -> None:
    key = await world.new_key({"budgets": [{"unit": "requests", "limit": 5, "per": "hour"}]})
    gone = await world.connect(base_url="http://127.0.0.1:1")  # not allowed
    answer = await world.get("/posthog/api/", key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "host_not_allowed")
    await world.change(gone.id, lambda row: setattr(row, "base_url", fake.url))
    answer = await world.get("/posthog/api/", key=key)
    assert answer.headers["ratelimit"].startswith('"requests-hour";r=4')


async def test_many_at_once_do_not_overdraw(world: World) -> None:
    await world.connect()
    key = await world.new_key({"budgets": [{"unit": "requests", "limit": 7}]})
    answers = await asyncio.gather(*(world.get("/posthog/api/", key=key) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [429] * 13
    assert len(world.fake.received) == 7


# Idempotency


async def test_a_write_that_is_sent_again_is_answered_again(world: World) -> None:
    await world.connect()
    headers = {"Idempotency-Key": "one-of-mine", "Content-Type": "application/json"}
    first = await world.call("POST", "/posthog/api/things/?a=b", content=b'{"n":1}', headers=headers)
    again = await world.call("POST", "/posthog/api/things/?a=b", content=b'{"n":1}', headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["hedgerow-origin"] == "replay"
    assert again.headers["etag"] == first.headers["etag"]
    assert len(world.fake.received) == 1
    other = await world.call("POST", "/posthog/api/things/?a=b", content=b'{"n":2}', headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    reads = await world.get("/posthog/api/things/", headers=headers)
    assert reads.headers["hedgerow-origin"] == "upstream"


async def test_an_answer_that_is_kept_is_kept_sealed(world: World) -> None:
    await world.connect()

    async def told(_fake: object, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        respond(writer, 201, b'{"value":"phx_shown_once"}')

    world.fake.handlers["/api/keys/"] = told
    await world.call("POST", "/posthog/api/keys/", headers={"Idempotency-Key": "sealed"})
    async with world.metadata.read() as session:
        from sqlalchemy import select

        row = await session.scalar(select(IdempotentCall).where(IdempotentCall.idempotency_key == "sealed"))
    assert row is not None
    assert row.body is not None
    assert b"phx_shown_once" not in row.body
    again = await world.call("POST", "/posthog/api/keys/", headers={"Idempotency-Key": "sealed"})
    assert (again.status_code, again.json()) == (201, {"value": "phx_shown_once"})


async def test_one_that_still_runs_is_not_started_again(world: World) -> None:
    await world.connect()

    async def slow(fake: FakePostHog, _request: object, _reader: object, writer: asyncio.StreamWriter) -> None:
        await fake.gate.wait()
        respond(writer, 201, b"{}")

    world.fake.handlers["/api/slow/"] = slow
    headers = {"Idempotency-Key": "slow"}
    first = asyncio.create_task(world.call("POST", "/posthog/api/slow/", headers=headers))
    await until(lambda: world.fake.received)
    second = await world.call("POST", "/posthog/api/slow/", headers=headers)
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight")
    assert second.headers["retry-after"] == "1"
    world.fake.gate.set()
    assert (await first).status_code == 201
    assert (await world.call("POST", "/posthog/api/slow/", headers=headers)).headers["hedgerow-origin"] == "replay"


@pytest.mark.parametrize("path", ["/posthog/status?code=500", "/posthog/hang-up", "/posthog/cut?how=length"])
async def test_nobody_repeats_what_may_have_been_done(world: World, path: str) -> None:
    await world.connect()
    headers = {"Idempotency-Key": path}
    with contextlib.suppress(httpx.RemoteProtocolError):
        await world.call("POST", path, headers=headers)
    received = len(world.fake.received)
    again = await world.call("POST", path, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "outcome_unknown")
    assert len(world.fake.received) == received


async def test_what_was_never_sent_may_be_sent(world: World, fake: FakePostHog) -> None:
    gone = await world.connect(base_url="http://127.0.0.1:1")
    headers = {"Idempotency-Key": "free-again"}
    assert (await world.call("POST", "/posthog/api/", headers=headers)).json()["code"] == "host_not_allowed"
    await world.change(gone.id, lambda row: setattr(row, "base_url", fake.url))
    assert (await world.call("POST", "/posthog/api/", headers=headers)).status_code == 200


@pytest.mark.parametrize("value", ["", "a b", "x" * 256, "ü"])
async def test_a_key_that_is_none(world: World, value: str) -> None:
    await world.connect()
    answer = await world.call("POST", "/posthog/api/", headers={"Idempotency-Key": value.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert not world.fake.received


# Dry runs


async def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(world: World) -> None:
    connection = await world.connect()
    key = await world.new_key({"mode": "read_only", "budgets": [{"unit": "requests", "limit": 3}]})
    headers = {"Hedgerow-Dry-Run": "1", "X-Mine": "1"}
    allowed = (await world.get("/posthog/api/x/?a=b", key=key, headers=headers)).json()
    assert allowed["would"]["url"] == f"{world.fake.url}/api/x/?a=b"
    assert allowed["would"]["headers"]["x-mine"] == "1"
    assert allowed["would"]["headers"]["authorization"] == "Bearer …"
    assert allowed["policy"] == {"allowed": True, "rule": None, "reads": True}
    assert allowed["budget"] == {"key:requests-day": {"limit": 3, "left": 3}}
    assert allowed["connection"] == str(connection.id)
    refused = (await world.call("DELETE", "/posthog/api/x/", key=key, headers=headers)).json()
    assert refused["policy"] == {"allowed": False, "rule": "read_only", "reads": False}
    assert not world.fake.received


# The guard


@pytest.fixture
async def guarded(tmp_path: Any, fake: FakePostHog) -> AsyncIterator[World]:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    settings = Settings(
        data_dir=tmp_path,
        database_url=database_url(),
        gateway_hosts=(f"{fake.url};private",),
        gateway_rate_per_second=0,
        gateway_guard="posthog",
        rate_limit_query_per_hour=2,
        rate_limit_clickhouse_burst_per_minute=3,
        rate_limit_burst_per_minute=4,
    )
    async with a_world(settings, clock, fake) as made:
        yield made


async def test_the_guard_refuses_before_posthog_would(guarded: World) -> None:
    assert isinstance(guarded.clock, ManualClock)
    await guarded.connect()
    persons, flags = "/posthog/api/projects/1/persons/x/", "/posthog/api/projects/1/feature_flags/"
    for method, path, most in (("POST", QUERY, 2), ("GET", persons, 3), ("GET", flags, 4)):
        for _ in range(most):
            assert (await guarded.call(method, path)).status_code == 200
        answer = await guarded.call(method, path)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert answer.headers["hedgerow-origin"] == "gateway"
    assert len(guarded.fake.received) == 9
    guarded.clock.advance(62)
    assert (await guarded.get(flags)).status_code == 200
    assert (await guarded.call("POST", QUERY)).status_code == 429
    guarded.clock.advance(3_700)
    assert (await guarded.call("POST", QUERY)).status_code == 200


async def test_old_counts_and_answers_are_dropped(tmp_path: Any, fake: FakePostHog) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    settings = Settings(data_dir=tmp_path, database_url=database_url(), gateway_hosts=(f"{fake.url};private",))
    async with a_world(settings, clock, fake) as world:
        await world.connect()
        key = await world.new_key({"budgets": [{"unit": "requests", "limit": 1}]})
        headers = {"Idempotency-Key": "a"}
        assert (await world.call("POST", "/posthog/api/", key=key, headers=headers)).status_code == 200
        clock.advance(days=3)
        await world.gateway.accounting.forget_old()
        answer = await world.call("POST", "/posthog/api/", key=key, headers=headers)
        assert (answer.status_code, answer.headers["hedgerow-origin"]) == (200, "upstream")
