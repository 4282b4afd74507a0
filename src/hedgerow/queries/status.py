"""Queries that somebody will come back for (queries §1.4): kept in this process, ten minutes, bounded."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from typing import Any, Final

import msgspec

from hedgerow.core.clock import Clock, iso

LIFE: Final = timedelta(minutes=10)
"""How long a status can be asked for, from its start or its end."""
STATUSES_MAX: Final = 10_000
"""The oldest are forgotten beyond it."""


class Progress(msgspec.Struct, kw_only=True):
    """How far a running query has come."""

    bytes_read: int = 0
    rows_read: int = 0
    estimated_rows_total: int = 0
    time_elapsed: float = 0
    active_cpu_time: int = 0


class Status(msgspec.Struct, kw_only=True):
    """One asynchronous query. Times are ISO 8601, UTC."""

    id: str
    query_async: bool = True
    team_id: int
    insight_id: int | None = None
    dashboard_id: int | None = None
    error: bool = False
    complete: bool = False
    error_message: str | None = None
    results: msgspec.Raw | None = None
    """The whole response."""
    start_time: str
    pickup_time: str | None = None
    end_time: str | None = None
    expiration_time: str | None = None
    task_id: str | None = None
    labels: list[str] | None = None
    query_progress: Any = msgspec.UNSET
    """`Progress`, when it was asked for."""

    @property
    def http_status(self) -> int:
        """What asking for it answers."""
        if not self.complete:
            return 202
        if self.error:
            return 400 if self.error_message else 500
        return 200


class Statuses:
    """The statuses of this process."""

    def __init__(self, clock: Clock, bytes_max: int) -> None:
        """Results may weigh `bytes_max` together; the oldest are forgotten beyond it."""
        self._clock = clock
        self._bytes_max = bytes_max
        self._bytes = 0
        self._statuses: OrderedDict[tuple[int, str], tuple[Status, float]] = OrderedDict()

    def start(self, team_id: int, query_id: str, task_id: str) -> Status:
        """A new status under this id. One of the same id is replaced."""
        self.forget(team_id, query_id)
        now = self._clock.now()
        status = Status(
            id=query_id, team_id=team_id, start_time=iso(now), expiration_time=iso(now + LIFE), task_id=task_id
        )
        self._keep(team_id, query_id, status)
        return status

    def pick_up(self, status: Status) -> None:
        """The query runs now."""
        status.pickup_time = iso(self._clock.now())

    def end(self, status: Status, *, results: bytes | None = None, error_message: str | None = None) -> None:
        """The query is over: with results, or with an error whose text may be None."""
        key = (status.team_id, status.id)
        now = self._clock.now()
        status.complete, status.error, status.error_message = True, results is None, error_message
        status.end_time, status.expiration_time = iso(now), iso(now + LIFE)
        kept = self._statuses.get(key)
        if kept is None or kept[0] is not status:
            return
        self.forget(*key)
        status.results = None if results is None else msgspec.Raw(results)
        self._keep(*key, status)

    def find(self, team_id: int, query_id: str) -> Status | None:
        """The status, unless it is unknown or over its time."""
        self._expire()
        kept = self._statuses.get((team_id, query_id))
        return None if kept is None else kept[0]

    def forget(self, team_id: int, query_id: str) -> None:
        """Drop one, if there is one."""
        kept = self._statuses.pop((team_id, query_id), None)
        if kept is not None:
            self._bytes -= _size(kept[0])

    def _keep(self, team_id: int, query_id: str, status: Status) -> None:
        self._statuses[team_id, query_id] = (status, self._clock.monotonic() + LIFE.total_seconds())
        self._bytes += _size(status)
        self._expire()
        while len(self._statuses) > 1 and (self._bytes > self._bytes_max or len(self._statuses) > STATUSES_MAX):
            self.forget(*next(iter(self._statuses)))

    def _expire(self) -> None:
        now = self._clock.monotonic()
        while self._statuses:
            key, (_, until) = next(iter(self._statuses.items()))
            if until > now:
                return
            self.forget(*key)


def _size(status: Status) -> int:
    return 512 + (0 if status.results is None else len(bytes(status.results)))
