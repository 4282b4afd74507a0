"""Property access against the classic expression, and daily users with many overrides against none."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.running import serving
from hedgerow.core.storage.events import EventStore
from hedgerow.queries.run import cores_for_queries
from hedgerow.settings import Settings

REPEATS = 5
PERSONS = 100_000
TEAM = 1


def fill(folder: Path, events: int) -> None:
    """Make events and person versions out of ClickHouse's own generators."""
    asyncio.run(_fill(folder, events))


async def _fill(folder: Path, events: int) -> None:
    store = await EventStore.open(Settings.load({}, data_dir=folder))
    filler = ", ".join(f"'\"key_{n}\":\"value {n} ', toString(cityHash64(number, {n}) % 50), '\",'" for n in range(38))
    properties = (
        "concat('{', '\"$browser\":\"', ['Chrome','Safari','Firefox','Edge'][number % 4 + 1], '\",',"
        f" {filler}, '\"rare\":', toString(cityHash64(number) % 20), '}}')"
    )
    await store.command(
        "INSERT INTO events (team_id, uuid, event, timestamp, created_at, distinct_id, person_id, person_mode, person_created_at,"
        " properties, person_properties_id)"
        f" SELECT {TEAM}, generateUUIDv4(number), ['$pageview','$autocapture','order paid'][number % 3 + 1],"
        f" now64(3) - toIntervalMillisecond(cityHash64(number) % 7776000000), now(), concat('d', toString(p)),"
        f" reinterpretAsUUID(toUInt128(p + 1)), 'full', now(), {properties}, p + 1"
        f" FROM (SELECT number, cityHash64(number, 7) % {PERSONS} AS p FROM numbers({events}))"
    )
    traits = ", ".join(f"'\"trait_{n}\":\"value {n} of a trait ', toString(number % {n + 2}), '\",'" for n in range(36))
    person = f"concat('{{', '\"plan\":\"', ['free','pro','team'][number % 3 + 1], '\",', {traits}, '\"email\":\"u', toString(number), '@mail.example\"}}')"
    await store.command(
        f"INSERT INTO person_properties_versions (team_id, id, properties) SELECT {TEAM}, number + 1, {person} FROM numbers({PERSONS})"
    )
    await store.close()


async def merge(folder: Path) -> None:
    """Bring the events to rest, one part a month, as background merges do in time: rows of blocks just inserted are not
    bucketed yet, and one key of theirs is read about four times slower (docs/decisions/0002).
    """
    store = await EventStore.open(Settings.load({}, data_dir=folder))
    for (partition,) in await store.rows(
        "SELECT DISTINCT partition_id FROM system.parts WHERE active AND table = 'events'"
    ):
        await store.command(f"OPTIMIZE TABLE events PARTITION ID '{partition}' FINAL")
    await store.close()


def timed(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """The median milliseconds of `work`, after one run that does not count."""
    work()
    times: list[float] = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


EXTRACT = "replaceRegexpAll(nullIf(nullIf(JSONExtractRaw({column}, '{key}'), ''), 'null'), '^\"|\"$', '')"


def properties(sizes: tuple[int, ...] = (3_000_000, 10_000_000)) -> dict[str, Any]:
    """Group by a property through the endpoint, in ms, and how many times faster than the extract expression."""
    figures: dict[str, Any] = {}
    for events in sizes:
        with tempfile.TemporaryDirectory(prefix="hedgerow-bench-properties-") as folder:
            figures[f"{events // 1_000_000}M"] = _properties(Path(folder), events)
    return figures


def _properties(folder: Path, events: int) -> dict[str, float]:
    with serving(folder):
        pass
    fill(folder, events)
    asyncio.run(merge(folder))
    sql = {
        "extract_declared_ms": f"SELECT {EXTRACT.format(column='properties', key='$browser')} AS k, count() FROM events WHERE team_id = {TEAM} GROUP BY k",
        "extract_other_ms": f"SELECT {EXTRACT.format(column='properties', key='rare')} AS k, count() FROM events WHERE team_id = {TEAM} GROUP BY k",
    }
    row = asyncio.run(_straight(folder, sql, repeats=2))
    hogql = {
        "declared_ms": "SELECT properties.$browser AS k, count() FROM events GROUP BY k",
        "other_ms": "SELECT properties.rare AS k, count() FROM events GROUP BY k",
        "person_ms": "SELECT person.properties.plan AS k, count() FROM events GROUP BY k",
        "person_filter_ms": "SELECT count() FROM events WHERE person.properties.plan = 'pro'",
        "other_filter_ms": "SELECT count() FROM events WHERE properties.rare = '7'",
    }
    with serving(folder) as server:
        row |= {name: timed(lambda text=text: server.query(text)) for name, text in hogql.items()}
    row["declared_times_faster"] = row["extract_declared_ms"] / row["declared_ms"]
    row["other_times_faster"] = row["extract_other_ms"] / row["other_ms"]
    row["person_over_event"] = row["person_ms"] / row["other_ms"]
    row["person_filter_over_event"] = row["person_filter_ms"] / row["other_filter_ms"]
    return row


async def _straight(folder: Path, statements: dict[str, str], repeats: int = REPEATS) -> dict[str, float]:
    store = await EventStore.open(Settings.load({}, data_dir=folder))
    as_in_the_endpoint = {"max_threads": cores_for_queries()}
    row: dict[str, float] = {}
    for name, sql in statements.items():
        times: list[float] = []
        for _ in range(repeats + 1):
            started = time.perf_counter()
            await store.query(sql, settings=as_in_the_endpoint)
            times.append((time.perf_counter() - started) * 1000)
        row[name] = statistics.median(times[1:])
    await store.close()
    return row
