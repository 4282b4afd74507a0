"""Dates as filters write them (queries §2.1): `-7d`, `mStart`, `2026-01-05T10:00`, in the project's time."""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timedelta, tzinfo
from typing import Final

RELATIVE: Final = re.compile(r"-?(\d{1,9})?([sMhdwmqy])(Start|End)?")
_SHORT_DAY: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(.*)", re.DOTALL)
_WEEKS_OF_A_QUARTER: Final = 13
OLDEST: Final = 1900
"""The first year that the event store can hold."""


def is_relative(text: str) -> bool:
    """Whether a text counts from now: `-7d`, `dStart`."""
    return RELATIVE.fullmatch(text) is not None


def parse_date(text: str, now: datetime) -> datetime | None:
    """The moment that `text` means, in the zone of `now`; None when it means none.

    A relative one is not cut to the start of its day: who wants that does it.
    """
    relative = RELATIVE.fullmatch(text)
    if relative is None:
        return _absolute(text, now.tzinfo)
    count, unit, edge = int(relative[1] or 0), relative[2], relative[3]
    try:
        moment = _before(now, count, unit)
    except (OverflowError, ValueError):
        moment = now.replace(year=OLDEST)
    if moment.year < OLDEST:
        moment = moment.replace(year=OLDEST, day=min(moment.day, 28))
    return moment if edge is None else _edge(moment, unit, edge)


def _absolute(text: str, zone: tzinfo | None) -> datetime | None:
    short = _SHORT_DAY.fullmatch(text.strip())
    if short is None:
        return None
    padded = f"{short[1]}-{int(short[2]):02}-{int(short[3]):02}{short[4]}"
    try:
        moment = datetime.fromisoformat(padded)
    except ValueError:
        return None
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)


def _before(now: datetime, count: int, unit: str) -> datetime:
    match unit:
        case "s":
            return now - timedelta(seconds=count)
        case "M":
            return now - timedelta(minutes=count)
        case "h":
            return now - timedelta(hours=count)
        case "d":
            return now - timedelta(days=count)
        case "w":
            return now - timedelta(weeks=count)
        case "q":
            return now - timedelta(weeks=_WEEKS_OF_A_QUARTER * count)
        case _:
            months = now.year * 12 + now.month - 1 - count * (12 if unit == "y" else 1)
            year, month = divmod(months, 12)
            return now.replace(year=year, month=month + 1, day=min(now.day, calendar.monthrange(year, month + 1)[1]))


def _edge(moment: datetime, unit: str, edge: str) -> datetime:
    """The start or end of the moment's hour, day, month; for a year its first day, or day 31 of the same month."""
    last = calendar.monthrange(moment.year, moment.month)[1]
    if unit == "h":
        return moment.replace(minute=0, second=0, microsecond=0) if edge == "Start" else _end(moment, moment.hour)
    if unit == "m":
        moment = moment.replace(day=1 if edge == "Start" else last)
    elif unit == "y":
        moment = moment.replace(month=1, day=1) if edge == "Start" else moment.replace(day=last)
    elif unit != "d":
        return moment
    return moment.replace(hour=0, minute=0, second=0, microsecond=0) if edge == "Start" else _end(moment, 23)


def _end(moment: datetime, hour: int) -> datetime:
    return moment.replace(hour=hour, minute=59, second=59, microsecond=999_999)
