"""HogQL through the endpoint against the same SQL straight in chDB, and property access against the classic expression."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.running import Running, serving
from hedgerow.core.storage.events import EventStore
from hedgerow.settings import Settings

REPEATS = 5
PERSONS = 100_000
OVERRIDES = 1_000_000
TEAM = 1
SIXTY_LINES = "\n  UNION ALL\n".join(
    f"SELECT event, count() AS total, count(DISTINCT person_id) AS people,\n       avg(toFloat(properties.total)) AS mean\n"
    f"  FROM events\n WHERE timestamp >= now() - INTERVAL {n} DAY\n   AND properties.$browser IN ('Chrome', 'Safari')\n"
    f"   AND event != 'x{n}'\n GROUP BY event\nHAVING total > {n}"
    for n in range(1, 7)
)


def fill(folder: Path, events: int, *, merged_share: float = 0.0) -> None:
    """Make events, person versions and, with `merged_share`, overrides, out of ClickHouse's own generators."""
    asyncio.run(_fill(folder, events, merged_share))


async def _fill(folder: Path, events: int, merged_share: float) -> None:
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
        f" now() - toIntervalSecond(cityHash64(number) % 7776000), now(), concat('d', toString(p)),"
        f" reinterpretAsUUID(toUInt128(p + 1)), 'full', now(), {properties}, p + 1"
        f" FROM (SELECT number, cityHash64(number, 7) % {PERSONS} AS p FROM numbers({events}))"
    )
    traits = ", ".join(f"'\"trait_{n}\":\"value {n} of a trait ', toString(number % {n + 2}), '\",'" for n in range(36))
    person = f"concat('{{', '\"plan\":\"', ['free','pro','team'][number % 3 + 1], '\",', {traits}, '\"email\":\"u', toString(number), '@mail.example\"}}')"
    await store.command(
        f"INSERT INTO person_properties_versions (team_id, id, properties) SELECT {TEAM}, number + 1, {person} FROM numbers({PERSONS})"
    )
    if merged_share:
        await store.command(
            "INSERT INTO person_overrides (team_id, distinct_id, person_id, is_deleted, version)"
            f" SELECT {TEAM}, concat('d', toString(number)), reinterpretAsUUID(toUInt128(number % {int(PERSONS * merged_share)} + 1)), false, 1"
            f" FROM numbers({OVERRIDES}) WHERE number >= {PERSONS} OR number % 10 < {int(merged_share * 10)}"
        )
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
        folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-props-"))
        with serving(folder):
            pass
        fill(folder, events)
        sql = {
            "extract_declared_ms": f"SELECT {EXTRACT.format(column='properties', key='$browser')} AS k, count() FROM events WHERE team_id = {TEAM} GROUP BY k",
            "extract_other_ms": f"SELECT {EXTRACT.format(column='properties', key='rare')} AS k, count() FROM events WHERE team_id = {TEAM} GROUP BY k",
        }
        row = asyncio.run(_straight(folder, sql, repeats=2))
        with serving(folder) as server:
            hogql = {
                "declared_ms": "SELECT properties.$browser AS k, count() FROM events GROUP BY k",
                "other_ms": "SELECT properties.rare AS k, count() FROM events GROUP BY k",
                "person_ms": "SELECT person.properties.plan AS k, count() FROM events GROUP BY k",
                "person_filter_ms": "SELECT count() FROM events WHERE person.properties.plan = 'pro'",
                "other_filter_ms": "SELECT count() FROM events WHERE properties.rare = '7'",
            }
            row |= {name: timed(lambda text=text: server.query(text)) for name, text in hogql.items()}
        row["declared_times_faster"] = row["extract_declared_ms"] / row["declared_ms"]
        row["other_times_faster"] = row["extract_other_ms"] / row["other_ms"]
        row["person_over_event"] = row["person_ms"] / row["other_ms"]
        row["person_filter_over_event"] = row["person_filter_ms"] / row["other_filter_ms"]
        figures[f"{events // 1_000_000}M"] = row
    return figures


async def _straight(folder: Path, statements: dict[str, str], repeats: int = REPEATS) -> dict[str, float]:
    store = await EventStore.open(Settings.load({}, data_dir=folder))
    row: dict[str, float] = {}
    for name, sql in statements.items():
        times: list[float] = []
        for _ in range(repeats + 1):
            started = time.perf_counter()
            await store.query(sql)
            times.append((time.perf_counter() - started) * 1000)
        row[name] = statistics.median(times[1:])
    await store.close()
    return row


DAU = "SELECT toDate(timestamp) AS day, count(DISTINCT person_id) FROM events GROUP BY day ORDER BY day"


def overrides(events: int = 3_000_000) -> dict[str, float]:
    """Daily users with 30 % of the persons merged and a million overrides, against none."""
    times: dict[str, float] = {}
    for name, share in (("dau_without_ms", 0.0), ("dau_with_1m_overrides_ms", 0.3)):
        folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-dau-"))
        with serving(folder):
            pass
        fill(folder, events, merged_share=share)
        with serving(folder) as server:
            times[name] = timed(lambda server=server: server.query(DAU))
    times["ratio"] = times["dau_with_1m_overrides_ms"] / times["dau_without_ms"]
    return times


def endpoint() -> dict[str, float]:
    """What the endpoint adds to the SQL it runs, in ms: text seen before, a new text each time, a long query."""
    folder = Path(tempfile.mkdtemp(prefix="hedgerow-bench-endpoint-"))
    with serving(folder):
        pass
    fill(folder, 200_000)
    short = "SELECT event, count() FROM events GROUP BY event ORDER BY count() DESC LIMIT 10"
    row: dict[str, float] = {}
    with serving(folder) as server:
        row["short_cached_ms"] = timed(lambda: server.query(short), 30)
        numbers = iter(range(1_000_000))
        row["short_new_text_ms"] = timed(lambda: server.query(short.replace("10", str(100 + next(numbers)))), 30)
        row["sixty_lines_cached_ms"] = timed(lambda: server.query(SIXTY_LINES), 10)
        row["sixty_lines_new_text_ms"] = timed(lambda: server.query(f"{SIXTY_LINES}\n-- {next(numbers)}"), 10)
        sql = _sql_of(server, {"short": short, "sixty_lines": SIXTY_LINES})
    straight = asyncio.run(_straight(folder, sql, 30))
    row["short_straight_ms"], row["sixty_lines_straight_ms"] = straight["short"], straight["sixty_lines"]
    row["short_cached_adds_ms"] = row["short_cached_ms"] - row["short_straight_ms"]
    row["sixty_lines_cached_adds_ms"] = row["sixty_lines_cached_ms"] - row["sixty_lines_straight_ms"]
    row["sixty_lines_new_adds_ms"] = row["sixty_lines_new_text_ms"] - row["sixty_lines_straight_ms"]
    return row


def _sql_of(server: Running, texts: dict[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for name, text in texts.items():
        body = {"query": {"kind": "HogQLQuery", "query": text, "explain": True}, "refresh": "force_blocking"}
        made[name] = server.post(f"/api/projects/{server.keys['project_id']}/query/", body)["clickhouse"]
    return made
