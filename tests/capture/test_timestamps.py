"""When an event happened: the forms that clients write, and the rules of sdk-wire §8.1."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgerow.capture.timestamps import (
    EARLIEST,
    LATEST,
    event_time_us,
    iso,
    parse_rfc3339_us,
    parse_us,
    sent_at_of_query,
)
from hedgerow.core.clock import to_us


def at(text: str) -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


TEN = at("2031-02-03 10:00:00")
NOW = at("2031-02-03 10:00:05")

FORMS: list[tuple[object, int | None]] = [
    ("2031-02-03T10:00:00Z", TEN),
    ("2031-02-03T10:00:00.123456Z", TEN + 123_456),
    ("2031-02-03T10:00:00.123456789Z", TEN + 123_456),
    ("2031-02-03T13:00:00+03:00", TEN),
    ("2031-02-03T13:00:00+0300", TEN),
    ("2031-02-03T13:00:00+03", TEN),
    ("2031-02-03 13:00:00 +03", TEN),
    ("2031-02-03T10:00:00", TEN),
    ("2031-02-03 10:00:00", TEN),
    ("2031-02-03t10:00:00z", TEN),
    (" 2031-02-03T10:00:00Z ", TEN),
    ("2031-02-03 10:00", TEN),
    ("2031-02-03", at("2031-02-03")),
    ("2031-2-3", at("2031-02-03")),
    ("20310203", at("2031-02-03")),
    ("2031/02/03", at("2031-02-03")),
    ("2031/02/03 10:00:00", TEN),
    ("02/03/2031", at("2031-02-03")),
    ("02/03/2031 10:00:00", TEN),
    ("Mon, 03 Feb 2031 10:00:00 GMT", TEN),
    ("Mon, 03 Feb 2031 13:00:00 +0300", TEN),
    ("03 Feb 2031 10:00:00 GMT", TEN),
    ("Mon Feb 03 2031 13:00:00 GMT+0300 (Moscow Standard Time)", TEN),
    ("2031-02-03T09:59:60Z", TEN),
    (str(TEN // 1_000_000), TEN),
    (str(TEN // 1_000), TEN),
    (f"{TEN // 1_000_000}.5", TEN + 500_000),
    (TEN // 1_000_000, TEN),
    (TEN // 1_000, TEN),
    (TEN / 1_000_000, TEN),
    ("0", 0),
    ("-1", -1_000_000),
    ("+012031-02-03T10:00:00.000Z", at("9999-12-31") + 86_400_000_000),
    ("-000001-02-03T10:00:00.000Z", -62_167_219_200_000_000 - 86_400_000_000),
    ("0000-01-01T00:00:00Z", -62_167_219_200_000_000),
    *[
        (nothing, None)
        for nothing in (
            "",
            "  ",
            "yesterday",
            "2031-13-03",
            "2031-02-30T10:00:00Z",
            "31/12/2030",
            "2031-02-03T25:00:00Z",
            "Mon, 99 Feb 2031 10:00:00 GMT",
            "9" * 40,
            "1" * 200,
            "٢٠٣١-٠٢-٠٣",
            None,
            True,
            False,
            [],
            {},
            float("nan"),
            float("inf"),
            10**30,
        )
    ],
]


@pytest.mark.parametrize(("written", "moment"), FORMS)
def test_every_form_is_read(written: object, moment: int | None) -> None:
    assert parse_us(written) == moment


HOUR = 3_600_000_000
RULES: list[tuple[str, int | None, int | None, int | None, int]] = [
    ("T alone", TEN, None, None, TEN),
    ("T and a right clock", TEN, NOW, None, TEN),
    ("a clock an hour ahead", TEN + HOUR, NOW + HOUR, None, TEN),
    ("a clock an hour behind", TEN - HOUR, NOW - HOUR, None, TEN),
    ("no T", None, NOW + HOUR, None, NOW),
    ("offset", None, None, 5_000, TEN),
    ("offset beats T", TEN - HOUR, NOW + HOUR, 5_000, TEN),
    ("offset into the future", None, None, -1_000, NOW + 1_000_000),
    ("offset of a lifetime", None, None, 10**30, 0),
    ("22 hours ahead", NOW + 22 * HOUR, None, None, NOW + 22 * HOUR),
    ("23 hours ahead", NOW + 23 * HOUR, None, None, NOW + 23 * HOUR),
    ("more than 23 hours ahead", NOW + 23 * HOUR + 1, None, None, NOW),
    ("48 hours ahead", NOW + 48 * HOUR, None, None, NOW),
    ("five years ago", at("2026-02-03"), None, None, at("2026-02-03")),
    ("before 1900", at("1850-01-01"), None, None, EARLIEST),
    ("before the year 0", -62_167_219_200_000_001, None, None, 0),
    ("a sent-at of 1970", TEN, 0, None, NOW),
]


@pytest.mark.parametrize(
    ("timestamp", "sent_at", "offset", "wanted"), [row[1:] for row in RULES], ids=[row[0] for row in RULES]
)
def test_the_rules_of_time(timestamp: int | None, sent_at: int | None, offset: int | None, wanted: int) -> None:
    assert event_time_us(timestamp, now=NOW, sent_at=sent_at, offset_ms=offset) == wanted


@pytest.mark.parametrize(
    ("query", "moment"),
    [
        ("1927879205000", 1_927_879_205_000_000),
        ("1609459199999", None),
        ("1609459200000", 1_609_459_200_000_000),
        ("", None),
        ("1.5", None),
        ("-1", None),
        ("²", None),
        ("9" * 16, None),
        ("9" * 400, None),
    ],
)
def test_the_querys_sent_at(query: str, moment: int | None) -> None:
    assert sent_at_of_query(query) == moment


@given(st.text(max_size=100))
def test_no_text_is_a_crash(text: str) -> None:
    for moment in (parse_us(text), parse_rfc3339_us(text)):
        assert EARLIEST <= event_time_us(moment, now=NOW, sent_at=moment) <= LATEST


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2299, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
)
def test_rfc_3339_is_read_to_the_microsecond(moment: datetime, zone_minutes: int) -> None:
    sign, minutes = "-" if zone_minutes < 0 else "+", abs(zone_minutes)
    local = (moment + timedelta(minutes=zone_minutes)).replace(tzinfo=None)
    text = f"{local.isoformat(timespec='microseconds')}{sign}{minutes // 60:02d}:{minutes % 60:02d}"

    assert parse_us(text) == parse_rfc3339_us(text) == to_us(moment)


def test_a_moment_is_written_in_milliseconds() -> None:
    assert iso(TEN + 120_999) == "2031-02-03T10:00:00.120Z"
