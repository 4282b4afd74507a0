"""EventsQuery (queries §4.1)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.queries.world import Asker, World

from hedgerow.core import ids
from hedgerow.core.clock import Clock

pytestmark = pytest.mark.stores


def ago(**span: float) -> str:
    return (Clock().now() - timedelta(**span)).strftime("%Y-%m-%d %H:%M:%S.%f")


async def asked(project: Asker, **node: Any) -> dict[str, Any]:
    query = {"kind": "EventsQuery", "select": ["event"], **node}
    response = await project.request("POST", json={"query": query, "refresh": "force_blocking"})
    assert response.status_code == 200, response.text
    return response.json()


async def rows(project: Asker, **node: Any) -> list[list[Any]]:
    return (await asked(project, **node))["results"]


async def names(project: Asker, **node: Any) -> list[str]:
    return [row[0] for row in await rows(project, orderBy=["timestamp"], **node)]


async def has_person(project: Asker, distinct_id: str, **properties: Any) -> str:
    person = str(ids.person_uuid(project.id, distinct_id))
    at = "2026-01-01 00:00:00.000000"
    tables = {
        "persons": {"id": person, "created_at": at, "properties": json.dumps(properties), "is_identified": True},
        "person_distinct_ids": {"distinct_id": distinct_id, "person_id": person},
    }
    for table, row in tables.items():
        line = json.dumps({"team_id": project.id, "is_deleted": False, "version": 1, **row}).encode()
        await project.world.stores.events.insert(table, line, token=f"{table} {person}")
    return person


async def test_the_shape_of_the_answer(project: Asker) -> None:
    await project.sends("$pageview", at=ago(hours=1))

    answer = await asked(project, select=["event", "distinct_id -- Who", "timestamp"])

    assert answer["columns"] == ["event", "distinct_id -- Who", "timestamp"]
    assert answer["types"] == ["String", "String", "DateTime64(6, 'UTC')"]
    ((event, who, _),) = answer["results"]
    assert (event, who) == ("$pageview", "ann")
    assert (answer["hasMore"], answer["limit"], answer["offset"]) == (False, 100, 0)
    assert answer["hogql"].startswith("SELECT\n    event,\n    distinct_id,\n    timestamp\nFROM\n    events\nWHERE")
    assert "nextCursor" not in answer
    assert {"timings", "modifiers", "is_cached", "cache_key", "last_refresh"} <= answer.keys()


async def test_a_day_is_read_unless_after_says_otherwise_and_the_future_is_hidden(project: Asker) -> None:
    for event, at in (
        ("old", ago(days=3)),
        ("yesterday", ago(hours=23)),
        ("now", ago()),
        ("ahead", ago(minutes=-5)),
    ):
        await project.sends(event, at=at)

    assert await names(project) == ["yesterday", "now"]
    assert await names(project, after="all") == ["old", "yesterday", "now"]
    assert await names(project, after="-4d", before="-1h") == ["old", "yesterday"]
    assert await names(project, before="2100-01-01") == ["yesterday", "now", "ahead"]


async def test_bounds_are_exclusive(project: Asker) -> None:
    for minute in range(3):
        await project.sends(f"at {minute}", at=f"2026-01-05 10:0{minute}:00.000000")

    assert await names(project, after="2026-01-05T10:00:00Z", before="2026-01-05T10:02:00Z") == ["at 1"]


async def test_filters(world: World, project: Asker) -> None:
    other = await world.project()
    await other.sends("foreign", at=ago(hours=1))
    await project.sends("a", {"plan": "pro"}, at=ago(hours=3), by="ann")
    await project.sends("b", {"plan": "free"}, at=ago(hours=2), by="bob")
    await project.sends("c", at=ago(hours=1), by="ann")

    assert await names(project) == ["a", "b", "c"]
    assert await names(project, event="b") == ["b"]
    assert await names(project, events=["a", "c"]) == ["a", "c"]
    assert await names(project, where=["properties.plan = 'pro'", "event != 'b'"]) == ["a"]
    assert await names(project, properties=[{"key": "plan", "value": "free", "type": "event"}]) == ["b"]
    assert await names(
        project, fixedProperties=[{"key": "plan", "operator": "is_set", "value": "", "type": "event"}]
    ) == ["a", "b"]
    assert await names(project, personId=str(ids.person_uuid(project.id, "ann"))) == ["a", "c"]


async def test_test_accounts_are_filtered_out_on_request(world: World) -> None:
    project = await world.project(
        settings={"test_account_filters": [{"key": "test", "value": "yes", "operator": "is_not", "type": "event"}]}
    )
    await project.sends("real", at=ago(hours=2))
    await project.sends("test", {"test": "yes"}, at=ago(hours=1))

    assert await names(project) == ["real", "test"]
    assert await names(project, filterTestAccounts=True) == ["real"]


async def test_an_aggregate_groups_by_the_other_columns(project: Asker) -> None:
    for event, times in (("a", 2), ("b", 3), ("c", 1)):
        for _ in range(times):
            await project.sends(event, {"n": times}, at=ago(hours=1))

    assert await rows(project, select=["event", "count()"]) == [["b", 3], ["a", 2], ["c", 1]]
    assert await rows(project, select=["event", "count()"], where=["count() > 1", "event != 'b'"]) == [["a", 2]]
    assert await rows(project, select=["sum(toFloat(properties.n))"]) == [[14]]
    assert await rows(project, select=["max(toFloat(properties.n))", "event"], orderBy=["event DESC"]) == [
        [1, "c"],
        [3, "b"],
        [2, "a"],
    ]


async def test_order_is_that_of_time_if_it_is_selected_else_of_the_first_column(project: Asker) -> None:
    for event, hours in (("b", 3), ("a", 2), ("c", 1)):
        await project.sends(event, at=ago(hours=hours))

    assert [row[0] for row in await rows(project, select=["event", "timestamp"])] == ["c", "a", "b"]
    assert [row[0] for row in await rows(project, select=["event"])] == ["a", "b", "c"]


async def test_star_is_the_whole_event(project: Asker) -> None:
    chain = 'a.big.red:attr_id="buy"href="/buy"nth-child="2"nth-of-type="1"text="Buy \\"now\\""attr__data-x="1";div:nth-child="1"'
    await project.sends(
        "$autocapture",
        '{"a": {"b": 1.0}, "n": null}',
        at="2026-01-05 10:00:00.123000",
        **{"elements_chain": chain, "$session_id": "s"},
    )
    await project.sends("plain", at="2026-01-05 10:00:01.000000")

    (first,), (second,) = await rows(project, select=["*"], after="all", orderBy=["timestamp"])

    assert first.pop("uuid")
    assert first == {
        "event": "$autocapture",
        "properties": {"a": {"b": 1.0}, "n": None, "$has_recording": False},
        "timestamp": "2026-01-05T10:00:00.123000Z",
        "team_id": project.id,
        "distinct_id": "ann",
        "elements_chain": chain,
        "created_at": "2026-01-05T10:00:00.123000Z",
        "person_mode": "full",
        "elements": [
            {
                "text": 'Buy "now"', "tag_name": "a", "attr_class": ["big", "red"], "href": "/buy", "attr_id": "buy",
                "nth_child": 2, "nth_of_type": 1, "attributes": {"attr__data-x": "1"}, "order": 0,
            },
            {
                "text": None, "tag_name": "div", "attr_class": None, "href": None, "attr_id": None,
                "nth_child": 1, "nth_of_type": None, "attributes": {}, "order": 1,
            },
        ],
    }  # fmt: skip
    assert "elements" not in second
    assert second["properties"] == {}
    assert await rows(project, select=[], after="all", orderBy=["timestamp"]) == [
        [{**first, "uuid": AnyText()}],
        [second],
    ]


class AnyText(str):
    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)


async def test_persons_are_shown_as_they_are_now(project: Asker) -> None:
    person = await has_person(project, "ann", email="ann@mail.example", plan={"a": 1})
    await project.sends("a", at=ago(hours=2), by="ann")
    await project.sends("b", at=ago(hours=1), by="nobody")

    found = await rows(project, select=["person", "event", "person_display_name -- Person"], orderBy=["timestamp"])

    assert [row[:2] for row in found] == [
        [
            {
                "uuid": person,
                "created_at": "2026-01-01T00:00:00Z",
                "properties": {"email": "ann@mail.example", "plan": {"a": 1}},
                "distinct_id": "ann",
            },
            "a",
        ],
        [{"distinct_id": "nobody"}, "b"],
    ]
    assert found[1][2] == {
        "display_name": "nobody",
        "id": str(ids.person_uuid(project.id, "nobody")),
        "distinct_id": "nobody",
    }


async def test_pages_by_offset_and_by_cursor(world: World) -> None:
    project = await world.project(timezone="Europe/Berlin")
    for minute in range(5):
        await project.sends(f"event {minute}", at=f"2026-01-05 10:0{minute}:00.500000")
    common: dict[str, Any] = {"after": "all", "limit": 2, "orderBy": ["timestamp DESC"]}

    for select in (["event"], ["event", "timestamp"], ["*", "event"]):
        first = await asked(project, select=select, **common)
        place = select.index("event")
        assert [row[place] for row in first["results"]] == ["event 4", "event 3"]
        assert [len(row) for row in first["results"]] == [len(select)] * 2
        assert len(first["types"]) == len(select)
        assert (first["hasMore"], first["limit"], first["offset"]) == (True, 2, 0)
        assert first["nextCursor"] == "2026-01-05T11:03:00.500000+01:00"
        second = await asked(project, select=select, before=first["nextCursor"], **common)
        assert [row[place] for row in second["results"]] == ["event 2", "event 1"]
        third = await asked(project, select=select, offset=4, **common)
        assert [row[place] for row in third["results"]] == ["event 0"]
        assert not third["hasMore"]
        assert "nextCursor" not in third


async def test_no_cursor_without_the_order_of_time(project: Asker) -> None:
    for minute in range(3):
        await project.sends(f"event {minute}", at=ago(minutes=minute + 1))

    assert "nextCursor" not in await asked(project, limit=2, orderBy=["event"])
    assert "nextCursor" not in await asked(project, select=["event", "count()"], limit=2)


@pytest.mark.parametrize(
    ("node", "detail", "attr"),
    [
        ({"select": None}, None, "query__select"),
        ({"select": "event"}, None, "query__select"),
        ({"limit": 0}, None, "query__limit"),
        ({"offset": -1}, None, "query__offset"),
        ({"personId": "x"}, "Must be a valid UUID.", "query__personId"),
        ({"nonsense": 1}, "Object contains unknown field `nonsense`", "query"),
        ({"before": "whenever"}, "The date of `before` cannot be read.", None),
        ({"actionId": 7}, "Could not find action with ID 7", None),
        ({"actionSteps": [{}]}, "Steps without an action cannot be matched. Use actionId.", "query__actionSteps"),
        ({"source": {"kind": "InsightActorsQuery"}}, "Unsupported query kind: InsightActorsQuery", "query__source"),
        ({"select": ["event", "nothing"]}, "Unable to resolve field: nothing", None),
        ({"select": ["event, team_id FROM events --"]}, None, None),
        ({"select": ["(SELECT 1"]}, None, None),
        ({"where": ["1 = 1) OR (1 = 1"]}, None, None),
        ({"orderBy": ["event; DROP TABLE events"]}, None, None),
        ({"properties": [{"key": "a", "value": "b", "type": "nonsense"}]}, None, None),
    ],
)
async def test_what_is_no_query_is_refused(
    project: Asker, node: dict[str, Any], detail: str | None, attr: str | None
) -> None:
    query = {"kind": "EventsQuery", "select": ["event"], **node}
    response = await project.request("POST", json={"query": query})

    assert response.status_code == 400, response.text
    body = response.json()
    assert body["type"] == "validation_error"
    assert detail is None or body["detail"] == detail
    assert body["attr"] == attr
