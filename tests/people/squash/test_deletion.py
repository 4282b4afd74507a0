"""The events of deleted persons are deleted by a job: all that had arrived, nothing that came later, whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.people.squash.merged import agree, squash
from tests.people.squash.test_squash import Held, signs_in, stores_events, until
from tests.writer.world import World, an_event

from hedgerow.capture.event import IncomingEvent
from hedgerow.core.clock import Clock
from hedgerow.core.jobs import Jobs
from hedgerow.core.storage.events import StoreUnavailable
from hedgerow.people import edits
from hedgerow.people.upkeep import Upkeep
from hedgerow.settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.stores]


@pytest.fixture
async def jobs(world: World) -> AsyncIterator[Jobs]:
    """Knows how to delete events, and is not started."""
    made = Jobs(world.stores.metadata, world.clock, is_alone=True)
    Upkeep(world.people, stores_events(world), made, world.writer, Settings(data_dir=world.settings.data_dir))
    yield made
    await made.stop()


def arriving(world: World, distinct_id: str, event: str = "seen") -> IncomingEvent:
    return an_event(distinct_id, event, received_us=world.clock.now_us())


async def delete_with_events(world: World, jobs: Jobs, distinct_id: str) -> None:
    uuids = await edits.owners(world.people, world.team_id, [distinct_id])
    assert await edits.delete_persons(world.people, jobs, world.team_id, uuids, with_events=True) == 1


async def names(world: World) -> list[str]:
    return [row[0] for row in await world.rows("SELECT event FROM events WHERE team_id = TEAM ORDER BY event")]


async def all_done(jobs: Jobs) -> None:
    async def none_is_left() -> bool:
        return await jobs.unfinished() == []

    await until(none_is_left)


async def test_what_had_arrived_goes_and_what_comes_later_stays(world: World, jobs: Jobs):
    await world.sends(
        arriving(world, "anon", "old"), arriving(world, "ada", "old"), arriving(world, "eve", "another's")
    )
    await world.sends(signs_in("anon", "ada", received_us=world.clock.now_us()))
    await delete_with_events(world, jobs, "ada")
    await world.sends(arriving(world, "ada", "later"), arriving(world, "anon", "later"))
    await jobs.start()
    await all_done(jobs)
    assert await names(world) == ["another's", "later", "later"]
    await squash(world)
    await agree(world)


async def test_a_deletion_outlives_the_process_that_promised_it(world: World, jobs: Jobs):
    await world.sends(arriving(world, "ada"))
    await delete_with_events(world, jobs, "ada")
    await world.restart()
    assert await names(world) == ["seen"]
    next_one = Jobs(world.stores.metadata, Clock(), is_alone=True)
    Upkeep(world.people, stores_events(world), next_one, world.writer, Settings(data_dir=world.settings.data_dir))
    await next_one.start()
    await all_done(next_one)
    await next_one.stop()
    assert await names(world) == []


async def test_a_person_that_could_not_be_deleted_keeps_its_events(world: World, jobs: Jobs):
    await world.sends(arriving(world, "ada"))
    await world.writer.settled()
    world.steps.fail(1)
    with pytest.raises(Exception, match="lost before the commit"):
        await delete_with_events(world, jobs, "ada")
    assert await jobs.unfinished() == []
    assert await names(world) == ["seen"]


async def test_an_event_under_way_is_deleted_too(world: World, jobs: Jobs):
    await world.sends(arriving(world, "ada"))
    held = Held(world.events)
    world.writer._inserts._events = held  # pyright: ignore[reportAttributeAccessIssue]
    late = asyncio.create_task(world.sends(arriving(world, "ada", "late")))
    await held.waiting.wait()
    await delete_with_events(world, jobs, "ada")
    await jobs.start()
    done, _ = await asyncio.wait({asyncio.create_task(all_done(jobs))}, timeout=0.5)
    assert not done
    held.go_on.set()
    await late
    await all_done(jobs)
    assert await names(world) == []


async def test_a_deletion_waits_for_a_store_that_is_away(world: World, jobs: Jobs):
    await world.sends(arriving(world, "ada"))
    await delete_with_events(world, jobs, "ada")
    store = stores_events(world)
    away = asyncio.Event()
    command = store.command

    async def unavailable(*args: object, **named: object) -> None:
        away.set()
        raise StoreUnavailable("gone")

    store.command = unavailable
    await jobs.start()
    await away.wait()
    store.command = command
    job = (await jobs.unfinished())[0]
    assert job.attempts <= 1
    await all_done(jobs)
    assert await names(world) == []


async def test_a_session_loses_what_was_deleted_and_keeps_the_rest(world: World, jobs: Jobs):
    shared, alone = "019b8f00-0000-7000-8000-000000000001", "019b8f00-0000-7000-8000-000000000002"
    for distinct_id, session, url in (("ada", shared, "secret"), ("eve", shared, "kept"), ("ada", alone, "secret")):
        sent = an_event(distinct_id, "$pageview", received_us=world.clock.now_us(), properties={"$current_url": url})
        sent.session_id = session
        await world.sends(sent)
    await delete_with_events(world, jobs, "ada")
    await jobs.start()
    await all_done(jobs)
    sessions = await world.rows(
        "SELECT lower(hex(session_id_v7)), finalizeAggregation(distinct_id), urls, length(pageviews)"
        " FROM raw_sessions FINAL WHERE team_id = TEAM"
    )
    assert sessions == [[shared.replace("-", ""), "eve", ["kept"], 1]]
