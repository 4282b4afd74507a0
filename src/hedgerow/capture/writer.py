"""The writer: takes everything that waits, commits it as one group, answers every request of the group.

    submit → queue → identify (one SQL transaction: persons, groups, outbox) → store → answer

Where ClickHouse is a server, storing is inserting (`direct`); where it runs in this process, a group is stored in the
journal and inserted a moment later (`journalled`). Nothing waits for company: a lone request is taken at once, and while
a group is being committed the next one grows, so that groups adapt to the load.

What fails:

* SQL: nothing of the group is stored, its requests raise `MetadataUnavailable`.
* The journal or ClickHouse: the group's requests, and all that wait, raise `StoreUnavailable`; the group is stored again
  until it lands, and only then is anything new taken. Both stores agree then, resends are doubles.
* The process dies: what was not answered may be sent again; what was committed is completed at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final

from hedgerow.capture import rows
from hedgerow.capture.dedupe import Key, SeenEvents
from hedgerow.capture.direct import DirectInserts
from hedgerow.capture.event import IngestionWarning, QueueFull
from hedgerow.capture.group import Group, Request
from hedgerow.capture.journalled import JournalledInserts
from hedgerow.capture.reservations import Reservations
from hedgerow.core import telemetry
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.events import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.capture.event import EventObserver, IncomingEvent
    from hedgerow.capture.group import Inserts
    from hedgerow.core.clock import Clock
    from hedgerow.core.storage.events import EventStore, StoreError
    from hedgerow.people.identity import Who
    from hedgerow.people.store import Change, People
    from hedgerow.settings import Settings

    KeepWarnings = Callable[[AsyncConnection, Sequence[IngestionWarning]], Awaitable[None]]

EVENT_BYTES: Final = 600
"""About what an event weighs in the queue beside its properties' text."""
KEYS_WEIGHT: Final = 4
"""How many times their text an event's properties weigh, decoded ones included."""
HOUSEKEEPING_SECONDS: Final = 1.0
SETTLED_LOOK_SECONDS: Final = 0.02
ROWS_AT_ONCE: Final = 50
"""Rows made before the SQL that runs meanwhile gets its next statement: 0.3 ms."""


class Writer:
    """Stores events. One for a process; `start` before `submit`, `stop` at the end."""

    def __init__(
        self,
        people: People,
        events: EventStore,
        settings: Settings,
        clock: Clock,
        *,
        observers: Sequence[EventObserver] = (),
        keep_warnings: KeepWarnings | None = None,
    ) -> None:
        self._people = people
        self._events = events
        self._clock = clock
        self._observers = observers
        self._keep_warnings = keep_warnings
        self._queue_events_max = settings.capture_queue_events
        self._queue_bytes_max = settings.capture_queue_bytes
        self._group_events_max = settings.capture_group_events
        self.seen = SeenEvents(events, settings, clock, is_alone=people.is_alone)
        self._reservations = None if people.is_alone else Reservations(settings, clock)
        self._waiting: deque[Request] = deque()
        self._waiting_events = 0
        self._held_events = 0
        self._held_bytes = 0
        self._inserts: Inserts
        self._journalled: JournalledInserts | None = None
        if people.is_alone:
            self._inserts = self._journalled = JournalledInserts(events, people.outbox, self, settings, clock)
        else:
            self._inserts = DirectInserts(events, people.outbox, self)
        self._stopping = False
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._refill: asyncio.Task[None] | None = None

    # -- the door ----------------------------------------------------------------------------------------------------

    async def submit(self, events: list[IncomingEvent], warnings: Sequence[IngestionWarning] = ()) -> None:
        """Return when every event is stored, doubles included, in the order given.

        Raises `QueueFull` at once when too much waits, `StoreUnavailable` or `MetadataUnavailable` when a store
        cannot answer: the client shall send the same again. `StoreError` when ClickHouse refuses an event.
        """
        weight = sum(len(event.properties) for event in events) * KEYS_WEIGHT + EVENT_BYTES * len(events)
        if self._stopping or not self._tasks:
            raise StoreUnavailable("The server is stopping.")
        if self._inserts.stuck is not None:
            raise StoreUnavailable(str(self._inserts.stuck))
        held = self._held_events
        if held and (held + len(events) > self._queue_events_max or self._held_bytes + weight > self._queue_bytes_max):
            raise QueueFull
        request = Request(events, warnings, weight)
        self._held_events += len(events)
        self._held_bytes += weight
        self._waiting_events += len(events)
        self._waiting.append(request)
        telemetry.queue_events.set(self._held_events)
        self._changed.set()
        await request.done

    async def start(self) -> None:
        """Complete what an earlier process left in the outbox and the journal, and begin. Raises OSError."""
        if self._reservations is not None:
            await self._reservations.beat(self._people.metadata)
        with contextlib.suppress(StoreUnavailable, MetadataUnavailable):  # housekeeping tries again
            await self._people.outbox.replay()
        if self._journalled is not None:
            await self._journalled.open()
            self._events.ask_before_reading(self._journalled.caught_up)
        self._tasks = [
            asyncio.create_task(self._identify_groups(), name="writer: identify"),
            asyncio.create_task(self._inserts.run(), name="writer: insert"),
            asyncio.create_task(self._keep_house(), name="writer: housekeeping"),
        ]
        self._refill = asyncio.create_task(self.seen.refill(), name="writer: refill")

    async def stop(self) -> None:
        """Store what waits (unless ClickHouse cannot answer: its outbox stays), and end."""
        self._stopping = True
        self._changed.set()
        if self._tasks:
            identify, insert, keep_house = self._tasks
            await identify
            self._inserts.finish()
            await insert
            keep_house.cancel()
            if self._refill is not None:
                self._refill.cancel()
            await asyncio.gather(keep_house, *([self._refill] if self._refill else []), return_exceptions=True)
            self._tasks = []
            if self._journalled is not None:
                self._events.ask_before_reading(None)
        for request in self._waiting:
            self._answer(request, StoreUnavailable("The server is stopping."))
        self._waiting.clear()
        with contextlib.suppress(MetadataUnavailable):
            if self._people.outbox.is_unsure and self._inserts.stuck is None:
                with contextlib.suppress(StoreUnavailable):
                    await self._people.outbox.replay()
            await self._people.outbox.sweep()
            if self._reservations is not None:
                await self._reservations.leave(self._people.metadata)

    async def refilled(self) -> None:
        """Wait until the filter of stored events is filled; nothing needs to, tests and benchmarks do."""
        if self._refill is not None:
            await self._refill

    # -- identify ----------------------------------------------------------------------------------------------------

    async def caught_up(self) -> None:
        """Return when ClickHouse has every event and every row that was committed before the call, as far as it can."""
        if self._journalled is not None:
            await self._journalled.caught_up()

    @property
    def worker(self) -> str | None:
        """The name of this process's lease, where several workers share the stores."""
        return None if self._reservations is None else self._reservations.worker

    async def settled(self) -> None:
        """Return when ClickHouse has every event that was identified before the call. Raises `StoreUnavailable`."""
        before = set(self.seen.in_flight)
        await self.caught_up()
        while self._inserts.stuck is not None or not before.isdisjoint(self.seen.in_flight):
            if self._inserts.stuck is not None:
                raise StoreUnavailable(str(self._inserts.stuck))
            await asyncio.sleep(SETTLED_LOOK_SECONDS)

    async def _identify_groups(self) -> None:
        while True:
            self._changed.clear()
            if self._inserts.stuck is not None:
                self.refuse(None, self._inserts.stuck)
            if self._waiting and self._inserts.may_take(self._waiting_events):
                await self._commit(self._take())
            elif self._stopping and not self._waiting:
                return
            else:
                await self._changed.wait()

    def _take(self) -> list[Request]:
        taken: list[Request] = []
        count = 0
        while self._waiting and (not taken or count + len(self._waiting[0].events) <= self._group_events_max):
            request = self._waiting.popleft()
            count += len(request.events)
            taken.append(request)
        self._waiting_events -= count
        return taken

    async def _commit(self, requests: list[Request]) -> None:
        if self._journalled is not None:
            self._journalled.begin()
        try:
            await self._identify_requests(requests)
        finally:
            if self._journalled is not None:
                self._journalled.end()

    async def _identify_requests(self, requests: list[Request]) -> None:
        group = Group(requests)
        group.began = self._clock.monotonic()
        try:
            await self._identify(group)
        except (MetadataUnavailable, StoreUnavailable) as error:
            for request in requests:
                self._answer(request, type(error)(str(error)))
        except Exception as error:  # noqa: BLE001 — whatever it is, the requests behind it must be answered
            if len(requests) > 1:  # one bad event must not take its neighbours along
                for request in requests:
                    await self._identify_requests([request])
                return
            telemetry.log("capture").exception("A request could not be identified")
            self._answer(requests[0], error)
        else:
            await self._inserts.keep(group)

    async def _identify(self, group: Group) -> None:
        teams = {event.team_id for request in group.requests for event in request.events}
        await self._drop_doubles(group)
        taken = [(event.team_id, event.uuid) for event in group.events]
        in_flight = self.seen.in_flight
        in_flight.update(dict.fromkeys(taken))
        making: asyncio.Task[None] | None = None
        try:
            async with self._people.change(teams) as change:
                if self._reservations is not None:
                    await self._reserve(change, group, taken)
                who = await change.resolve(group.events)
                await self._warn(change, group)
                making = asyncio.create_task(_make_rows(group, who))  # while SQL commits in its thread
            group.deliveries = change.deliveries
            await making
        except BaseException:
            if making is not None:
                making.cancel()
            for key in taken:
                in_flight.pop(key, None)
            raise
        self.seen.add([event.uuid for event in group.events])

    async def _drop_doubles(self, group: Group) -> None:
        """Fill `group.events` with those events of its requests that are not stored, in flight or there twice."""
        seen = self.seen
        in_flight = seen.in_flight
        is_unsure = seen.is_unsure
        taken: set[Key] = set()
        unsure: list[IncomingEvent] = []
        for number, request in enumerate(group.requests):
            for event in request.events:
                key = (event.team_id, event.uuid)
                if key in taken or key in in_flight:
                    group.doubles += 1
                    continue
                taken.add(key)
                group.events.append(event)
                group.request_of.append(number)
                if is_unsure(event):
                    unsure.append(event)
        if unsure and (stored := await seen.stored(unsure)):
            self._keep(group, lambda event: (event.team_id, event.uuid) not in stored)

    @staticmethod
    def _keep(group: Group, is_new: Callable[[IncomingEvent], bool]) -> None:
        kept = [(event, number) for event, number in zip(group.events, group.request_of, strict=True) if is_new(event)]
        group.doubles += len(group.events) - len(kept)
        group.events = [event for event, _ in kept]
        group.request_of = [number for _, number in kept]

    async def _reserve(self, change: Change, group: Group, taken: Sequence[Key]) -> None:
        assert self._reservations is not None
        connection = await change.connection()
        mine, undecided = await self._reservations.take(connection, group.events, group.token, self.seen.stored)
        self._suspect_outbox()
        group.undecided = {
            number
            for event, number in zip(group.events, group.request_of, strict=True)
            if (event.team_id, event.uuid) in undecided
        }
        self._keep(group, lambda event: (event.team_id, event.uuid) in mine)
        for key in taken:
            if key not in mine:
                self.seen.in_flight.pop(key, None)

    def _suspect_outbox(self) -> None:
        """Let the outbox be replayed if a worker may have died and left rows there."""
        if self._reservations is not None and self._reservations.suspects_outbox:
            self._reservations.suspects_outbox = False
            self._people.outbox.is_unsure = True

    async def _warn(self, change: Change, group: Group) -> None:
        if self._keep_warnings is None:
            return
        now_us = self._clock.now_us()
        warnings = [warning for request in group.requests for warning in request.warnings]
        warnings += [IngestionWarning(team_id, kind, details, now_us) for team_id, kind, details in change.warnings]
        if warnings:
            await self._keep_warnings(await change.connection(), warnings)

    # -- what became of groups (`group.Groups`) -----------------------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """No new requests are taken."""
        return self._stopping

    def wake(self) -> None:
        """The next group may be taken, or everything must be refused."""
        self._changed.set()

    def settle(self, group: Group, refused: dict[int, StoreError]) -> None:
        """A group is stored, but for the requests that ClickHouse refused: answer its requests, tell observers."""
        stored = group.events
        if refused:
            stored = [e for e, number in zip(stored, group.request_of, strict=True) if number not in refused]
        if self._reservations is not None and group.events:
            self._reservations.stored.append(group.token)
        for number, request in enumerate(group.requests):
            error: BaseException | None = refused.get(number)
            if error is None and number in group.undecided:
                error = StoreUnavailable("Another worker is storing an event of this request.")
            self._answer(request, error)
        telemetry.events_stored.inc(len(stored))
        telemetry.events_duplicate.inc(group.doubles)
        telemetry.groups_committed.inc()
        telemetry.group_seconds.observe(self._clock.monotonic() - group.began)
        if stored:
            for observer in self._observers:
                observer.saw(stored)

    def forget_in_flight(self, events: Sequence[Key]) -> None:
        """ClickHouse has these events: a look-up finds them."""
        in_flight = self.seen.in_flight
        for key in events:
            in_flight.pop(key, None)

    def refuse(self, group: Group | None, error: StoreUnavailable) -> None:
        """Tell a group's requests, and all that wait, to come again."""
        if group is not None:
            for request in group.requests:
                self._answer(request, StoreUnavailable(str(error)))
        while self._waiting:
            self._answer(self._waiting.popleft(), StoreUnavailable(str(error)))
        self._waiting_events = 0

    def _answer(self, request: Request, error: BaseException | None = None) -> None:
        if request.weight >= 0:
            self._held_events -= len(request.events)
            self._held_bytes -= request.weight
            request.weight = -1
            telemetry.queue_events.set(self._held_events)
        request.answer(error)

    # -- housekeeping ------------------------------------------------------------------------------------------------

    async def _keep_house(self) -> None:
        """Now and then: what commits left to do when nothing else goes on, and what an earlier failure left."""
        outbox = self._people.outbox
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            try:
                if self._reservations is not None:
                    await self._reservations.keep_house(self._people.metadata)
                    self._suspect_outbox()
                if not self._inserts.is_idle or self._inserts.stuck is not None:
                    continue
                if outbox.is_unsure or outbox.owes:
                    await outbox.replay()
                elif outbox.has_delivered and not self._waiting:
                    await outbox.sweep()
                telemetry.outbox_rows.set(outbox.owes)
            except (StoreUnavailable, MetadataUnavailable) as error:
                telemetry.log("capture").warning("Housekeeping waits for a store", error=str(error))
            except Exception:  # noqa: BLE001 — it shall go on with the next round
                telemetry.log("capture").exception("Housekeeping failed")


async def _make_rows(group: Group, who: Sequence[Who]) -> None:
    events = group.events
    for start in range(0, len(events), ROWS_AT_ONCE):
        end = start + ROWS_AT_ONCE
        group.rows += map(rows.event_row, events[start:end], who[start:end])
        await asyncio.sleep(0)
