"""What a project asked, queryable as `query_log` (hogql §5): one row a calculated query, written behind the asker's back.

Entries wait in a queue, bounded in number and in size, and go to ClickHouse every few seconds, and before a query reads the log. What is answered
out of the cache is not in it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Final

import msgspec

from hedgerow.core import ids
from hedgerow.core.storage.events import EventStore
from hedgerow.core.telemetry import log

TABLE: Final = "query_log"
QUEUE_MAX: Final = 10_000
QUEUE_CHARACTERS_MAX: Final = 32_000_000
"""Beyond either of the two, further entries are dropped until those have been written."""
BATCH_MAX: Final = 1_000
BATCH_CHARACTERS_MAX: Final = 8_000_000
EVERY_SECONDS: Final = 5.0
TEXT_CHARACTERS_MAX: Final = 100_000
FINISHED: Final = "QueryFinish"
REFUSED: Final = "ExceptionBeforeStart"
FAILED: Final = "ExceptionWhileProcessing"


class Who(msgspec.Struct, frozen=True):
    """Who asked."""

    user_id: int = 0
    """0 for a project's secret, which is nobody's."""
    key_id: str = ""
    """Of a personal API key; never the key."""
    is_personal_key: bool = False


class Usage(msgspec.Struct):
    """What the queries of one calculation took together."""

    read_rows: int = 0
    read_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    memory_usage: int = 0
    """The most that was seen; queries of less than a second are not looked at."""
    cpu_microseconds: int = 0
    exception_code: int = 0
    """ClickHouse's."""
    has_started: bool = False
    """Whether ClickHouse was asked at all."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row. Moments are Unix seconds with a fraction, as text."""

    team_id: int
    event_time: str
    query_start_time: str
    query_id: str
    endpoint: str
    kind: str
    query: str
    hogql_name: str
    query_duration_ms: int
    read_rows: int
    read_bytes: int
    result_rows: int
    result_bytes: int
    memory_usage: int
    cpu_microseconds: int
    status: str
    exception_code: int
    exception: str
    created_by: int
    key_id: str
    is_personal_api_key_request: bool

    @property
    def characters(self) -> int:
        """Of its texts, which nearly are its size."""
        return len(self.query) + len(self.exception)


COLUMNS: Final = Entry.__struct_fields__


class QueryLog:
    """Takes entries without waiting. `close` it before the event store."""

    def __init__(self, events: EventStore) -> None:
        """Rows go to `events`."""
        self._events = events
        self._entries: deque[Entry] = deque()
        self._characters = 0
        self._task: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._dropped = 0

    def add(self, entry: Entry) -> None:
        """Note a query."""
        if len(self._entries) >= QUEUE_MAX or self._characters >= QUEUE_CHARACTERS_MAX:
            self._dropped += 1
            return
        self._entries.append(entry)
        self._characters += entry.characters
        if self._task is None:
            self._task = asyncio.create_task(self._write_later(), name="queries: log")

    async def flush(self) -> None:
        """Write everything that waits now. What cannot be written is dropped, and said in the log."""
        async with self._one_at_a_time:
            while self._entries:
                batch = self._batch()
                try:
                    lines = await asyncio.to_thread(_encoded, batch)
                    await self._events.insert(TABLE, lines, token=f"query log {ids.uuid7()}")
                except Exception as error:  # noqa: BLE001 — whatever it is, neither the asker nor the next batch may feel it
                    self._dropped += len(batch)
                    log("queries").warning("query_log_not_written", count=len(batch), error=str(error)[:300])
        if self._dropped:
            log("queries").warning("query_log_dropped", count=self._dropped)
            self._dropped = 0

    def _batch(self) -> list[Entry]:
        batch: list[Entry] = []
        characters = 0
        while self._entries and len(batch) < BATCH_MAX and characters < BATCH_CHARACTERS_MAX:
            batch.append(self._entries.popleft())
            characters += batch[-1].characters
        self._characters -= characters
        return batch

    async def close(self) -> None:
        """Write what waits, and end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def _write_later(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.flush()
            if not self._entries:
                self._task = None
                return


def _encoded(batch: list[Entry]) -> bytes:
    return b"\n".join(map(msgspec.json.encode, batch))


def seconds_text(us: int) -> str:
    """Microseconds since 1970 as Unix seconds with a fraction."""
    return f"{us // 1_000_000}.{us % 1_000_000:06}"


def status_of(error: BaseException | None, usage: Usage) -> str:
    """How it ended, in ClickHouse's word."""
    if error is None:
        return FINISHED
    return FAILED if usage.has_started else REFUSED
