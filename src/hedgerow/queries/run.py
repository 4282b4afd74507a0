"""How a kind reaches ClickHouse: under limits, in its turn, and so that it can be stopped."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import cache
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
from hedgerow.queries.long_lane import SPRINT_SECONDS, LongLane
from hedgerow.queries.query_log import TABLE as LOG_TABLE
from hedgerow.queries.query_log import QueryLog, Usage
from hedgerow.queries.rows import read_rows
from hedgerow.queries.ticket import Ticket, kill
from hedgerow.settings import Settings

LARGE_BYTES: Final = 200_000
"""A larger request is taken apart in a thread."""
LARGE_ANSWER_BYTES: Final = 500_000
"""So is a larger answer, since moments may have to be rewritten, 1 ms for each 1,000."""
NICENESS: Final = 5
"""What query threads of the embedded engine are lowered by, where the system lets a process raise them again: they get a
third of what the writer's get when both want a core, and still move where others keep all cores busy."""
_MEMORY: Final = """
    SELECT peak_memory_usage, ProfileEvents['OSCPUVirtualTimeMicroseconds'] FROM system.processes
    WHERE startsWith(query, {mark:String})"""
WRAPPING_FAILED: Final = {"UNKNOWN_IDENTIFIER", "AMBIGUOUS_IDENTIFIER", "ILLEGAL_TYPE_OF_ARGUMENT"}


def cores_for_queries() -> int:
    """All cores of this process but one, which is the writer's; one where there is only one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


@cache
def may_raise_again() -> bool:
    """Whether the system lets a thread of this process take a niceness back, as root's may: the engine ends the process
    where a query's threads cannot. A thread tries it, and ends.
    """
    if sys.platform != "linux":
        return False

    def try_it() -> bool:
        before = os.getpriority(os.PRIO_PROCESS, 0)  # on Linux the calling thread's
        try:
            os.setpriority(os.PRIO_PROCESS, 0, min(19, before + 1))
            os.setpriority(os.PRIO_PROCESS, 0, before)
        except OSError:
            return False
        return True

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(try_it).result()


def query_limits(settings: Settings) -> dict[str, object]:
    """ClickHouse settings that hold one query: time, memory, size of the answer, threads, nothing but reading."""
    beside_the_writer: dict[str, object] = {}
    if settings.embedded and may_raise_again():
        beside_the_writer["os_threads_nice_value_query"] = min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
    return {
        **beside_the_writer,
        "readonly": 2,
        "max_execution_time": settings.query_max_seconds,
        "timeout_overflow_mode": "throw",
        "max_memory_usage": settings.query_max_memory_bytes,
        "max_result_bytes": settings.query_max_result_bytes,
        "result_overflow_mode": "throw",
        "max_bytes_to_read": settings.query_max_read_bytes,
        "read_overflow_mode": "throw",
        "max_threads": settings.query_threads or cores_for_queries(),
    }


def bulk_limits(tools: Tools) -> dict[str, object]:
    """ClickHouse settings that hold an export: its answer may be of any size, and what it sorts and groups goes to disk
    where it outgrows half of the memory.
    """
    settings = tools.settings
    spill = settings.query_max_memory_bytes // 2
    return {
        **tools.limits,
        "max_execution_time": settings.query_export_max_seconds,
        "max_result_bytes": 0,
        "max_bytes_to_read": 0,
        "max_bytes_before_external_sort": spill,
        "max_bytes_before_external_group_by": spill,
    }


class Tools(msgspec.Struct, frozen=True):
    """What all calculations share."""

    events: EventStore
    settings: Settings
    clock: Clock
    gate: Gate
    long_lane: LongLane | None
    """None where the engine has a machine of its own."""
    compiler: Compiler
    limits: dict[str, object]
    log: QueryLog


class Answered(msgspec.Struct, frozen=True):
    """Rows of a response."""

    parts: list[bytes]
    """JSON, in pieces: a list of rows."""
    types: list[str]
    """ClickHouse's types of the columns."""
    has_more: bool


class KindAnswer(msgspec.Struct, frozen=True):
    """What a kind calculated."""

    results: list[bytes] | None
    """The field `results` of the response: JSON, in pieces; None where it has no such field."""
    fields: msgspec.Struct
    """The kind's other fields."""
    may_be_kept: bool = True
    """Whether the next who asks the same may get it."""

    def body(self) -> tuple[bytes, ...]:
        """One JSON object, in pieces."""
        if self.results is None:
            return (msgspec.json.encode(self.fields),)
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
        self._is_long = False
        self._started = tools.clock.monotonic()
        self.timings: list[dict[str, Any]] = []
        self.usage = Usage()

    async def check(self, text: str, work: Any) -> Compiled | HogQLError:
        """What `work(schema)` compiles, or why it cannot."""
        try:
            return await self._tools.compiler.compile(text, None, self.schema, work, size=self.size, asker=self._key)
        except HogQLError as error:
            return error

    async def compile(self, text: str, key: Hashable | None, work: Any) -> Compiled:
        """What `work(schema)` compiles; kept under `key`. Raises `QueryRefused`."""
        started = self.clock.monotonic()
        try:
            return await self._tools.compiler.compile(text, key, self.schema, work, size=self.size, asker=self._key)
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
        if len(answer) <= LARGE_ANSWER_BYTES:
            return self._answered(compiled, answer, limit, is_wrapped=is_wrapped)
        return await asyncio.to_thread(self._answered, compiled, answer, limit, is_wrapped=is_wrapped)

    def _answered(self, compiled: Compiled, answer: bytes, limit: int | None, *, is_wrapped: bool) -> Answered:
        read = read_rows(answer, limit)
        self._took(answer, read.count)
        types = compiled.types if is_wrapped else read.types
        cells = 0 if is_wrapped else read.cells_to_rewrite
        if cells:
            compiled.learn(read.names, types, cells)
        return Answered(read.parts(rewritten=cells > 0), types, has_more=read.has_more)

    async def answer(self, query: CompiledQuery, fmt: str, before: str = "", after: str = "") -> bytes:
        """What ClickHouse answers in `fmt`; `before` may be `EXPLAIN …`. Raises an ApiError."""
        try:
            return await self._ask(before + query.sql + after, query, fmt)
        except StoreError as error:
            raise from_store(error) from None

    async def columns(self, query: CompiledQuery) -> list[tuple[str, str]]:
        """ClickHouse's names and types of the columns, in order, without running the query. Raises an ApiError."""
        described = msgspec.json.decode(await self.answer(query, rows_.FORMAT, "DESCRIBE TABLE (", ")"))
        return [(name, kind) for name, kind, *_ in described["data"]]

    async def stream(
        self, sql: str, query: CompiledQuery, fmt: str, settings: Mapping[str, object]
    ) -> AsyncGenerator[bytes]:
        """What ClickHouse answers to `sql`, which is made of the query, block by block and as large as it may be.

        Raises an ApiError. Closing it early ends the query. That, not killing it, is how to end one: it may just wait for
        somebody to read.
        """
        usage = self.usage
        usage.has_started = True
        if LOG_TABLE in query.tables:
            await self._tools.log.flush()
        blocks = self._tools.events.stream(
            sql,
            query.parameters,
            fmt=fmt,
            settings={**query.settings, **settings, **bulk_limits(self._tools)},
            tag=self._ticket.tag,
            priority="bulk",
        )
        try:
            async with aclosing(blocks):
                async for block in blocks:
                    usage.result_bytes += len(block)
                    yield block
        except StoreUnavailable as error:
            raise ServiceUnavailable("The event store cannot answer at the moment. Try again.") from error
        except StoreError as error:
            usage.exception_code = error.code
            raise from_store(error) from None

    def close(self) -> None:
        """Add up the times."""
        self._time(".", self._started)

    async def _ask(self, sql: str, query: CompiledQuery, fmt: str) -> bytes:
        """Ask in a place at the gate; again, in the long lane, if it had to make room for a longer one."""
        lane, self._is_long = self._tools.long_lane, False
        try:
            while True:
                async with self._tools.gate.place(self._key):
                    answer = await self._attempt(sql, query, fmt)
                if answer is not None:
                    return answer
                assert lane is not None
                await lane.enter()
                self._is_long = True
        finally:
            if lane is not None and self._is_long:
                lane.leave()

    async def _attempt(self, sql: str, query: CompiledQuery, fmt: str) -> bytes | None:
        """The answer; None when it took long and no place in the long lane was free."""
        tools, ticket, usage = self._tools, self._ticket, self.usage
        if ticket.is_cancelled:
            raise asyncio.CancelledError
        if LOG_TABLE in query.tables:
            await tools.log.flush()
        usage.has_started = True
        ticket.stage = "running"
        started = self.clock.monotonic()
        settings = {**query.settings, **rows_.SETTINGS, **tools.limits}
        running = asyncio.ensure_future(
            tools.events.query(sql, query.parameters, fmt=fmt, settings=settings, tag=ticket.tag)
        )
        has_to_go = False
        try:
            if tools.long_lane is not None and not self._is_long:
                await asyncio.wait({running}, timeout=SPRINT_SECONDS)
                if not running.done():
                    self._is_long = await tools.long_lane.try_enter()
                    has_to_go = not self._is_long
                    if has_to_go:
                        await kill(tools.events, ticket.tag, running)
            while not running.done():
                await asyncio.wait({running}, timeout=SPRINT_SECONDS)
                if not running.done():
                    await self._look_at_memory()
            return await running
        except StoreUnavailable as error:
            raise ServiceUnavailable("The event store cannot answer at the moment. Try again.") from error
        except StoreError as error:
            usage.exception_code = error.code
            if has_to_go and not ticket.is_cancelled and error.name == "QUERY_WAS_CANCELLED":
                return None
            raise
        finally:
            ticket.stage = "waiting"
            self._time("./clickhouse_execute", started)
            query_seconds.observe(self.clock.monotonic() - started)

    def _took(self, answer: bytes, rows: int) -> None:
        """Note what one query read and gave."""
        usage = self.usage
        read, size = rows_.read_amounts(answer)
        usage.read_rows += read
        usage.read_bytes += size
        usage.result_rows += rows
        usage.result_bytes += len(answer)

    async def _look_at_memory(self) -> None:
        """Note how much memory the running query has taken so far."""
        try:
            found = await self._tools.events.rows(_MEMORY, {"mark": f"/* {self._ticket.tag} */"}, settled=False)
        except (StoreError, StoreUnavailable):
            return
        for memory, cpu in found:
            self.usage.memory_usage = max(self.usage.memory_usage, memory)
            self.usage.cpu_microseconds = max(self.usage.cpu_microseconds, cpu)

    def _time(self, name: str, started: float) -> None:
        self.timings.append({"k": name, "t": round(self.clock.monotonic() - started, 6)})
