"""When an event happened: what clients write, and the rules of sdk-wire §8.1.

Everything is in whole µs since 1970 UTC.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

SECOND: Final = 1_000_000
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
FUTURE_MAX: Final = 23 * HOUR
"""An event this far ahead of the server's clock happened now."""
EARLIEST: Final = -2_208_988_800 * SECOND
"""1900-01-01: the first moment that ClickHouse's DateTime64 can hold."""
LATEST: Final = 10_413_791_999 * SECOND
"""2299-12-31 23:59:59: the last."""

_TEXT_MAX: Final = 80
_YEAR_0: Final = -62_167_219_200 * SECOND
_YEAR_1: Final = -62_135_596_800 * SECOND
_YEAR_10000: Final = 253_402_300_800 * SECOND
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_NAIVE: Final = datetime(1970, 1, 1)  # noqa: DTZ001 — no zone means UTC here
_SENT_AT_MIN: Final = 1_609_459_200 * SECOND
"""2021-01-01: a query's `sent_at` before this is a cache buster of another kind."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,17}(?:\.[0-9]{1,20})?\Z")
_EXPANDED_YEAR = re.compile(r"([+-])[0-9]{5,6}-[0-9]{2}")
_SLASHES_YEAR_FIRST = re.compile(r"([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})(.*)\Z", re.DOTALL)
_SLASHES_MONTH_FIRST = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})(.*)\Z", re.DOTALL)
_JS_DATE = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) ([0-9]{1,2}) ([0-9]{4}) ([0-9:]{5,8})(?: (?:GMT|UTC)?([+-][0-9]{4})?.*)?\Z",
)
_LOOSE_ISO = re.compile(
    r"([0-9]{4}-[0-9]{1,2}-[0-9]{1,2})(?:[Tt ]+([0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?))? *"
    r"([Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?\Z",
)


def parse_us(value: object) -> int | None:
    """What a client wrote as a time, or None if it is none.

    RFC 3339 first; then a date alone, a space for the T, slashes, RFC 2822, JavaScript's `Date` as text, seconds or
    milliseconds since 1970 as number or text, `+03` offsets. No zone means UTC.
    """
    if type(value) is str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _parse_text(value)
        if value.isdigit() and len(value) != 8:
            return _parse_text(value)
        return _micros(moment)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _from_number(float(value)) if abs(value) < 1e18 else None


def parse_rfc3339_us(value: object) -> int | None:
    """As `parse_us`, but only RFC 3339 with its zone, as version 1 wants it (sdk-wire §6)."""
    if not isinstance(value, str) or len(value) < 20 or len(value) > _TEXT_MAX or value[10] not in "Tt ":
        return None
    try:
        moment = datetime.fromisoformat(value.replace("z", "Z").replace("t", "T"))
    except ValueError:
        return None
    return None if moment.tzinfo is None else _micros(moment)


def sent_at_of_query(value: str) -> int | None:
    """The query's `_` or `sent_at`: milliseconds since 1970, or None before 2021."""
    if not value.isascii() or not value.isdigit() or len(value) > 16:
        return None
    moment = int(value) * 1000
    return moment if moment >= _SENT_AT_MIN and moment < _YEAR_10000 else None


def event_time_us(
    timestamp: int | None,
    *,
    now: int,
    sent_at: int | None = None,
    offset_ms: int | None = None,
) -> int:
    """Rules 2 to 5 of sdk-wire §8.1, and what ClickHouse can hold.

    Args:
        timestamp: what the event says, None if it says nothing that parses.
        now: when this server received the request.
        sent_at: when the client says it sent it; None discards it (rule 1).
        offset_ms: milliseconds before now, which beat the timestamp.
    """
    if offset_ms is not None:
        result = now - offset_ms * 1000
    elif timestamp is None:
        result = now
    elif sent_at is None:
        result = timestamp
    else:
        result = timestamp - (sent_at - now)
    if result > now + FUTURE_MAX:
        return now
    if result >= EARLIEST:
        return min(result, LATEST)
    return EARLIEST if result >= _YEAR_0 else 0


def can_be_written(micros: int) -> bool:
    """Whether `iso` can write this moment: the years 1 to 9999."""
    return _YEAR_1 <= micros < _YEAR_10000


def iso(micros: int) -> str:
    """A moment for which `can_be_written` holds, as `2031-02-03T10:00:05.120Z`."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _micros(moment: datetime) -> int:
    since = moment - (_EPOCH_NAIVE if moment.tzinfo is None else _EPOCH)
    return (since.days * 86400 + since.seconds) * SECOND + since.microseconds


def _from_number(number: float) -> int | None:
    """Seconds since 1970, or milliseconds when it would be beyond the year 5138 in seconds."""
    if not math.isfinite(number):
        return None
    return round(number * SECOND) if abs(number) < 1e11 else round(number * 1000)


def _parse_text(text: str) -> int | None:
    text = text.strip()
    if not text or len(text) > _TEXT_MAX or not text.isascii():
        return None
    if _NUMBER.match(text):
        return _from_number(float(text))
    expanded = _EXPANDED_YEAR.match(text)
    if expanded:  # what JavaScript writes for years outside 0 to 9999
        return _YEAR_10000 if expanded[1] == "+" else _YEAR_0 - DAY
    try:
        return _parse_loose(text)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _parse_loose(text: str) -> int | None:
    for pattern, order in ((_SLASHES_YEAR_FIRST, (1, 2, 3)), (_SLASHES_MONTH_FIRST, (3, 1, 2))):
        slashes = pattern.match(text)
        if slashes:
            year, month, day = (int(slashes[group]) for group in order)
            text = f"{year:04d}-{month:02d}-{day:02d}{slashes[4]}"
            break
    loose = _LOOSE_ISO.match(text)
    if loose:
        return _from_loose_iso(loose)
    script = _JS_DATE.match(text)
    if script:
        moment = datetime.strptime(f"{script[1]} {script[2]} {script[3]} {script[4]}", "%b %d %Y %H:%M:%S")  # noqa: DTZ007
        return _micros(moment) - _offset_us(script[5] or "")
    return _micros(parsedate_to_datetime(text))


def _from_loose_iso(match: re.Match[str]) -> int:
    year, month, day = (int(piece) for piece in match[1].split("-"))
    clock, zone = match[2] or "00:00", match[3] or ""
    hour, minute, *rest = clock.replace(",", ".").split(":")
    second = float(rest[0]) if rest else 0.0
    if year == 0:  # a leap year of the calendar that Python's does not reach
        return _YEAR_0
    moment = datetime(year, month, day, int(hour), int(minute), tzinfo=UTC)
    if second >= 61:
        raise ValueError(clock)
    return _micros(moment) + round(second * SECOND) - _offset_us(zone)


def _offset_us(zone: str) -> int:
    digits = zone[1:].replace(":", "")
    if not zone.startswith(("+", "-")):
        return 0
    micros = int(digits[:2]) * HOUR + int(digits[2:4] or "0") * 60 * SECOND
    return -micros if zone[0] == "-" else micros
