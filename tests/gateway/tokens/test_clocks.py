"""Lifetimes and clocks: what an account says, and what somebody sets (gateway §3.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.gateway.control.world import ControlWorld, a_control_world
from tests.gateway.fake_posthog import FakePostHog
from tests.gateway.tokens.calls import HOUR, call, expired

from hedgerow.core.clock import ManualClock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.settings import Settings


@pytest.mark.parametrize("said", [None, "3600", 0, -5, 1e300, "soon", True, 0.5])
async def test_lifetimes_that_nobody_can_mean_do_no_harm(world: ControlWorld, said: object) -> None:
    world.oauth.expires_in = said
    connection_id = await world.connected()
    row = await world.row(connection_id)
    assert row.expires_at is not None
    assert timedelta(seconds=30) <= row.expires_at - world.clock.now() <= timedelta(days=366)
    for _ in range(3):
        assert (await call(world)).status_code == 200
    assert len(world.oauth.refreshes) <= 1


async def test_the_account_s_clock_counts_for_nothing(world: ControlWorld) -> None:
    """The FAKE says in `Date` that it is 1970."""
    connection_id = await world.connected()
    row = await world.row(connection_id)
    assert row.expires_at == world.clock.now() + timedelta(seconds=HOUR)


class SetClock(ManualClock):
    """A clock that somebody sets; the one that is never set back goes on."""

    def __init__(self, start: Any) -> None:
        super().__init__(start)
        self._lived = 0.0

    def advance(self, seconds: float = 0, *, days: float = 0) -> None:
        super().advance(seconds, days=days)
        self._lived += seconds + days * 86_400

    def monotonic(self) -> float:
        return self._lived

    def set_by(self, seconds: float) -> None:
        super().advance(seconds)


async def test_a_clock_that_is_set_back_does_not_make_old_tokens_young(
    metadata: Metadata, settings: Settings, clock: ManualClock, fake: FakePostHog
) -> None:
    set_clock = SetClock(clock.now())
    async with a_control_world(metadata, settings, set_clock, fake) as world:
        await world.connected()
        set_clock.advance(HOUR + 1)
        assert (await call(world)).status_code == 200  # from here on this process knows when the token came
        assert len(world.oauth.refreshes) == 1
        set_clock.set_by(-10 * HOUR)
        set_clock.advance(HOUR - 30)
        assert (await call(world)).status_code == 200
        set_clock.advance(31)
        world.oauth.expire()
        assert (await call(world)).status_code == 200
        assert len(world.oauth.refreshes) == 2


async def test_a_clock_that_is_set_ahead_refreshes_once_and_goes_on(
    metadata: Metadata, settings: Settings, clock: ManualClock, fake: FakePostHog
) -> None:
    set_clock = SetClock(clock.now())
    async with a_control_world(metadata, settings, set_clock, fake) as world:
        await world.connected()
        set_clock.set_by(5 * HOUR)
        for _ in range(5):
            assert (await call(world)).status_code == 200
        assert len(world.oauth.refreshes) == 1
        set_clock.set_by(-5 * HOUR)
        for _ in range(5):
            assert (await call(world)).status_code == 200
        assert len(world.oauth.refreshes) == 1


async def test_a_lease_of_a_clock_that_was_far_ahead_does_not_lock_for_ever(world: ControlWorld) -> None:
    connection_id = await expired(world)

    async with world.metadata.write() as session:
        row = await session.get(type(await world.row(connection_id)), (await world.row(connection_id)).id)
        assert row is not None
        row.refresh_lease_until = world.clock.now() + timedelta(days=300)
    assert (await call(world)).status_code == 200
