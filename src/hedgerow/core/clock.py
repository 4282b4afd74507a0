"""The one source of time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The system's time. Tests pass a `ManualClock`."""

    def now(self) -> datetime:
        """Aware, UTC, with microseconds."""
        return datetime.now(UTC)  # noqa: TID251

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean something."""
        return time.monotonic()


class ManualClock(Clock):
    """Stands still until it is moved."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._start = self._now

    def now(self) -> datetime:
        return self._now

    def now_us(self) -> int:
        return to_us(self._now)

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def advance(self, seconds: float = 0, *, days: float = 0) -> None:
        self._now += timedelta(days=days, seconds=seconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since the Unix epoch, exactly."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_us(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def iso(moment: datetime) -> str:
    """As PostHog writes moments: UTC, `Z`, microseconds when there are any (rest-api §1.9)."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
