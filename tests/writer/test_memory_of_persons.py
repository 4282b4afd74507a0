"""What memory holds of persons between batches is what SQL says, whichever of their distinct ids a batch names."""

from __future__ import annotations

import pytest
from tests.writer.world import World, an_event

pytestmark = [pytest.mark.anyio, pytest.mark.stores]


async def test_properties_set_under_different_distinct_ids_add_up(world: World):
    await world.sends(an_event("b"), an_event("b", merges="a"))
    await world.restart()
    await world.sends(an_event("b", set_={"by b": 1}))
    await world.sends(an_event("a", set_={"by a": 2}))
    await world.sends(an_event("b", set_={"by b again": 3}))
    assert await world.persons() == {world.own_uuid("b"): {"by b": 1, "by a": 2, "by b again": 3}}


async def test_merges_one_after_the_other_take_all_distinct_ids_along(world: World):
    await world.sends(an_event("a"), an_event("b"), an_event("c"), an_event("d"))
    await world.sends(an_event("b", merges="a"))
    await world.sends(an_event("c", merges="b", dangerously=True))
    await world.restart()
    await world.sends(an_event("c"))
    await world.sends(an_event("d", merges="c", dangerously=True))
    assert await world.owners() == dict.fromkeys("abcd", world.own_uuid("d"))
    assert await world.person_of_events() == {one: {world.own_uuid("d")} for one in "abcd"}


async def test_a_merge_is_seen_by_the_next_batch_of_any_distinct_id(world: World):
    await world.sends(an_event("b"), an_event("b", merges="a"))
    await world.restart()
    await world.sends(an_event("b"))
    await world.sends(an_event("a"))
    await world.sends(an_event("c"), an_event("c", merges="b", dangerously=True))
    await world.sends(an_event("a", set_={"x": 1}), an_event("b", set_={"y": 1}))
    assert await world.persons() == {world.own_uuid("c"): {"x": 1, "y": 1}}
    assert await world.person_of_events() == {one: {world.own_uuid("c")} for one in "abc"}
