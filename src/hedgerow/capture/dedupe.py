"""Whether an event was stored before (DESIGN 9).

    known to be in flight here        → a double
    not in the filter, and young      → certainly new
    in the filter, or older than what
    the filter remembers              → ask ClickHouse, once a group

The filter holds the uuids of all events that were received since `covered_since_us`. It cannot miss one; it takes about
one new event in 20,000 for an old one, which costs a look-up and no error. A resend cannot be older than its
original's arrival by more than `SKEW_US`, so an event younger than `covered_since_us + SKEW_US` that the filter does not
know was never here.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rbloom import Bloom

from hedgerow.core.clock import from_us
from hedgerow.core.storage.events import StoreError, StoreUnavailable
from hedgerow.core.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hedgerow.capture.event import IncomingEvent
    from hedgerow.core.clock import Clock
    from hedgerow.core.storage.events import EventStore
    from hedgerow.settings import Settings

Key = tuple[int, bytes]
"""A project and an event's uuid: what may be there once."""

SKEW_US: Final = 24 * 3_600_000_000
"""Timestamps reach up to 23 hours beyond the moment of arrival (sdk-wire §8.1)."""
GENERATIONS: Final = 4
"""The filter's parts: the oldest is dropped when all are full."""
FALSE_ALARMS: Final = 1e-5
"""Of one full part."""
SLICE_BYTES: Final = 16 * 20_000
"""Of the refill, before others on the event loop get a turn: 4 ms."""
RETRY_SECONDS: Final = 5.0
DAY_US: Final = 86_400_000_000

_COUNTS = """
SELECT count() AS total, countIf(created_at >= fromUnixTimestamp64Micro({window_us:Int64}, 'UTC')) AS young FROM events
"""
_UUIDS = """
SELECT UUIDStringToNum(toString(uuid)) FROM events
WHERE created_at >= fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')
"""
_STORED = """
SELECT DISTINCT hex(UUIDStringToNum(toString(uuid))) FROM events
WHERE team_id = {team_id:Int64} AND toDate(timestamp) IN {days:Array(Date)} AND event IN {names:Array(String)}
  AND cityHash64(distinct_id) IN (SELECT cityHash64(arrayJoin({distinct_ids:Array(String)})))
  AND uuid IN {uuids:Array(UUID)}
"""


class SeenEvents:
    """The uuids that this process knows of."""

    def __init__(self, events: EventStore, settings: Settings, clock: Clock, *, is_alone: bool) -> None:
        self._is_alone = is_alone
        """Else other workers store events too, and `Reservations` decides within the window."""
        self._events = events
        self._clock = clock
        self._window_us = settings.dedupe_window_days * DAY_US
        self._part_max = max(1_000, settings.dedupe_memory_events // GENERATIONS)
        self._parts: list[tuple[Bloom, int]] = []
        """Filters with the time of their first uuid, newest last."""
        self._in_part = 0
        self._start_part()
        self.covered_since_us = clock.now_us()
        """Every event received since then is in the filter."""
        self.in_flight: dict[Key, None] = {}
        """Events that a group has taken and that are not stored yet."""

    # -- one group ---------------------------------------------------------------------------------------------------

    def is_unsure(self, event: IncomingEvent) -> bool:
        """Whether only ClickHouse knows if this event, which is not in flight, was stored."""
        if not self._is_alone:
            return event.timestamp_us < event.created_at_us - self._window_us + SKEW_US
        if event.timestamp_us < self.covered_since_us + SKEW_US:
            return True
        uuid = event.uuid
        for part, _ in self._parts:  # noqa: SIM110 — `any` with a generator costs a microsecond an event
            if uuid in part:
                return True
        return False

    def add(self, uuids: Sequence[bytes]) -> None:
        """Remember uuids that are about to be stored."""
        if not self._is_alone:
            return
        part = self._parts[-1][0]
        part.update(uuids)
        self._in_part += len(uuids)
        if self._in_part >= self._part_max:
            self._start_part()

    def _start_part(self) -> None:
        self._parts.append((Bloom(self._part_max, FALSE_ALARMS), self._clock.now_us()))
        self._in_part = 0
        if len(self._parts) > GENERATIONS:
            del self._parts[0]
            self.covered_since_us = max(self.covered_since_us, self._parts[0][1])

    async def stored(self, events: Iterable[IncomingEvent]) -> set[Key]:
        """Which of these events ClickHouse has. Raises `StoreUnavailable`.

        A resend has its original's name and distinct id, and its day, give or take one; where the client sent no
        timestamp, each arrival has its own, so all days of the window count.
        """
        by_team: dict[int, list[IncomingEvent]] = {}
        for event in events:
            by_team.setdefault(event.team_id, []).append(event)
        found: set[Key] = set()
        for team_id, asked in by_team.items():
            parameters = {
                "team_id": team_id,
                "days": sorted({day for event in asked for day in self._days(event)}),
                "names": sorted({event.event for event in asked}),
                "distinct_ids": sorted({event.distinct_id for event in asked}),
                "uuids": [event.uuid.hex() for event in asked],
            }
            rows = await self._events.rows(_STORED, parameters, settled=False)
            found.update((team_id, bytes.fromhex(row[0])) for row in rows)
        return found

    def _days(self, event: IncomingEvent) -> Iterable[str]:
        before = 1 if event.timestamp_us != event.created_at_us else self._window_us // DAY_US + 1
        day = from_us(event.timestamp_us).date()
        return [(day + timedelta(days=offset)).isoformat() for offset in range(-before, 2)]

    # -- start -------------------------------------------------------------------------------------------------------

    async def refill(self) -> None:
        """Remember what earlier processes stored: everything if it fits half of the memory, else the window.

        Until this is done every event is looked up. Tries again when ClickHouse cannot answer.
        """
        while self._is_alone:
            try:
                await self._refill()
                return
            except (StoreUnavailable, StoreError) as error:
                log("capture").warning("The filter of stored events waits for ClickHouse", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _refill(self) -> None:
        now_us = self._clock.now_us()
        started_us = self.covered_since_us
        window_us = now_us - self._window_us
        total, young = (await self._events.rows(_COUNTS, {"window_us": window_us}, settled=False))[0]
        if total <= self._part_max * GENERATIONS // 2:
            since_us = -(1 << 53)
        elif young <= self._part_max * (GENERATIONS - 1):
            since_us = window_us
        else:
            log("capture").warning("Too many events in the window: older ones are looked up", events=young)
            return
        rest = b""
        async for block in self._events.stream(_UUIDS, {"since_us": max(since_us, 0)}, fmt="RowBinary", settled=False):
            body = rest + block
            whole = len(body) // 16 * 16
            for start in range(0, whole, SLICE_BYTES):
                end = min(start + SLICE_BYTES, whole)
                self.add([body[at : at + 16] for at in range(start, end, 16)])
                await asyncio.sleep(0)
            rest = body[whole:]
        if self.covered_since_us == started_us:  # else parts were dropped meanwhile
            self.covered_since_us = since_us
