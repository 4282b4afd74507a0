"""How a kind reaches ClickHouse: under limits, in its turn, and so that it can be stopped."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Hashable
from typing import Any, Final

import msgspec

from hedgerow.core.clock import Clock
from hedgerow.core.http import Team
from hedgerow.core.storage.events import EventStore, StoreError, StoreUnavailable
from hedgerow.core.telemetry import query_seconds
from hedgerow.hogql import CompiledQuery, HogQLError, ProjectSchema
from hedgerow.queries import rows as rows_
from hedgerow.queries.compiled import Compiled, Compiler
from hedgerow.queries.errors import ServiceUnavailable, from_hogql, from_store
from hedgerow.queries.gate import Gate
from hedgerow.queries.rows import has_moments, read_rows
from hedgerow.queries.ticket import Ticket
from hedgerow.settings import Settings

LARGE_BYTES: Final = 200_000
"""A larger request or answer is taken apart in a thread."""
WRAPPING_FAILED: Final = {"UNKNOWN_IDENTIFIER", "AMBIGUOUS_IDENTIFIER", "ILLEGAL_TYPE_OF_ARGUMENT"}


def query_limits(settings: Settings) -> dict[str, object]:
    """ClickHouse settings that hold one query: time, memory, size of the answer, threads, nothing but reading."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "readonly": 2,
        "max_execution_time": settings.query_max_seconds,
        "timeout_overflow_mode": "throw",
        "max_memory_usage": settings.query_max_memory_bytes,
        "max_result_bytes": settings.query_max_result_bytes,
        "result_overflow_mode": "throw",
        "max_threads": settings.query_threads or max(1, cores - 1),
    }


class Tools(msgspec.Struct, frozen=True):
    """What all calculations share."""

    events: EventStore
    settings: Settings
    clock: Clock
    gate: Gate
    compiler: Compiler
    limits: dict[str, object]


class Answered(msgspec.Struct, frozen=True):
    """Rows of a response."""

    parts: list[bytes]
    """JSON, in pieces: a list of rows."""
    types: list[str]
    """ClickHouse's types of the columns."""
    has_more: bool


class KindAnswer(msgspec.Struct, frozen=True):
    """What a kind calculated."""

    results: list[bytes]
    """The field `results` of the response: JSON, in pieces."""
    fields: msgspec.Struct
    """The kind's other fields."""
    may_be_kept: bool = True
    """Whether the next who asks the same may get it."""

    def body(self) -> tuple[bytes, ...]:
        """One JSON object, in pieces."""
        return (b'{"results":', *self.results, b"," + msgspec.json.encode(self.fields)[1:])


class Run:
    """One calculation of one kind."""

    def __init__(  # noqa: PLR0917 — made in one place
        self, tools: Tools, team: Team, schema: ProjectSchema, key: str, ticket: Ticket, size: int
    ) -> None:
        """`key` is whose places at the gate it takes, `size` the bytes of the request."""
        self._tools = tools
        self.team = team
        self.schema = schema
        self.clock = tools.clock
        self.settings = tools.settings
        self.size = size
        self._key = key
        self._ticket = ticket
        self._started = tools.clock.monotonic()
        self.timings: list[dict[str, Any]] = []

    async def compile(self, text: str, key: Hashable | None, work: Any) -> Compiled:
        """What `work(schema)` compiles; kept under `key`. Raises `QueryRefused`."""
        started = self.clock.monotonic()
        try:
            return await self._tools.compiler.compile(text, key, self.schema, work, self.size)
        except HogQLError as error:
            raise from_hogql(error) from None
        finally:
            self._time("./compile", started)

    async def rows(self, compiled: Compiled, limit: int | None) -> Answered:
        """The rows of a compiled query, as they go into a response. Raises an ApiError."""
        query, is_wrapped = compiled.query, compiled.wrapped is not None
        try:
            answer = await self._ask(compiled.wrapped or query.sql, query, rows_.FORMAT)
        except StoreError as error:
            if not is_wrapped or error.name not in WRAPPING_FAILED:
                raise from_store(error) from None
            is_wrapped, compiled.wrapped = False, None
            answer = await self.answer(query, rows_.FORMAT)
        if len(answer) <= LARGE_BYTES:
            return self._answered(compiled, answer, limit, is_wrapped=is_wrapped)
        return await asyncio.to_thread(self._answered, compiled, answer, limit, is_wrapped=is_wrapped)

    @staticmethod
    def _answered(compiled: Compiled, answer: bytes, limit: int | None, *, is_wrapped: bool) -> Answered:
        read = read_rows(answer, limit)
        types = compiled.types if is_wrapped else read.types
        if not is_wrapped:
            compiled.learn(read.names, types, read.count)
        parts = read.parts(rewritten=not is_wrapped and has_moments(types))
        return Answered(parts, types, has_more=read.has_more)

    async def answer(self, query: CompiledQuery, fmt: str, prefix: str = "") -> bytes:
        """What ClickHouse answers in `fmt`; `prefix` may be `EXPLAIN …`. Raises an ApiError."""
        try:
            return await self._ask(prefix + query.sql, query, fmt)
        except StoreError as error:
            raise from_store(error) from None

    def close(self) -> None:
        """Add up the times."""
        self._time(".", self._started)

    async def _ask(self, sql: str, query: CompiledQuery, fmt: str) -> bytes:
        tools, ticket = self._tools, self._ticket
        async with tools.gate.place(self._key):
            if ticket.is_cancelled:
                raise asyncio.CancelledError
            ticket.stage = "running"
            started = self.clock.monotonic()
            settings = {**query.settings, **rows_.SETTINGS, **tools.limits}
            try:
                return await tools.events.query(sql, query.parameters, fmt=fmt, settings=settings, tag=ticket.tag)
            except StoreUnavailable as error:
                raise ServiceUnavailable("The event store cannot answer at the moment. Try again.") from error
            finally:
                ticket.stage = "waiting"
                self._time("./clickhouse_execute", started)
                query_seconds.observe(self.clock.monotonic() - started)

    def _time(self, name: str, started: float) -> None:
        self.timings.append({"k": name, "t": round(self.clock.monotonic() - started, 6)})
