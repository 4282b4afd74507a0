"""Calls one thing over and over: `python -m bench.caller PORT CONNECTIONS CALLS SECONDS RATE`, the request on standard input.

CALLS of 0 means as many as fit in SECONDS. With RATE, calls begin at that rate whatever the server does, and latency counts
from when a call should have begun; without it, each connection calls as soon as it has its answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter, deque

import uvloop


class Connection(asyncio.Protocol):
    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def send(self, began: float) -> None:
        self.began = began
        self.transport.write(self.run.text)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        self.run.answered(self, head[9:12].decode())


class Run:
    def __init__(self, text: bytes, calls: int, seconds: float, rate: float) -> None:
        self.text, self.calls, self.seconds, self.rate = text, calls, seconds, rate
        self.latencies: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.idle: list[Connection] = []
        self.due: deque[float] = deque()
        self.sent = 0
        self.over = asyncio.get_running_loop().create_future()

    def has_more(self) -> bool:
        return self.sent < self.calls if self.calls else time.perf_counter() < self.ends

    async def go(self, port: int, connections: int) -> dict[str, object]:
        loop = asyncio.get_running_loop()
        made = [
            (await loop.create_connection(lambda: Connection(self), "127.0.0.1", port))[1] for _ in range(connections)
        ]
        started = time.perf_counter()
        self.ends = started + self.seconds
        if self.rate:
            self.idle = list(made)
            await self.pace(started)
        else:
            for connection in made:
                self.next(connection)
            await self.over
        took = time.perf_counter() - started
        ordered = sorted(self.latencies)
        return {
            "calls": len(ordered),
            "rate": len(ordered) / took,
            "statuses": dict(self.statuses),
            "p50_ms": ordered[len(ordered) // 2] * 1000,
            "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        }

    async def pace(self, started: float) -> None:
        while (now := time.perf_counter()) < self.ends:
            while started + self.sent / self.rate <= now:
                self.due.append(started + self.sent / self.rate)
                self.sent += 1
            while self.due and self.idle:
                self.idle.pop().send(self.due.popleft())
            await asyncio.sleep(0.0005)
        while self.due or len(self.latencies) < self.sent:
            while self.due and self.idle:
                self.idle.pop().send(self.due.popleft())
            await asyncio.sleep(0.001)

    def next(self, connection: Connection) -> None:
        if self.has_more():
            self.sent += 1
            connection.send(time.perf_counter())
        elif len(self.latencies) >= self.sent and not self.over.done():
            self.over.set_result(None)

    def answered(self, connection: Connection, status: str) -> None:
        self.latencies.append(time.perf_counter() - connection.began)
        self.statuses[status] += 1
        if self.rate:
            self.idle.append(connection)
        else:
            self.next(connection)


async def main() -> None:
    port, connections, calls, seconds, rate = sys.argv[1:]
    run = Run(sys.stdin.buffer.read(), int(calls), float(seconds), float(rate))
    print(json.dumps(await run.go(int(port), int(connections))))


if __name__ == "__main__":
    uvloop.run(main())
