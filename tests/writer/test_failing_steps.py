"""Each step of a commit is failed in turn: nothing that was answered is lost, and both stores agree afterwards."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.writer.world import World, an_event

from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.events import StoreUnavailable
from hedgerow.doctor import compare

pytestmark = [pytest.mark.anyio, pytest.mark.stores]

STEPS = 8
"""One SQL transaction and inserts into events, persons, distinct ids, versions, overrides and groups, and one to spare."""


@pytest.mark.parametrize("after", [False, True], ids=["not done", "done but not said"])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
async def test_a_step_fails_once_and_the_client_sends_again(world: World, step: int, after: bool):
    await world.sends(an_event("anon", personless=True))
    batch = [
        an_event("ada", "$identify", merges="anon", set_={"plan": "pro"}),
        an_event("ada", groups={"company": "acme"}),
        an_event("ada", "$groupidentify", group=("company", "acme", {"size": 3})),
    ]
    world.steps.fail(step, after=after)
    for _ in range(50):
        try:
            await world.sends(*batch)
            break
        except (StoreUnavailable, MetadataUnavailable):
            await asyncio.sleep(0.02)
    await world.counts(4)
    assert await world.person_of_events() == {"anon": {world.own_uuid("anon")}, "ada": {world.own_uuid("anon")}}


@pytest.mark.parametrize("step", range(1, 7))
async def test_a_step_fails_and_the_process_ends_before_anybody_sends_again(world: World, step: int):
    await world.sends(an_event("anon", personless=True))
    await world.sends(an_event("ada", set_={"plan": "free"}))
    world.steps.fail(step, times=1_000)
    is_taken = False
    with contextlib.suppress(StoreUnavailable, MetadataUnavailable):
        await world.sends(an_event("ada", "$identify", merges="anon", set_={"plan": "pro"}, groups={"company": "acme"}))
        is_taken = True
    assert is_taken == (world.people.is_alone and step > 1)  # the journal took it
    world.writer._stopping = True  # pyright: ignore[reportPrivateUsage]
    await world.writer.stop()
    world.steps.fail(0)
    world.build()
    await world.start()
    await world.sends(an_event("ada"))
    await world.writer.stop()
    # What a server's insert took before a later one failed is there, though nobody was told; a resend would be a double.
    may_be_there = not world.people.is_alone and step > 1
    assert await world.count() in ({4} if is_taken else {3, 4} if may_be_there else {3})
    report = await compare(world.stores.metadata, world.stores.events)
    assert report.healthy, report.as_text()


async def test_while_clickhouse_cannot_answer_requests_are_refused_and_what_was_taken_arrives_later(world: World):
    world.events.is_down = True
    taken = set[str]()
    for n in range(500):
        try:
            await world.sends(an_event(f"user {n}"))
            taken.add(f"user {n}")
        except StoreUnavailable:
            break
        await asyncio.sleep(0.01)
    else:
        pytest.fail("nothing was refused")
    with pytest.raises(StoreUnavailable):
        await world.sends(an_event("bob"))
    assert bool(taken) == world.people.is_alone  # the journal takes what comes before the trouble is known
    world.events.is_down = False
    for _ in range(200):
        try:
            await world.sends(an_event("eve"))
            break
        except StoreUnavailable:
            await asyncio.sleep(0.02)
    found = set(await world.person_of_events())
    assert found >= taken | {"eve"}
    assert "bob" not in found


async def test_while_sql_cannot_answer_requests_that_need_it_are_refused(world: World):
    world.steps.fail(1, times=2)
    for _ in range(2):
        with pytest.raises(MetadataUnavailable):
            await world.sends(an_event("ada", set_={"a": 1}))
    await world.sends(an_event("ada", set_={"a": 1}))
    assert await world.count() == 1
