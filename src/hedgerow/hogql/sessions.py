"""`sessions` and `raw_sessions`: one row a session, kept as events arrive (hogql §5, §5.1, §5.2).

`raw_sessions` in ClickHouse holds states; read with FINAL, a session is one row whose states are merged, and its fields are
what the states say. A session's entry is what its first event tells of where the visitor came from.
"""

from __future__ import annotations

from hedgerow.hogql.channel_types import channel_type
from hedgerow.hogql.context import Modifiers
from hedgerow.hogql.table import TEAM_ID, Column, Field, Table, fields_of
from hedgerow.hogql.types import BOOLEAN, DATETIME, FLOAT, INTEGER, STRING, STRINGS

_TEXT = STRING.or_null()
SESSION_ID = (
    "toString(reinterpretAsUUID(bitOr(bitShiftLeft({0}.`session_id_v7`, 64), bitShiftRight({0}.`session_id_v7`, 64))))"
)
_ENTRY_URL = "finalizeAggregation({0}.`entry_url`)"
_END_URL = "finalizeAggregation({0}.`end_url`)"
_SECONDS = "dateDiff('second', {0}.`min_timestamp`, {0}.`max_timestamp`)"
_UTM = ("utm_source", "utm_campaign", "utm_medium", "utm_term", "utm_content")
_CLICK_IDS = (
    *("gclid", "gad_source", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "twclid", "li_fat_id"),
    *("mc_cid", "igshid", "ttclid", "_kx", "irclid"),
)
_SAID_AT_ENTRY = ("$referring_domain", *_UTM, *_CLICK_IDS)


def _count(states: str) -> str:
    return f"length({{0}}.`{states}`)"


_SEEN = f"({_count('pageviews')} + {_count('autocaptures')} + {_count('screens')})"


def _bounce(modifiers: Modifiers) -> str:
    """Whether a visitor left at once; NULL for a session that looked at nothing (hogql §5.2, §11)."""
    of_mode = {
        "uniq_page_screen_autocaptures": (f"{_count('pageviews')} + {_count('screens')}", f"{_SEEN} <= 1"),
        "count_pageviews": (_count("pageviews"), f"{_count('pageviews')} <= 1 AND {_count('autocaptures')} = 0"),
        "uniq_urls": (_count("urls"), f"{_count('urls')} <= 1 AND {_count('autocaptures')} = 0"),
    }
    looked, left = of_mode[modifiers.bounce_rate_page_view_mode]
    short = f"{_SECONDS} < {modifiers.bounce_rate_duration_seconds:g}"
    return f"if({looked} = 0, NULL, {left} AND {short})::Nullable(Bool)"


def _entry(key: str) -> str:
    """A property of the first event: as text without its quotes; NULL when it is missing, empty or the word null."""
    raw = f"JSONExtractRaw(finalizeAggregation({{0}}.`entry`), '{key}')"
    text = f"if(startsWith({raw}, '\"'), substring({raw}, 2, length({raw}) - 2), {raw})"
    return f"nullIf(nullIf({text}, ''), 'null')"


def _moment(column: str) -> str:
    """A kept extreme as a plain moment: its type is that of the function otherwise."""
    return f"toDateTime64({{0}}.`{column}`, 6, 'UTC')"


_FIELDS: tuple[Field, ...] = (
    Column("session_id", STRING, SESSION_ID),
    Column("id", STRING, SESSION_ID),
    TEAM_ID,
    Column("session_id_v7", INTEGER, starred=False),
    Column("distinct_id", STRING, "finalizeAggregation({0}.`distinct_id`)"),
    Column("$start_timestamp", DATETIME, _moment("min_timestamp")),
    Column("$end_timestamp", DATETIME, _moment("max_timestamp")),
    Column("max_inserted_at", DATETIME, _moment("max_inserted_at")),
    Column("$urls", STRINGS, "arraySort({0}.`urls`)"),
    Column("$num_uniq_urls", INTEGER, _count("urls")),
    Column("$entry_current_url", _TEXT, _ENTRY_URL),
    Column("$entry_pathname", _TEXT, f"path({_ENTRY_URL})"),
    Column("$entry_hostname", _TEXT, f"domain({_ENTRY_URL})"),
    Column("$end_current_url", _TEXT, _END_URL),
    Column("$end_pathname", _TEXT, f"path({_END_URL})"),
    Column("$end_hostname", _TEXT, f"domain({_END_URL})"),
    Column("$exit_current_url", _TEXT, _END_URL),
    Column("$exit_pathname", _TEXT, f"path({_END_URL})"),
    *(Column(f"$entry_{key.removeprefix('$')}", _TEXT, _entry(key)) for key in _SAID_AT_ENTRY),
    Column("$pageview_count", INTEGER, _count("pageviews")),
    Column("$autocapture_count", INTEGER, _count("autocaptures")),
    Column("$screen_count", INTEGER, _count("screens")),
    Column("$session_duration", INTEGER, _SECONDS),
    Column("duration", INTEGER, _SECONDS),
    Column("$is_bounce", BOOLEAN.or_null(), _bounce),
    Column("$channel_type", STRING, channel_type(_entry)),
    Column("$last_external_click_url", _TEXT, "finalizeAggregation({0}.`last_external_click_url`)"),
    Column("$page_screen_autocapture_count_up_to", INTEGER, f"toUInt8(least(2, {_SEEN}))"),
    Column("$vitals_lcp", FLOAT.or_null(), "finalizeAggregation({0}.`vitals_lcp`)"),
)
_RAW_FIELDS: tuple[Field, ...] = (
    Column("session_id", STRING, SESSION_ID),
    TEAM_ID,
    Column("session_id_v7", INTEGER),
    Column("distinct_id", STRING, "finalizeAggregation({0}.`distinct_id`)"),
    Column("min_timestamp", DATETIME, _moment("min_timestamp")),
    Column("max_timestamp", DATETIME, _moment("max_timestamp")),
    Column("max_inserted_at", DATETIME, _moment("max_inserted_at")),
    Column("urls", STRINGS, "arraySort({0}.`urls`)"),
    Column("entry_url", _TEXT, _ENTRY_URL),
    Column("end_url", _TEXT, _END_URL),
    Column("last_external_click_url", _TEXT, "finalizeAggregation({0}.`last_external_click_url`)"),
    *(Column(f"initial_{key.removeprefix('$')}", _TEXT, _entry(key)) for key in _SAID_AT_ENTRY),
    Column("vitals_lcp", FLOAT.or_null(), "finalizeAggregation({0}.`vitals_lcp`)"),
)

SESSION_TABLES = (
    Table("sessions", "raw_sessions", fields_of(*_FIELDS), keeps="merged"),
    Table("raw_sessions", "raw_sessions", fields_of(*_RAW_FIELDS)),
)
