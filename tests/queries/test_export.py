"""Rows in bulk by the query endpoint: CSV, JSON lines, Arrow and Parquet (the endpoint's own addition to queries §1)."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pyarrow.ipc
import pyarrow.parquet
import pytest
from tests.queries.test_hanging_up import running, served, until_running
from tests.queries.world import Asker, World

pytestmark = pytest.mark.stores

MANY = "SELECT number AS n, toString(number) AS text FROM numbers(300000)"
MEDIA_TYPES = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}


def read(fmt: str, body: bytes) -> list[dict[str, Any]]:
    """The rows, read by the libraries that people read them with."""
    if fmt == "csv":
        return list(csv.DictReader(io.StringIO(body.decode())))
    if fmt == "jsonl":
        return [json.loads(line) for line in body.splitlines()]
    if fmt == "arrow":
        return pyarrow.ipc.open_stream(body).read_all().to_pylist()
    return pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()


async def exported(project: Asker, fmt: str, hogql: str, **body: Any) -> list[dict[str, Any]]:
    response = await project.request(
        "POST", f"?format={fmt}", json={"query": {"kind": "HogQLQuery", "query": hogql}, **body}
    )
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == MEDIA_TYPES[fmt]
    assert response.headers["content-disposition"] == f'attachment; filename="query.{fmt}"'
    return read(fmt, response.content)


@pytest.mark.parametrize("fmt", MEDIA_TYPES)
async def test_every_row_arrives_in_order_and_no_limit_is_implied(project: Asker, fmt: str) -> None:
    rows = await exported(project, fmt, MANY + " ORDER BY n")

    assert len(rows) == 300_000
    assert [int(row["n"]) for row in rows[:3]] == [0, 1, 2]
    assert all(int(row["n"]) == place and row["text"] == str(place) for place, row in enumerate(rows))


@pytest.mark.parametrize("fmt", MEDIA_TYPES)
async def test_a_limit_of_the_text_holds(project: Asker, fmt: str) -> None:
    assert len(await exported(project, fmt, MANY + " LIMIT 60000")) == 60_000


@pytest.mark.parametrize("fmt", MEDIA_TYPES)
async def test_no_rows_are_a_document_too(project: Asker, fmt: str) -> None:
    assert await exported(project, fmt, "SELECT event FROM events") == []


@pytest.mark.parametrize("fmt", MEDIA_TYPES)
async def test_the_setting_is_the_limit(world: World, project: Asker, fmt: str) -> None:
    narrow = World.over(world.stores, world.clock, query_export_max_rows=7)
    try:
        asker = Asker(narrow, project.id, project.user_id, project.headers)
        assert len(await exported(asker, fmt, MANY)) == 7
        assert len(await exported(asker, fmt, MANY + " LIMIT 8")) == 7
    finally:
        await narrow.close()


@pytest.mark.parametrize("fmt", MEDIA_TYPES)
async def test_columns_are_called_as_in_json(project: Asker, fmt: str) -> None:
    await project.sends("$pageview", {"$browser": "Firefox", "a": {"b": 1}})

    (row,) = await exported(
        project, fmt, "SELECT event, properties.$browser, properties.a.b, count() FROM events GROUP BY ALL"
    )

    assert list(row) == ["event", "$browser", "a__b", "count()"]
    assert [str(value) for value in row.values()] == ["$pageview", "Firefox", "1", "1"]


@pytest.mark.parametrize("fmt", ["csv", "jsonl"])
async def test_texts_write_moments_as_json_does(world: World, fmt: str) -> None:
    berlin = await world.project(timezone="Europe/Berlin")
    await berlin.sends("hello", at="2026-01-05 09:00:00.123000")
    text = "SELECT timestamp, toStartOfDay(timestamp) AS day, toDate(timestamp) AS date FROM events"

    (row,) = await exported(berlin, fmt, text)

    (expected,) = await berlin.rows(text)
    assert list(row.values()) == expected
    assert row["timestamp"] == "2026-01-05T10:00:00.123000+01:00"


@pytest.mark.parametrize("fmt", ["arrow", "parquet"])
async def test_binary_formats_have_moments_and_numbers_of_their_own(world: World, fmt: str) -> None:
    berlin = await world.project(timezone="Europe/Berlin")
    await berlin.sends("hello", at="2026-01-05 09:00:00.123000")

    (row,) = await exported(berlin, fmt, "SELECT timestamp, 1.5 AS half, [1, 2] AS list, uuid FROM events")

    assert row["timestamp"].astimezone(UTC) == datetime(2026, 1, 5, 9, 0, 0, 123_000, tzinfo=UTC)
    assert row["timestamp"].astimezone(ZoneInfo("Europe/Berlin")).hour == 10
    assert (row["half"], row["list"]) == (1.5, [1, 2])
    ((uuid,),) = await berlin.rows("SELECT uuid FROM events")
    assert row["uuid"] == uuid


async def test_csv_leaves_null_empty_and_quotes_what_needs_it(project: Asker) -> None:
    (row,) = await exported(project, "csv", "SELECT NULL AS nothing, 'a,\"b\"\nc' AS text, '' AS empty, true AS yes")

    assert row == {"nothing": "", "text": 'a,"b"\nc', "empty": "", "yes": "true"}


@pytest.mark.parametrize("fmt", MEDIA_TYPES)
async def test_the_accept_header_asks_too(project: Asker, fmt: str) -> None:
    body = {"query": {"kind": "HogQLQuery", "query": "SELECT 1 AS one"}}

    response = await project.request("POST", json=body, headers={"Accept": MEDIA_TYPES[fmt]})

    assert [int(row["one"]) for row in read(fmt, response.content)] == [1]


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/html,*/*;q=0.8", "application/json, text/csv", "odd"]
)
async def test_other_accept_headers_mean_json(project: Asker, accept: str) -> None:
    body = {"query": {"kind": "HogQLQuery", "query": "SELECT 1 AS one"}}

    response = await project.request("POST", json=body, headers={"Accept": accept})

    assert response.json()["results"] == [[1]]


async def test_an_unknown_format_is_refused(project: Asker) -> None:
    body = {"query": {"kind": "HogQLQuery", "query": "SELECT 1"}}

    response = await project.request("POST", "?format=xlsx", json=body)

    assert response.status_code == 400
    assert response.json() == {
        "type": "validation_error",
        "code": "invalid_input",
        "detail": '"xlsx" is not a valid choice: json, csv, jsonl, arrow, parquet.',
        "attr": "format",
    }


@pytest.mark.parametrize(
    ("hogql", "detail"),
    [
        ("SELECT event, event FROM events", "Two columns are called `event`. Give one of them an alias."),
        ("SELECT nothing FROM events", "Unable to resolve field: nothing"),
        ("SELECT throwIf(number = 0) FROM numbers(10)", "Unsupported function call 'throwIf(...)'"),
    ],
)
async def test_what_fails_before_the_first_row_is_an_error_as_ever(project: Asker, hogql: str, detail: str) -> None:
    response = await project.request("POST", "?format=csv", json={"query": {"kind": "HogQLQuery", "query": hogql}})

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json()["type"] == "validation_error"
    assert response.json()["detail"].startswith(detail)


async def test_kinds_without_rows_of_a_query_are_refused(project: Asker) -> None:
    response = await project.request("POST", "?format=csv", json={"query": {"kind": "DatabaseSchemaQuery"}})

    assert response.status_code == 400
    assert response.json()["detail"] == "A DatabaseSchemaQuery can be had as JSON only."


async def test_a_time_limit_ends_it(world: World, project: Asker) -> None:
    brief = World.over(world.stores, world.clock, query_export_max_seconds=1)
    try:
        asker = Asker(brief, project.id, project.user_id, project.headers)
        body = {"query": {"kind": "HogQLQuery", "query": "SELECT max(cityHash64(number)) FROM numbers(1000000000000)"}}
        response = await asker.request("POST", "?format=csv", json=body)
    finally:
        await brief.close()

    assert response.status_code == 504
    assert response.json()["code"] == "timeout_exceeded"


async def test_another_project_s_rows_are_not_in_it(world: World, project: Asker) -> None:
    other = await world.project()
    await other.sends("foreign")
    await project.sends("own")

    assert await exported(project, "jsonl", "SELECT event FROM events") == [{"event": "own"}]


ENDLESS_ROWS = "SELECT number FROM numbers(1000000000000)"


async def test_an_export_ends_when_its_client_hangs_up(world: World, project: Asker) -> None:
    """Whether it writes much, and the client does not read, or nothing for long."""
    quiet = "SELECT count() FROM numbers(1000000000000) WHERE cityHash64(number) = 1"
    async with served(world.app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for text in (ENDLESS_ROWS, quiet):
            body = {"query": {"kind": "HogQLQuery", "query": text}}
            path = f"/api/projects/{project.id}/query/?format=csv"

            async def ask(path: str = path, body: Any = body) -> None:
                async with client.stream("POST", path, json=body, headers=project.headers) as response:
                    async for _ in response.aiter_raw():
                        await asyncio.Event().wait()  # reads no more

            asking = asyncio.create_task(ask())
            await until_running(world, 1)
            asking.cancel()
            await asyncio.wait({asking})

            await until_running(world, 0)


async def test_its_progress_can_be_watched_and_its_end_asked_for(world: World, project: Asker) -> None:
    if not world.stores.events.embedded:
        pytest.skip("the stand-in for a ClickHouse server builds an answer whole")
    body = {"query": {"kind": "HogQLQuery", "query": ENDLESS_ROWS}, "client_query_id": "odd id\r\n?"}
    async with served(world.app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        path = f"/api/projects/{project.id}/query/?format=csv"
        async with client.stream("POST", path, json=body, headers=project.headers) as response:
            blocks = response.aiter_raw()
            await anext(blocks)
            watched = response.headers["hedgerow-progress"]
            assert watched == f"/api/projects/{project.id}/query/odd%20id%0D%0A%3F/?show_progress=true"
            status = (await client.get(watched, headers=project.headers)).json()["query_status"]
            assert not status["complete"]
            assert status["query_progress"]["rows_read"] > 0

            ended = await client.delete(watched.partition("?")[0], headers=project.headers)

            assert ended.json() == {"message": "Query cancelled."}
            with pytest.raises(httpx.RemoteProtocolError):  # cut off: nobody takes it for the whole
                async for _ in blocks:
                    pass
        status = (await client.get(watched, headers=project.headers)).json()["query_status"]
        assert (status["complete"], status["error"], status["error_message"]) == (True, True, "Query was cancelled.")
    assert await running(world) == 0


async def test_a_finished_export_is_a_finished_query(project: Asker) -> None:
    await exported(project, "csv", "SELECT 1 AS one", client_query_id="mine")

    status = (await project.request("GET", "mine/")).json()["query_status"]

    assert (status["complete"], status["error"], status["results"]) == (True, False, None)
