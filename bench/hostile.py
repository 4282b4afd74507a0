"""What single events wait while somebody sends queries that are meant to hurt, against what they wait in quiet."""

from __future__ import annotations

import contextlib
import http.client
import json
import pickle
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from typing import Any

from tests.queries.hostile_texts import TEXTS

from bench.running import HOST, Running, serving
from bench.traffic import bodies, small

CONNECTIONS = 64
PROBE_EVENTS = 6_000
ROUNDS = 3
SECONDS = 10
WARM_SECONDS = 5
ENDLESS_QUERIES = 4
HOSTILE_CLIENTS = 2
SHARE_OF_PEAK = 0.25
"""Of what 64 connections reach that never pause: a busy day, not the brink."""
ENDLESS = (
    "SELECT count() FROM numbers(1000000) a CROSS JOIN numbers(1000000) b WHERE cityHash64(a.number, b.number) = {n}"
)
HEAVY = {
    "groupArray of 10^9": "SELECT length(groupArray(number)) FROM numbers(1000000000)",
    "a cross join": ENDLESS.format(n=0),
    "a sort of 10^9": "SELECT number FROM numbers(1000000000) ORDER BY cityHash64(number) LIMIT 5",
}
ALL_TEXTS = [*((name, make()) for name, make in TEXTS.items()), *HEAVY.items()]
EXPECTED = {200, 400, 429, 503, 504}


def hostile() -> dict[str, Any]:
    """Latencies in ms of single events at a moderate rate, by turns in quiet and under attack."""
    with serving() as server:
        token = server.keys["project_token"]
        peaks: list[dict[str, Any]] = [
            server.load(bodies(token, small(PROBE_EVENTS, seed=seed), 1, zipped=False), CONNECTIONS) for seed in (7, 8)
        ]
        rate = peaks[-1]["requests"] / peaks[-1]["seconds"] * SHARE_OF_PEAK
        sent = 2 * PROBE_EVENTS + steady(server, rate, WARM_SECONDS)["requests"]
        quiet: list[dict[str, Any]] = []
        attacked: list[dict[str, Any]] = []
        attack = Attack(server)
        for _ in range(ROUNDS):
            quiet.append(steady(server, rate))
            with attack:
                attacked.append(steady(server, rate))
            sent += quiet[-1]["requests"] + attacked[-1]["requests"]
        stored = server.query("SELECT count() FROM events")["results"][0][0]
        assert stored == sent, f"{stored} of {sent} events are there"
    figures: dict[str, Any] = {"events_per_second": rate, "quiet": quiet, "attacked": attacked, **attack.figures()}
    assert {int(status) for status in figures["query_statuses"]} <= EXPECTED, figures["query_statuses"]
    more = [a["p99_ms"] - b["p99_ms"] for a, b in zip(attacked, quiet, strict=True)]
    return {**figures, "p99_more_ms": statistics.median(more)}


def steady(server: Running, rate: float, seconds: float = SECONDS) -> dict[str, Any]:
    """Single events at a fixed rate, from a process of its own."""
    made = bodies(server.keys["project_token"], small(int(rate * seconds)), 1, zipped=False)
    with tempfile.NamedTemporaryFile(suffix=".bodies") as file:
        pickle.dump(made, file)
        file.flush()
        command = [sys.executable, "-m", "bench.steady", HOST, str(server.port), "/batch/", str(CONNECTIONS), str(rate)]
        done = subprocess.run([*command, file.name], capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    assert figures["statuses"] == {"200": figures["requests"]}, figures["statuses"]
    return figures


class Attack:
    """Endless queries, and clients that send every hostile text over and over, for as long as the block runs."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._stopped = threading.Event()
        self._statuses: Counter[int] = Counter()
        self._slowest = ("", 0.0)
        self._open: set[http.client.HTTPConnection] = set()
        self._threads: list[threading.Thread] = []
        self._next_text = 0

    def __enter__(self) -> None:
        self._stopped.clear()
        self._threads = [threading.Thread(target=self._endless, args=(n,)) for n in range(ENDLESS_QUERIES)]
        self._threads += [threading.Thread(target=self._texts) for _ in range(HOSTILE_CLIENTS)]
        for thread in self._threads:
            thread.start()
        time.sleep(2)

    def __exit__(self, *_: object) -> None:
        """Hang up on all."""
        self._stopped.set()
        for connection in list(self._open):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def figures(self) -> dict[str, Any]:
        """What became of the texts."""
        return {
            "query_statuses": {str(status): count for status, count in self._statuses.items()},
            "slowest_text": self._slowest[0],
            "slowest_text_seconds": self._slowest[1],
        }

    def _endless(self, number: int) -> None:
        name = f"endless-{number}"
        while not self._stopped.is_set():
            self._post({"query": ENDLESS.format(n=number)}, client_query_id=name, refresh="force_async")
            while not self._stopped.wait(0.5) and self._request("GET", f"{name}/")[0] == 202:
                pass
        self._request("DELETE", f"{name}/")

    def _texts(self) -> None:
        while not self._stopped.is_set():
            name, text = ALL_TEXTS[self._next_text % len(ALL_TEXTS)]
            self._next_text += 1
            started = time.perf_counter()
            try:
                self._statuses[self._post({"query": text}, refresh="force_blocking")] += 1
            except (OSError, http.client.HTTPException):
                if not self._stopped.is_set():
                    raise
            else:
                self._slowest = max(self._slowest, (name, time.perf_counter() - started), key=lambda each: each[1])

    def _post(self, node: dict[str, Any], **more: Any) -> int:
        return self._request("POST", "", {"query": {"kind": "HogQLQuery", **node}, **more})[0]

    def _request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        keys = self._server.keys
        connection = http.client.HTTPConnection(HOST, self._server.port, timeout=120)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {keys['personal_api_key']}"}
        data = None if body is None else json.dumps(body).encode()
        self._open.add(connection)
        try:
            connection.request(method, f"/api/projects/{keys['project_id']}/query/{path}", data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            self._open.discard(connection)
            connection.close()


if __name__ == "__main__":
    print(json.dumps(hostile(), indent=2))
