"""Every call becomes an event, and counts in the sums of its hour; neither is ever in the caller's way (gateway §5.2).

Calls wait in a bounded queue. A task hands them on twice a second: to the `EventSink` that `server` gives (none when the
gateway runs alone and no address is set), and as sums to the table of usage. What does not fit is counted and dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec
from prometheus_client import Counter
from sqlalchemy import Executable
from sqlalchemy.dialects import postgresql, sqlite

from hedgerow.core.clock import Clock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.metadata import Metadata
from hedgerow.core.telemetry import REGISTRY, log
from hedgerow.gateway.models import Usage

QUEUE_MAX: Final = 20_000
BATCH_MAX: Final = 1_000
SLICE: Final = 100
"""Calls that are added up in one go: a third of a millisecond at most."""
EVERY_SECONDS: Final = 0.5
FORGET_EVERY_SECONDS: Final = 3_600.0
NOBODY: Final = UUID(int=0)
HOUR_US: Final = 3_600_000_000
ROUTES_MAX: Final = 5_000

calls_total = Counter("hedgerow_gateway_calls", "Calls through the gateway", ["origin"], registry=REGISTRY)
calls_lost = Counter("hedgerow_gateway_calls_lost", "Calls that could not be noted as events", registry=REGISTRY)

_counts: Final = {name: calls_total.labels(origin=name) for name in ("gateway", "upstream", "cache", "replay")}
_PLAIN_SEGMENT: Final = re.compile(r"@?[a-z][a-z_\-.]{0,40}|e|s|v0|v1|v2")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class GatewayCall(msgspec.Struct, kw_only=True):
    """What is known of a call when it is over. Durations are microseconds. Holds no secret and no value of a query."""

    event_uuid: str
    """Of the event that it becomes, so that one that is sent twice is stored once."""
    at_us: int
    request_id: str
    key_id: UUID | None
    key_name: str
    user_id: int
    connection_id: UUID | None
    connection_name: str
    app: str
    method: str
    route: str
    """The path with ids replaced: `/api/projects/{id}/insights/`."""
    query_names: list[str]
    status: int
    origin: str
    """Who answered: `gateway`, `upstream`, `cache`, `replay`."""
    code: str | None
    """Of a refusal by the gateway."""
    policy: str
    """`allowed`, or the rule that refused."""
    upstream_us: int
    gateway_us: int
    bytes_in: int
    bytes_out: int
    retries: int
    ended: str
    """`complete`, `client gone`, `cut`."""


class EventSink(Protocol):
    """Where calls go as events. May be slow and may raise; what it raises is logged."""

    async def store(self, calls: Sequence[GatewayCall]) -> None:
        """Store them all."""
        ...


class Accounting:
    """Takes calls without waiting. `start` it, and `stop` it before the stores close."""

    def __init__(
        self,
        metadata: Metadata,
        clock: Clock,
        sink: EventSink | None,
        *,
        forget_old: Sequence[Callable[[], Awaitable[None]]] = (),
    ) -> None:
        """Sums go to `metadata`, events to `sink`. `forget_old` is called once an hour, to drop what is over."""
        self._forget_old = forget_old
        self._forgot_at = clock.monotonic()
        self._metadata = metadata
        self._upsert = _upsert(metadata.dialect)
        self._clock = clock
        self._sink = sink
        self._calls: deque[GatewayCall] = deque()
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    async def start(self) -> None:
        """Begin to hand on."""
        self._task = asyncio.create_task(self._run(), name="gateway: accounting")

    async def stop(self) -> None:
        """Hand on what waits, and end."""
        self._ending.set()
        if self._task is not None:
            await self._task
        await self.flush()

    def add(self, call: GatewayCall) -> None:
        """Note a call."""
        _counts[call.origin].inc()
        if len(self._calls) >= QUEUE_MAX:
            calls_lost.inc()
            return
        self._calls.append(call)

    async def flush(self) -> None:
        """Hand on everything that waits now."""
        async with self._one_at_a_time:
            calls = [self._calls.popleft() for _ in range(len(self._calls))]
            sums = dict[tuple[Any, ...], dict[str, Any]]()
            for start in range(0, len(calls), SLICE):
                _add_up(sums, calls[start : start + SLICE])
                await asyncio.sleep(0)  # calls go on meanwhile
            await self._store_sums(list(sums.values()))
            for start in range(0, len(calls), BATCH_MAX):
                await self._store_events(calls[start : start + BATCH_MAX])

    async def forget_old(self) -> None:
        """Drop what is over, now."""
        for forget in self._forget_old:
            try:
                await forget()
            except MetadataUnavailable as error:
                log("gateway").warning("old_rows_stay", error=str(error))

    async def _run(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._ending.wait()
            await self.flush()
            if self._clock.monotonic() - self._forgot_at >= FORGET_EVERY_SECONDS:
                self._forgot_at = self._clock.monotonic()
                await self.forget_old()

    async def _store_events(self, batch: list[GatewayCall]) -> None:
        if self._sink is None:
            return
        try:
            await self._sink.store(batch)
        except Exception as error:  # noqa: BLE001 — a sink that fails must not end the accounting
            calls_lost.inc(len(batch))
            log("gateway").warning("calls_not_stored", count=len(batch), error=f"{type(error).__name__}: {error}")

    async def _store_sums(self, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        try:
            async with self._metadata.connection() as connection:
                await connection.execute(self._upsert, rows)
        except MetadataUnavailable as error:
            count = sum(row["calls"] for row in rows)
            log("gateway").warning("usage_not_stored", count=count, error=str(error))


def _upsert(dialect: str) -> Executable:
    """A row of sums: a new one, or added to the one that there is."""
    statement = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(Usage)
    added = {name: getattr(Usage, name) + getattr(statement.excluded, name) for name in _SUMMED}
    keys = ["hour_us", "key_id", "connection_id", "route"]
    return statement.on_conflict_do_update(index_elements=keys, set_=added)


_SUMMED: Final = ("calls", "refused", "failed", "bytes_in", "bytes_out", "upstream_us", "gateway_us")


def _add_up(rows: dict[tuple[Any, ...], dict[str, Any]], calls: list[GatewayCall]) -> None:
    for call in calls:
        if call.key_id is None:
            continue
        hour_us = call.at_us - call.at_us % HOUR_US
        connection_id = call.connection_id or NOBODY
        route = f"{call.method} {call.route}"[:200]
        key = (hour_us, call.key_id, connection_id, route)
        row = rows.get(key)
        if row is None:
            row = rows[key] = dict.fromkeys(_SUMMED, 0)
            row |= {
                "hour_us": hour_us,
                "key_id": call.key_id,
                "connection_id": connection_id,
                "route": route,
                "user_id": call.user_id,
            }
        row["calls"] += 1
        row["refused"] += call.origin == "gateway"
        row["failed"] += call.origin != "gateway" and call.status >= 400
        for name in ("bytes_in", "bytes_out", "upstream_us", "gateway_us"):
            row[name] += getattr(call, name)


@lru_cache(ROUTES_MAX)
def route_of(path: str) -> str:
    """A path with everything that is no fixed word replaced, so that calls group: `/api/projects/{id}/insights/`."""
    made = [_template(segment) for segment in path.split("/")[1:9] if segment]
    return "/" + "".join(segment + "/" for segment in made)


def _template(segment: str) -> str:
    if _PLAIN_SEGMENT.fullmatch(segment):
        return segment
    if segment.isascii() and segment.isdigit():
        return "{id}"
    return "{uuid}" if _UUID.fullmatch(segment) else "{value}"
