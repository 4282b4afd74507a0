"""What a return of `submit` means: stored, once, with its person; and what it says when it cannot."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.writer.world import NOW_US, World, an_event

from hedgerow.capture.event import IngestionWarning, QueueFull
from hedgerow.core.storage.events import StoreError, StoreUnavailable
from hedgerow.settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.stores]


async def test_an_event_is_in_clickhouse_when_submit_returns(world: World):
    text = {"n": None, "one": 1.0, "big": 2**64, "dotted.key": {}, "quote": 'a"b\\c\n', "emoji": "🌿"}
    await world.sends(an_event("ada", "ordered", properties=text, uuid=b"\x01" * 16, set_={"plan": "pro"}))
    ((event, uuid, at, properties, mode, person),) = await world.rows(
        "SELECT event, toString(uuid), toUnixTimestamp64Micro(timestamp), properties, toString(person_mode),"
        " toString(person_id) FROM events WHERE team_id = TEAM"
    )
    assert (event, uuid, at, mode) == ("ordered", "01010101-0101-0101-0101-010101010101", NOW_US, "full")
    assert (
        properties
        == '{"n":null,"one":1.0,"big":18446744073709551616,"dotted.key":{},"quote":"a\\"b\\\\c\\n","emoji":"🌿"}'
    )
    assert await world.persons() == {person: {"plan": "pro"}}


@pytest.mark.parametrize("at_us", [-2_200_000_000_000_001, -1, 0, 1, 999_999_999_999_999, 10_000_000_000_000_001])
async def test_any_moment_between_1900_and_2299_is_kept_to_the_microsecond(world: World, at_us: int):
    await world.sends(an_event(at_us=at_us))
    assert await world.rows("SELECT toUnixTimestamp64Micro(timestamp) FROM events WHERE team_id = TEAM") == [[at_us]]


async def test_an_event_points_at_the_properties_its_person_had_after_it(world: World):
    await world.sends(
        an_event(set_={"plan": "free"}, at_us=NOW_US),
        an_event(set_={"plan": "pro"}, at_us=NOW_US + 1),
        an_event(at_us=NOW_US + 2),
    )
    found = await world.rows(
        "SELECT v.properties FROM events AS e INNER JOIN person_properties_versions AS v"
        " ON v.team_id = e.team_id AND v.id = e.person_properties_id WHERE e.team_id = TEAM ORDER BY e.timestamp"
    )
    assert found == [['{"plan":"free"}'], ['{"plan":"pro"}'], ['{"plan":"pro"}']]


async def test_a_batch_that_is_sent_twice_counts_once(world: World):
    batch = [an_event(f"user {n}") for n in range(5)]
    await world.sends(*batch)
    await world.sends(*batch)
    assert await world.count() == 5
    assert len(world.observed) == 5


async def test_of_two_equal_uuids_in_one_batch_the_first_wins(world: World):
    await world.sends(an_event("a", "first", uuid=b"\x07" * 16), an_event("b", "second", uuid=b"\x07" * 16))
    assert await world.rows("SELECT event FROM events WHERE team_id = TEAM") == [["first"]]


async def test_the_same_uuid_in_two_projects_is_two_events(world: World):
    here, there = an_event(uuid=b"\x09" * 16), an_event(uuid=b"\x09" * 16)
    await world.sends(here)
    there.team_id = world.team_id + 1_000_000
    await world.writer.submit([there])
    assert await world.rows(f"SELECT count() FROM events WHERE team_id IN (TEAM, {there.team_id})") == [[2]]


async def test_many_requests_at_once_and_their_resends_are_stored_once(world: World):
    requests = [[an_event(f"user {n % 7}") for _ in range(3)] for n in range(100)]
    await asyncio.gather(*(world.sends(*request) for request in [*requests, *requests]))
    assert await world.count() == 300


@pytest.mark.parametrize("received_us", [NOW_US, NOW_US + 400 * 86_400_000_000], ids=["young", "historical"])
async def test_a_resend_after_a_restart_is_a_double(world: World, received_us: int):
    batch = [an_event(f"user {n}", at_us=NOW_US, received_us=received_us) for n in range(3)]
    await world.sends(*batch)
    await world.restart()
    await world.sends(*batch, an_event("new"))
    assert await world.count() == 4


async def test_a_resend_while_the_filter_is_still_being_filled_is_a_double(world: World):
    batch = [an_event(f"user {n}") for n in range(3)]
    await world.sends(*batch)
    await world.writer.stop()
    world.build()
    await world.writer.start()
    await world.sends(*batch)
    assert await world.count() == 3


async def test_a_filter_that_forgot_asks_clickhouse(world: World):
    await world.writer.stop()
    world.is_alone = True
    world.settings = Settings(data_dir=world.settings.data_dir, dedupe_memory_events=4_000)
    world.build()
    await world.start()
    old = an_event("old one")
    await world.sends(old)
    for _ in range(6):
        await world.sends(*(an_event(f"user {n}") for n in range(1_000)))
    assert len(world.writer.seen._parts) == 4  # pyright: ignore[reportPrivateUsage]
    await world.sends(old)
    assert await world.count() == 6_001


async def test_a_full_queue_says_so_at_once_and_takes_events_again_later(world: World):
    await world.writer.stop()
    world.settings = Settings(data_dir=world.settings.data_dir, capture_queue_events=10)
    world.build()
    await world.start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.sends(*(an_event() for _ in range(8))))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await world.sends(*(an_event() for _ in range(5)))
    await world.sends(*(an_event() for _ in range(5)))
    assert await world.count() == 13


async def test_a_queue_that_is_full_of_bytes_says_so_too(world: World):
    await world.writer.stop()
    world.settings = Settings(data_dir=world.settings.data_dir, capture_queue_bytes=100_000)
    world.build()
    await world.start()
    heavy = {"text": "x" * 20_000}
    first = asyncio.create_task(world.sends(an_event(properties=heavy)))
    await asyncio.sleep(0)
    with pytest.raises(QueueFull):
        await world.sends(an_event(properties=heavy))
    await first


async def test_a_client_that_goes_away_does_not_take_its_events_along(world: World):
    waiting = asyncio.create_task(world.sends(an_event()))
    await asyncio.sleep(0)
    waiting.cancel()
    await world.sends(an_event())
    assert await world.count() == 2


async def test_warnings_are_kept_with_the_events_and_without_any(world: World):
    warning = IngestionWarning(world.team_id, "odd", {}, NOW_US)
    await world.writer.submit([], [warning])
    await world.sends(an_event("u1", "$identify", merges="a1"))
    await world.sends(an_event("u2", "$identify", merges="a2"))
    await world.sends(an_event("u1", "$identify", merges="u2"))
    assert [w.type for w in world.warnings] == ["odd", "cannot_merge_already_identified"]


async def test_an_event_that_clickhouse_refuses_does_not_take_its_neighbours_along(world: World):
    world.events.refuses = b"poison"
    results = await asyncio.gather(
        world.sends(an_event()), world.sends(an_event(event="poison")), world.sends(an_event()), return_exceptions=True
    )
    assert await world.count() == 2
    world.events.refuses = None
    if not world.people.is_alone:
        assert [type(result) for result in results] == [type(None), StoreError, type(None)]
        return
    assert results == [None, None, None]
    kept = list((world.settings.data_dir / "journal").glob("*.refused"))
    assert [json.loads(path.read_bytes())["event"] for path in kept] == ["poison"]
    kept[0].unlink()


async def test_nothing_is_taken_after_stop(world: World):
    await world.writer.stop()
    with pytest.raises(StoreUnavailable):
        await world.sends(an_event())


async def test_what_waits_at_stop_is_stored(world: World):
    waiting = [asyncio.ensure_future(world.sends(an_event())) for _ in range(20)]
    await asyncio.sleep(0)
    await world.writer.stop()
    await asyncio.gather(*waiting)
    assert await world.count() == 20
