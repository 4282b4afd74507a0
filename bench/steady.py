"""A load that does not wait: requests at a fixed rate over some connections, each one's latency counted from when it was due.

`python -m bench.steady HOST PORT PATH CONNECTIONS RATE FILE` sends every body of the pickled list in FILE once, RATE of them
a second, and prints one JSON object. When all connections are busy a request waits, and that counts as latency.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from collections import Counter, deque
from pathlib import Path

import uvloop

from bench.load import request


class Steady:
    """The requests that are due, and the connections that are free."""

    def __init__(self, requests: list[bytes], rate: float) -> None:
        self.requests = requests
        self.rate = rate
        self.due: deque[tuple[float, bytes]] = deque()
        self.free: list[Line] = []
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self.loop.create_future()

    async def run(self) -> None:
        """Send all and wait for the last answer."""
        started, sent = self.loop.time(), 0
        while sent < len(self.requests):
            now = self.loop.time()
            until = min(len(self.requests), int((now - started) * self.rate) + 1)
            for number in range(sent, until):
                self.due.append((started + number / self.rate, self.requests[number]))
            sent = until
            self.hand_out()
            await asyncio.sleep(0.001)
        await self.done

    def hand_out(self) -> None:
        while self.due and self.free:
            self.free.pop().send(*self.due.popleft())

    def answered(self, line: Line, status: str, due: float) -> None:
        self.statuses[status] += 1
        self.latencies.append(self.loop.time() - due)
        self.free.append(line)
        if len(self.latencies) == len(self.requests):
            self.done.set_result(None)
        else:
            self.hand_out()


class Line(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, steady: Steady) -> None:
        self.steady = steady
        self.buffer = b""
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.steady.free.append(self)

    def send(self, due: float, data: bytes) -> None:
        self.due = due
        self.transport.write(data)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        self.steady.answered(self, head[9:12].decode(), self.due)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.steady.done.done():
            self.steady.done.set_exception(exc or ConnectionError("the server closed the connection"))


async def run(host: str, port: int, connections: int, rate: float, requests: list[bytes]) -> dict[str, object]:
    steady = Steady(requests, rate)
    for _ in range(connections):
        await steady.loop.create_connection(lambda: Line(steady), host, port)
    await steady.run()
    ordered = sorted(steady.latencies)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    return {
        "requests": len(ordered),
        "statuses": dict(steady.statuses),
        "p50_ms": at(0.5),
        "p90_ms": at(0.9),
        "p99_ms": at(0.99),
        "max_ms": ordered[-1] * 1000,
    }


if __name__ == "__main__":
    _, host, port, path, connections, rate, file = sys.argv
    bodies: list[bytes] = pickle.loads(Path(file).read_bytes())
    all_requests = [request(f"{host}:{port}", path, body, zipped=False) for body in bodies]
    print(json.dumps(uvloop.run(run(host, int(port), int(connections), float(rate), all_requests))))
