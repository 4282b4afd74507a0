"""Groups go to ClickHouse before their requests are answered: for servers, which several workers share.

While one group is being inserted the next may already be identified, once enough events wait to make that worth it;
until then they wait, and groups grow with the load by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Final

from hedgerow.capture import rows
from hedgerow.core import telemetry
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.events import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from hedgerow.capture.group import Group, Groups
    from hedgerow.core.storage.events import EventStore
    from hedgerow.people.outbox import Outbox

WORTH_OVERLAPPING: Final = 1_000
"""Events that must wait before a group is identified while another one is inserted: a smaller group costs ClickHouse
mostly its fixed part, so that it is better to let it grow."""
RETRY_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between tries while a store cannot answer; the last one repeats."""


class DirectInserts:
    """One for a process; `run` in a task."""

    def __init__(self, events: EventStore, outbox: Outbox, groups: Groups) -> None:
        self._events = events
        self._outbox = outbox
        self._groups = groups
        self._identified: deque[Group] = deque()
        self._inserting = False
        self._finishing = False
        self._ready = asyncio.Event()
        self.stuck: StoreUnavailable | None = None

    @property
    def is_idle(self) -> bool:
        return not self._inserting and not self._identified

    def may_take(self, waiting_events: int) -> bool:
        return self.is_idle or (not self._identified and waiting_events >= WORTH_OVERLAPPING)

    async def keep(self, group: Group) -> None:
        self._identified.append(group)
        self._ready.set()

    def finish(self) -> None:
        self._finishing = True
        self._ready.set()

    async def run(self) -> None:
        while True:
            self._ready.clear()
            if self._identified:
                self._inserting = True
                group = self._identified.popleft()
                self._groups.wake()
                await self._insert_until_stored(group)
                self._inserting = False
                self._groups.wake()
            elif self._finishing:
                return
            else:
                await self._ready.wait()

    async def _insert_until_stored(self, group: Group) -> None:
        tries = 0
        while True:
            try:
                refused = await self._insert(group)
            except StoreUnavailable as error:
                self.stuck = error
                self._groups.refuse(group, error)
                self._groups.wake()
                if self._groups.is_stopping:
                    return
                await asyncio.sleep(RETRY_SECONDS[min(tries, len(RETRY_SECONDS) - 1)])
                tries += 1
            else:
                break
        self.stuck = None
        self._groups.forget_in_flight([(event.team_id, event.uuid) for event in group.events])
        self._groups.settle(group, refused)

    async def _insert(self, group: Group) -> dict[int, StoreError]:
        """Insert what a group implies; the requests that ClickHouse refused. Raises `StoreUnavailable`."""
        if self._outbox.is_unsure:  # what this group builds on may be waiting in SQL
            with contextlib.suppress(MetadataUnavailable):
                await self._outbox.replay()
        deliver = self._outbox.deliver(group.deliveries)
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
        return await self._insert_one_by_one(group) if isinstance(both[1], StoreError) else {}

    async def _insert_one_by_one(self, group: Group) -> dict[int, StoreError]:
        refused: dict[int, StoreError] = {}
        for number in sorted(set(group.request_of)):
            own = [row for row, request in zip(group.rows, group.request_of, strict=True) if request == number]
            try:
                await self._events.insert("events", rows.lines(own), token=f"{group.token}-events-{number}")
            except StoreError as error:
                telemetry.log("capture").exception("ClickHouse refused an event", error=str(error))
                refused[number] = error
        return refused
