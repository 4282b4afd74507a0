"""The writer: takes everything that waits, commits it as one group, answers every request of the group.

    submit → queue → identify (one SQL transaction: persons, groups, outbox) → insert (ClickHouse) → answer

Two tasks hand groups on in order. While one group is being inserted, the next may already be identified, once enough
events wait to make that worth it; until then they wait, and groups grow with the load by themselves. Nothing waits for
company: when nothing is being inserted, a lone request is taken at once.

What fails:

* SQL: nothing of the group is stored, its requests raise `MetadataUnavailable`.
* ClickHouse cannot answer: the group's requests, and all that wait, raise `StoreUnavailable`; the group is inserted again
  under the same tokens until it lands, and only then is anything new taken. Both stores agree then, resends are doubles.
* ClickHouse refuses rows: the group is inserted request by request, and only the refused ones raise `StoreError`.
* The process dies: nothing of the group was answered; the outbox is replayed at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final

from hedgerow.capture import rows
from hedgerow.capture.dedupe import Key, SeenEvents
from hedgerow.capture.event import IngestionWarning, QueueFull
from hedgerow.capture.reservations import Reservations
from hedgerow.core import ids, telemetry
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.events import StoreError, StoreUnavailable
from hedgerow.people.store import EVENTS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from hedgerow.capture.event import EventObserver, IncomingEvent
    from hedgerow.core.clock import Clock
    from hedgerow.core.storage.events import EventStore
    from hedgerow.people.outbox import Delivery
    from hedgerow.people.store import Change, People
    from hedgerow.settings import Settings

    KeepWarnings = Callable[[AsyncConnection, Sequence[IngestionWarning]], Awaitable[None]]

EVENT_BYTES: Final = 600
"""About what an event weighs in the queue beside its properties' text."""
KEYS_WEIGHT: Final = 4
"""How many times their text an event's properties weigh, decoded ones included."""
WORTH_OVERLAPPING: Final = 1_000
"""Events that must wait before a group is identified while another one is inserted: a group of that size costs
ClickHouse some 40 ms, a smaller one mostly its fixed 3 ms, so that it is better to let it grow."""
HOUSEKEEPING_SECONDS: Final = 1.0
RETRY_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between tries to insert a group while ClickHouse cannot answer; the last one repeats."""


class _Item:
    """One request that waits for its events to be stored."""

    __slots__ = ("done", "events", "warnings", "weight")

    def __init__(self, events: list[IncomingEvent], warnings: Sequence[IngestionWarning], weight: int) -> None:
        self.events = events
        self.warnings = warnings
        self.weight = weight
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answer(self, error: BaseException | None = None) -> None:
        if self.done.done():  # the client went away
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class _Group:
    """What is committed together."""

    def __init__(self, items: list[_Item]) -> None:
        self.items = items
        self.token = ids.uuid7().hex
        self.began = 0.0
        self.events: list[IncomingEvent] = []
        """New ones, in order of arrival."""
        self.item_of: list[int] = []
        """For each of `events`, its request."""
        self.rows: list[rows.EventRow] = []
        self.deliveries: list[Delivery] = []
        self.doubles = 0
        self.undecided: set[int] = set()
        """Requests with an event that another worker is storing right now."""


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
        self._waiting: deque[_Item] = deque()
        self._waiting_events = 0
        self._held_events = 0
        self._held_bytes = 0
        self._identified: deque[_Group] = deque()
        self._inserting = False
        self._is_stuck: StoreUnavailable | None = None
        self._stopping = False
        self._changed = asyncio.Event()
        self._ready = asyncio.Event()
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
        if self._is_stuck is not None:
            raise StoreUnavailable(str(self._is_stuck))
        held = self._held_events
        if held and (held + len(events) > self._queue_events_max or self._held_bytes + weight > self._queue_bytes_max):
            raise QueueFull
        item = _Item(events, warnings, weight)
        self._held_events += len(events)
        self._held_bytes += weight
        self._waiting_events += len(events)
        self._waiting.append(item)
        telemetry.queue_events.set(self._held_events)
        self._changed.set()
        await item.done

    async def start(self) -> None:
        """Replay what an earlier process left in the outbox, and begin."""
        if self._reservations is not None:
            await self._reservations.beat(self._people.metadata)
        with contextlib.suppress(StoreUnavailable, MetadataUnavailable):  # housekeeping tries again
            await self._people.outbox.replay()
        self._tasks = [
            asyncio.create_task(self._identify_groups(), name="writer: identify"),
            asyncio.create_task(self._insert_groups(), name="writer: insert"),
            asyncio.create_task(self._keep_house(), name="writer: housekeeping"),
        ]
        self._refill = asyncio.create_task(self.seen.refill(), name="writer: refill")

    async def stop(self) -> None:
        """Store what waits (unless ClickHouse cannot answer: its outbox stays), and end."""
        self._stopping = True
        self._changed.set()
        self._ready.set()
        if self._tasks:
            identify, insert, keep_house = self._tasks
            await asyncio.gather(identify, insert)
            keep_house.cancel()
            if self._refill is not None:
                self._refill.cancel()
            await asyncio.gather(keep_house, *([self._refill] if self._refill else []), return_exceptions=True)
            self._tasks = []
        for item in self._waiting:
            self._answer(item, StoreUnavailable("The server is stopping."))
        self._waiting.clear()
        with contextlib.suppress(MetadataUnavailable):
            if self._people.outbox.is_unsure and self._is_stuck is None:
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

    async def _identify_groups(self) -> None:
        while True:
            self._changed.clear()
            if self._is_stuck is not None:
                self._refuse_waiting(self._is_stuck)
            if self._waiting and self._may_begin():
                await self._identify_items(self._take())
            elif self._stopping and not self._waiting:
                self._ready.set()
                return
            else:
                await self._changed.wait()

    def _may_begin(self) -> bool:
        if not self._inserting and not self._identified:
            return True
        return not self._identified and self._waiting_events >= WORTH_OVERLAPPING

    def _take(self) -> list[_Item]:
        taken: list[_Item] = []
        count = 0
        while self._waiting and (not taken or count + len(self._waiting[0].events) <= self._group_events_max):
            item = self._waiting.popleft()
            count += len(item.events)
            taken.append(item)
        self._waiting_events -= count
        return taken

    async def _identify_items(self, items: list[_Item]) -> None:
        group = _Group(items)
        group.began = self._clock.monotonic()
        try:
            await self._identify(group)
        except (MetadataUnavailable, StoreUnavailable) as error:
            for item in items:
                self._answer(item, type(error)(str(error)))
        except Exception as error:  # noqa: BLE001 — whatever it is, the requests behind it must be answered
            if len(items) > 1:  # one bad event must not take its neighbours along
                for item in items:
                    await self._identify_items([item])
                return
            telemetry.log("capture").exception("A request could not be identified")
            self._answer(items[0], error)
        else:
            self._identified.append(group)
            self._ready.set()

    async def _identify(self, group: _Group) -> None:
        teams = {event.team_id for item in group.items for event in item.events}
        await self._drop_doubles(group)
        taken = [(event.team_id, event.uuid) for event in group.events]
        in_flight = self.seen.in_flight
        in_flight.update(dict.fromkeys(taken))
        try:
            async with self._people.change(teams) as change:
                if self._reservations is not None:
                    await self._reserve(change, group, taken)
                who = await change.resolve(group.events)
                await self._warn(change, group)
            group.deliveries = change.deliveries
            events = group.events
            for start in range(0, len(events), EVENTS_AT_ONCE):
                end = start + EVENTS_AT_ONCE
                group.rows += map(rows.event_row, events[start:end], who[start:end])
                await asyncio.sleep(0)
        except BaseException:
            for key in taken:
                in_flight.pop(key, None)
            raise
        self.seen.add([event.uuid for event in group.events])

    async def _drop_doubles(self, group: _Group) -> None:
        """Fill `group.events` with those events of its requests that are not stored, in flight or there twice."""
        seen = self.seen
        in_flight = seen.in_flight
        is_unsure = seen.is_unsure
        taken: set[Key] = set()
        unsure: list[IncomingEvent] = []
        for number, item in enumerate(group.items):
            for event in item.events:
                key = (event.team_id, event.uuid)
                if key in taken or key in in_flight:
                    group.doubles += 1
                    continue
                taken.add(key)
                group.events.append(event)
                group.item_of.append(number)
                if is_unsure(event):
                    unsure.append(event)
        if unsure and (stored := await seen.stored(unsure)):
            self._keep(group, lambda event: (event.team_id, event.uuid) not in stored)

    @staticmethod
    def _keep(group: _Group, is_new: Callable[[IncomingEvent], bool]) -> None:
        kept = [(event, number) for event, number in zip(group.events, group.item_of, strict=True) if is_new(event)]
        group.doubles += len(group.events) - len(kept)
        group.events = [event for event, _ in kept]
        group.item_of = [number for _, number in kept]

    async def _reserve(self, change: Change, group: _Group, taken: Sequence[Key]) -> None:
        assert self._reservations is not None
        connection = await change.connection()
        mine, undecided = await self._reservations.take(connection, group.events, group.token, self.seen.stored)
        group.undecided = {
            number
            for event, number in zip(group.events, group.item_of, strict=True)
            if (event.team_id, event.uuid) in undecided
        }
        self._keep(group, lambda event: (event.team_id, event.uuid) in mine)
        for key in taken:
            if key not in mine:
                self.seen.in_flight.pop(key, None)

    async def _warn(self, change: Change, group: _Group) -> None:
        if self._keep_warnings is None:
            return
        now_us = self._clock.now_us()
        warnings = [warning for item in group.items for warning in item.warnings]
        warnings += [IngestionWarning(team_id, kind, details, now_us) for team_id, kind, details in change.warnings]
        if warnings:
            await self._keep_warnings(await change.connection(), warnings)

    # -- insert ------------------------------------------------------------------------------------------------------

    async def _insert_groups(self) -> None:
        while True:
            self._ready.clear()
            if self._identified:
                self._inserting = True
                group = self._identified.popleft()
                self._changed.set()
                await self._insert_until_stored(group)
                self._inserting = False
                self._changed.set()
            elif self._stopping and self._tasks[0].done():
                return
            else:
                await self._ready.wait()

    async def _insert_until_stored(self, group: _Group) -> None:
        tries = 0
        while True:
            try:
                refused = await self._insert(group)
            except StoreUnavailable as error:
                self._is_stuck = error
                for item in group.items:
                    self._answer(item, StoreUnavailable(str(error)))
                self._refuse_waiting(error)
                self._changed.set()
                if self._stopping:
                    return
                await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
            else:
                break
        self._is_stuck = None
        await self._settle(group, refused)

    async def _insert(self, group: _Group) -> dict[int, StoreError]:
        """Insert what a group implies; the requests that ClickHouse refused. Raises `StoreUnavailable`."""
        self._suspect_outbox()
        if self._people.outbox.is_unsure:  # what this group builds on may be waiting in SQL
            with contextlib.suppress(MetadataUnavailable):
                await self._people.outbox.replay()
        deliver = self._people.outbox.deliver(group.deliveries)
        if not group.rows:
            await deliver
            return {}
        both = await asyncio.gather(
            deliver,
            self._events.insert("events", rows.lines(group.rows), token=f"{group.token}-events"),
            return_exceptions=True,
        )
        for result in both:
            if isinstance(result, BaseException) and not isinstance(result, StoreError):
                raise result
        if not isinstance(both[1], StoreError):
            return {}
        return await self._insert_one_by_one(group)

    def _suspect_outbox(self) -> None:
        if self._reservations is not None and self._reservations.suspects_outbox:
            self._reservations.suspects_outbox = False
            self._people.outbox.is_unsure = True

    async def _insert_one_by_one(self, group: _Group) -> dict[int, StoreError]:
        refused: dict[int, StoreError] = {}
        for number in sorted(set(group.item_of)):
            own = [row for row, item in zip(group.rows, group.item_of, strict=True) if item == number]
            try:
                await self._events.insert("events", rows.lines(own), token=f"{group.token}-events-{number}")
            except StoreError as error:
                telemetry.log("capture").exception("ClickHouse refused an event", error=str(error))
                refused[number] = error
        return refused

    async def _settle(self, group: _Group, refused: dict[int, StoreError]) -> None:
        for event in group.events:
            self.seen.in_flight.pop((event.team_id, event.uuid), None)
        stored = [e for e, number in zip(group.events, group.item_of, strict=True) if number not in refused]
        if self._reservations is not None and group.events:
            self._reservations.stored.append(group.token)
        for number, item in enumerate(group.items):
            error: BaseException | None = refused.get(number)
            if error is None and number in group.undecided:
                error = StoreUnavailable("Another worker is storing an event of this request.")
            self._answer(item, error)
        telemetry.events_stored.inc(len(stored))
        telemetry.events_duplicate.inc(group.doubles)
        telemetry.groups_committed.inc()
        telemetry.group_seconds.observe(self._clock.monotonic() - group.began)
        if stored:
            for observer in self._observers:
                observer.saw(stored)

    def _answer(self, item: _Item, error: BaseException | None = None) -> None:
        if item.weight >= 0:
            self._held_events -= len(item.events)
            self._held_bytes -= item.weight
            item.weight = -1
            telemetry.queue_events.set(self._held_events)
        item.answer(error)

    def _refuse_waiting(self, error: StoreUnavailable) -> None:
        while self._waiting:
            self._answer(self._waiting.popleft(), StoreUnavailable(str(error)))
        self._waiting_events = 0

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
                if self._inserting or self._identified or self._is_stuck is not None:
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
