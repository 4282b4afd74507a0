"""Groups are stored in the journal and answered; ClickHouse, in this process, gets them a moment later.

A row waits for ClickHouse no longer than `INSERT_SECONDS`, and not at all when nothing else goes on. Whoever reads asks
`caught_up` first (`EventStore.before_reading`), so that every answered event is in every later answer.

What fails:

* The journal cannot be written (full disk): the group's requests, and all that wait, are told to come again; the group
  is written again until it stands, because its persons are committed. Only then is anything new taken.
* ClickHouse cannot answer: what waits to be inserted stays in the journal, is tried again, and nothing new is taken.
* ClickHouse refuses rows: the segment is halved until the refused rows are found; they are kept in a file beside it.
* The process dies: the next one inserts what the journal holds before it takes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final

from hedgerow.capture import rows
from hedgerow.capture.direct import RETRY_SECONDS
from hedgerow.capture.journal import Journal
from hedgerow.core import telemetry
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.events import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from hedgerow.capture.group import Group, Groups
    from hedgerow.capture.journal import Segment
    from hedgerow.core.clock import Clock
    from hedgerow.core.storage.events import EventStore
    from hedgerow.people.outbox import Outbox
    from hedgerow.settings import Settings

INSERT_SECONDS: Final = 1.0
"""From the beginning of one insert to that of the next, if nobody reads and the segment is not full: small parts cost
their merges, 60 µs an event at four inserts a second."""
SEGMENT_ROWS_MAX: Final = 10_000
SEGMENT_BYTES_MAX: Final = 24 << 20
SEGMENTS_WAITING_MAX: Final = 3
"""Sealed segments that may wait before no new group is taken."""
SYNC_WRITE_BYTES: Final = 1 << 20
"""Lines up to here are written on the event loop (a copy into the page cache, under 1 ms), longer ones in a thread."""


class JournalledInserts:
    """One for a process; `open` first, then `run` in a task."""

    def __init__(self, events: EventStore, outbox: Outbox, groups: Groups, settings: Settings, clock: Clock) -> None:
        self._events = events
        self._outbox = outbox
        self._groups = groups
        self._clock = clock
        self._is_synced = settings.durability == "fsync"
        self._journal = Journal(settings.data_dir / "journal", synced=self._is_synced)
        self._sealed: deque[Segment] = deque()
        self._finishing = False
        self._inserting = False
        self._began = 0
        """Groups that were begun, kept or not."""
        self._decided = 0
        """Groups of these that are stored, or failed."""
        self._events_in = 0
        """Groups of these whose events ClickHouse has."""
        self._people_in = 0
        """Groups of these whose rows of the outbox it has."""
        self._delivered_at = clock.monotonic() - INSERT_SECONDS
        self._readers = 0
        self._changed = asyncio.Event()
        self._landed = asyncio.Event()
        self._file_lock = asyncio.Lock()
        self.stuck: StoreUnavailable | None = None

    async def open(self) -> None:
        """Insert what an earlier process left; what ClickHouse cannot take now keeps the door shut. Raises OSError."""
        self._sealed.extend(await asyncio.to_thread(self._journal.leftovers))
        try:
            while self._sealed:
                await self._insert_next()
        except StoreUnavailable as error:
            self.stuck = error

    @property
    def is_idle(self) -> bool:
        return not self._inserting and not self._owes

    # -- groups ------------------------------------------------------------------------------------------------------

    def may_take(self, waiting_events: int) -> bool:
        del waiting_events
        return len(self._sealed) < SEGMENTS_WAITING_MAX

    def begin(self) -> None:
        """A group is about to be identified: what it commits counts for `caught_up`."""
        self._began += 1

    def end(self) -> None:
        """The group of the last `begin` is kept, or nothing of it will be."""
        self._decided = self._began
        self._changed.set()

    async def keep(self, group: Group) -> None:
        if group.rows and not await self._append_until_stored(group):
            return
        telemetry.journal_rows.inc(len(group.rows))
        self._groups.settle(group, {})
        segment = self._journal.open_segment
        if segment is not None and (segment.rows >= SEGMENT_ROWS_MAX or segment.bytes >= SEGMENT_BYTES_MAX):
            await self._seal(self._began)

    async def _append_until_stored(self, group: Group) -> bool:
        """Put a group into the journal; False if that could not be done before the end."""
        lines = rows.lines(group.rows)
        keys = [(event.team_id, event.uuid) for event in group.events]
        tries = 0
        while True:
            try:
                async with self._file_lock:
                    if self._is_synced or len(lines) > SYNC_WRITE_BYTES:
                        await asyncio.to_thread(self._journal.append, lines, keys)
                    else:
                        self._journal.append(lines, keys)
            except OSError as error:
                unavailable = StoreUnavailable(f"The journal cannot be written: {error.strerror}.")
                self.stuck = unavailable
                self._groups.refuse(group, unavailable)
                if self._groups.is_stopping:
                    return False
                await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
            else:
                if tries:
                    self.stuck = None
                return True

    async def _seal(self, up_to: int) -> None:
        async with self._file_lock:
            segment = self._journal.seal()
        if segment is not None:
            segment.up_to = up_to
            self._sealed.append(segment)
            self._changed.set()

    # -- ClickHouse --------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        self._finishing = True
        self._changed.set()

    async def caught_up(self) -> None:
        """Return when ClickHouse has all that was answered or begun before the call, or cannot take it now."""
        target = self._began
        self._readers += 1
        try:
            while self._inserted < target and self.stuck is None and not self._has_ended:
                self._changed.set()
                self._landed.clear()
                await self._landed.wait()
        finally:
            self._readers -= 1

    @property
    def _inserted(self) -> int:
        return min(self._events_in, self._people_in)

    @property
    def _has_ended(self) -> bool:
        return self._finishing and not self._inserting and self.is_idle and not self._outbox.owes

    async def run(self) -> None:
        tries = 0
        last = self._clock.monotonic() - INSERT_SECONDS
        while True:
            self._changed.clear()
            wait = last + INSERT_SECONDS - self._clock.monotonic()
            if not self._is_due(wait):
                if self._finishing and not self._owes:
                    self._landed.set()
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), wait if self._owes and wait > 0 else None)
                continue
            last = self._clock.monotonic()
            try:
                await self._insert_next()
            except Exception as error:  # noqa: BLE001 — whatever it is, nobody may wait for a task that ended
                if not isinstance(error, StoreUnavailable):
                    telemetry.log("capture").exception("The journal's rows could not be inserted")
                    error = StoreUnavailable("The events could not be handed on.")
                self.stuck = error
                self._groups.refuse(None, error)
                self._landed.set()
                if self._finishing:
                    return
                await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
            else:
                tries = 0
                if self.stuck is not None and not any(segment.is_leftover for segment in self._sealed):
                    self.stuck = None
            self._groups.wake()

    @property
    def _owes(self) -> bool:
        return bool(self._sealed or self._journal.open_segment is not None or self._outbox.owes)

    def _is_due(self, wait: float) -> bool:
        if self._sealed:
            return True
        if self._readers and self._decided > self._inserted:
            return True
        return self._owes and (wait <= 0 or self._finishing)

    async def _insert_next(self) -> None:
        """Insert the oldest segment, and all that the outbox owes. Raises `StoreUnavailable`."""
        self._inserting = True
        try:
            if self._outbox.is_unsure:  # what an earlier process left in SQL
                with contextlib.suppress(MetadataUnavailable):
                    await self._outbox.replay()
            decided = self._decided
            if not self._sealed:
                await self._seal(decided)
            segment = self._sealed[0] if self._sealed else None
            is_time = self._clock.monotonic() - self._delivered_at >= INSERT_SECONDS
            delivers = is_time or self._readers > 0 or self._finishing
            both = await asyncio.gather(
                self._outbox.deliver_together() if delivers else asyncio.sleep(0),
                self._insert(segment) if segment is not None else asyncio.sleep(0),
                return_exceptions=True,
            )
            for result in both:
                if isinstance(result, BaseException):
                    raise result
            if segment is not None:
                self._sealed.popleft()
                self._journal.forget(segment)
                telemetry.journal_rows.dec(len(segment.keys))
                self._groups.forget_in_flight(segment.keys)
            self._events_in = max(self._events_in, decided if segment is None else segment.up_to)
            if delivers:
                self._people_in = decided
                self._delivered_at = self._clock.monotonic()
            self._landed.set()
        finally:
            self._inserting = False

    async def _insert(self, segment: Segment) -> None:
        try:
            await self._events.insert("events", segment.path, token=segment.token)
        except StoreError as error:
            telemetry.log("capture").exception("ClickHouse refused rows of the journal", error=str(error))
            await self._insert_halves(segment, await asyncio.to_thread(segment.lines), 0)

    async def _insert_halves(self, segment: Segment, lines: list[bytes], at: int) -> None:
        """Insert lines, of which ClickHouse refuses some; keep those in a file of refused rows."""
        middle = (len(lines) + 1) // 2
        for start, half in ((0, lines[:middle]), (middle, lines[middle:])):
            if not half:
                continue
            try:
                await self._events.insert(
                    "events", b"".join(half), token=f"{segment.token}-{at + start}-{at + start + len(half)}"
                )
            except StoreError:
                if len(half) == 1:
                    await asyncio.to_thread(self._journal.refuse, segment, half[0])
                else:
                    await self._insert_halves(segment, half, at + start)
