"""The query log, asked by HogQL itself (hogql §5, "The rest")."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.queries.world import Asker, World

from hedgerow.core.storage.events import EventStore
from hedgerow.queries import query_log
from hedgerow.queries.query_log import Entry, QueryLog

pytestmark = pytest.mark.stores
COLUMNS = [
    "event_date", "event_time", "query_id", "endpoint", "query", "query_start_time", "query_duration_ms", "hogql_name",
    "created_by", "read_rows", "read_bytes", "result_rows", "result_bytes", "memory_usage", "status", "exception_code",
    "is_personal_api_key_request", "cpu_microseconds", "RealTimeMicroseconds", "S3ListObjects", "S3HeadObject",
    "S3GetObjectAttributes", "S3GetObject", "ReadBufferFromS3Bytes",
]  # fmt: skip


async def logged(project: Asker, columns: str, where: str = "1 = 1") -> list[list[Any]]:
    text = f"SELECT {columns} FROM query_log WHERE {where} AND query NOT LIKE '%query_log%' ORDER BY event_time"
    return await project.rows(text)


async def test_star_has_the_columns_of_the_contract(project: Asker) -> None:
    assert (await project.answer("SELECT * FROM query_log"))["columns"] == COLUMNS


async def test_a_query_is_there_with_what_it_took(project: Asker) -> None:
    await project.answer(
        "SELECT sum(number) FROM numbers(1000)",
        node={"name": "the sum"},
        client_query_id="mine",
        refresh="force_blocking",
    )

    ((query_id, name, kind, read, size, rows, status, code, by, is_key, endpoint, took, nothing),) = await logged(
        project,
        "query_id, hogql_name, kind, read_rows, read_bytes, result_rows, status, exception_code, created_by,"
        " is_personal_api_key_request, endpoint, dateDiff('second', query_start_time, event_time) < 60, S3GetObject",
    )
    assert (query_id, name, kind) == ("mine", "the sum", "HogQLQuery")
    assert (read, size, rows) == (1000, 8000, 1)
    assert (status, code) == ("QueryFinish", 0)
    assert (by, is_key) == (project.user_id, True)
    assert endpoint == f"/api/projects/{project.id}/query/"
    assert (took, nothing) == (1, 0)


async def test_failures_are_there_with_their_reason(project: Asker) -> None:
    await project.refusal("SELECT nothing FROM events")
    await project.refusal("SELECT intDiv(1, number) FROM numbers(3)")

    first, second = await logged(project, "status, exception_code, exception, key_id != ''")
    assert first == ["ExceptionBeforeStart", -1, "Unable to resolve field: nothing", 1]
    assert second[:2] == ["ExceptionWhileProcessing", 153]
    assert second[2]


async def test_other_kinds_and_exports_are_there_too(project: Asker) -> None:
    await project.request("POST", json={"query": {"kind": "TeamTaxonomyQuery"}})
    await project.request("POST", "?format=csv", json={"query": {"kind": "HogQLQuery", "query": "SELECT 1 AS one"}})

    found = await logged(project, "kind, query, result_bytes")
    assert found == [
        ["TeamTaxonomyQuery", '{"kind":"TeamTaxonomyQuery"}', found[0][2]],
        ["HogQLQuery", "SELECT 1 AS one", len('"one"\n1\n')],
    ]


async def test_what_comes_out_of_the_cache_is_not_logged_and_the_log_is_never_cached(project: Asker) -> None:
    for _ in range(3):
        await project.answer("SELECT 1")
    text = "SELECT count() FROM query_log WHERE query = 'SELECT 1'"

    assert (await project.answer(text))["results"] == [[1]]
    await project.answer("SELECT 1", refresh="force_blocking")
    again = await project.answer(text)
    assert (again["results"], again["is_cached"]) == ([[2]], False)


async def test_sessions_and_secrets_of_projects_ask_under_their_own_name(world: World) -> None:
    project = await world.project()
    session = await project.by_session()
    await session.answer("SELECT 2")

    assert await logged(project, "created_by, key_id, is_personal_api_key_request", "query = 'SELECT 2'") == [
        [project.user_id, "", False]
    ]


async def test_a_project_sees_only_its_own(world: World) -> None:
    mine, theirs = await world.project(), await world.project()
    await theirs.answer("SELECT 'secret'")

    assert await logged(mine, "query") == []
    assert await logged(theirs, "query") == [["SELECT 'secret'"]]


async def test_a_long_query_tells_its_memory(world: World, project: Asker) -> None:
    """It is looked at while it runs: here until its time is over."""
    hasty = World.over(world.stores, world.clock, query_max_seconds=3.0)
    try:
        asker = Asker(hasty, project.id, project.user_id, project.headers)
        response = await asker.post("SELECT max(cityHash64(number)) FROM numbers(1000000000000)")
        assert response.status_code == 504, response.text

        ((status, code, memory, cpu),) = await logged(asker, "status, exception_code, memory_usage, cpu_microseconds")
    finally:
        await hasty.close()
    assert (status, code) == ("ExceptionWhileProcessing", 159)
    assert memory > 0
    assert cpu > 100_000


class Broken:
    """Wraps the real store: the first inserts fail with what no store should raise."""

    def __init__(self, store: EventStore, failures: int) -> None:
        self._store = store
        self._failures = failures
        self.written: list[int] = []

    async def insert(self, table: str, lines: bytes, *, token: str) -> None:
        if self._failures:
            self._failures -= 1
            raise RuntimeError("not a store's error")
        await self._store.insert(table, lines, token=token)
        self.written.append(lines.count(b"\n") + 1)


def entry(query: str) -> Entry:
    values: dict[str, Any] = {
        name: 0 if Entry.__annotations__[name] == "int" else "1790000000.5" if name.endswith("time") else ""
        for name in query_log.COLUMNS
    }
    values.update(team_id=999_999_999, query=query, is_personal_api_key_request=True)
    return Entry(**values)


async def test_a_failure_of_any_kind_does_not_end_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_log, "EVERY_SECONDS", 0.01)
    store: Any = Broken(world.stores.events, failures=1)
    log = QueryLog(store)
    log.add(entry("SELECT 'lost'"))
    while not store.written:
        log.add(entry("SELECT 'kept'"))
        await asyncio.sleep(0.01)
    await log.close()

    assert store.written


async def test_what_waits_is_bounded_in_size_and_goes_out_in_batches_of_a_size(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query_log, "QUEUE_CHARACTERS_MAX", 1_000)
    monkeypatch.setattr(query_log, "BATCH_CHARACTERS_MAX", 300)
    store: Any = Broken(world.stores.events, failures=0)
    log = QueryLog(store)
    for _ in range(50):
        log.add(entry("x" * 100))
    await log.close()

    assert store.written == [3, 3, 3, 1]
    log.add(entry("there is room again"))
    await log.close()
    assert store.written[4:] == [1]
