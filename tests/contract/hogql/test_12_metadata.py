"""hogql §12, HogQLMetadata: what an editor shows beside a text."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.hogql.conftest import Shop

pytestmark = pytest.mark.stores


async def _metadata(shop: Shop, query: str, language: str = "hogQL", **node: Any) -> dict[str, Any]:
    return await shop.node("HogQLMetadata", language=language, query=query, **node)


def _notices(answer: dict[str, Any], text: str) -> list[tuple[str, str]]:
    assert all(notice["fix"] is None for notice in answer["notices"])
    return [(notice["message"], text[notice["start"] : notice["end"]]) for notice in answer["notices"]]


@pytest.mark.parametrize(
    ("text", "notices"),
    [
        ("SELECT event FROM events", [("Field 'event' is of type 'String'", "event")]),
        ("SELECT timestamp FROM events", [("Field 'timestamp' is of type 'DateTime'", "timestamp")]),
        ("SELECT e.timestamp FROM events AS e", [("Field 'timestamp' is of type 'DateTime'", "e.timestamp")]),
        ("SELECT is_identified FROM persons", [("Field 'is_identified' is of type 'Boolean'", "is_identified")]),
        ("SELECT index FROM groups", [("Field 'index' is of type 'Integer'", "index")]),
        (
            "SELECT properties.amount FROM events",
            [("Event property 'amount' is of type 'Float'.", "properties.amount")],
        ),
        ("SELECT properties.gift FROM events", [("Event property 'gift' is of type 'Boolean'.", "properties.gift")]),
        ("SELECT properties.due FROM events", [("Event property 'due' is of type 'DateTime'.", "properties.due")]),
        (
            "SELECT person.properties.age FROM events",
            [("Person property 'age' is of type 'Float'.", "person.properties.age")],
        ),
        ("SELECT 1", []),
        (
            "SELECT event FROM events WHERE timestamp > '2026-01-01'",
            [
                ("Field 'event' is of type 'String'", "event"),
                ("Field 'timestamp' is of type 'DateTime'", "timestamp"),
            ],
        ),
    ],
)
async def test_notices_say_what_a_field_is(shop: Shop, text: str, notices: list[tuple[str, str]]) -> None:
    answer = await _metadata(shop, text)
    assert answer["isValid"] is True
    assert (answer["query"], answer["errors"], answer["warnings"]) == (text, [], [])
    assert _notices(answer, text) == notices


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("SELECT foo FROM events", "Unable to resolve field: foo", "foo"),
        ("SELECT é, foo FROM events", "Unexpected character U+00E9", "é, foo FROM events"),
        ("SELECT 'é', foo FROM events", "Unable to resolve field: foo", "foo"),
        ("SELECT 1 FROM nowhere", "Unknown table `nowhere`.", "nowhere"),
        ("SELECT coun()", "Unsupported function call 'coun(...)'. Perhaps you meant 'count(...)'?", "coun()"),
        ("SELECT 1 +", "Unexpected end of query", ""),
        ("SELECT {x}", "Unresolved placeholder: {x}", "{x}"),
        ("", "Empty query", ""),
    ],
)
async def test_errors_say_where_in_characters(shop: Shop, text: str, message: str, place: str) -> None:
    answer = await _metadata(shop, text)
    assert answer["isValid"] is False
    (error,) = answer["errors"]
    assert (error["message"], text[error["start"] : error["end"]], error["fix"]) == (message, place, None)
    assert (answer["notices"], answer["table_names"], answer["ch_table_names"]) == ([], [], [])


@pytest.mark.parametrize(
    ("text", "names", "clickhouse"),
    [
        ("SELECT 1", [], []),
        ("SELECT event FROM events", ["events"], ["events"]),
        ("SELECT event FROM posthog.events", ["events"], ["events"]),
        ("WITH x AS (SELECT event FROM events) SELECT event FROM x", ["events"], ["events"]),
        (
            "SELECT 1 FROM events AS e JOIN persons AS p ON e.person_id = p.id",
            ["events", "persons"],
            ["events", "persons"],
        ),
        ("SELECT session.$is_bounce FROM events", ["events"], ["events", "raw_sessions"]),
        (
            "SELECT id FROM persons WHERE id IN (SELECT person_id FROM events)",
            ["persons", "events"],
            ["events", "persons"],
        ),
    ],
)
async def test_tables_by_both_names(shop: Shop, text: str, names: list[str], clickhouse: list[str]) -> None:
    answer = await _metadata(shop, text)
    assert (sorted(answer["table_names"]), answer["ch_table_names"]) == (sorted(names), clickhouse)
    assert answer["isUsingIndices"] in {"undecisive", "no", "partial", "yes"}


async def test_an_expression_is_over_events_or_what_the_editor_says(shop: Shop) -> None:
    over_events = await _metadata(shop, "event = 'x'", "hogQLExpr")
    assert (over_events["isValid"], over_events["table_names"]) == (True, ["events"])
    source = {"kind": "HogQLQuery", "query": "SELECT id FROM persons"}
    over_persons = await _metadata(shop, "is_identified", "hogQLExpr", sourceQuery=source)
    assert _notices(over_persons, "is_identified") == [("Field 'is_identified' is of type 'Boolean'", "is_identified")]
    assert (await _metadata(shop, "event", "hogQLExpr", sourceQuery=source))["isValid"] is False


async def test_values_of_the_editor_fill_placeholders(shop: Shop) -> None:
    assert (await _metadata(shop, "SELECT {x}", globals={"x": 1}))["isValid"] is True
    assert (await _metadata(shop, "SELECT event FROM events WHERE {filters}"))["isValid"] is True


async def test_a_language_that_is_none_is_refused(shop: Shop) -> None:
    node = {"kind": "HogQLMetadata", "language": "klingon", "query": "1"}
    response = await shop.asker.request("POST", json={"query": node})
    assert (response.status_code, response.json()["attr"]) == (400, "query__language")
