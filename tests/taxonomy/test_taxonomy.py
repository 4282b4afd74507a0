"""Definitions are noticed in what was stored, and survive the process."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from tests.taxonomy.conftest import NOW, Event, Group, company_is_0

from hedgerow.core.clock import ManualClock
from hedgerow.core.storage.metadata import Metadata
from hedgerow.taxonomy import EVENTS, PERSONS, Taxonomy
from hedgerow.taxonomy.models import GROUP, EventDefinition, PropertyDefinition

pytestmark = pytest.mark.stores
HOUR_US = 3_600_000_000
AT_US = Event().created_at_us


async def rows(metadata: Metadata, sql: str) -> list[tuple[object, ...]]:
    async with metadata.connection(read_only=True) as connection:
        return [tuple(row) for row in await connection.execute(text(sql))]


async def test_a_type_is_known_at_once(taxonomy: Taxonomy) -> None:
    taxonomy.saw([Event(keys={"price": 3, "paid": True}, set={"age": 41}, set_once={"born": "1985-01-01"})])

    assert taxonomy.property_type(1, EVENTS, "price") == "Numeric"
    assert taxonomy.property_type(1, EVENTS, "paid") == "Boolean"
    assert taxonomy.property_type(1, PERSONS, "age") == "Numeric"
    assert taxonomy.property_type(1, PERSONS, "born") == "DateTime"
    assert taxonomy.property_type(1, EVENTS, "age") is None
    assert taxonomy.property_type(2, EVENTS, "price") is None


async def test_the_first_type_stays(taxonomy: Taxonomy, metadata: Metadata, clock: ManualClock) -> None:
    taxonomy.saw([Event(keys={"price": 3}), Event(keys={"price": "free"})])
    await taxonomy.save()
    restarted = Taxonomy(metadata, clock, company_is_0)
    restarted.saw([Event(keys={"price": "free"})])
    await restarted.load(1)
    await restarted.save()

    assert restarted.property_type(1, EVENTS, "price") == "Numeric"
    assert await rows(metadata, "SELECT name, property_type, is_numerical FROM property_definitions") == [
        ("price", "Numeric", 1)
    ]


async def test_a_value_that_shows_no_type_leaves_it_open(taxonomy: Taxonomy, metadata: Metadata) -> None:
    taxonomy.saw([Event(keys={"price": None}) for _ in range(100)])
    await taxonomy.save()
    taxonomy.saw([Event(keys={"price": 3})])
    await taxonomy.save()

    assert taxonomy.property_type(1, EVENTS, "price") == "Numeric"
    assert await rows(metadata, "SELECT property_type FROM property_definitions") == [("Numeric",)]


async def test_group_properties_belong_to_their_group_type(taxonomy: Taxonomy, metadata: Metadata) -> None:
    keys = {"$group_type": "company", "$group_key": "acme", "$group_set": {"seats": 5}}
    taxonomy.saw([Event(event="$groupidentify", keys=keys, group_identify=Group("company", {"seats": 5}))])
    await taxonomy.save()

    assert taxonomy.property_type(1, (GROUP, 0), "seats") == "Numeric"
    assert await rows(metadata, "SELECT owner, group_type_index, name FROM property_definitions") == [(3, 0, "seats")]
    assert await rows(metadata, "SELECT name FROM event_definitions") == [("$groupidentify",)]


async def test_what_means_something_else_is_no_property(taxonomy: Taxonomy, metadata: Metadata) -> None:
    taxonomy.saw([Event(keys={"$set": {"a": 1}, "$groups": {"company": "x"}, "$group_0": "x", "a": 1, "k" * 201: 1})])
    await taxonomy.save()

    assert await rows(metadata, "SELECT name FROM property_definitions") == [("a",)]


async def test_it_is_known_which_events_a_property_comes_with(taxonomy: Taxonomy, metadata: Metadata) -> None:
    taxonomy.saw(
        [
            Event(keys={"a": 1, "$feature/x": "on"}),
            Event(event="paid", keys={"a": 1}),
            Event(event="paid", set={"p": 1}),
        ]
    )
    await taxonomy.save()

    found = await rows(metadata, "SELECT event, property FROM event_properties ORDER BY event")
    assert found == [("$pageview", "a"), ("paid", "a")]


async def test_first_and_last_time_are_kept(taxonomy: Taxonomy, metadata: Metadata) -> None:
    taxonomy.saw([Event(keys={"a": 1}, set={"p": 1})])
    await taxonomy.save()
    taxonomy.saw([Event(keys={"a": 1}, set={"p": 1}, created_at_us=AT_US + 2 * HOUR_US)])
    await taxonomy.save()

    event, prop = EventDefinition, PropertyDefinition
    async with metadata.read() as session:
        events = (await session.execute(select(event.created_at, event.last_seen_at))).all()
        properties = (await session.execute(select(prop.first_seen_at, prop.last_seen_at))).all()
    wanted = (NOW, NOW + timedelta(hours=2))
    assert events == [wanted]
    assert properties == [wanted, wanted]


async def test_a_project_has_room_for_so_many(taxonomy: Taxonomy, metadata: Metadata, clock: ManualClock) -> None:
    taxonomy.saw([Event(keys={f"key_{number}": 1}) for number in range(150)])
    await taxonomy.save()
    restarted = Taxonomy(metadata, clock, company_is_0, properties_max=100)
    await restarted.load(1)
    restarted.saw([Event(keys={"late": 1}), Event(team_id=2, keys={"late": 1})])
    await restarted.save()

    found = await rows(metadata, "SELECT team_id, count(*) FROM property_definitions GROUP BY team_id ORDER BY team_id")
    assert found == [(1, 100), (2, 1)]


async def test_another_worker_sees_it_within_a_second(metadata: Metadata, clock: ManualClock) -> None:
    here = Taxonomy(metadata, clock, company_is_0)
    there = Taxonomy(metadata, clock, company_is_0, has_other_workers=True)
    await there.load(1)
    here.saw([Event(keys={"price": 3})])
    await here.save()

    clock.advance(1)
    await there.load(1)

    assert there.property_type(1, EVENTS, "price") == "Numeric"


async def test_names_that_sql_cannot_hold_are_kept_as_near_as_it_can(taxonomy: Taxonomy, metadata: Metadata) -> None:
    taxonomy.saw([Event(event="a\0b", keys={"c\0d": 1, "e\ud800f": 1, "é": 1})])
    await taxonomy.save()

    names = {row[0] for row in await rows(metadata, "SELECT name FROM property_definitions")}
    assert names == {"c\ufffdd", "e?f", "é"}


async def test_stopping_saves_what_was_seen_last(taxonomy: Taxonomy, metadata: Metadata) -> None:
    await taxonomy.start()
    taxonomy.saw([Event(keys={"a": 1})])
    await taxonomy.stop()

    assert await rows(metadata, "SELECT name FROM property_definitions") == [("a",)]
