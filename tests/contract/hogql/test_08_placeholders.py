"""hogql §8: what fills `{…}`, and what is said where nothing does."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.hogql.conftest import Shop

pytestmark = pytest.mark.stores


def _variable(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"id": {"variableId": "id", "code_name": name, "value": value, **more}}


FILLED: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("SELECT {x}", {"values": {"x": "it's"}}, ["it's"]),
    ("SELECT {x} + 1, {x}", {"values": {"x": 5}}, [6, 5]),
    ("SELECT {x}", {"values": {"x": 1.5}}, [1.5]),
    ("SELECT {x}", {"values": {"x": True}}, [True]),
    ("SELECT {x}", {"values": {"x": None}}, [None]),
    ("SELECT {x}, has({x}, 2), 3 IN {x}", {"values": {"x": [1, 2]}}, [[1, 2], 1, 0]),
    ("SELECT {x}", {"values": {"x": {"a": 1}}}, [["__hx_tag", "__hx_obj", "a", 1]]),
    ("SELECT count() FROM events WHERE event = {event}", {"values": {"event": "purchase"}}, [2]),
    ("SELECT {variables.v}", {"variables": _variable("v", 3)}, [3]),
    ("SELECT {variables.v}", {"variables": _variable("v", 3, isNull=True)}, [None]),
    ("SELECT count() FROM events WHERE {filters}", {}, [9]),
    ("SELECT count() FROM events WHERE {filters}", {"filters": {"dateRange": {"date_from": "all"}}}, [9]),
    ("SELECT count() FROM events WHERE {filters}", {"filters": {"dateRange": {"date_from": "2026-01-06"}}}, [6]),
    (
        "SELECT count() FROM events WHERE {filters}",
        {"filters": {"dateRange": {"date_from": "2026-01-05", "date_to": "2026-01-07"}}},
        [5],
    ),
    (
        "SELECT count() FROM events WHERE {filters}",
        {"filters": {"dateRange": {"date_to": "2026-01-06T08:00:00Z"}}},
        [4],
    ),
    (
        "SELECT count() FROM events WHERE {filters}",
        {"filters": {"properties": [{"type": "event", "key": "plan", "value": "pro"}]}},
        [2],
    ),
    (
        "SELECT count() FROM sessions WHERE {filters}",
        {"filters": {"dateRange": {"date_from": "2026-01-06"}}},
        [1],
    ),
    (
        "SELECT count() FROM sessions WHERE {filters}",
        {"filters": {"properties": [{"type": "session", "key": "$pageview_count", "value": 1, "operator": "gt"}]}},
        [1],
    ),
    ("SELECT count() FROM groups WHERE {filters}", {"filters": {"dateRange": {"date_from": "2026-01-02"}}}, [0]),
    (
        "SELECT count() FROM persons AS p JOIN events AS e ON e.person_id = p.id WHERE {filters}",
        {"filters": {"dateRange": {"date_from": "2026-01-07"}}},
        [3],
    ),
    (
        "SELECT count() FROM events WHERE timestamp >= {filters.dateRange.from} AND timestamp < {filters.dateRange.to}",
        {"filters": {"dateRange": {"date_from": "2026-01-06", "date_to": "2026-01-07"}}},
        [2],
    ),
    (
        "SELECT count() FROM events WHERE timestamp >= {filters.dateRange.from} AND timestamp < {filters.dateRange.to}",
        {},
        [9],
    ),
    (
        "SELECT count() FROM events WHERE {filters} AND event IN (SELECT event FROM events WHERE {filters})",
        {"filters": {"dateRange": {"date_from": "2026-01-08"}}},
        [1],
    ),
]
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("SELECT {x}", {}, "{x}", "Unresolved placeholder: {x}"),
    (
        "SELECT {x}",
        {"values": {"a": 1, "b": 2}},
        "{x}",
        "Placeholder {x} is not available in this context. You can use the following: a, b",
    ),
    ("SELECT {variables.x}", {}, "{variables.x}", "Variable x is missing from query"),
    (
        "SELECT {filters.y} FROM events",
        {},
        "{filters.y}",
        (
            "Unsupported filters placeholder `{filters.y}`. Supported filters placeholders are: "
            "`{filters}`, `{filters.dateRange.from}`, `{filters.dateRange.to}`."
        ),
    ),
    (
        "SELECT toDate({filters.dateRange.from}) FROM events",
        {},
        "{filters.dateRange.from}",
        (
            "The `{filters.dateRange.from}` placeholder must be used directly in a comparison "
            "(e.g. `timestamp > {filters.dateRange.from}`), not nested inside a function call, "
            "when the date range is not set."
        ),
    ),
    *(
        (
            f"SELECT 1 {source} WHERE {{filters}}",
            {},
            "{filters}",
            (
                "Cannot use 'filters' placeholder in a SELECT clause that does not select from the "
                "events, sessions, logs, traces or groups table."
            ),
        )
        for source in ("", "FROM persons", "FROM (SELECT 1 FROM events)")
    ),
    (
        "SELECT count() FROM sessions WHERE {filters}",
        {"filters": {"properties": [{"type": "event", "key": "plan", "value": "pro"}]}},
        "{filters}",
        "Can only use session properties in a filter when selecting from only the sessions table.",
    ),
    ("SELECT {concat('a', 'b')}", {}, "{concat('a', 'b')}", "Placeholder expressions are not yet supported"),
]


@pytest.mark.parametrize(("text", "node", "row"), FILLED)
async def test_what_fills_it(shop: Shop, text: str, node: dict[str, Any], row: list[Any]) -> None:
    assert (await shop.answer(text, **node)).rows == [row]


@pytest.mark.parametrize(("text", "node", "place", "detail"), REFUSED)
async def test_what_is_said_where_nothing_does(
    shop: Shop, text: str, node: dict[str, Any], place: str, detail: str
) -> None:
    assert await shop.refusal(text, **node) == (detail, place)


async def test_bounds_mean_project_time(zoned: Shop) -> None:
    """Midnight of Berlin: an hour before UTC's."""
    filters = {"dateRange": {"date_from": "2026-01-06", "date_to": "2026-01-07"}}
    assert (await zoned.answer("SELECT count() FROM events WHERE {filters}", filters=filters)).rows == [[5]]


async def test_other_kinds_take_none(shop: Shop) -> None:
    response = await shop.asker.request("POST", json={"query": {"kind": "EventsQuery", "select": ["{f(1)}"]}})
    assert (response.status_code, response.json()["detail"]) == (400, "You can not use placeholders here")
    response = await shop.asker.request("POST", json={"query": {"kind": "EventsQuery", "select": ["{x}"]}})
    assert (response.status_code, response.json()["detail"]) == (400, "Unresolved placeholder: {x}")


async def test_a_placeholder_may_stand_for_no_source(shop: Shop) -> None:
    detail, place = await shop.refusal("SELECT 1 FROM {x}", values={"x": 1})
    assert detail == "Only selecting from a table or a subquery is supported. Unexpected type: Constant"
    assert place == "{x}"
