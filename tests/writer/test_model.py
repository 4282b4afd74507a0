"""SDKs send, resend, merge, and the process restarts: a few lines of Python say what must come out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.stores.databases import database_url
from tests.stores.opened import Stores
from tests.writer.world import NOW_US, World, an_event

from hedgerow.capture.event import IncomingEvent
from hedgerow.core.clock import Clock
from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.metadata import Metadata
from hedgerow.doctor import compare
from hedgerow.settings import Settings

IDS = ["a", "b", "c", "d", "e"]
EXAMPLES = 400 if os.environ.get("HEDGEROW_TEST_TIER") == "all" else 25

sends = st.tuples(
    st.just("send"),
    st.sampled_from(IDS),
    st.booleans(),
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3), max_size=2),
)
merges = st.tuples(st.just("merge"), st.sampled_from(IDS), st.sampled_from(IDS), st.booleans())
others = st.tuples(st.sampled_from(["resend", "restart", "flush"]))
stories = st.lists(st.one_of(sends, sends, merges, merges, others), min_size=1, max_size=25)


@dataclass(eq=False)
class Person:
    ids: set[str]
    created_at_us: int
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    is_identified: bool = False


class Model:
    def __init__(self) -> None:
        self.of: dict[str, Person] = {}
        self.used: set[str] = set()

    def take(self, event: IncomingEvent) -> None:
        mine = event.distinct_id
        self.used.add(mine)
        if event.person_mode == 1:
            return
        if event.merge is not None:
            self.merge(mine, event.merge.other_distinct_id, event.merge.dangerously, event.timestamp_us)
        elif mine not in self.of:
            self.of[mine] = Person({mine}, event.timestamp_us)
        self.of[mine].properties.update(event.set or {})

    def merge(self, mine: str, other: str, dangerously: bool, at_us: int) -> None:
        target, absorbed = self.of.get(mine), self.of.get(other)
        if target is None and absorbed is None:
            target = Person(set(), at_us)
        if target is None or absorbed is None:
            one = target or absorbed
            assert one is not None
            one.ids |= {mine, other}
            one.is_identified = True
            self.of[mine] = self.of[other] = one
        elif target is not absorbed and (dangerously or not absorbed.is_identified):
            target.properties = {**absorbed.properties, **target.properties}
            target.created_at_us = min(target.created_at_us, absorbed.created_at_us)
            target.is_identified = True
            target.ids |= absorbed.ids
            for moved in absorbed.ids:
                self.of[moved] = target


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def opened(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    chosen = Settings(data_dir=tmp_path_factory.mktemp("data"), database_url=database_url())

    async def open_both() -> Stores:
        return Stores(await EventStore.open(chosen), await Metadata.open(chosen), chosen)

    stores = runner.run(open_both())
    yield stores
    runner.run(stores.events.close())
    runner.run(stores.metadata.close())


@pytest.mark.stores
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=stories, alone=st.booleans())
def test_any_story_ends_as_the_model_says(
    runner: asyncio.Runner, opened: Stores, story: list[tuple[Any, ...]], alone: bool
):
    runner.run(play(World(opened, Clock(), opened.settings, is_alone=alone), story))


async def play(world: World, story: list[tuple[Any, ...]]) -> None:
    model, batch, sent = Model(), list[IncomingEvent](), list[list[IncomingEvent]]()
    await world.start()

    async def flush() -> None:
        if batch:
            await world.sends(*batch)
            sent.append(list(batch))
            batch.clear()

    for moment, (what, *said) in enumerate(story):
        at_us = NOW_US + moment
        if what == "send":
            distinct_id, personless, set_ = said
            event = an_event(distinct_id, personless=personless, set_=None if personless else set_ or None, at_us=at_us)
        elif what == "merge":
            mine, other, dangerously = said
            if mine == other:
                continue
            event = an_event(mine, "$merge", merges=other, dangerously=dangerously, at_us=at_us)
        else:
            await flush()
            if what == "resend" and sent:
                await world.sends(*sent[moment % len(sent)])
            elif what == "restart":
                await world.restart()
            continue
        model.take(event)
        batch.append(event)
    await flush()
    await world.writer.stop()
    await check(world, model, sum(map(len, sent)))


async def check(world: World, model: Model, count: int) -> None:
    assert await world.count() == count
    owners = await world.owners()
    assert owners.keys() == model.of.keys()
    named = {id(person): owners[next(iter(person.ids))] for person in model.of.values()}
    assert {distinct_id: named[id(person)] for distinct_id, person in model.of.items()} == owners
    assert await world.persons() == {named[id(person)]: person.properties for person in model.of.values()}
    wanted = {d: {owners[d]} if d in owners else {world.own_uuid(d)} for d in model.used}
    assert await world.person_of_events() == wanted
    identified = {
        uuid: bool(flag)
        for uuid, flag in await world.rows(
            "SELECT toString(id), is_identified FROM persons FINAL WHERE team_id = TEAM AND NOT is_deleted"
        )
    }
    assert identified == {named[id(person)]: person.is_identified for person in model.of.values()}
    report = await compare(world.stores.metadata, world.stores.events)
    assert report.healthy, report.as_text()
