"""SessionsQuery (queries §4.2)."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest
from tests.queries.world import Asker, World

from hedgerow.core import ids
from hedgerow.core.clock import Clock

pytestmark = pytest.mark.stores
_numbers = itertools.count(1)


def session_id(hours: float) -> str:
    """A UUIDv7 of a session that began so long ago."""
    stamp = f"{int((Clock().now() - timedelta(hours=hours)).timestamp() * 1000):012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7000-8000-{next(_numbers):012x}"


async def visits(project: Asker, *paths: str, hours: float = 2, by: str = "ann", **properties: Any) -> str:
    """A session of one pageview a minute."""
    made = session_id(hours)
    for minute, path in enumerate(paths):
        at = (Clock().now() - timedelta(hours=hours) + timedelta(minutes=minute)).strftime("%Y-%m-%d %H:%M:%S.%f")
        url = {"$current_url": f"https://shop.example{path}", **properties}
        await project.sends("$pageview", url, at=at, by=by, **{"$session_id": made})
    return made


async def asked(project: Asker, **node: Any) -> dict[str, Any]:
    query = {"kind": "SessionsQuery", "select": ["session_id"], **node}
    response = await project.request("POST", json={"query": query, "refresh": "force_blocking"})
    assert response.status_code == 200, response.text
    return response.json()


async def found(project: Asker, **node: Any) -> set[str]:
    return {row[0] for row in (await asked(project, **node))["results"]}


async def has_person(project: Asker, distinct_id: str, **properties: Any) -> str:
    person = str(ids.person_uuid(project.id, distinct_id))
    tables = {
        "persons": {"id": person, "created_at": "2026-01-01 00:00:00", "properties": json.dumps(properties)},
        "person_distinct_ids": {"distinct_id": distinct_id, "person_id": person},
    }
    for table, row in tables.items():
        line = json.dumps({"team_id": project.id, "is_deleted": False, "version": 1, **row}).encode()
        await project.world.stores.events.insert(table, line, token=f"{table} {person}")
    return person


async def test_rows_and_the_shape_of_the_answer(world: World, project: Asker) -> None:
    other = await world.project()
    await visits(other, "/foreign")
    await visits(project, "/", "/tea", "/buy")

    answer = await asked(project, select=["$entry_pathname", "session.$session_duration", "$pageview_count -- Pages"])

    assert answer["results"] == [["/", 120, 3]]
    assert answer["columns"] == ["$entry_pathname", "session.$session_duration", "$pageview_count -- Pages"]
    assert len(answer["types"]) == 3
    assert (answer["hasMore"], answer["limit"], answer["offset"]) == (False, 100, 0)
    assert "nextCursor" not in answer


async def test_star_has_exactly_these_fields(project: Asker) -> None:
    made = await visits(project, "/", "/tea")

    ((star,),) = (await asked(project, select=[]))["results"]

    assert (star.pop("$start_timestamp") < star.pop("$end_timestamp")) is True
    assert star == {
        "session_id": made,
        "distinct_id": "ann",
        "$session_duration": 60,
        "$entry_current_url": "https://shop.example/",
        "$end_current_url": "https://shop.example/tea",
        "$pageview_count": 2,
        "$autocapture_count": 0,
        "$screen_count": 0,
        "$is_bounce": False,
    }


async def test_a_day_is_read_unless_after_says_otherwise(project: Asker) -> None:
    old, new = await visits(project, "/", hours=30), await visits(project, "/", hours=3)

    assert await found(project) == {new}
    assert await found(project, after="all") == {old, new}
    assert await found(project, after="-2d", before="-1d") == {old}


async def test_sessions_that_have_an_event(project: Asker) -> None:
    plain, buying = await visits(project, "/"), await visits(project, "/buy", plan="pro")

    wanted = [{"key": "plan", "value": "pro", "type": "event"}]
    assert await found(project, event="$pageview") == {plain, buying}
    assert await found(project, event="$pageview", eventProperties=wanted) == {buying}
    assert await found(project, event="never") == set()


async def test_filters_of_sessions_and_persons(project: Asker) -> None:
    ann, bob = await visits(project, "/tea", by="ann"), await visits(project, "/", by="bob", utm_source="fair")
    person = await has_person(project, "ann", plan="pro", email="ann@mail.example")
    await has_person(project, "bob", plan="free")

    assert await found(project, properties=[{"key": "$entry_utm_source", "value": "fair", "type": "session"}]) == {bob}
    assert await found(project, properties=[{"key": "plan", "value": "pro", "type": "person"}]) == {ann}
    assert await found(project, properties=[{"key": "id", "value": 1, "type": "cohort"}]) == {ann, bob}
    assert await found(project, personId=person) == {ann}
    assert await found(project, where=["$entry_pathname = '/tea'"]) == {ann}
    shown = await asked(
        project, select=["person.properties.plan", "person_display_name", "$pageview_count"], orderBy=["distinct_id"]
    )
    assert [row[0] for row in shown["results"]] == ["pro", "free"]
    assert shown["results"][0][1] == {"display_name": "ann@mail.example", "id": person, "distinct_id": "ann"}


async def test_sums(project: Asker) -> None:
    await visits(project, "/", "/tea")
    await visits(project, "/tea")
    await visits(project, "/tea")

    answer = await asked(project, select=["$entry_pathname", "count()"])

    assert answer["results"] == [["/tea", 2], ["/", 1]]


@pytest.mark.parametrize(
    ("node", "detail", "attr"),
    [
        ({"select": 1}, None, "query__select"),
        ({"personId": "x"}, "Must be a valid UUID.", "query__personId"),
        (
            {"properties": [{"key": "a", "value": "-7d", "type": "person", "operator": "is_date_after"}]},
            (
                "Unsupported operator 'is_date_after' for person property filter in sessions query. Supported operators: "
                "exact, is_not, icontains, not_icontains, regex, not_regex, is_set, is_not_set, gt, lt, gte, lte"
            ),
            None,
        ),
        ({"select": ["nothing"]}, "Unable to resolve field: nothing", None),
        ({"where": ["1) OR (1"]}, None, None),
    ],
)
async def test_what_is_no_query_is_refused(
    project: Asker, node: dict[str, Any], detail: str | None, attr: str | None
) -> None:
    query = {"kind": "SessionsQuery", "select": ["session_id"], **node}
    response = await project.request("POST", json={"query": query})

    assert response.status_code == 400, response.text
    assert detail is None or response.json()["detail"] == detail
    assert response.json()["attr"] == attr
