"""The range of an insight and its buckets, in the project's time (queries §2.1)."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final, Literal

import msgspec

from hedgerow.queries.dates import RELATIVE, is_relative, parse_date
from hedgerow.queries.errors import QueryRefused

Bucket = Literal["hour", "day", "week", "month"]
BUCKETS_MAX: Final = 50_000
_LAST: Final = time(23, 59, 59, 999999)


class Range(msgspec.Struct, frozen=True):
    """Both ends included."""

    first: datetime
    last: datetime
    is_exact: bool = False
    """Whether events before `first`, in its own bucket, are left out."""

    def since(self, interval: Bucket) -> datetime:
        """From when on events count: the start of the first bucket; of a week only from that day on."""
        if self.is_exact:
            return self.first
        start = self.first.replace(minute=0, second=0, microsecond=0)
        if interval != "hour":
            start = start.replace(hour=0)
        return start.replace(day=1) if interval == "month" else start


def resolved(date_from: str | None, date_to: str | None, now: datetime, interval: Bucket, *, explicit: bool) -> Range:
    """The moments meant; `now` carries the project's zone. `all` is the caller's to answer. Raises `QueryRefused`."""
    first = _read(date_from or "-7d", now, "date_from")
    matched = RELATIVE.fullmatch(date_from or "-7d")
    hourly = matched is not None and matched[2] == "h"
    if matched is not None and not explicit:
        first = first.replace(hour=first.hour if hourly else 0, minute=0, second=0, microsecond=0)
    last = now if not date_to else _read(date_to, now, "date_to")
    if not explicit:
        if interval != "hour":
            last = datetime.combine(last.date(), _LAST, tzinfo=last.tzinfo)
        elif not date_to or is_relative(date_to):
            last = last.replace(minute=59, second=59, microsecond=999999)
    return Range(first=first, last=last, is_exact=explicit or hourly)


def _read(text: str, now: datetime, name: str) -> datetime:
    moment = parse_date(text, now)
    if moment is None or not 1970 < moment.year <= 2100:
        raise QueryRefused(f"Invalid date: {text[:100]}", attr=f"query__dateRange__{name}")
    return moment


def starts(span: Range, interval: Bucket, *, monday: bool) -> list[datetime]:
    """The first moment of each bucket, the one that holds `first` included. Raises `QueryRefused` for too many."""
    zone = span.first.tzinfo
    found: list[datetime] = []
    if interval == "hour":
        # hours are counted in UTC: the hour that a clock repeats is a bucket of its own
        step = span.first.replace(minute=0, second=0, microsecond=0).timestamp()
        while step <= span.last.timestamp():
            found.append(datetime.fromtimestamp(step, zone))
            step += 3600
            _hold(found)
        return found
    day = span.first.date()
    if interval == "week":
        day -= timedelta(days=day.weekday() if monday else (day.weekday() + 1) % 7)
    elif interval == "month":
        day = day.replace(day=1)
    while day <= span.last.date():
        found.append(datetime.combine(day, time(), tzinfo=zone))
        day = (
            (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            if interval == "month"
            else (day + timedelta(days=7 if interval == "week" else 1))
        )
        _hold(found)
    return found


def _hold(found: list[datetime]) -> None:
    if len(found) > BUCKETS_MAX:
        raise QueryRefused("The range has too many intervals.", attr="query__interval")


def label(start: datetime, interval: Bucket, span: Range) -> str:
    """What a client shows below a bucket."""
    if interval == "hour":
        return f"{start.day}-{start:%b %H:00}"
    if interval == "month":
        return f"{start:%b %Y}"
    if interval == "day":
        return _day(start)
    first = max(start.date(), span.first.date())
    last = min(start.date() + timedelta(days=6), span.last.date())
    if first == last:
        return _day(datetime.combine(first, time()))
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {first:%b}"
    if first.year == last.year:
        return f"{first.day}-{first:%b} – {last.day}-{last:%b}"
    return f"{first.day}-{first:%b-%Y} – {last.day}-{last:%b-%Y}"


def _day(moment: datetime) -> str:
    return f"{moment.day}-{moment:%b-%Y}"


def entry(start: datetime, interval: Bucket) -> str:
    """The bucket in `days`."""
    return f"{start:%Y-%m-%d %H:%M:%S}" if interval == "hour" else f"{start:%Y-%m-%d}"
