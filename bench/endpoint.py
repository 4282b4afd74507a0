"""What the endpoint adds to the SQL that it runs: both timed in turns, in one process, by a client outside of it."""

from __future__ import annotations

import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.inside import Inside, inside
from bench.properties import fill
from bench.running import serving
from hedgerow.hogql import parse_select

EVENTS = 200_000
TURNS = 60
LONG_TURNS = 8
WARM_TURNS = 5
SIXTY_LINES = "-- how each event does, window by window\n" + "\n  UNION ALL\n".join(
    f"SELECT event, count() AS total, count(DISTINCT person_id) AS people,\n       avg(toFloat(properties.total)) AS mean,\n"
    f"       uniq(distinct_id) AS ids\n  FROM events\n WHERE timestamp >= now() - INTERVAL {n} DAY\n"
    f"   AND properties.$browser IN ('Chrome', 'Safari')\n   AND event != 'x{n}'\n GROUP BY event\nHAVING total > {n}"
    for n in range(1, 7)
)
TEXTS = {
    "short": "SELECT event, count() FROM events GROUP BY event ORDER BY count() DESC LIMIT 10",
    "sixty_lines": SIXTY_LINES,
    "star_of_100_rows": "SELECT * FROM events LIMIT 100",
    "20000_rows_with_moments": "SELECT uuid, event, distinct_id, timestamp FROM events LIMIT 20000",
}
LONG = "SELECT sum(cityHash64(uuid, n)) FROM events ARRAY JOIN range(1200) AS n"


def endpoint() -> dict[str, float]:
    """Milliseconds: medians of the answers, of the bare SQL, and of what an answer took more than its neighbour in turn."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-endpoint-") as folder:
        with serving(Path(folder)) as server:
            keys = server.keys
        fill(Path(folder), EVENTS)
        return uvloop.run(_endpoint(Path(folder), keys))


async def _endpoint(folder: Path, keys: dict[str, str]) -> dict[str, float]:
    row = {"sixty_lines_parse_ms": parse_milliseconds(SIXTY_LINES)}
    async with inside(folder, keys) as running:
        for name, text in TEXTS.items():
            row |= await _in_turns(running, name, text, itertools.repeat(text), TURNS)
            row |= await _in_turns(running, f"{name}_new", text, (f"{text}\n-- {n}" for n in itertools.count()), TURNS)
        row |= await _in_turns(running, "long", LONG, itertools.repeat(LONG), LONG_TURNS)
    row["sixty_lines_new_adds_beside_parse_ms"] = row["sixty_lines_new_adds_ms"] - row["sixty_lines_parse_ms"]
    row["long_adds_share"] = row["long_adds_ms"] / row["long_straight_ms"]
    return row


async def _in_turns(running: Inside, name: str, text: str, texts: Iterator[str], turns: int) -> dict[str, float]:
    statement = await running.statement_of(text)
    answers: list[float] = []
    straight: list[float] = []
    for turn in range(-WARM_TURNS if turns > WARM_TURNS else -1, turns):
        answer, bare = await running.ask(next(texts)), await running.straight(statement)
        if turn >= 0:
            answers.append(answer)
            straight.append(bare)
    return {
        f"{name}_ms": statistics.median(answers),
        f"{name}_straight_ms": statistics.median(straight),
        f"{name}_adds_ms": statistics.median(a - b for a, b in zip(answers, straight, strict=True)),
    }


def parse_milliseconds(text: str, turns: int = 50) -> float:
    """The median of parsing a text."""
    times: list[float] = []
    for _ in range(turns):
        started = time.perf_counter()
        parse_select(text)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    print(json.dumps(endpoint(), indent=2))
