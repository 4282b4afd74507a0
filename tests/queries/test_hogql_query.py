"""A HogQL query over HTTP (queries §3.1)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.queries.world import Asker, World

pytestmark = pytest.mark.stores

FIELDS = {
    "results", "columns", "types", "query", "hogql", "clickhouse", "explain", "metadata", "error", "hasMore", "limit",
    "offset", "timings", "modifiers", "is_cached", "cache_key", "last_refresh", "next_allowed_client_refresh",
    "cache_target_age", "timezone", "calculation_trigger", "query_status", "query_metadata", "warnings",
}  # fmt: skip


async def test_the_seed_s_example_has_its_shape(project: Asker) -> None:
    for event, times in (("$pageview", 3), ("$autocapture", 2), ("$identify", 1)):
        for _ in range(times):
            await project.sends(event)

    answer = await project.answer("SELECT event, count() FROM events GROUP BY event ORDER BY count() DESC LIMIT 10")

    assert answer["columns"] == ["event", "count()"]
    assert answer["results"] == [["$pageview", 3], ["$autocapture", 2], ["$identify", 1]]
    assert answer["types"] == [["event", "String"], ["count()", "UInt64"]]


async def test_every_field_of_the_contract_is_there(project: Asker) -> None:
    await project.sends("$pageview")
    text = "SELECT event, count() FROM events GROUP BY event"

    answer = await project.answer(text)

    assert answer.keys() == FIELDS
    key, moment = answer.pop("cache_key"), answer.pop("last_refresh")
    assert key.startswith(f"cache_{project.id}_")
    assert moment.endswith("Z")
    assert len(moment) == len("2026-01-05T10:00:00.000000Z")
    assert {timing["k"] for timing in answer.pop("timings")} == {"./compile", "./clickhouse_execute", "."}
    assert answer.pop("next_allowed_client_refresh") > moment
    assert answer.pop("cache_target_age") > moment
    assert answer == {
        "results": [["$pageview", 1]],
        "columns": ["event", "count()"],
        "types": [["event", "String"], ["count()", "UInt64"]],
        "query": text,
        "hogql": "SELECT\n    event,\n    count()\nFROM\n    events\nGROUP BY\n    event\nLIMIT 101\nOFFSET 0",
        "clickhouse": None,
        "explain": None,
        "metadata": None,
        "error": None,
        "hasMore": False,
        "limit": 100,
        "offset": 0,
        "modifiers": {"personsOnEventsMode": "person_id_override_properties_on_events"},
        "is_cached": False,
        "timezone": "UTC",
        "calculation_trigger": None,
        "query_status": None,
        "query_metadata": {},
        "warnings": None,
    }


@pytest.mark.parametrize(("numbers", "more"), [(99, False), (100, False), (101, True), (250, True)])
async def test_without_a_limit_a_hundred_rows_come_and_it_is_said_whether_there_are_more(
    project: Asker, numbers: int, more: bool
) -> None:
    answer = await project.answer(f"SELECT number FROM numbers({numbers})")

    assert answer["results"] == [[number] for number in range(min(numbers, 100))]
    assert (answer["hasMore"], answer["limit"], answer["offset"]) == (more, 100, 0)


async def test_a_large_answer_comes_whole(project: Asker) -> None:
    """It is sent in pieces, cached in pieces, and kept for whoever asks later in one."""
    text = "SELECT number, repeat('a\\n', 50) FROM numbers(100000) LIMIT 50000"

    now = await project.answer(text)
    cached = await project.answer(text)

    assert now["results"] == cached["results"] == [[number, "a\n" * 50] for number in range(50_000)]
    assert (now["is_cached"], cached["is_cached"], now["timezone"]) == (False, True, "UTC")


async def test_with_a_limit_of_its_own_a_query_is_not_paged(project: Asker) -> None:
    answer = await project.answer("SELECT number FROM numbers(500) LIMIT 150")

    assert len(answer["results"]) == 150
    assert (answer["hasMore"], answer["limit"], answer["offset"]) == (None, None, None)


async def test_moments_are_in_the_project_s_time_the_first_time_and_the_second(world: World) -> None:
    project = await world.project(timezone="Europe/Berlin")
    await project.sends("a", at="2026-01-05 09:00:00.000000")
    await project.sends("b", at="2026-07-05 09:00:00.123000")

    for _ in range(2):
        answer = await project.answer(
            "SELECT timestamp, event FROM events ORDER BY timestamp", refresh="force_blocking"
        )

        assert answer["results"] == [["2026-01-05T10:00:00+01:00", "a"], ["2026-07-05T11:00:00.123000+02:00", "b"]]
        assert answer["types"] == [["timestamp", "DateTime64(6, 'Europe/Berlin')"], ["event", "String"]]


async def test_moments_of_many_rows_are_the_same_the_second_time(world: World) -> None:
    """Then ClickHouse writes them itself."""
    project = await world.project(timezone="Europe/Berlin")
    text = (
        "SELECT number, toTimeZone(toDateTime('2026-03-28 10:00:00'), 'Europe/Berlin') + toIntervalMinute(number * 7) AS m"
        " FROM numbers(700) ORDER BY number DESC LIMIT 600"
    )
    first, second = [await project.answer(text, refresh="force_blocking") for _ in range(2)]

    assert first["results"] == second["results"]
    assert first["types"] == second["types"]
    assert first["results"][-1][0] == 100


async def test_properties_come_back_as_the_text_that_was_sent(project: Asker) -> None:
    text = '{"b":1.0,"a":null,"n":9223372036854775809,"e":{},"d.k":"x","u":"\\ud83d\\ude00"}'
    await project.sends("a", properties=text)
    assert await project.rows("SELECT properties FROM events") == [[text]]


async def test_a_new_definition_counts_at_once(project: Asker) -> None:
    """The type of a property is that of its first value, also for a query that was compiled before."""
    text = "SELECT properties.price FROM events ORDER BY timestamp"
    assert await project.rows(text) == []

    await project.sends("paid", {"price": 12})
    await project.sends("paid", {"price": "free"}, at="2026-01-05 11:00:00.000000")

    assert await project.rows(text) == [[12.0], [None]]


@pytest.mark.parametrize("kind", ["DataTableNode", "DataVisualizationNode", "InsightVizNode"])
async def test_nodes_of_the_app_are_run_through_their_source(project: Asker, kind: str) -> None:
    source = {"kind": "HogQLQuery", "query": "SELECT 1"}
    response = await project.request("POST", json={"query": {"kind": kind, "source": source, "full": True}})
    assert response.json()["results"] == [[1]]


async def test_the_kind_may_stand_in_the_path(project: Asker) -> None:
    body = {"query": {"kind": "HogQLQuery", "query": "SELECT 1"}}
    fits = await project.request("POST", "HogQLQuery/", json=body)
    differs = await project.request("POST", "TrendsQuery/", json=body)

    assert fits.json()["results"] == [[1]]
    assert (differs.status_code, differs.json()["attr"]) == (400, "query__kind")


async def test_environments_are_projects(project: Asker) -> None:
    response = await project.world.client.post(
        f"/api/environments/{project.id}/query", json={"query": {"kind": "HogQLQuery", "query": "SELECT 1"}},
        headers=project.headers,
    )  # fmt: skip
    assert response.json()["results"] == [[1]]


async def test_explain_adds_what_was_run(project: Asker) -> None:
    await project.sends("a")
    answer = await project.answer("SELECT event FROM events", node={"explain": True})

    assert answer["results"] == [["a"]]
    assert answer["clickhouse"].startswith("SELECT")
    assert answer["explain"]
    assert answer["metadata"]["table_names"] == ["events"]
    assert answer["metadata"]["isValid"] is True


async def test_with_debug_an_error_is_part_of_the_answer(project: Asker) -> None:
    answer = await project.answer("SELECT nothing FROM events", node={"modifiers": {"debug": True}})
    assert answer["results"] == []
    assert "nothing" in answer["error"]


async def test_modifiers_are_echoed(project: Asker) -> None:
    modifiers = {"inCohortVia": "subquery", "personsOnEventsMode": "person_id_override_properties_joined"}
    answer = await project.answer("SELECT 1", node={"modifiers": modifiers})
    assert answer["modifiers"] == modifiers


async def test_the_merged_project_time_can_be_left_out(world: World) -> None:
    project = await world.project(timezone="Europe/Berlin")
    await project.sends("a", at="2026-01-05 09:00:00.000000")
    rows = await project.rows("SELECT timestamp FROM events", modifiers={"convertToProjectTimezone": False})
    assert rows == [["2026-01-05T09:00:00Z"]]


# -- placeholders ----------------------------------------------------------------------------------------------------------


async def test_values_fill_placeholders(project: Asker) -> None:
    await project.sends("a")
    await project.sends("b")
    values: dict[str, Any] = {"event": "a", "list": [1, 2], "nothing": None, "text": "it's"}
    rows = await project.rows(
        "SELECT event, {list}, {nothing}, {text} FROM events WHERE event = {event}", values=values
    )
    assert rows == [["a", [1, 2], None, "it's"]]


async def test_variables_fill_placeholders_and_can_be_overridden(project: Asker) -> None:
    variables = {"id1": {"variableId": "id1", "code_name": "limit", "value": 3}}
    node = {"variables": variables}
    override = {"id1": {"variableId": "id1", "code_name": "limit", "value": 4}}

    assert await project.rows("SELECT {variables.limit}", **node) == [[3]]
    answer = await project.answer("SELECT {variables.limit}", node=node, variables_override=override)
    assert answer["results"] == [[4]]
    null = {"id1": {**variables["id1"], "isNull": True}}
    assert await project.rows("SELECT {variables.limit}", variables=null) == [[None]]


@pytest.mark.parametrize(
    ("text", "node", "detail"),
    [
        ("SELECT {x}", {}, "Unresolved placeholder: {x}"),
        (
            "SELECT {x}",
            {"values": {"a": 1, "b": 2}},
            "Placeholder {x} is not available in this context. You can use the following: a, b",
        ),
        ("SELECT {variables.x}", {}, "Variable x is missing from query"),
        (
            "SELECT {filters.y} FROM events",
            {},
            (
                "Unsupported filters placeholder `{filters.y}`. Supported filters placeholders are: "
                "`{filters}`, `{filters.dateRange.from}`, `{filters.dateRange.to}`."
            ),
        ),
        (
            "SELECT 1 WHERE {filters}",
            {},
            (
                "Cannot use 'filters' placeholder in a SELECT clause that does not select from the "
                "events, sessions, logs, traces or groups table."
            ),
        ),
        (
            "SELECT toDate({filters.dateRange.from}) FROM events",
            {},
            (
                "The `{filters.dateRange.from}` placeholder must be used directly in a comparison "
                "(e.g. `timestamp > {filters.dateRange.from}`), not nested inside a function call, "
                "when the date range is not set."
            ),
        ),
    ],
)
async def test_hogql_8_placeholders_without_a_value(
    project: Asker, text: str, node: dict[str, Any], detail: str
) -> None:
    refused = await project.refusal(text, **node)
    assert (refused["type"], refused["code"], refused["detail"]) == ("validation_error", "invalid_input", detail)


async def three_days(project: Asker) -> None:
    for day, plan in (("03", "free"), ("04", "pro"), ("05", None)):
        properties = {"day": int(day)} if plan is None else {"plan": plan, "day": int(day)}
        await project.sends(f"on {day}", properties, at=f"2026-01-{day} 10:00:00.000000")


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, ["on 03", "on 04", "on 05"]),
        ({"dateRange": {"date_from": "2026-01-04"}}, ["on 04", "on 05"]),
        ({"dateRange": {"date_from": "all", "date_to": "2026-01-05"}}, ["on 03", "on 04"]),
        ({"dateRange": {"date_from": "2026-01-04T10:00:00Z", "date_to": "2026-01-05T10:00:00Z"}}, ["on 04"]),
        ({"dateRange": {"date_from": "-1d"}}, []),
        ({"properties": [{"type": "event", "key": "plan", "value": "pro"}]}, ["on 04"]),
        ({"properties": [{"type": "event", "key": "plan", "value": "pro", "operator": "is_not"}]}, ["on 03", "on 05"]),
        ({"properties": [{"type": "event", "key": "plan", "value": ["pro", "free"]}]}, ["on 03", "on 04"]),
        ({"properties": [{"type": "event", "key": "plan", "operator": "is_not_set"}]}, ["on 05"]),
        ({"properties": [{"type": "event", "key": "plan", "operator": "is_set"}]}, ["on 03", "on 04"]),
        ({"properties": [{"type": "event", "key": "plan", "operator": "icontains", "value": "R"}]}, ["on 03", "on 04"]),
        (
            {"properties": [{"type": "event", "key": "plan", "operator": "not_regex", "value": "^p"}]},
            ["on 03", "on 05"],
        ),
        ({"properties": [{"type": "event", "key": "day", "operator": "gt", "value": 3}]}, ["on 04", "on 05"]),
        ({"properties": [{"type": "event", "key": "day", "operator": "between", "value": [3, 4]}]}, ["on 03", "on 04"]),
        ({"properties": [{"type": "event_metadata", "key": "event", "value": "on 05"}]}, ["on 05"]),
        ({"properties": [{"type": "hogql", "key": "properties.day = 3 or event = 'on 05'"}]}, ["on 03", "on 05"]),
        (
            {
                "dateRange": {"date_from": "2026-01-04"},
                "properties": [{"type": "event", "key": "day", "operator": "lt", "value": 5}],
            },
            ["on 04"],
        ),
    ],
)
async def test_filters_are_properties_and_dates(project: Asker, filters: dict[str, Any], wanted: list[str]) -> None:
    await three_days(project)
    rows = await project.rows("SELECT event FROM events WHERE {filters} ORDER BY timestamp", filters=filters)
    assert [event for (event,) in rows] == wanted


async def test_one_bound_that_is_not_set_is_no_bound(project: Asker) -> None:
    await three_days(project)
    text = "SELECT event FROM events WHERE timestamp >= {filters.dateRange.from} AND timestamp < {filters.dateRange.to}"
    rows = await project.rows(text, filters={"dateRange": {"date_to": "2026-01-04"}})
    assert rows == [["on 03"]]


async def test_test_accounts_are_left_out_when_asked_for(world: World) -> None:
    internal = {"type": "event", "key": "plan", "operator": "is_not", "value": "free"}
    project = await world.project(settings={"test_account_filters": [internal]})
    await three_days(project)
    rows = await project.rows(
        "SELECT event FROM events WHERE {filters} ORDER BY timestamp", filters={"filterTestAccounts": True}
    )
    assert rows == [["on 04"], ["on 05"]]


async def test_a_dashboard_s_filters_are_laid_over(project: Asker) -> None:
    await three_days(project)
    answer = await project.answer(
        "SELECT event FROM events WHERE {filters} ORDER BY timestamp",
        node={"filters": {"dateRange": {"date_from": "2026-01-01", "date_to": "2026-01-02"}}},
        filters_override={
            "date_from": "2026-01-04",
            "properties": [{"type": "event", "key": "plan", "operator": "is_not_set"}],
        },
    )
    assert answer["results"] == [["on 05"]]
