"""What an assistant asks about a project's events (queries §9.2): TeamTaxonomyQuery, EventTaxonomyQuery."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.queries.world import Asker, World

from hedgerow.core.clock import Clock

pytestmark = pytest.mark.stores


def ago(**span: float) -> str:
    return (Clock().now() - timedelta(**span)).strftime("%Y-%m-%d %H:%M:%S.%f")


async def asked(project: Asker, kind: str, **node: Any) -> dict[str, Any]:
    response = await project.request("POST", json={"query": {"kind": kind, **node}, "refresh": "force_blocking"})
    assert response.status_code == 200, response.text
    return response.json()


async def refused(project: Asker, kind: str, **node: Any) -> dict[str, Any]:
    response = await project.request("POST", json={"query": {"kind": kind, **node}})
    assert response.status_code == 400, response.text
    return response.json()


async def taxonomy(project: Asker, **node: Any) -> dict[str, tuple[list[str], int]]:
    answer = await asked(project, "EventTaxonomyQuery", **node)
    return {each["property"]: (each["sample_values"], each["sample_count"]) for each in answer["results"]}


async def test_events_of_the_last_thirty_days_by_their_number(world: World, project: Asker) -> None:
    other = await world.project()
    await other.sends("foreign", at=ago(days=1))
    for event, times, days in (("$pageview", 3, 1), ("sign up", 1, 29), ("buy", 1, 2), ("long ago", 5, 31)):
        for _ in range(times):
            await project.sends(event, at=ago(days=days))

    answer = await asked(project, "TeamTaxonomyQuery")

    assert answer["results"] == [
        {"event": "$pageview", "count": 3},
        {"event": "buy", "count": 1},
        {"event": "sign up", "count": 1},
    ]
    assert {"hogql", "timings", "is_cached", "cache_key", "last_refresh"} <= answer.keys()


async def test_properties_of_an_event_with_their_values(project: Asker) -> None:
    for number, properties in enumerate(
        (
            {"plan": "free", "seats": 3, "beta": True, "tags": ["a"], "note": None},
            {"plan": "pro", "seats": 3, "beta": False},
            {"plan": 'pro "x"', "seats": 4.5},
        )
    ):
        await project.sends("sign up", properties, at=ago(hours=number + 1))
    await project.sends("buy", {"price": 3}, at=ago(hours=1))

    found = await taxonomy(project, event="sign up")

    assert {name: (sorted(values), count) for name, (values, count) in found.items()} == {
        "plan": (["free", "pro", 'pro "x"'], 3),
        "beta": (["false", "true"], 2),
        "seats": (["3", "4.5"], 2),
        "tags": (['["a"]'], 1),
    }
    assert list(found) == ["plan", "beta", "seats", "tags"]


async def test_keys_that_describe_no_event_are_left_out(project: Asker) -> None:
    left_out = {
        "$set": {"a": 1},
        "$feature/x": "b",
        "$ip": "1.2.3.4",
        "phjs_x": 1,
        "my_window-id": 2,
        "distinct_id": "q",
    }
    await project.sends("sign up", {**left_out, "kept": 1}, at=ago(hours=1))

    assert list(await taxonomy(project, event="sign up")) == ["kept"]


async def test_so_many_values_are_shown_as_are_asked_for(project: Asker) -> None:
    for number in range(7):
        await project.sends("sign up", {"plan": f"plan {number}"}, at=ago(hours=1))

    values, count = (await taxonomy(project, event="sign up"))["plan"]
    assert (len(values), count) == (5, 7)
    values, count = (await taxonomy(project, event="sign up", maxPropertyValues=2))["plan"]
    assert (len(values), count) == (2, 7)


async def test_named_properties_are_read_from_every_event(project: Asker) -> None:
    await project.sends("sign up", {"plan": "first", "rare": "yes", "empty": ""}, at=ago(days=3))
    for _ in range(100):
        await project.sends("sign up", {"plan": "later"}, at=ago(days=1))

    assert await taxonomy(project, event="sign up") == {"plan": (["later"], 1)}
    found = await taxonomy(project, event="sign up", properties=["rare", "plan", "empty", "never"])
    assert {name: (sorted(values), count) for name, (values, count) in found.items()} == {
        "plan": (["first", "later"], 2),
        "rare": (["yes"], 1),
    }


async def test_pages(project: Asker) -> None:
    await project.sends("sign up", {f"key {number}": number for number in range(5)}, at=ago(hours=1))

    first = await asked(project, "EventTaxonomyQuery", event="sign up", limit=2)
    last = await asked(project, "EventTaxonomyQuery", event="sign up", limit=2, offset=4)

    assert [each["property"] for each in first["results"]] == ["key 0", "key 1"]
    assert (first["hasMore"], first["limit"], first["offset"]) == (True, 2, 0)
    assert [each["property"] for each in last["results"]] == ["key 4"]
    assert (last["hasMore"], last["offset"]) == (False, 4)


@pytest.mark.parametrize(
    ("node", "detail", "attr"),
    [
        ({}, "Either event or action ID must be provided.", None),
        ({"event": 3}, "Not a valid string.", "query__event"),
        ({"event": "a", "properties": "b"}, None, "query__properties"),
        ({"event": "a", "maxPropertyValues": 0}, None, "query__maxPropertyValues"),
        ({"event": "a", "nonsense": 1}, "Object contains unknown field `nonsense`", "query"),
        ({"actionId": 5}, "Could not find action with ID 5", None),
    ],
)
async def test_what_is_no_query_is_refused(
    project: Asker, node: dict[str, Any], detail: str | None, attr: str | None
) -> None:
    body = await refused(project, "EventTaxonomyQuery", **node)

    assert body["type"] == "validation_error"
    assert detail is None or body["detail"] == detail
    assert body["attr"] == attr


async def test_a_hostile_name_is_a_name(project: Asker) -> None:
    name = "a' OR 1=1 --"
    await project.sends(name, {"x": 1}, at=ago(hours=1))
    await project.sends("other", {"y": 1}, at=ago(hours=1))

    assert list(await taxonomy(project, event=name)) == ["x"]
    assert await taxonomy(project, event="other", properties=["') OR 1=1 --"]) == {}
