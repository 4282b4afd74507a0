"""A load generator that costs little: keep-alive connections that send bodies made beforehand.

Run as a process of its own (`python -m bench.load HOST PORT PATH CONNECTIONS FILE`), it prints one JSON object: requests
by status, seconds, its own CPU seconds, and latencies in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import time
from collections import Counter
from pathlib import Path

import uvloop


class Connection(asyncio.Protocol):
    """One keep-alive connection: sends the next request when an answer is complete."""

    def __init__(self, requests: list[bytes], done: asyncio.Future[None], figures: Figures) -> None:
        self.requests, self.done, self.figures = requests, done, figures
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        if not self.requests:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self.sent = time.perf_counter()
        self.transport.write(self.requests.pop())  # type: ignore[attr-defined]

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
        self.figures.statuses[head[9:12].decode()] += 1
        self.figures.latencies.append(time.perf_counter() - self.sent)
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


class Figures:
    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []


async def run(host: str, port: int, connections: int, requests: list[bytes]) -> dict[str, object]:
    """Send every request once over `connections` connections."""
    figures = Figures()
    loop = asyncio.get_running_loop()
    requests.reverse()
    started, cpu = time.perf_counter(), time.process_time()
    ends: list[asyncio.Future[None]] = []
    for _ in range(connections):
        done: asyncio.Future[None] = loop.create_future()
        ends.append(done)
        await loop.create_connection(lambda done=done: Connection(requests, done, figures), host, port)
    await asyncio.gather(*ends)
    seconds = time.perf_counter() - started
    ordered = sorted(figures.latencies)
    return {
        "requests": len(ordered),
        "statuses": dict(figures.statuses),
        "seconds": seconds,
        "load_generator_cpu_seconds": time.process_time() - cpu,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
    }


def request(host: str, path: str, body: bytes, *, zipped: bool) -> bytes:
    encoding = "Content-Encoding: gzip\r\n" if zipped else ""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{encoding}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


if __name__ == "__main__":
    _, host, port, path, connections, file = sys.argv
    made: list[bytes] = pickle.loads(Path(file).read_bytes())
    zipped = bool(made) and made[0].startswith(b"\x1f\x8b")
    all_requests = [request(f"{host}:{port}", path, body, zipped=zipped) for body in made]
    print(json.dumps(uvloop.run(run(host, int(port), int(connections), all_requests))))
