"""Rows go out as ClickHouse wrote them, moments as PostHog does (hogql §4)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hedgerow.core.storage.events import EventStore
from hedgerow.queries.rows import FORMAT, SETTINGS, Rows, plain_type, read_rows, wrapped

pytestmark = pytest.mark.stores
ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia"]


async def rows_of(events: EventStore, sql: str, limit: int | None = None) -> Rows:
    return read_rows(await events.query(sql, fmt=FORMAT, settings=SETTINGS), limit)


def values(rows: Rows, *, rewritten: bool = False) -> list[list[Any]]:
    return json.loads(b"".join(rows.parts(rewritten=rewritten)))


async def test_values_are_those_of_the_contract(events: EventStore) -> None:
    cases: list[tuple[str, str, Any]] = [
        ("toUInt64(18446744073709551615)", "UInt64", 18446744073709551615),
        ("toInt64(-9223372036854775808)", "Int64", -9223372036854775808),
        ("1.5", "Float64", 1.5),
        ("nan", "Float64", None),
        ("-inf", "Float64", None),
        ("toDecimal64(1.5, 3)", "Decimal(18, 3)", "1.5"),
        ("'a\\nb/\"\\\\'", "String", 'a\nb/"\\'),
        ("unhex('ff41')", "String", "\ufffdA"),
        ("toUUID('0198f0c4-0000-7000-8000-000000000000')", "UUID", "0198f0c4-0000-7000-8000-000000000000"),
        ("toDate('2026-01-05')", "Date", "2026-01-05"),
        ("true", "Bool", True),
        ("1 = 1", "UInt8", 1),
        ("[1, 2]", "Array(UInt8)", [1, 2]),
        ("(1, 'x')", "Tuple(UInt8, String)", [1, "x"]),
        ("CAST((1, 'x') AS Tuple(a UInt8, b String))", "Tuple(a UInt8, b String)", [1, "x"]),
        ("map('k', 1)", "Map(String, UInt8)", {"k": 1}),
        ("NULL", "Nullable(Nothing)", None),
        ("toLowCardinality('x')", "String", "x"),
    ]
    found = await rows_of(
        events, "SELECT " + ", ".join(f"{sql} AS c{number}" for number, (sql, _, _) in enumerate(cases))
    )

    assert found.types == [kind for _, kind, _ in cases]
    assert values(found) == [[value for _, _, value in cases]]


@pytest.mark.parametrize(
    ("stored", "limit", "count", "has_more"),
    [(0, None, 0, False), (0, 0, 0, False), (2, 0, 0, True), (2, 1, 1, True), (2, 2, 2, False), (3, 5, 3, False)],
)
async def test_rows_beyond_the_limit_are_cut_off(
    events: EventStore, stored: int, limit: int | None, count: int, has_more: bool
) -> None:
    found = await rows_of(events, f"SELECT number, 'a\nb,[]' FROM numbers({stored})", limit)

    assert (found.count, found.has_more) == (count, has_more)
    assert values(found) == [[number, "a\nb,[]"] for number in range(count)]


async def test_a_large_answer_comes_in_pieces(events: EventStore) -> None:
    found = await rows_of(events, "SELECT number, repeat('a\\n', 500), now() FROM numbers(3000)", 2999)

    for rewritten in (False, True):
        assert max(map(len, found.parts(rewritten=rewritten))) < 2 << 20
        assert [number for number, _, _ in values(found, rewritten=rewritten)] == list(range(2999))


def test_how_a_column_is_stored_is_not_told() -> None:
    kind = "Map(LowCardinality(String), Array(LowCardinality(Nullable(String))))"
    assert plain_type(kind) == "Map(String, Array(Nullable(String)))"


async def test_moments_have_the_offset_of_their_zone(events: EventStore) -> None:
    found = await rows_of(
        events,
        "SELECT toDateTime64('2026-01-05 10:00:00', 6, 'Europe/Berlin'), toDateTime('2026-07-05 10:00:00', 'Europe/Berlin'),"
        " toDateTime64('2026-01-05 10:00:00.123', 3, 'Europe/Berlin'), toDateTime64('2026-01-05 10:00:00.000001', 6, 'UTC'),"
        " toDateTime64('2026-01-05 10:00:00', 6, 'UTC'), '2026-01-05T10:00:00.000000Z'",
    )
    assert values(found, rewritten=True) == [
        [
            "2026-01-05T10:00:00+01:00",
            "2026-07-05T10:00:00+02:00",
            "2026-01-05T10:00:00.123000+01:00",
            "2026-01-05T10:00:00.000001Z",
            "2026-01-05T10:00:00Z",
            "2026-01-05T10:00:00.000000Z",
        ]
    ]


async def test_moments_in_arrays_tuples_and_maps_too(events: EventStore) -> None:
    moment = "toDateTime64('2026-01-05 10:00:00', 6, 'Europe/Berlin')"
    found = await rows_of(
        events,
        f"SELECT [{moment}], (1, {moment}, '2026-01-05T09:00:00.000000Z'), map('k', {moment}), [('a', {moment})],"
        f" CAST(('x', {moment}) AS Tuple(`a b` String, c DateTime64(6, 'Europe/Berlin'))), [toNullable({moment}), NULL]",
    )
    text = "2026-01-05T10:00:00+01:00"
    assert values(found, rewritten=True) == [
        [[text], [1, text, "2026-01-05T09:00:00.000000Z"], {"k": text}, [["a", text]], ["x", text], [text, None]]
    ]


@pytest.mark.parametrize("zone", ZONES)
async def test_clickhouse_and_python_write_the_same_moments(events: EventStore, zone: str) -> None:
    """Both ways are used for one query: Python's at its first run, ClickHouse's from then on."""
    sql = (
        "SELECT number AS `odd `` \\\\ name`,"
        f" toDateTime64('2026-01-05 10:00:00', 6, '{zone}') + toIntervalMillisecond(number * 86399137) AS a,"
        f" toDateTime('2026-07-05 10:00:00', '{zone}') + toIntervalHour(number * 11) AS b,"
        f" toDateTime64('2026-01-05 10:00:00.5', 3, '{zone}') AS c,"
        f" if(number % 3 = 1, NULL, toDateTime64('1970-10-25 02:30:00.000001', 6, '{zone}')) AS d,"
        f" toDateTime64('2026-10-25 00:30:00', 0, '{zone}') AS e,"
        f" toDateTime64('2261-10-25 00:30:00.123456789', 9, '{zone}') AS f"
        " FROM (SELECT number FROM numbers_mt(100000) ORDER BY number DESC LIMIT 700)"
    )
    plain = await rows_of(events, sql)
    rewritten = wrapped(sql, plain.names, plain.types)
    assert rewritten is not None

    by_clickhouse = await rows_of(events, rewritten)

    assert values(by_clickhouse) == values(plain, rewritten=True)


@pytest.mark.parametrize(
    "zone", [*ZONES, "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia", "Europe/Amsterdam"]
)
async def test_every_moment_is_the_one_that_was_stored(events: EventStore, zone: str) -> None:
    """Around changes of the clock too, and where offsets are not of whole hours."""
    sql = (
        f"SELECT toDateTime64('{{}}', 6, '{zone}') + toIntervalMicrosecond(number * 61000001) AS a, a AS b, toUnixTimestamp64Micro(a),"
        f" toDateTime(a, '{zone}'), if(number % 7 = 0, NULL, a) FROM numbers(600)"
    )
    for start in (
        "2026-03-28 20:00:00",
        "2026-10-24 20:00:00",
        "2026-04-04 10:00:00",
        "1937-06-30 20:00:00",
        "1972-01-06 20:00:00",
    ):
        found = await rows_of(events, sql.format(start))
        for a, b, micro, seconds, maybe in values(found, rewritten=True):
            moment = datetime.fromisoformat(a)
            assert (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) == micro
            assert moment.utcoffset() == moment.astimezone(ZoneInfo(zone)).utcoffset()
            assert a == b == (maybe or a)
            assert ".000000" not in a
            if micro >= 0:  # where a DateTime begins
                assert datetime.fromisoformat(seconds) == moment.replace(microsecond=0)


async def test_a_text_that_looks_like_a_moment_stays(events: EventStore) -> None:
    found = await rows_of(events, "SELECT '2026-01-05T09:00:00.000000Z', toDateTime64('2026-01-05 09:00:00', 6, 'UTC')")

    assert found.cells_to_rewrite == 2
    assert values(found, rewritten=True) == [["2026-01-05T09:00:00.000000Z", "2026-01-05T09:00:00Z"]]


async def test_few_moments_among_many_rows(events: EventStore) -> None:
    """Rows without a moment to rewrite are not taken apart; the first and the last row may be among the others."""
    found = await rows_of(
        events,
        "SELECT number, toDateTime64('2026-01-05 09:00:00', 6, 'UTC') + toIntervalMillisecond(number * 50), '],\n\t\t['"
        " FROM numbers(20001)",
    )
    rows = values(found, rewritten=True)

    assert [moment for number, moment, _ in rows if number % 20 == 0] == [
        (datetime(2026, 1, 5, 9, tzinfo=UTC) + timedelta(seconds=n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(1001)
    ]
    assert rows[-2][1] == "2026-01-05T09:16:39.950000Z"
    assert len(rows) == 20_001


async def test_a_failed_query_leaves_nothing_for_the_next(events: EventStore) -> None:
    """chDB would put the rows that a failed query had written in front of the same connection's next answer."""
    for _ in range(6):
        with pytest.raises(Exception, match="TIMEOUT_EXCEEDED"):
            await events.query(
                "SELECT count() FROM numbers(1000000000000) UNION ALL SELECT 4242",
                fmt="JSONCompactEachRow",
                settings={"max_execution_time": 0.2},
            )
        assert await events.query("SELECT 'mine'", fmt="JSONCompactEachRow") == b'["mine"]\n'
