"""Two workers over the same stores: an event is stored once, whoever gets it, and persons do not fork."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.stores.opened import Stores
from tests.writer.world import World, an_event

from hedgerow.core.clock import Clock
from hedgerow.core.storage.events import StoreUnavailable
from hedgerow.doctor import compare

pytestmark = [pytest.mark.anyio, pytest.mark.stores]


@pytest.fixture
async def pair(stores: Stores) -> AsyncIterator[tuple[World, World]]:
    one = World(stores, Clock(), stores.settings, is_alone=False)
    two = World(stores, Clock(), stores.settings, is_alone=False, team_id=one.team_id)
    await one.start()
    await two.start()
    yield one, two
    await one.writer.stop()
    await two.writer.stop()
    report = await compare(stores.metadata, stores.events)
    assert report.healthy, report.as_text()


async def until_stored(world: World, *events: object) -> None:
    for _ in range(200):
        try:
            await world.sends(*events)  # pyright: ignore[reportArgumentType]
            return
        except StoreUnavailable:
            await asyncio.sleep(0.02)
    raise AssertionError("never stored")


async def test_a_resend_to_another_worker_is_a_double(pair: tuple[World, World]):
    one, two = pair
    batch = [an_event(f"user {n}") for n in range(4)]
    await one.sends(*batch)
    await two.sends(*batch)
    assert await one.count() == 4


async def test_the_same_batch_to_both_at_once_is_stored_once(pair: tuple[World, World]):
    one, two = pair
    for _ in range(5):
        batch = [an_event(f"user {n}") for n in range(4)]
        await asyncio.gather(until_stored(one, *batch), until_stored(two, *batch))
    assert await one.count() == 20


async def test_two_workers_that_meet_a_distinct_id_make_one_person(pair: tuple[World, World]):
    one, two = pair
    await asyncio.gather(
        *(world.sends(an_event("ada", set_={f"from {n}": n})) for n in range(5) for world in (one, two))
    )
    (properties,) = (await one.persons()).values()
    assert properties == {f"from {n}": n for n in range(5)}


async def test_an_anonymous_event_on_one_worker_and_a_merge_on_the_other_are_one_person(pair: tuple[World, World]):
    one, two = pair
    await asyncio.gather(
        one.sends(an_event("anon", personless=True)), two.sends(an_event("ada")), one.sends(an_event("ada"))
    )
    await two.sends(an_event("ada", "$identify", merges="anon"))
    found = await one.person_of_events()
    assert found["anon"] == found["ada"] == {one.own_uuid("ada")}


async def test_what_a_dead_worker_took_and_did_not_store_is_taken_over(pair: tuple[World, World]):
    one, two = pair
    lost = an_event("ada")
    one.events.is_down = True
    with pytest.raises(StoreUnavailable):
        await one.sends(lost)
    with pytest.raises(StoreUnavailable):  # its worker lives: it is about to be stored
        await two.sends(lost)
    await one.writer.stop()
    await two.sends(lost)
    assert await two.count() == 1
    await two.people.outbox.replay()
