"""The stand-in for a ClickHouse server does what the client and the event store need of one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from tests.clickhouse_http.running import stand_in

from hedgerow.core.storage.events import EventStore, StoreError, StoreUnavailable
from hedgerow.settings import Settings

pytestmark = pytest.mark.stores


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stand_in(tmp_path_factory.mktemp("stand-in") / "clickhouse") as found:
        yield found


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    made = clickhouse_connect.get_client(dsn=url, autogenerate_session_id=False)
    yield made
    made.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[EventStore]:
    opened = await EventStore.open(Settings(clickhouse_url=url))
    yield opened
    await opened.close()


def test_native_goes_both_ways(client: Client) -> None:
    client.command("CREATE TABLE native (a Int64, s String) ENGINE = MergeTree ORDER BY a")
    rows = [[number, "x;\n\0'" * 10] for number in range(100_000)]

    client.insert("native", rows, column_names=["a", "s"])

    assert client.query("SELECT count(), sum(a), any(s) FROM native").result_rows == [
        (100_000, 4_999_950_000, rows[0][1])
    ]


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", "br"])
def test_answers_and_inserts_may_be_compressed(url: str, compression: str) -> None:
    client = clickhouse_connect.get_client(dsn=url, compress=compression, autogenerate_session_id=False)
    client.command(f"CREATE TABLE packed_{compression} (a Int64) ENGINE = MergeTree ORDER BY a")
    client.insert(f"packed_{compression}", [[number] for number in range(1_000)], column_names=["a"])
    assert client.query(f"SELECT sum(a) FROM packed_{compression}").result_rows == [(499_500,)]
    client.close()


def test_lines_of_json_are_inserted_once_for_a_token(client: Client) -> None:
    client.command(
        "CREATE TABLE lines (a Int64, s String) ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    body = b'{"a":1,"s":"q;\\n"}\n{"a":2,"s":"z"}'
    settings = {"async_insert": 0, "insert_deduplication_token": "once"}

    for _ in range(2):
        client.raw_insert("lines", ["a", "s"], body, fmt="JSONEachRow", settings=settings)

    assert client.query("SELECT a, s FROM lines ORDER BY a").result_rows == [(1, "q;\n"), (2, "z")]


def test_values_are_bound_however_long(client: Client) -> None:
    values = {"text": "it's\ta\\n\n", "numbers": [1, 2], "long": "z" * 100_000}
    found = client.query("SELECT {text:String}, {numbers:Array(Int64)}, length({long:String})", parameters=values)
    assert found.result_rows == [("it's\ta\\n\n", [1, 2], 100_000)]


def test_settings_hold_for_one_statement(client: Client) -> None:
    question = "SELECT getSetting('max_threads')"
    before = client.query(question).result_rows
    assert client.query(question, settings={"max_threads": 1}).result_rows == [(1,)]
    assert client.query(question).result_rows == before


def test_a_session_keeps_what_it_made(url: str) -> None:
    client = clickhouse_connect.get_client(dsn=url, session_id="mine")
    client.command("CREATE TEMPORARY TABLE kept (a Int64)")
    client.command("INSERT INTO kept VALUES (5)")
    assert client.query("SELECT a FROM kept").result_rows == [(5,)]
    client.close()


def test_errors_carry_their_code(client: Client) -> None:
    with pytest.raises(DatabaseError) as raised:
        client.query("SELECT * FROM nowhere")
    assert (raised.value.code, raised.value.name) == (60, "UNKNOWN_TABLE")


async def test_the_event_store_runs_against_it(store: EventStore) -> None:
    groups = [
        {"team_id": 1, "group_type_index": 0, "group_key": f"g{number}", "created_at": 0, "updated_at": 0,
         "properties": json.dumps({"seats": number}), "is_deleted": False, "version": 1}
        for number in range(3)
    ]  # fmt: skip
    lines = "\n".join(json.dumps(group) for group in groups).encode()

    for _ in range(2):
        await store.insert("groups", lines, token="a group")

    counted = await store.query(
        "SELECT count() FROM groups WHERE team_id = {team:Int64}", {"team": 1}, fmt="TabSeparated"
    )
    assert counted == b"3\n"
    with pytest.raises(StoreError):
        await store.query("SELECT * FROM nowhere")


async def test_a_query_is_killed_by_its_tag(store: EventStore) -> None:
    endless = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
    running = asyncio.create_task(store.query(endless, tag="endless"))

    while not await store.kill("endless"):
        assert not running.done()

    with pytest.raises(StoreError) as raised:
        await running
    assert raised.value.name == "QUERY_WAS_CANCELLED"


async def test_the_store_is_unavailable_while_the_server_is_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("stand-in") / "clickhouse"
    with stand_in(folder) as url:
        store = await EventStore.open(Settings(clickhouse_url=url))
        port = int(url.rpartition(":")[2])
    with pytest.raises(StoreUnavailable):
        await store.query("SELECT 1")
    with stand_in(folder, port):
        assert await store.query("SELECT 1", fmt="TabSeparated") == b"1\n"
    await store.close()
