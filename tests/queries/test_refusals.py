"""What a query is refused with (queries §1.6): the whole body, status and all."""

from __future__ import annotations

from typing import Any

import pytest
from tests.queries.world import Asker, World
from tests.stores.opened import Stores

from hedgerow.core.storage.events import StoreError
from hedgerow.queries.errors import from_store

pytestmark = pytest.mark.stores


def refused(detail: str, *, code: str = "invalid_input", attr: str | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "validation_error", "code": code, "detail": detail, "attr": attr, **more}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({}, refused("This field is required.", code="required", attr="query")),
        (
            {"query": "SELECT 1"},
            refused('Expected a dictionary of items but got type "str".', code="not_a_dict", attr="query"),
        ),
        ({"query": {}}, refused("This field is required.", code="required", attr="query__kind")),
        ({"query": {"kind": 3}}, refused("Not a valid string.", attr="query__kind")),
        ({"query": {"kind": "Nonsense"}}, refused('Unknown query kind "Nonsense".', attr="query__kind")),
        ({"query": {"kind": "EventsNode"}}, refused("Unsupported query kind: EventsNode")),
        ({"query": {"kind": "SavedInsightNode"}}, refused("Unsupported query kind: SavedInsightNode")),
        (
            {"query": {"kind": "DataTableNode"}},
            refused("This field is required.", code="required", attr="query__source"),
        ),
        (
            {"query": {"kind": "HogQLQuery"}},
            refused("This field is required.", code="required", attr="query__query"),
        ),
        ({"query": {"kind": "HogQLQuery", "query": 3}}, refused("Not a valid string.", attr="query__query")),
        (
            {"query": {"kind": "HogQLQuery", "query": "SELECT 1", "nonsense": 1}},
            refused("Object contains unknown field `nonsense`", attr="query"),
        ),
        (
            {"query": {"kind": "HogQLQuery", "query": "SELECT 1", "connectionId": "x"}},
            refused("Invalid connectionId for this team", attr="query__connectionId"),
        ),
        (
            {"query": {"kind": "HogQLQuery", "query": "SELECT 1", "modifiers": {"nonsense": 1}}},
            refused("Object contains unknown field `nonsense`", attr="query__modifiers"),
        ),
        (
            {"query": {"kind": "HogQLQuery", "query": "SELECT 1"}, "nonsense": 1},
            refused("Object contains unknown field `nonsense`"),
        ),
        (
            {"query": {"kind": "HogQLQuery", "query": "SELECT 1"}, "limit_context": "export"},
            refused('"export" is not a valid choice.', code="invalid_choice", attr="limit_context"),
        ),
        (
            {"query": {"kind": "HogQLQuery", "query": "SELECT 1"}, "name": "n" * 129},
            refused("Ensure this field has no more than 128 characters.", code="max_length", attr="name"),
        ),
    ],
)
async def test_bodies_that_do_not_fit(project: Asker, body: dict[str, Any], wanted: dict[str, Any]) -> None:
    response = await project.request("POST", json=body)
    assert (response.status_code, response.json()) == (400, wanted)


async def test_a_body_that_is_not_json(project: Asker) -> None:
    response = await project.request("POST", content=b"{", headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (400, "parse_error")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("SELECT FROM events", None),
        ("DROP TABLE events", None),
        ("SELECT 1; SELECT 2", None),
        ("", "Empty query"),
        ("SELECT nothing FROM events", "Unable to resolve field: nothing"),
        ("SELECT 1 FROM nowhere", "Unknown table `nowhere`."),
        ("SELECT nosuchthing(1)", "Unsupported function call 'nosuchthing(...)'"),
        ("SELECT url('http://127.0.0.1/')", None),
        ("SELECT * FROM system.processes", None),
        ("SELECT * FROM file('/etc/passwd')", None),
        ("SELECT sleep(3)", None),
    ],
)
async def test_texts_that_do_not_compile_say_where(project: Asker, text: str, detail: str | None) -> None:
    body = await project.refusal(text)

    assert (body["type"], body["code"], body["attr"]) == ("validation_error", "invalid_input", None)
    if detail is not None:
        assert body["detail"].startswith(detail)
    place = body["extra"]
    assert 0 <= place["start"] <= place["end"] <= len(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT toDateTime('not a moment')", "cannot_parse_datetime"),
        ("SELECT toDateTime('2026-01-05') + 'x'", "illegal_type_of_argument"),
        ("SELECT event FROM events GROUP BY distinct_id", "not_an_aggregate"),
        ("SELECT [1, 2] = 'x'", None),
        ("SELECT arrayMap(x -> x + 'a', [1])", None),
        ("SELECT match(event, '[') FROM events", "cannot_compile_regexp"),
        ("SELECT intDiv(1, 0)", "illegal_division"),
    ],
)
async def test_clickhouse_s_errors_that_users_cause_have_its_name(project: Asker, text: str, code: str | None) -> None:
    await project.sends("a")
    body = await project.refusal(text)

    assert body["type"] == "validation_error"
    if code is not None:
        assert body["code"] == code
    assert "SELECT" not in body["detail"]
    assert "team_id" not in body["detail"]


def test_what_a_value_was_is_not_told() -> None:
    """A row that the guard had not taken away yet may have caused it."""
    error = from_store(StoreError(376, "CANNOT_PARSE_UUID", "Cannot parse uuid 'very secret'"))
    assert (error.status, error.code, error.detail) == (400, "cannot_parse_uuid", "A text cannot be read as a UUID.")


def test_what_this_server_did_wrong_is_not_told() -> None:
    error = from_store(StoreError(16, "NO_SUCH_COLUMN_IN_TABLE", "No column `__hq7` in SELECT very secret"))
    assert (error.status, error.code, error.detail) == (500, "error", "ClickHouse error while executing query.")


def test_what_the_planner_cannot_do_is_said_without_its_words() -> None:
    error = from_store(StoreError(47, "UNKNOWN_IDENTIFIER", "Unknown identifier `__hq7` in SELECT very secret"))
    assert (error.status, error.code, "secret" in error.detail) == (400, "unknown_identifier", False)


async def test_a_query_that_runs_too_long_is_ended(stores: Stores, world: World) -> None:
    hasty = World.over(stores, world.clock, query_max_seconds=0.3)
    project = await hasty.project()
    response = await project.post("SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1")

    assert (response.status_code, response.json()) == (
        504,
        {
            "type": "server_error",
            "code": "timeout_exceeded",
            "detail": "Query has hit the max execution time before completing. "
            "See our docs for how to improve your query performance. You may need to materialize.",
            "attr": None,
        },
    )
    assert await project.rows("SELECT 1") == [[1]]
    await hasty.close()


async def test_a_query_that_takes_too_much_memory_is_ended(stores: Stores, world: World) -> None:
    small = World.over(stores, world.clock, query_max_memory_bytes=50_000_000)
    project = await small.project()
    response = await project.post("SELECT groupArray(number) FROM numbers(1000000000)")

    assert (response.status_code, response.json()) == (
        504,
        {
            "type": "server_error",
            "code": "memory_limit_exceeded",
            "detail": "Query has reached the max memory limit before completing. "
            "See our docs for how to improve your query memory footprint. "
            "You may need to narrow date range or materialize.",
            "attr": None,
        },
    )
    assert await project.rows("SELECT 1") == [[1]]
    await small.close()


async def test_a_result_that_is_too_large_is_refused(stores: Stores, world: World) -> None:
    small = World.over(stores, world.clock, query_max_result_bytes=1_000_000)
    project = await small.project()
    body = await project.refusal("SELECT groupArray(number) FROM numbers(1000000)")

    assert body["code"] == "too_many_rows_or_bytes"
    assert body["detail"].startswith("This query reads or returns more data than the limit allows.")
    await small.close()


async def test_a_query_that_reads_too_much_is_refused(stores: Stores, world: World) -> None:
    small = World.over(stores, world.clock, query_max_read_bytes=1_000_000)
    project = await small.project()
    body = await project.refusal("SELECT sum(number) FROM numbers(10000000)")

    assert body["code"] == "too_many_bytes"
    assert body["detail"].startswith("This query reads or returns more data than the limit allows.")
    assert await project.rows("SELECT sum(number) FROM numbers(1000)") == [[499_500]]
    await small.close()


async def test_a_higher_limit_is_lowered(stores: Stores, world: World) -> None:
    small = World.over(stores, world.clock, query_max_rows=20)
    project = await small.project()
    answer = await project.answer("SELECT number FROM numbers(1000) LIMIT 500")
    assert len(answer["results"]) == 20
    await small.close()


async def test_a_text_that_is_too_long_is_refused(stores: Stores, world: World) -> None:
    small = World.over(stores, world.clock, query_max_text_bytes=1_000)
    project = await small.project()
    body = await project.refusal("SELECT '" + "é" * 500 + "'")
    assert body == refused("Query size exceeded.", code="query_size_exceeded", attr="query__query")
    await small.close()


async def test_a_body_that_is_too_large_is_not_read(project: Asker) -> None:
    response = await project.post("SELECT 1", node={"values": {"x": "y" * (9 << 20)}})
    assert (response.status_code, response.json()["code"]) == (413, "request_entity_too_large")
