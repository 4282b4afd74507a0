"""Squashing overrides, case by case: what was under way, what moves again meanwhile, who else is at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.people.squash.merged import (
    agree,
    delete,
    leftovers,
    no_progress,
    overrides,
    owners,
    persons,
    split,
    squash,
)
from tests.stores.opened import Stores
from tests.writer.world import NOW_US, World, an_event

from hedgerow.capture.event import IncomingEvent
from hedgerow.core.clock import Clock
from hedgerow.core.jobs import Jobs
from hedgerow.core.storage.events import EventStore
from hedgerow.doctor import compare
from hedgerow.people import settlement, sql
from hedgerow.people import squash as squash_module
from hedgerow.people.settlement import Settlement
from hedgerow.people.squash import Squash
from hedgerow.people.standing import PeopleStanding
from hedgerow.people.upkeep import Upkeep
from hedgerow.settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.stores]


def signs_in(anonymous: str, user: str, **more: Any) -> IncomingEvent:
    """The user's first event after signing in."""
    return an_event(user, "$identify", merges=anonymous, **more)


async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(60):
        while not (found := await ask()):  # noqa: ASYNC110 — the condition is in a database
            await asyncio.sleep(0.02)
        return found


async def test_events_are_rewritten_and_the_join_is_dropped(world: World):
    standing = PeopleStanding(world.people)
    await world.sends(an_event("anon"), an_event("ada"), an_event("eve"))
    await world.sends(signs_in("anon", "ada"))
    assert await standing.has_person_overrides(world.team_id)
    assert await overrides(world) == (1, 1)
    before = await persons(world)
    assert await persons(world, joined=False) != before
    await squash(world)
    assert await persons(world, joined=False) == before
    assert await overrides(world) == (0, 0)
    assert not await standing.has_person_overrides(world.team_id)
    assert await leftovers(world) == []


@pytest.mark.parametrize("at_once", [squash_module.EVENTS_AT_ONCE, 0], ids=["at once", "month by month"])
async def test_events_of_all_months_are_rewritten(world: World, at_once: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(squash_module, "EVENTS_AT_ONCE", at_once)
    month_us = 31 * 86_400_000_000
    await world.sends(*(an_event("anon", at_us=NOW_US - months * month_us) for months in range(6)), an_event("ada"))
    await world.sends(signs_in("anon", "ada"))
    await squash(world)
    assert {person for _, person in (await persons(world, joined=False)).values()} == {world.own_uuid("ada")}


async def test_more_overrides_than_a_round_takes_are_squashed_in_several(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(squash_module, "OVERRIDES_AT_ONCE", 3)
    monkeypatch.setattr(squash_module, "SQL_ROWS_AT_ONCE", 2)
    await world.sends(*(an_event(f"anon {number}") for number in range(10)), an_event("ada"))
    await world.sends(*(signs_in(f"anon {number}", "ada") for number in range(10)))
    assert await overrides(world) == (10, 10)
    await squash(world)
    assert await overrides(world) == (0, 0)
    assert {person for _, person in (await persons(world, joined=False)).values()} == {world.own_uuid("ada")}


async def test_who_moves_twice_ends_with_the_last(world: World):
    await world.sends(an_event("a"), an_event("b"), an_event("c"))
    await world.sends(an_event("b", merges="a"))
    await world.sends(an_event("c", merges="b", dangerously=True))
    await squash(world)
    assert {person for _, person in (await persons(world, joined=False)).values()} == {world.own_uuid("c")}
    await world.sends(an_event("d"), an_event("d", merges="c", dangerously=True))
    await agree(world)
    await squash(world)
    assert {person for _, person in (await persons(world, joined=False)).values()} == {world.own_uuid("d")}


async def test_projects_with_equal_distinct_ids_stay_apart(world: World, stores: Stores):
    await world.sends(an_event("anon"), an_event("ada"))
    await world.sends(signs_in("anon", "ada"))
    first = world.team_id
    world.team_id += 500_000
    await world.sends(an_event("anon"), an_event("ada"))
    await squash(world)
    assert set((await persons(world, joined=False)).values()) == {
        ("anon", world.own_uuid("anon")),
        ("ada", world.own_uuid("ada")),
    }
    world.team_id = first
    assert {person for _, person in (await persons(world, joined=False)).values()} == {world.own_uuid("ada")}


async def test_a_split_after_a_squash_gives_the_events_back(world: World):
    await world.sends(an_event("anon"), an_event("ada"))
    await world.sends(signs_in("anon", "ada"))
    await squash(world)
    await split(world, "ada")
    await agree(world)
    await squash(world)
    await agree(world)
    assert set((await persons(world, joined=False)).values()) == {
        ("anon", world.own_uuid("anon")),
        ("ada", world.own_uuid("ada")),
    }


async def test_the_next_person_of_a_deleted_ones_distinct_id_gets_its_squashed_events(world: World):
    await world.sends(an_event("anon"), an_event("ada"))
    await world.sends(signs_in("anon", "ada"))
    await squash(world)
    await delete(world, "ada")
    await world.sends(an_event("anon", personless=True))
    await squash(world)
    await world.sends(an_event("anon"))
    await agree(world)
    found = await persons(world)
    assert {person for distinct_id, person in found.values() if distinct_id == "anon"} == {world.own_uuid("anon")}


async def test_an_event_without_a_person_keeps_the_person_it_was_shown_with(world: World):
    """Its distinct id was a deleted person's: until the squash the override speaks for all its events."""
    await world.sends(an_event("anon"), an_event("ada"))
    await world.sends(signs_in("anon", "ada"))
    await delete(world, "ada")
    late = an_event("anon", personless=True)
    await world.sends(late)
    before = await persons(world)
    await squash(world)
    assert await persons(world) == before
    later = an_event("anon", personless=True)
    await world.sends(later)
    shown = await persons(world)
    await squash(world)
    assert await persons(world) == shown


async def test_a_resend_after_the_squash_is_a_double(world: World):
    event = an_event("anon")
    await world.sends(event)
    await world.sends(an_event("ada"), signs_in("anon", "ada"))
    await squash(world)
    await world.sends(event)
    assert await world.count() == 3
    await agree(world)


async def test_an_override_that_is_written_meanwhile_survives(world: World):
    await world.sends(an_event("a"), an_event("b"), an_event("c"))
    await world.sends(an_event("b", merges="a"))

    async def merge_again(share: float) -> None:
        if share == 0.9:  # the events are rewritten, the overrides still there
            await world.sends(an_event("c", merges="b", dangerously=True))

    events = stores_events(world)
    await Squash(world.people, events, Settlement(world.people, world.writer)).run({}, merge_again)
    assert await overrides(world) == (2, 2)
    await agree(world)
    await squash(world)
    assert {person for _, person in (await persons(world, joined=False)).values()} == {world.own_uuid("c")}


def stores_events(world: World) -> EventStore:
    return world.stores.events


class Held:
    """The event store, whose inserts of events wait."""

    def __init__(self, events: Any) -> None:
        self._events = events
        self.go_on = asyncio.Event()
        self.waiting = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._events, name)

    async def insert(self, table: str, lines: bytes, *, token: str) -> None:
        if table == "events":
            self.waiting.set()
            await self.go_on.wait()
        await self._events.insert(table, lines, token=token)


async def test_an_event_under_way_that_knew_the_old_person_is_waited_for(world: World):
    """It was identified before the merge, and is inserted after everything else."""
    await world.sends(an_event("anon"), an_event("ada"))
    await asyncio.sleep(0)
    held = Held(world.events)
    world.writer._inserts._events = held  # pyright: ignore[reportAttributeAccessIssue]
    late = asyncio.create_task(world.sends(an_event("anon", "late")))
    await held.waiting.wait()
    async with world.people.change([world.team_id]) as change:  # the merge needs no event of its own
        view = await change.load(world.team_id, [signs_in("anon", "ada", team_id=world.team_id)])
        view.resolve(signs_in("anon", "ada", team_id=world.team_id))
    squashing = asyncio.create_task(squash(world))
    done, _ = await asyncio.wait({squashing}, timeout=0.5)
    assert not done
    assert (await overrides_in_sql(world)) == 1
    held.go_on.set()
    await late
    await squashing
    found = await persons(world, joined=False)
    assert len(found) == 3
    assert {person for _, person in found.values()} == {world.own_uuid("ada")}
    assert await overrides(world) == (0, 0)


async def overrides_in_sql(world: World) -> int:
    async with world.stores.metadata.connection(read_only=True) as connection:
        said = {"team_id": world.team_id}
        rows = await sql.rows(connection, "SELECT count(*) FROM person_overrides WHERE team_id = :team_id", said)
    return int(rows[0][0])


async def test_squashing_while_events_come_in(world: World):
    """Visitors come, are seen and sign in while one squash follows the other."""
    stopped = False
    signed_in: dict[str, str] = {}

    async def visits(number: int) -> int:
        count = 0
        while count < 3 or (not stopped and count < 400):  # a query gives 10,000 rows
            anonymous, user = f"anon {number} {count}", f"user {number} {count % 3}"
            await world.sends(an_event(anonymous), an_event(user))
            await asyncio.gather(
                world.sends(an_event(anonymous, "late")),
                world.sends(signs_in(anonymous, user)),
                world.sends(an_event(user)),
            )
            signed_in[anonymous] = signed_in[user] = world.own_uuid(user)
            count += 1
        return count

    visitors = [asyncio.create_task(visits(number)) for number in range(4)]
    for _ in range(6):
        await squash(world)
        known = dict(signed_in)
        found = await persons(world)
        assert {said for said in found.values() if known.get(said[0], said[1]) != said[1]} == set()
    stopped = True
    counts = await asyncio.gather(*visitors)
    await squash(world)
    assert await overrides(world) == (0, 0)
    found = await persons(world, joined=False)
    assert len(found) == 5 * sum(counts)
    owned = await owners(world)
    assert {event for event, (distinct_id, person) in found.items() if owned[distinct_id] != person} == set()


# -- several workers ---------------------------------------------------------------------------------------------------


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


async def test_another_workers_event_under_way_is_waited_for(pair: tuple[World, World]):
    one, two = pair
    await one.sends(an_event("anon"), an_event("ada"))
    held = Held(two.events)
    two.writer._inserts._events = held  # pyright: ignore[reportAttributeAccessIssue]
    late = asyncio.create_task(two.sends(an_event("anon", "late")))
    await held.waiting.wait()
    await one.sends(signs_in("anon", "ada"))
    answering = asyncio.create_task(Settlement(two.people, two.writer).answer_others())
    squashing = asyncio.create_task(squash(one))
    done, _ = await asyncio.wait({squashing}, timeout=1.5)
    assert not done
    assert (await overrides(one))[0] == 1
    held.go_on.set()
    await late
    await squashing
    found = await persons(one, joined=False)
    assert len(found) == 4
    assert {person for _, person in found.values()} == {one.own_uuid("ada")}
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)


async def test_a_worker_that_died_long_ago_is_not_waited_for(pair: tuple[World, World]):
    one, _ = pair
    dead_us = one.clock.now_us() - (settlement.DEAD_AFTER_SECONDS + 1) * 1_000_000
    async with one.stores.metadata.connection() as connection:
        await sql.execute(
            connection, "DELETE FROM writer_leases WHERE worker <> :worker", {"worker": one.writer.worker}
        )
        dead = "INSERT INTO writer_leases (worker, expires_at_us) VALUES ('dead', :dead_us)"
        await sql.execute(connection, dead, {"dead_us": dead_us})
    await one.sends(an_event("anon"), an_event("ada"))
    await one.sends(signs_in("anon", "ada"))
    await squash(one)
    assert await overrides(one) == (0, 0)
    await agree(one)


# -- when --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "after", "signing_in", "is_squashed"),
    [(3, 3_600.0, 3, True), (3, 3_600.0, 2, False), (1_000, 0.1, 1, True)],
    ids=["enough wait", "too few wait", "the first is old enough"],
)
async def test_a_squash_is_due(world: World, at: int, after: float, signing_in: int, is_squashed: bool):
    await squash(world)  # other tests' overrides
    chosen = Settings(
        data_dir=world.settings.data_dir, squash_at_overrides=at, squash_after_seconds=min(after, 3_600.0)
    )
    jobs = Jobs(world.stores.metadata, Clock(), is_alone=True)
    upkeep = Upkeep(world.people, stores_events(world), jobs, world.writer, chosen)
    upkeep._look_seconds = 0.02
    await jobs.start()
    await upkeep.start()
    for number in range(signing_in):
        await world.sends(an_event(f"anon {number}"), an_event(f"user {number}"))
        await world.sends(signs_in(f"anon {number}", f"user {number}"))

    async def is_empty() -> bool:
        return await overrides_in_sql(world) == 0

    if is_squashed:
        await until(is_empty)
    else:
        await upkeep.squash.pending(1)
        for _ in range(20):
            await asyncio.sleep(0.02)
        assert await overrides_in_sql(world) == signing_in
        await upkeep.squash_now()
        assert await is_empty()
    await upkeep.stop()
    await jobs.stop()
    await agree(world)


async def test_nothing_to_do_is_done_at_once(world: World):
    await squash(world)
    told: list[float] = []

    async def tell(share: float) -> None:
        told.append(share)

    await Squash(world.people, stores_events(world), Settlement(world.people, world.writer)).run({}, tell)
    assert told == []
    await no_progress(0)


async def test_the_doctor_counts_what_waits_and_names_what_was_given_up(world: World):
    await squash(world)
    assert (await compare(world.stores.metadata, world.stores.events)).waiting == []
    await world.sends(an_event("anon"), an_event("ada"))
    await world.sends(signs_in("anon", "ada"))
    jobs = Jobs(world.stores.metadata, Clock(), is_alone=True)
    waits = await jobs.add("somebody's", None)
    await world.writer.settled()
    await world.people.outbox.sweep()
    report = await compare(world.stores.metadata, world.stores.events)
    assert report.healthy, report.as_text()
    assert report.waiting == [
        "1 overrides wait to be written into events",
        f"job somebody's, number {waits}: waiting, 0% done",
    ]
    async with world.stores.metadata.connection() as connection:
        said = {"id": waits, "error": "ValueError: no"}
        await sql.execute(connection, "UPDATE jobs SET state = 'failed', error = :error WHERE id = :id", said)
    report = await compare(world.stores.metadata, world.stores.events)
    assert not report.healthy
    assert report.differences["jobs"] == [f"somebody's, number {waits}, was given up after 0 attempts: ValueError: no"]
    async with world.stores.metadata.connection() as connection:
        await sql.execute(connection, "DELETE FROM jobs WHERE id = :id", {"id": waits})
