"""What ingest and small queries keep while heavy queries run without a pause (HogQL's budget beside the writer)."""

from __future__ import annotations

import json
import statistics
import threading
import time
import urllib.error
from collections.abc import Sequence
from typing import Any, Self

from bench.running import Running, serving
from bench.traffic import bodies, mix

EVENTS = 60_000
BATCH = 100
CONNECTIONS = 32
SMALL_QUERIES = 300
HEAVY = (
    (
        "SELECT cityHash64(a.number, b.number) % 1000000 AS k, count() FROM numbers(100000) AS a CROSS JOIN numbers(100000) AS b"
        " GROUP BY k ORDER BY k LIMIT 10"
    ),
    "SELECT uuid, properties FROM events ORDER BY cityHash64(uuid) LIMIT 10",
    "SELECT properties.$insert_id AS k, count(), uniqExact(properties.$current_url) FROM events GROUP BY k ORDER BY k LIMIT 10",
)
"""One that never ends within its time, one that sorts everything, one that groups by a unique key."""
SMALL = "SELECT count() FROM events WHERE event = '$identify' AND timestamp >= now() - INTERVAL 1 DAY"


def beside() -> dict[str, Any]:
    """Events a second of the mix, and milliseconds of small queries, alone and beside heavy ones."""
    with serving() as server:
        token = server.keys["project_token"]
        _rate(server, bodies(token, mix(EVENTS // 4), BATCH))
        quiet = _rate(server, bodies(token, mix(EVENTS, seed=2), BATCH))
        small_quiet = _small(server)
        figures: dict[str, Any] = {"ingest_alone_per_second": quiet, "small_p99_alone_ms": small_quiet}
        for name, texts in (("one", HEAVY[:1]), ("three", HEAVY)):
            with Heavy(server, texts) as heavy:
                loaded = _rate(server, bodies(token, mix(EVENTS, seed=len(texts) + 2), BATCH))
                small_loaded = _small(server)
            figures[name] = {
                "ingest_per_second": loaded,
                "ingest_kept": loaded / quiet,
                "small_p99_ms": small_loaded,
                "small_p99_times": small_loaded / small_quiet,
                "heavy_answers": heavy.answers,
            }
        return figures


def _rate(server: Running, made: list[bytes]) -> float:
    figures = server.load(made, CONNECTIONS)
    assert figures["statuses"] == {"200": len(made)}, figures["statuses"]
    return len(made) * BATCH / figures["seconds"]


def _small(server: Running) -> float:
    times: list[float] = []
    for _ in range(SMALL_QUERIES):
        started = time.perf_counter()
        server.query(SMALL)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.quantiles(times, n=100)[98]


class Heavy:
    """Threads that each send one heavy query after the other, for as long as the block runs."""

    def __init__(self, server: Running, texts: Sequence[str]) -> None:
        self._server = server
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(text,), daemon=True) for text in texts]
        self.answers: dict[str, int] = {}

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        time.sleep(2)
        return self

    def __exit__(self, *_: object) -> None:
        """Let each come to its end."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, text: str) -> None:
        while not self._stopped.is_set():
            try:
                self._server.query(text)
                answer = "200"
            except urllib.error.HTTPError as error:
                answer = str(error.code)
            except OSError:
                return
            self.answers[answer] = self.answers.get(answer, 0) + 1


if __name__ == "__main__":
    print(json.dumps(beside(), indent=2))
