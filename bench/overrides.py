"""Daily users with a million overrides: none, all pending, and after the squash, in one run over one folder.

3.3M persons, 3M events of twelve properties over 90 days; 30 % of the persons were merged into another one. CPU is the
server's, for a query as for the squash: it says more than time where the machine is busy with other things.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench.properties import TEAM, timed
from bench.running import Running, serving
from hedgerow.core.storage.events import EventStore
from hedgerow.settings import Settings

EVENTS = 3_000_000
PERSONS = 3_333_330
MERGED_OF_TEN = 3
NEVER = {"squash_after_seconds": "1000000", "squash_at_overrides": "1000000000"}
NOW = {"squash_after_seconds": "1", "squash_at_overrides": "1"}
DAU = "SELECT toDate(timestamp) AS day, count(DISTINCT person_id) FROM events GROUP BY day ORDER BY day"
PROBE_SECONDS = 0.02
QUERIES = 8

_PERSON = "reinterpretAsUUID(toUInt128({number} + 1))"
_FILLER = ", ".join(f"'\"key_{n}\":\"value {n} ', toString(cityHash64(number, {n}) % 50), '\",'" for n in range(11))
_EVENTS = f"""
INSERT INTO events (team_id, uuid, event, timestamp, created_at, distinct_id, person_id, person_mode, person_created_at,
    properties)
SELECT {TEAM}, generateUUIDv4(number), ['$pageview', '$autocapture', 'order paid'][number % 3 + 1],
    now() - toIntervalSecond(cityHash64(number) % 7776000), now(), concat('d', toString(p)),
    {_PERSON.format(number="p")}, 'full', now(), concat('{{', {_FILLER}, '"n":', toString(number % 20), '}}')
FROM (SELECT number, cityHash64(number, 7) % {PERSONS} AS p FROM numbers({EVENTS}))
"""
_OVERRIDES = f"""
INSERT INTO person_overrides (team_id, distinct_id, person_id, is_deleted, version)
SELECT {TEAM}, concat('d', toString(number)), {_PERSON.format(number="intDiv(number, 10) * 10 + 9")}, false, 1
FROM numbers({PERSONS}) WHERE number % 10 < {MERGED_OF_TEN}
"""
_EXPORTED = "SELECT team_id, distinct_id, toString(person_id), version FROM person_overrides"


def overrides() -> dict[str, Any]:
    """Milliseconds of the query, its ratios to the one without overrides, and what the squash cost."""
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-overrides-"))
    try:
        with serving(folder):
            pass
        asyncio.run(_run(folder, _EVENTS))
        with serving(folder, **NEVER) as server:
            none = _timed(server)
        merged = asyncio.run(_merge(folder))
        with serving(folder, **NEVER) as server:
            pending = _timed(server)
            expected = server.query(DAU)["results"]
            single_event_ms = _probe(server, until=time.monotonic() + 5)
        with serving(folder, **NOW) as server:
            figures = _squash(server)
        with serving(folder, **NEVER) as server:
            after = _timed(server)
            same = _without_today(server.query(DAU)["results"]) == _without_today(expected)
        return {
            "events": EVENTS,
            "overrides": merged,
            "dau_none_ms": none[0],
            "dau_none_cpu_ms": none[1],
            "dau_pending_ms": pending[0],
            "dau_pending_cpu_ms": pending[1],
            "dau_after_squash_ms": after[0],
            "dau_after_squash_cpu_ms": after[1],
            "pending_ratio": pending[0] / none[0],
            "pending_cpu_ratio": pending[1] / none[1],
            "after_squash_ratio": after[0] / none[0],
            "after_squash_cpu_ratio": after[1] / none[1],
            "same_answer_before_and_after": same,
            **figures,
            "single_event_without_squash_p50_ms": single_event_ms[len(single_event_ms) // 2],
            "single_event_without_squash_p99_ms": single_event_ms[int(len(single_event_ms) * 0.99)],
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _timed(server: Running) -> tuple[float, float]:
    """The query's milliseconds (median), and the server's CPU milliseconds for one."""
    server.query(DAU)
    before = server.cpu_seconds()
    times = timed(lambda: server.query(DAU), QUERIES - 1)
    return times, (server.cpu_seconds() - before) * 1000 / QUERIES


async def _run(folder: Path, statement: str) -> None:
    store = await EventStore.open(Settings.load({}, data_dir=folder))
    await store.command(statement)
    await store.close()


async def _merge(folder: Path) -> int:
    """The overrides in both stores, as if commit number 1 had written them; how many."""
    store = await EventStore.open(Settings.load({}, data_dir=folder))
    await store.command(_OVERRIDES)
    rows = await store.rows(_EXPORTED)
    await store.close()
    with contextlib.closing(sqlite3.connect(folder / "hedgerow.db")) as database, database:
        database.execute("UPDATE write_counter SET value = 1")
        database.executemany(
            "INSERT INTO person_overrides (team_id, distinct_id, person_uuid, version) VALUES (?,?,?,?)", rows
        )
    return len(rows)


def _pending(folder: Path) -> int:
    with contextlib.closing(sqlite3.connect(folder / "hedgerow.db", timeout=30)) as database:
        return len(database.execute("SELECT 1 FROM person_overrides LIMIT 1").fetchall())


def _squash(server: Running) -> dict[str, Any]:
    """Wait for the squash of a server that was just started; events come in meanwhile, one at a time."""
    cpu, started = server.cpu_seconds(), time.monotonic()
    over = threading.Event()
    latencies: list[float] = []
    prober = threading.Thread(target=lambda: latencies.extend(_probe(server, over=over)))
    prober.start()
    while _pending(server.folder):
        time.sleep(0.05)
    seconds, cpu = time.monotonic() - started, server.cpu_seconds() - cpu
    over.set()
    prober.join()
    return {
        "squash_seconds": seconds,
        "squash_server_cpu_seconds": cpu,
        "squash_memory_max_mb": server.memory_bytes_max / (1 << 20),
        "single_events_meanwhile": len(latencies),
        "single_event_meanwhile_p50_ms": latencies[len(latencies) // 2],
        "single_event_meanwhile_p99_ms": latencies[int(len(latencies) * 0.99)],
    }


def _probe(server: Running, *, over: threading.Event | None = None, until: float = float("inf")) -> list[float]:
    """Send single events, 50 a second at most; their latencies in ms, sorted."""
    token = server.keys["project_token"]
    found: list[float] = []
    while not (over is not None and over.is_set()) and time.monotonic() < until:
        body = f'{{"api_key":"{token}","event":"probe","distinct_id":"probe {len(found)}"}}'.encode()
        asked = urllib.request.Request(f"{server.url}/capture/", body, {"Content-Type": "application/json"})
        started = time.perf_counter()
        with urllib.request.urlopen(asked, timeout=60):
            found.append((time.perf_counter() - started) * 1000)
        time.sleep(PROBE_SECONDS)
    return sorted(found)


def _without_today(days: list[list[Any]]) -> list[list[Any]]:
    """The last days have the probes in them."""
    return days[:-2]
