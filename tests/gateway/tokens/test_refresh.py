"""Tokens that end (gateway §3): refreshed ahead, on use, on 401; once, whoever asks; and what happens when that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.gateway.control.world import ControlWorld
from tests.gateway.fake_posthog import FakePostHog
from tests.gateway.tokens.calls import HOUR, call, expired, secrets_of
from tests.gateway.world import until

from hedgerow.core.storage.metadata import Metadata


async def test_200_calls_on_an_expired_token_refresh_once_and_all_succeed(world: ControlWorld) -> None:
    await expired(world)
    world.oauth.next_answers.append("wait")
    calls = [asyncio.create_task(call(world)) for _ in range(200)]
    await until(lambda: len(world.oauth.refreshes) == 1)
    world.oauth.gate.set()
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}
    assert len(world.oauth.refreshes) == 1
    assert world.oauth.families[0].rotations == 1
    assert not world.oauth.families[0].revoked


async def test_a_token_that_is_due_is_refreshed_beside_the_call(world: ControlWorld) -> None:
    connection_id = await world.connected()
    old = await secrets_of(world, connection_id)
    world.clock.advance(HOUR - 100)
    world.oauth.next_answers.append("wait")
    answer = await call(world)
    assert answer.status_code == 200
    assert world.fake.last.header("authorization") == f"Bearer {old.access_token}", (
        "nobody waits while the old one lives"
    )
    await until(lambda: len(world.oauth.refreshes) == 1)
    assert (await call(world)).status_code == 200
    world.oauth.gate.set()
    await world.gateway.control.refresher.close()
    await call(world)
    new = await secrets_of(world, connection_id)
    assert world.fake.last.header("authorization") == f"Bearer {new.access_token}"
    assert new.access_token != old.access_token
    assert len(world.oauth.refreshes) == 1


async def test_a_fresh_token_is_left_alone(world: ControlWorld) -> None:
    await world.connected()
    world.clock.advance(HOUR / 2)
    await call(world)
    assert await world.gateway.control.credentials.sweep() == 0
    assert world.oauth.refreshes == []


async def test_the_sweep_keeps_idle_connections_alive(world: ControlWorld) -> None:
    world.oauth.expires_in = 7 * 24 * HOUR
    await world.connected()
    world.clock.advance(23 * HOUR)
    assert await world.gateway.control.credentials.sweep() == 0
    world.clock.advance(2 * HOUR)
    assert await world.gateway.control.credentials.sweep() == 1, "at least daily"
    assert await world.gateway.control.credentials.sweep() == 0


async def test_a_refused_token_is_refreshed_and_the_call_sent_again(world: ControlWorld) -> None:
    await world.connected()
    world.oauth.expire()  # taken back before its time
    answer = await world.call("POST", "/posthog/echo", content=b"a body that is sent twice")
    assert answer.status_code == 200
    assert answer.json()["bytes"] == len(b"a body that is sent twice")
    assert len(world.oauth.refreshes) == 1


async def test_a_401_that_survives_a_refresh_is_the_account_s_and_not_asked_for_again(world: ControlWorld) -> None:
    connection_id = await world.connected()
    for _ in range(3):
        answer = await call(world, "/posthog/status?code=401")
        assert answer.status_code == 401
        assert answer.headers["hedgerow-origin"] == "upstream"
    assert len(world.oauth.refreshes) == 1, "at most one forced refresh in half a minute"
    world.clock.advance(31)
    await call(world, "/posthog/status?code=401")
    assert len(world.oauth.refreshes) == 2
    assert (await world.connection(connection_id))["status"] == "ACTIVE"


async def test_a_403_is_no_failure_of_the_credential(world: ControlWorld) -> None:
    await world.connected()
    assert (await call(world, "/posthog/status?code=403")).status_code == 403
    assert world.oauth.refreshes == []


async def test_200_refused_calls_force_one_refresh(world: ControlWorld) -> None:
    await world.connected()
    world.oauth.expire()
    answers = await asyncio.gather(*(call(world) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(world.oauth.refreshes) == 1


class Late:
    """A database whose second answer is on its way until the gate opens."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata
        self.reads = 0
        self.gate = asyncio.Event()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        self.reads += 1
        is_late = self.reads == 2
        async with self.metadata.read() as session:
            yield session
        if is_late:
            await self.gate.wait()


async def test_who_read_the_row_while_it_was_refreshed_looks_again(world: ControlWorld) -> None:
    """Two calls with the refused token; what the second knows is from before the refresh that the first has had."""
    await world.connected()
    world.oauth.expire()
    world.oauth.next_answers.append("wait")
    late = Late(world.metadata)
    world.gateway.control.credentials._metadata = cast("Metadata", late)
    first = asyncio.create_task(call(world))
    await until(lambda: world.oauth.refreshes)
    second = asyncio.create_task(call(world))
    await until(lambda: late.reads == 2)
    world.oauth.gate.set()
    assert (await first).status_code == 200
    late.gate.set()
    assert (await second).status_code == 200
    assert len(world.oauth.refreshes) == 1


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_scope"])
async def test_a_refusal_fails_the_connection_and_says_where_to_go(world: ControlWorld, error: str) -> None:
    connection_id = await expired(world)
    world.oauth.next_answers.append(error)
    answer = await call(world)
    assert (answer.status_code, answer.json()["code"]) == (400, "connection_not_active")
    assert answer.json()["url"].endswith(f"/connections/{connection_id}")
    shown = await world.connection(connection_id)
    assert (shown["status"], shown["reason"]) == ("FAILED", "refresh_rejected")
    row = await world.row(connection_id)
    assert (row.credential, row.data_key, row.expires_at, row.next_refresh_at) == (None, None, None, None)
    browser = world.browser()
    asked = await world.to_consent(shown["url"], browser, world.fake.url)
    await browser.open(world.oauth.answer_to(asked))
    again = await world.connection(connection_id)
    assert (again["status"], again["reason"], again["creation_time"]) == ("ACTIVE", None, shown["creation_time"])
    assert (await call(world)).status_code == 200


async def test_an_unknown_gateway_fails_its_connections_three_times_and_then_waits(world: ControlWorld) -> None:
    made = [await world.connected() for _ in range(5)]
    world.oauth.expire()
    world.clock.advance(HOUR + 1)
    world.oauth.next_answers.extend(["invalid_client"] * 5)
    for connection_id in made:
        await call(world, headers={"Maton-Connection": connection_id})
    shown = [await world.connection(connection_id) for connection_id in made]
    assert [one["status"] for one in shown] == ["FAILED"] * 3 + ["ACTIVE"] * 2
    assert {one["reason"] for one in shown[:3]} == {"client_rejected"}
    assert len(world.oauth.refreshes) == 3
    world.oauth.next_answers.clear()
    world.clock.advance(61)
    assert (await call(world, headers={"Maton-Connection": made[4]})).status_code == 200


@pytest.mark.parametrize("how", ["500", "429", "503", "html", "empty", "cut", "hang-up"])
async def test_what_passes_changes_no_status(world: ControlWorld, how: str) -> None:
    connection_id = await expired(world)
    world.oauth.next_answers.append(how)
    answer = await call(world)
    assert (answer.status_code, answer.json()["code"]) == (503, "credential_unavailable")
    assert int(answer.headers["retry-after"]) == (7 if how.isdecimal() else 1)
    asked = len(world.oauth.refreshes)
    assert (await call(world)).status_code == 503
    assert len(world.oauth.refreshes) == asked, "not before the time is up"
    assert (await world.connection(connection_id))["status"] == "ACTIVE"
    world.clock.advance(8)
    assert (await call(world)).status_code == 200


async def test_while_the_old_token_lives_nobody_notices_a_failing_refresh(world: ControlWorld) -> None:
    await world.connected()
    world.clock.advance(HOUR - 100)
    world.oauth.next_answers.extend(["500"] * 3)
    for _ in range(3):
        assert (await call(world)).status_code == 200
        await world.gateway.control.refresher.close()
        world.clock.advance(8)
    assert len(world.oauth.refreshes) == 3
    assert (await call(world)).status_code == 200
    await world.gateway.control.refresher.close()
    assert len(world.oauth.refreshes) == 4
    assert world.oauth.families[0].rotations == 1


async def test_the_waits_grow_to_five_minutes(world: ControlWorld) -> None:
    connection_id = await expired(world)
    waits: list[int] = []
    for _ in range(11):
        world.oauth.next_answers.append("hang-up")
        waits.append(int((await call(world)).headers["retry-after"]))
        world.clock.advance(waits[-1] + 1)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert (await world.row(connection_id)).refresh_failures == 11
    assert (await call(world)).status_code == 200
    assert (await world.row(connection_id)).refresh_failures == 0


async def test_the_account_s_server_is_down(world: ControlWorld) -> None:
    connection_id = await expired(world)
    port = world.fake.port
    await world.fake.stop()
    try:
        assert (await call(world)).status_code == 503
    finally:
        await restart(world.fake, port)
    assert (await world.connection(connection_id))["status"] == "ACTIVE"
    world.clock.advance(61)
    assert (await call(world)).status_code == 200


async def restart(fake: FakePostHog, port: int) -> None:
    """At the same port: that is the account's address."""
    fake._server = await asyncio.start_server(fake._serve, "127.0.0.1", port, limit=1 << 20)
    fake.port = port


async def test_a_token_endpoint_that_says_nothing_is_given_up(
    world: ControlWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection_id = await expired(world)
    asking = world.gateway.control.enquirer.post_form

    async def impatient(*args: Any, **more: Any) -> Any:
        return await asking(*args, **{**more, "seconds": 0.2})

    monkeypatch.setattr(world.gateway.control.enquirer, "post_form", impatient)
    world.oauth.next_answers.append("silence")
    answer = await call(world)
    assert (answer.status_code, answer.json()["code"]) == (503, "credential_unavailable")
    assert (await world.connection(connection_id))["status"] == "ACTIVE"
    world.clock.advance(2)
    monkeypatch.undo()
    assert (await call(world)).status_code == 200


async def test_an_answer_that_got_lost_is_fetched_with_the_same_token(world: ControlWorld) -> None:
    await expired(world)
    world.oauth.next_answers.append("lost")  # the account has rotated, and nobody here knows
    assert (await call(world)).status_code == 503
    world.clock.advance(2)
    assert (await call(world)).status_code == 200
    assert world.oauth.families[0].rotations == 1
    assert not world.oauth.families[0].revoked


async def test_the_token_before_is_tried_when_the_account_has_lost_track(world: ControlWorld) -> None:
    connection_id = await world.connected()
    first = await secrets_of(world, connection_id)
    world.clock.advance(HOUR + 1)
    await call(world)
    second = await secrets_of(world, connection_id)
    assert second.previous_refresh_token == first.refresh_token
    family = world.oauth.families[0]
    family.refresh, family.earlier = first.refresh_token, {}  # restored from a backup of an hour ago
    world.oauth.expire()
    world.clock.advance(HOUR + 1)
    assert (await call(world)).status_code == 200
    assert (await world.connection(connection_id))["status"] == "ACTIVE"


async def test_an_account_that_does_not_rotate_keeps_its_refresh_token(world: ControlWorld) -> None:
    world.oauth.rotates = False
    world.oauth.expires_in = 600
    connection_id = await world.connected()
    for _ in range(3):
        world.clock.advance(601)
        world.oauth.extra = {"refresh_token": None}
        assert (await call(world)).status_code == 200
    assert len({one["refresh_token"] for one in world.oauth.refreshes}) == 1
    assert (await secrets_of(world, connection_id)).refresh_token == world.oauth.families[0].refresh


async def test_a_caller_who_leaves_does_not_end_the_refresh(world: ControlWorld) -> None:
    connection_id = await expired(world)
    world.oauth.next_answers.append("wait")
    caller = asyncio.create_task(call(world))
    await until(lambda: len(world.oauth.refreshes) == 1)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    world.oauth.gate.set()
    await world.gateway.control.refresher.close()
    assert (await world.row(connection_id)).version == 2
    assert (await call(world)).status_code == 200
    assert len(world.oauth.refreshes) == 1


async def test_a_connection_that_is_deleted_or_connected_anew_while_it_is_refreshed(world: ControlWorld) -> None:
    gone = await expired(world)
    world.oauth.next_answers.append("wait")
    caller = asyncio.create_task(call(world))
    await until(lambda: len(world.oauth.refreshes) == 1)
    await world.call("DELETE", f"/connections/{gone}")
    world.oauth.gate.set()
    assert (await caller).status_code == 400
    assert (await world.call("GET", f"/connections/{gone}")).status_code == 404

    world.oauth.gate.clear()
    again = await expired(world)
    world.oauth.next_answers.append("wait")
    caller = asyncio.create_task(call(world))
    await until(lambda: len(world.oauth.refreshes) == 2)
    browser = world.browser()
    asked = await world.to_consent((await world.connection(again))["url"], browser, world.fake.url)
    world.oauth.next_answers.clear()
    await browser.open(world.oauth.answer_to(asked))
    fresh = await secrets_of(world, again)
    world.oauth.gate.set()
    assert (await caller).status_code == 200
    assert (await secrets_of(world, again)) == fresh, "what the person gave is not written over by what was older"


async def test_a_pasted_key_is_lost_after_two_refusals_a_minute_apart(world: ControlWorld) -> None:
    from tests.gateway.fake_posthog import VALID_KEY

    made = await world.create(api_key=VALID_KEY, host=world.fake.url)
    world.fake.valid_keys.clear()

    async def status() -> str:
        assert (await call(world)).status_code == 401
        return (await world.connection(made["connection_id"]))["status"]

    assert await status() == "ACTIVE"
    world.clock.advance(30)
    assert await status() == "ACTIVE"
    world.clock.advance(2 * HOUR)
    assert await status() == "ACTIVE", "that is long ago, and may have been a hiccup"
    world.clock.advance(61)
    assert await status() == "FAILED"
    shown = await world.connection(made["connection_id"])
    assert shown["reason"] == "key_rejected"
    answer = await call(world)
    assert (answer.status_code, answer.json()["code"]) == (400, "connection_missing")


async def test_a_token_without_a_refresh_token_lives_until_it_ends(world: ControlWorld) -> None:
    world.oauth.extra = {"refresh_token": None}
    connection_id = await world.connected()
    assert (await call(world)).status_code == 200
    assert (await call(world, "/posthog/status?code=401")).status_code == 401
    assert (await world.connection(connection_id))["status"] == "ACTIVE", "one refusal may be a hiccup"
    assert world.oauth.refreshes == []
    world.clock.advance(HOUR + 1)
    answer = await call(world)
    assert (answer.status_code, answer.json()["code"]) == (400, "connection_not_active")
    assert (await world.connection(connection_id))["reason"] == "refresh_rejected"
