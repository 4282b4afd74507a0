"""Two projects in one store: neither sees, counts, caches or stumbles over the other's rows."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.queries.world import Asker, World

from hedgerow.core import ids

pytestmark = pytest.mark.stores

QUESTIONS = [
    "SELECT count() FROM events",
    "SELECT event, properties.secret FROM events",
    "SELECT e.event FROM events e JOIN events f ON e.distinct_id = f.distinct_id",
    "SELECT event FROM events WHERE event IN (SELECT event FROM events)",
    "SELECT * FROM (SELECT event FROM events UNION ALL SELECT distinct_id FROM events)",
    "WITH x AS (SELECT event FROM events) SELECT event FROM x",
    "SELECT count() FROM persons",
    "SELECT count() FROM person_distinct_ids",
    "SELECT count() FROM groups",
    "SELECT person.properties.email FROM events",
    "SELECT event FROM events WHERE 1 OR team_id = 2",
]


@pytest.mark.parametrize("text", QUESTIONS)
async def test_one_project_s_rows_are_not_in_the_other_s_answer(world: World, text: str) -> None:
    mine, theirs = await world.project(), await world.project()
    await theirs.sends("marked", {"secret": "marked"}, by="marked")

    response = await mine.post(text)

    assert "marked" not in response.text.replace(text, "")
    if response.status_code == 200:
        assert response.json()["results"] in ([], [[0]])


async def test_the_cache_of_one_is_not_the_other_s(world: World) -> None:
    mine, theirs = await world.project(), await world.project()
    await theirs.sends("a")
    text = "SELECT count() FROM events"
    assert (await theirs.answer(text))["results"] == [[1]]
    assert (await mine.answer(text))["results"] == [[0]]


async def store_together(world: World, first: Asker, second: Asker, names: tuple[str, str]) -> None:
    """One event each, in one block: ClickHouse reads them together."""
    rows = [
        {
            "team_id": project.id,
            "uuid": str(ids.uuid7()),
            "event": name,
            "timestamp": "2026-01-05 10:00:00",
            "created_at": "2026-01-05 10:00:00",
            "distinct_id": "ann",
            "person_id": "00000000-0000-0000-0000-000000000000",
            "person_mode": "full",
            "person_created_at": "2026-01-05 10:00:00",
            "properties": "{}",
        }
        for project, name in ((first, names[0]), (second, names[1]))
    ]
    lines = b"\n".join(json.dumps(row).encode() for row in rows)
    await world.stores.events.insert("events", lines, token=f"together {first.id}")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT intDiv(1, length(event) - 6) FROM events",
        "SELECT count() FROM events WHERE intDiv(1, length(event) - 6) < 5",
        "SELECT count() FROM events WHERE event != 'x' AND intDiv(1, length(event) - 6) < 5",
        "SELECT count() FROM events WHERE intDiv(1, length(event) - 6) < 5 AND distinct_id = 'ann'",
        "SELECT sum(intDiv(1, length(event) - 6)) FROM events GROUP BY distinct_id",
    ],
)
async def test_a_row_of_another_project_makes_no_query_fail(world: World, text: str) -> None:
    """It would tell that such a row is there."""
    mine, theirs = await world.project(), await world.project()
    await store_together(world, mine, theirs, ("three", "length"))

    assert (await mine.post(text)).status_code == 200
    assert (await theirs.post(text)).status_code == 400


async def test_answers_of_many_projects_at_once_do_not_mix(world: World) -> None:
    projects = [await world.project() for _ in range(6)]
    for number, project in enumerate(projects):
        await project.sends(f"event {number}")

    async def ask(number: int) -> None:
        for _ in range(10):
            assert await projects[number].rows("SELECT event FROM events") == [[f"event {number}"]]

    await asyncio.gather(*(ask(number) for number in range(6)))
