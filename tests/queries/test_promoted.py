"""Properties that get a column of their own on a store."""

from __future__ import annotations

import json

import pytest
from tests.hogql.project import Schema

from hedgerow.core import ids
from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.promoted import CannotPromote, promote, property_columns
from hedgerow.core.storage.schema.columns import EVENT_PROPERTY_COLUMNS
from hedgerow.hogql import HogQLContext, compile_select

pytestmark = [pytest.mark.stores, pytest.mark.anyio]
TEAM = 77_001
VALUES = ["a", "", 'q"', 1, 1.5, True, None, [1], {"x": 1}]


class Promoted(Schema):
    def __init__(self, columns: dict[str, str]) -> None:
        super().__init__(TEAM)
        self.columns = columns

    def property_column(self, name: str) -> str | None:
        return self.columns.get(name)


async def store_values(events: EventStore, key: str) -> None:
    rows = [
        {
            "team_id": TEAM, "uuid": str(ids.uuid7()), "event": key, "timestamp": f"2026-01-05 10:00:{number:02}",
            "created_at": "2026-01-05 10:00:00", "distinct_id": "ann", "person_id": str(ids.person_uuid(TEAM, "ann")),
            "person_mode": "full", "properties": json.dumps({key: value}),
        }
        for number, value in enumerate(VALUES)
    ]  # fmt: skip
    await events.insert("events", "\n".join(map(json.dumps, rows)).encode(), token=str(ids.uuid7()))


async def values(events: EventStore, key: str, columns: dict[str, str]) -> tuple[str, list[object]]:
    compiled = compile_select(
        f"SELECT properties.`{key}` FROM events WHERE event = '{key}' ORDER BY timestamp",
        HogQLContext(schema=Promoted(columns)),
    )
    rows = await events.rows(compiled.sql, compiled.parameters, settings=compiled.settings)
    return compiled.sql, [value for (value,) in rows]


@pytest.mark.parametrize("key", ["plan", "$odd key.with/all:of-it"])
async def test_a_promoted_property_has_the_same_values_before_and_after(event_store: EventStore, key: str) -> None:
    await store_values(event_store, key)
    _, before = await values(event_store, key, EVENT_PROPERTY_COLUMNS)

    column = await promote(event_store, key)

    columns = await property_columns(event_store)
    sql, after = await values(event_store, key, columns)
    assert columns[key] == column
    assert f"`{column}`" in sql
    assert "properties_map" not in sql
    assert after == before
    await store_values(event_store, key)
    _, newer = await values(event_store, key, columns)
    assert sorted(map(str, newer)) == sorted(map(str, before * 2))


async def test_every_store_knows_the_common_ones(event_store: EventStore) -> None:
    assert (await property_columns(event_store)).items() >= EVENT_PROPERTY_COLUMNS.items()


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("$browser", "The property '$browser' has a column already."),
        ("it's", 'The property "it\'s" cannot be the name of a column.'),
        ("a`b", "The property 'a`b' cannot be the name of a column."),
        ("", "The property '' cannot be the name of a column."),
        ("never_sent", "No event has the property 'never_sent'."),
    ],
)
async def test_others_are_refused_with_a_sentence(event_store: EventStore, key: str, sentence: str) -> None:
    with pytest.raises(CannotPromote) as refused:
        await promote(event_store, key)

    assert str(refused.value) == sentence
