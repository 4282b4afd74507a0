"""The event store: ClickHouse, inside this process (chDB, a folder) or on a server (a URL). Same SQL, same calls.

    Exception
    ├── StoreError          ClickHouse understood and said no: `code`, `name`, `message`
    └── StoreUnavailable    it cannot answer now: no connection, full disk, out of memory; callers answer 503

What differs between the two engines is in `embedded.py` and `server.py` beside this file, behind `Engine`.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from hedgerow.core.storage.clickhouse_errors import StoreError, StoreUnavailable
from hedgerow.core.storage.schema import migrate
from hedgerow.core.storage.schema.columns import INSERT_COLUMNS
from hedgerow.settings import Settings

__all__ = ["Engine", "EventStore", "Priority", "StoreError", "StoreUnavailable"]

T = TypeVar("T")
Priority = Literal["interactive", "background", "bulk", "write"]
WRITE_THREADS = 2
BACKGROUND_THREADS = 2
BULK_THREADS = 2
KILL_SECONDS = 0.05  # between two tries

_ROWS = msgspec.json.Decoder(list[Any])


class Engine(Protocol):
    """One blocking connection to ClickHouse; a thread uses it alone.

    `sql` may hold `{name:Type}` with its value in `parameters`; settings go with the statement.
    Every method raises StoreError or StoreUnavailable.
    """

    def query(self, sql: str, parameters: Mapping[str, object], settings: Mapping[str, object], fmt: str) -> bytes: ...
    def insert(
        self, table: str, columns: Sequence[str], lines: bytes | Path, settings: Mapping[str, object]
    ) -> None: ...
    def stream(
        self, sql: str, parameters: Mapping[str, object], settings: Mapping[str, object], fmt: str
    ) -> Iterator[bytes]: ...
    def close(self) -> None: ...


class EventStore:
    """ClickHouse for everybody in this process: bounded threads, one connection each, work never on the event loop."""

    def __init__(self, connect: Callable[[], Engine], settings: Settings, release: Callable[[], None]) -> None:
        self.embedded = settings.embedded
        self._insert_settings: dict[str, object] = {"async_insert": 0, "max_partitions_per_insert_block": 0}
        self._release = release
        self._before_reading: Callable[[], Awaitable[None]] | None = None
        self._pools: dict[Priority, _Pool] = {
            "interactive": _Pool("query", max(1, settings.query_concurrency), connect),
            "background": _Pool("background", BACKGROUND_THREADS, connect),
            "bulk": _Pool("bulk", BULK_THREADS, connect),
            "write": _Pool("write", WRITE_THREADS, connect),
        }

    @classmethod
    async def open(cls, settings: Settings) -> EventStore:
        """Connect, bring the schema up to date, and answer. Raises StartupError with one sentence."""
        if settings.embedded:
            from hedgerow.core.storage.embedded import open_folder as open_engine
        else:
            from hedgerow.core.storage.server import open_server as open_engine
        connect, release = await asyncio.to_thread(open_engine, settings)
        try:
            await asyncio.to_thread(migrate, connect, settings)
        except BaseException:
            await asyncio.to_thread(release)
            raise
        return cls(connect, settings, release)

    def ask_before_reading(self, caught_up: Callable[[], Awaitable[None]] | None) -> None:
        """Let `caught_up` return before anybody reads or alters: it inserts what was acknowledged and still waits."""
        self._before_reading = caught_up

    async def _settle(self, settled: bool) -> None:
        if settled and self._before_reading is not None:
            await self._before_reading()

    async def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        fmt: str = "JSONCompact",
        settings: Mapping[str, object] | None = None,
        tag: str | None = None,
        priority: Priority = "interactive",
        settled: bool = True,
    ) -> bytes:
        """The whole answer, as the bytes that ClickHouse wrote in `fmt`. `tag` is what `kill` finds it by.

        `settled`: every event that was acknowledged before is in it; without, some of the last second may not be.
        """
        await self._settle(settled)
        text = _tagged(sql, tag)
        return await self._pools[priority].run(lambda engine: engine.query(text, parameters or {}, settings or {}, fmt))

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        priority: Priority = "background",
        settled: bool = True,
    ) -> list[list[Any]]:
        """Rows of a small internal question; 64-bit integers as int, moments as text."""
        chosen = {"output_format_json_quote_64bit_integers": 0, **(settings or {})}
        body = await self.query(
            sql, parameters, fmt="JSONCompactEachRow", settings=chosen, priority=priority, settled=settled
        )
        return [_ROWS.decode(line) for line in body.splitlines() if line]

    async def command(
        self, sql: str, parameters: Mapping[str, object] | None = None, *, settings: Mapping[str, object] | None = None
    ) -> None:
        """Run a statement that answers nothing: DDL, ALTER, DELETE, OPTIMIZE. Acknowledged events are there before."""
        await self._settle(settled=True)
        await self._pools["background"].run(lambda engine: engine.query(sql, parameters or {}, settings or {}, "Null"))

    async def insert(self, table: str, lines: bytes | Path, *, token: str) -> None:
        """Store rows (one JSON object a line, keys out of `INSERT_COLUMNS`), or those of a file of such lines.

        The same `token` again, within the table's last 1,000 inserts, stores nothing twice.
        """
        settings = {**self._insert_settings, "insert_deduplication_token": token}
        await self._pools["write"].run(lambda engine: engine.insert(table, INSERT_COLUMNS[table], lines, settings))

    async def stream(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        fmt: str,
        settings: Mapping[str, object] | None = None,
        tag: str | None = None,
        priority: Priority = "background",
        settled: bool = True,
    ) -> AsyncGenerator[bytes]:
        """The answer block by block, in constant memory. Closing the iterator early ends the query, if it has a tag at
        once, else as soon as it writes again.
        """
        await self._settle(settled)
        text = _tagged(sql, tag)
        loop = asyncio.get_running_loop()
        blocks: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue()
        room = threading.Semaphore(4)
        stopped = threading.Event()

        def pump(engine: Engine) -> None:
            end: BaseException | None = None
            try:
                with contextlib.closing(engine.stream(text, parameters or {}, settings or {}, fmt)) as source:  # pyright: ignore[reportArgumentType]
                    for block in source:
                        room.acquire()
                        if stopped.is_set():
                            break
                        loop.call_soon_threadsafe(blocks.put_nowait, block)
            except (StoreError, StoreUnavailable) as error:
                end = error
            finally:
                loop.call_soon_threadsafe(blocks.put_nowait, end)

        running = asyncio.ensure_future(self._pools[priority].run(pump))
        try:
            while (block := await blocks.get()) is not None:
                if isinstance(block, BaseException):
                    raise block
                yield block
                room.release()
        finally:
            stopped.set()
            room.release()
            while tag is not None and not running.done():  # it may not write for long
                with contextlib.suppress(StoreError, StoreUnavailable):
                    await self.kill(tag)
                await asyncio.wait({running}, timeout=KILL_SECONDS)
            await running

    async def kill(self, tag: str) -> bool:
        """End the running query that carries `tag`; False when none runs any more."""
        sql = "KILL QUERY WHERE positionUTF8(query, {mark:String}) = 1 SYNC"
        answer = await self._pools["write"].run(
            lambda engine: engine.query(sql, {"mark": _mark(tag)}, {}, "TabSeparated")
        )
        return bool(answer.strip())

    async def alive(self) -> None:
        """Answer, or raise StoreUnavailable: for `/_ready`."""
        await self.query("SELECT 1", fmt="TabSeparated", priority="background", settled=False)

    async def close(self) -> None:
        """Wait for what runs, then let go of the folder or the connections."""
        for pool in self._pools.values():
            await asyncio.to_thread(pool.close)
        await asyncio.to_thread(self._release)


class _Pool:
    """Threads that each hold one connection, made at first use."""

    def __init__(self, name: str, size: int, connect: Callable[[], Engine]) -> None:
        self._connect = connect
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=f"clickhouse-{name}")
        self._idle: queue.SimpleQueue[Engine] = queue.SimpleQueue()

    async def run(self, work: Callable[[Engine], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._with_engine, work)

    def _with_engine(self, work: Callable[[Engine], T]) -> T:
        try:
            engine = self._idle.get_nowait()
        except queue.Empty:
            engine = self._connect()
        try:
            return work(engine)
        finally:
            self._idle.put(engine)

    def close(self) -> None:
        self._threads.shutdown(wait=True)
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()


def _mark(tag: str) -> str:
    if not tag.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"not a tag: {tag!r}")
    return f"/* {tag} */ "


def _tagged(sql: str, tag: str | None) -> str:
    return sql if tag is None else _mark(tag) + sql
