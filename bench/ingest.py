"""Ingest over HTTP, stored before it is acknowledged, against the raw insert of the same final rows."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.running import MEGABYTE, Running, serving
from bench.traffic import bodies, mix, small
from hedgerow.core.storage.events import EventStore
from hedgerow.core.storage.schema.columns import INSERT_COLUMNS
from hedgerow.settings import Settings

MIX_EVENTS = 120_000
SMALL_EVENTS = 240_000
SINGLE_EVENTS = 24_000
RAW_BLOCK = 5_000
CONNECTIONS = 32
"""Of clients that send batches, each its next one when the last is stored; 8 leave the server waiting for them."""


def ingest() -> dict[str, Any]:
    """Rates in events a second; ratios to the raw insert; latencies in milliseconds."""
    figures: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-mix-"))
    with serving(folder) as server:
        time.sleep(1)
        figures["memory_idle_mb"] = server.process.memory_info().rss / MEGABYTE
        server.reset()
        figures["mix"] = _send(server, bodies(server.keys["project_token"], mix(MIX_EVENTS), 100), MIX_EVENTS)
    figures["mix"] |= raw_rate(folder, MIX_EVENTS, figures["mix"]["events_per_second"])
    shutil.rmtree(folder, ignore_errors=True)
    with serving() as server:
        figures["small"] = _send(server, bodies(server.keys["project_token"], small(SMALL_EVENTS), 100), SMALL_EVENTS)
    with serving() as server:
        single = bodies(server.keys["project_token"], small(SINGLE_EVENTS), 1, zipped=False)
        figures["single_64_connections"] = _send(server, single, SINGLE_EVENTS, connections=64)
    with serving() as server:
        many = bodies(server.keys["project_token"], mix(MIX_EVENTS // 2, keys=50_000), 100)
        figures["mix_50000_keys"] = _send(server, many, MIX_EVENTS // 2)
        figures["mix_50000_keys"]["ratio_to_mix"] = (
            figures["mix_50000_keys"]["events_per_second"] / figures["mix"]["events_per_second"]
        )
        other = server.post(f"/api/organizations/{server.keys['organization_id']}/projects/", {"name": "Other"})
        neighbour = server.load(bodies(other["api_token"], mix(MIX_EVENTS // 2, seed=3), 100), CONNECTIONS)
        assert neighbour["statuses"] == {"200": neighbour["requests"]}, neighbour["statuses"]
        figures["mix_50000_keys"]["other_project_ratio_to_mix"] = (
            MIX_EVENTS / 2 / neighbour["seconds"] / figures["mix"]["events_per_second"]
        )
    with serving(durability="fsync") as server:
        synced = bodies(server.keys["project_token"], mix(MIX_EVENTS // 2), 100)
        figures["mix_fsync"] = _send(server, synced, MIX_EVENTS // 2)
        figures["mix_fsync"]["ratio_to_mix"] = (
            figures["mix_fsync"]["events_per_second"] / figures["mix"]["events_per_second"]
        )
    return figures


def _send(server: Running, made: list[bytes], events: int, connections: int = CONNECTIONS) -> dict[str, Any]:
    figures = server.load(made, connections)
    figures["connections"] = connections
    assert figures["statuses"] == {"200": figures["requests"]}, figures["statuses"]
    stored = server.query("SELECT count() FROM events")["results"][0][0]
    assert stored == events, f"{stored} of {events} events are there"
    figures["events_per_second"] = events / figures["seconds"]
    figures["server_cpu_us_per_event"] = figures["server_cpu_seconds"] / events * 1e6
    figures["server_cpu_us_per_event_by_thread"] = {
        kind: round(seconds / events * 1e6, 1) for kind, seconds in figures.pop("server_cpu_seconds_by_thread").items()
    }
    figures["memory_max_mb"] = server.memory_bytes_max / MEGABYTE
    figures["open_files_max"] = server.open_files_max
    return figures


def raw_rate(folder: Path, events: int, ingest_rate: float) -> dict[str, float]:
    """Insert the very rows that ingest stored into fresh tables, two at a time, and compare."""
    return asyncio.run(_raw_rate(folder, events, ingest_rate))


async def _raw_rate(folder: Path, events: int, ingest_rate: float) -> dict[str, float]:
    store = await EventStore.open(Settings.load({}, data_dir=folder))
    blocks: list[tuple[str, bytes]] = []
    kept = ("events", "persons", "person_distinct_ids", "person_overrides", "groups", "person_properties_versions")
    for table in kept:
        columns = ", ".join(f"`{name}`" for name in INSERT_COLUMNS[table] if name != "indexed_properties")
        body = await store.query(f"SELECT {columns} FROM {table}", fmt="JSONEachRow")
        lines = body.splitlines()
        blocks += [(table, b"\n".join(lines[at : at + RAW_BLOCK])) for at in range(0, len(lines), RAW_BLOCK)]
    bytes_per_event = (
        await store.rows("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'events'")
    )[0][0] / events
    for table in kept:
        await store.command(f"TRUNCATE TABLE {table}")
    started = time.perf_counter()
    numbered = iter(enumerate(blocks))

    async def insert() -> None:
        for number, (table, lines) in numbered:
            await store.insert(table, lines, token=f"raw-{number}")

    await asyncio.gather(insert(), insert())
    rate = events / (time.perf_counter() - started)
    await store.close()
    return {"raw_events_per_second": rate, "ratio_to_raw": ingest_rate / rate, "bytes_per_event": bytes_per_event}
