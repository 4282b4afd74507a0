"""HogQL over ten million events beside the same by hand, and beside DuckDB; and what an export of the rows costs.

The texts are in `bench/queries/`: each file has the HogQL, the ClickHouse SQL that somebody who knows the tables would write,
and for some DuckDB's SQL over the same rows in Parquet files.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import duckdb
import uvloop

from bench.inside import Inside, Statement, inside
from bench.running import MEGABYTE, Running, serving
from bench.shop import fill
from hedgerow.queries.rows import FORMAT
from hedgerow.queries.run import cores_for_queries

EVENTS = 10_000_000
EXPORTED = 5_000_000
TURNS = 5
DIRECTORY = Path(__file__).parent / "queries"
_PART = re.compile(r"^-- (hogql|clickhouse|duckdb)\n", re.MULTILINE)
EVENTS_FOR_DUCKDB = (
    "SELECT event, timestamp, person_id, $session_id AS session_id, properties.$browser AS browser,"
    " properties.utm_source AS utm_source FROM events"
)
PERSONS_FOR_DUCKDB = (
    "SELECT DISTINCT person_id AS id, person.properties.plan AS plan FROM events WHERE event = 'order paid'"
)


def language(events: int = EVENTS) -> dict[str, Any]:
    """Milliseconds of each query by HogQL, by hand and by DuckDB, and their ratios; rows a second of an export."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-language-") as place:
        folder = Path(place)
        with serving(folder) as server:
            keys = server.keys
        asyncio.run(fill(folder, events))
        with serving(folder) as server:
            figures: dict[str, Any] = {"export": export(server, folder, min(EXPORTED, events // 2))}
            save(server, EVENTS_FOR_DUCKDB, folder / "events.parquet")
            save(server, PERSONS_FOR_DUCKDB, folder / "persons.parquet")
        texts = {file.stem[3:].replace("-", "_"): parts(file) for file in sorted(DIRECTORY.glob("*.sql"))}
        figures["queries"] = uvloop.run(_in_turns(folder, keys, texts))
        for name, milliseconds in by_duckdb(folder, texts).items():
            row = figures["queries"][name]
            row |= {"duckdb_ms": milliseconds, "over_duckdb": row["hogql_ms"] / milliseconds}
    ratios = [row["over_by_hand"] for row in figures["queries"].values()]
    return {**figures, "worst_over_by_hand": max(ratios)}


def parts(file: Path) -> dict[str, str]:
    """The texts of a file, by language."""
    _, *found = _PART.split(file.read_text(encoding="utf-8"))
    return {name: text.strip() for name, text in zip(found[::2], found[1::2], strict=True)}


async def _in_turns(
    folder: Path, keys: dict[str, Any], texts: dict[str, dict[str, str]]
) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    async with inside(folder, keys) as running:
        for name, text in texts.items():
            await same_rows(running, name, text)
            statement = Statement(text["clickhouse"], {}, FORMAT, {"max_threads": cores_for_queries()})
            answers: list[float] = []
            straight: list[float] = []
            for _ in range(TURNS):
                answers.append(await running.ask(text["hogql"]))
                straight.append(await running.straight(statement))
            ours, by_hand = statistics.median(answers), statistics.median(straight)
            figures[name] = {"hogql_ms": ours, "by_hand_ms": by_hand, "over_by_hand": ours / by_hand}
    return figures


async def same_rows(running: Inside, name: str, text: dict[str, str]) -> None:
    """Both ways give the same rows, so both times are of the same work. Warms both, too."""
    statement = await running.statement_of(text["hogql"])
    ours, by_hand = (
        json.loads(running.engine.query(sql, parameters, settings, FORMAT))["data"]
        for sql, parameters, settings in (
            (statement.sql, statement.parameters, statement.settings),
            (
                text["clickhouse"],
                {},
                {"output_format_json_quote_64bit_integers": 0, "output_format_json_quote_denormals": 0},
            ),
        )
    )
    assert [row[-1] for row in ours] == [row[-1] for row in by_hand], name


def by_duckdb(folder: Path, texts: dict[str, dict[str, str]]) -> dict[str, float]:
    """Milliseconds by DuckDB, with as many threads."""
    figures: dict[str, float] = {}
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {cores_for_queries()}")
        for table in ("events", "persons"):
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM '{folder / table}.parquet'")
        for name, text in texts.items():
            if "duckdb" in text:
                times: list[float] = []
                for _ in range(TURNS):
                    started = time.perf_counter()
                    connection.execute(text["duckdb"]).fetchall()
                    times.append((time.perf_counter() - started) * 1000)
                figures[name] = statistics.median(times)
    return figures


def export(server: Running, folder: Path, rows: int) -> dict[str, float]:
    """Rows as Parquet: how many a second, and megabytes that the server grows by."""
    text = f"SELECT uuid, event, timestamp, distinct_id, person_id, properties FROM events LIMIT {rows}"
    save(server, text.replace(f"LIMIT {rows}", "LIMIT 200000"), folder / "warm.parquet")
    before = server.process.memory_info().rss
    server.reset()
    started = time.perf_counter()
    size = save(server, text, folder / "export.parquet")
    seconds = time.perf_counter() - started
    (folder / "export.parquet").unlink()
    return {
        "rows_per_second": rows / seconds,
        "growth_mb": (server.memory_bytes_max - before) / MEGABYTE,
        "megabytes": size / MEGABYTE,
    }


def save(server: Running, text: str, path: Path) -> int:
    """The answer as a Parquet file; its bytes."""
    url = f"{server.url}/api/projects/{server.keys['project_id']}/query/?format=parquet"
    body = json.dumps({"query": {"kind": "HogQLQuery", "query": text}}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server.keys['personal_api_key']}"}
    with (
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=600) as answer,
        path.open("wb") as file,
    ):
        while block := answer.read(1 << 20):
            file.write(block)
    return path.stat().st_size


if __name__ == "__main__":
    print(json.dumps(language(1_000_000), indent=2))
