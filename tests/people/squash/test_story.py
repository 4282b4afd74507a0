"""Any story of events, merges, splits and deletions, with squashes in between: no answer differs for them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.clickhouse_http.running import stand_in
from tests.people.squash.merged import agree, delete, leftovers, overrides, persons, split, squash
from tests.stores.databases import database_url
from tests.stores.opened import Stores
from tests.writer.world import NOW_US, World, an_event

from hedgerow.core.clock import Clock
from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.metadata import Metadata
from hedgerow.doctor import compare
from hedgerow.settings import Settings

IDS = ["a", "b", "c", "d"]
EXAMPLES = 300 if os.environ.get("HEDGEROW_TEST_TIER") == "all" else 20
MONTH_US = 31 * 86_400_000_000

a_name = st.sampled_from(IDS)
sends = st.tuples(st.just("send"), a_name, st.booleans(), st.integers(0, 2))
merges = st.tuples(st.just("merge"), a_name, a_name, st.booleans())
edited = st.tuples(st.sampled_from(["split", "delete"]), a_name)
squashes = st.tuples(st.just("squash"))
broken = st.tuples(st.just("broken squash"), st.integers(1, 14), st.booleans())
others = st.tuples(st.sampled_from(["restart", "flush"]))
stories = st.lists(st.one_of(sends, sends, merges, merges, edited, squashes, broken, others), min_size=3, max_size=20)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def opened(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    folder = tmp_path_factory.mktemp("data")
    with ExitStack() as stack:
        url = ""
        if os.environ.get("HEDGEROW_TEST_CLICKHOUSE") == "http":
            url = stack.enter_context(stand_in(folder / "clickhouse"))
        chosen = Settings(data_dir=folder, clickhouse_url=url, database_url=database_url())

        async def open_both() -> Stores:
            return Stores(await EventStore.open(chosen), await Metadata.open(chosen), chosen)

        stores = runner.run(open_both())
        yield stores
        runner.run(stores.events.close())
        runner.run(stores.metadata.close())


@pytest.mark.stores
@pytest.mark.timeout(600)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=stories, alone=st.booleans())
def test_no_squash_changes_an_answer(runner: asyncio.Runner, opened: Stores, story: list[tuple[Any, ...]], alone: bool):
    is_alone = alone and opened.events.embedded
    runner.run(play(World(opened, Clock(), opened.settings, is_alone=is_alone), story))


async def play(world: World, story: list[tuple[Any, ...]]) -> None:
    await world.start()
    for moment, (what, *said) in enumerate(story):
        if what == "send":
            distinct_id, personless, months = said
            at_us = NOW_US + moment - months * MONTH_US
            await world.sends(an_event(distinct_id, personless=personless, at_us=at_us))
        elif what == "merge":
            mine, other, dangerously = said
            if mine != other:
                await world.sends(
                    an_event(mine, "$merge", merges=other, dangerously=dangerously, at_us=NOW_US + moment)
                )
        elif what == "delete":
            await delete(world, said[0])
        elif what == "split":
            await split(world, said[0])
        elif what == "squash":
            before = await persons(world)
            await squash(world)
            assert await persons(world) == before
            assert await persons(world, joined=False) == before
            assert await overrides(world) == (0, 0)
            assert await leftovers(world) == []
        elif what == "broken squash":
            before = await persons(world)
            await squash(world, fails_at=said[0], after=said[1])
            assert await persons(world) == before
        elif what == "restart":
            await world.restart()
        await agree(world)
    before = await persons(world)
    await squash(world)
    assert await persons(world, joined=False) == before
    await world.writer.stop()
    await agree(world)
    report = await compare(world.stores.metadata, world.stores.events)
    assert report.healthy, report.as_text()
