"""`session_replay_events` and `log_entries`: what recordings left behind (hogql §5). Filled by the room of replay."""

from __future__ import annotations

from hedgerow.hogql.table import TEAM_ID, Column, Field, LazyJoin, Table, Traverser, fields_of
from hedgerow.hogql.types import BOOLEAN, DATETIME, INTEGER, STRING, STRINGS

_TEXT = STRING.or_null()
_COUNTS = (
    *("click_count", "keypress_count", "mouse_activity_count", "active_milliseconds", "console_log_count"),
    *("console_warn_count", "console_error_count", "size", "event_count", "message_count"),
)
_EXPIRY = "toStartOfDay({0}.`min_first_timestamp`, 'UTC') + toIntervalDay(coalesce({0}.`retention_period_days`, 30))"


def _moment(column: str) -> str:
    """A kept extreme as a plain moment: its type is that of the function otherwise."""
    return f"toDateTime64({{0}}.`{column}`, 6, 'UTC')"


def _sum(column: str) -> Column:
    return Column(column, INTEGER, f"toInt64({{0}}.`{column}`)")


_LINKS: tuple[Field, ...] = (
    LazyJoin("events", "events", "session_id", "$session_id", join_type="INNER JOIN"),
    Traverser("properties", ("events", "properties")),
    LazyJoin("pdi", "person_distinct_ids", "distinct_id", "distinct_id"),
    Traverser("person", ("pdi", "person")),
    Traverser("person_id", ("pdi", "person_id")),
    LazyJoin("session", "sessions", "session_id_v7", "session_id_v7"),
    LazyJoin(
        "console_logs",
        "log_entries",
        "session_id",
        "log_source_id",
        (("log_source", "session_replay"),),
        join_type="LEFT JOIN",
    ),
)
_SHARED: tuple[Field, ...] = (
    *map(_sum, _COUNTS),
    Column("snapshot_source", _TEXT, "finalizeAggregation({0}.`snapshot_source`)"),
    Column("snapshot_library", _TEXT, "finalizeAggregation({0}.`snapshot_library`)"),
    Column("retention_period_days", INTEGER.or_null(), "accurateCastOrNull({0}.`retention_period_days`, 'Int64')"),
    Column("expiry_time", DATETIME, _EXPIRY),
)
_KEYS = fields_of(Column("session_id_v7", INTEGER, "toUInt128(toUUIDOrZero({0}.`session_id`))"))
_RECORDINGS = fields_of(
    Column("session_id", STRING),
    TEAM_ID,
    Column("distinct_id", STRING, "toString({0}.`distinct_id`)"),
    Column("start_time", DATETIME, _moment("min_first_timestamp")),
    Column("end_time", DATETIME, _moment("max_last_timestamp")),
    Column("first_url", _TEXT, "finalizeAggregation({0}.`first_url`)"),
    Column("all_urls", STRINGS, "arraySort({0}.`all_urls`)"),
    *_SHARED,
    *_LINKS,
)
_RAW_RECORDINGS = fields_of(
    Column("session_id", STRING),
    TEAM_ID,
    Column("distinct_id", STRING, "toString({0}.`distinct_id`)"),
    Column("min_first_timestamp", DATETIME, _moment("min_first_timestamp")),
    Column("max_last_timestamp", DATETIME, _moment("max_last_timestamp")),
    Column("first_url", _TEXT, "finalizeAggregation({0}.`first_url`)"),
    Column("all_urls", STRINGS, "arraySort({0}.`all_urls`)"),
    *_SHARED,
    Column("_timestamp", DATETIME, _moment("_timestamp")),
    Column("is_deleted", BOOLEAN, "toBool({0}.`is_deleted`)"),
    *_LINKS,
)
_LOG_ENTRIES = fields_of(
    *(Column(name, STRING) for name in ("log_source", "log_source_id", "instance_id")),
    Column("timestamp", DATETIME),
    TEAM_ID,
    Column("message", STRING),
    Column("level", STRING),
)

REPLAY_TABLES = (
    Table("session_replay_events", "session_replay_events", _RECORDINGS, keeps="merged", keys=_KEYS),
    Table("raw_session_replay_events", "session_replay_events", _RAW_RECORDINGS, keys=_KEYS),
    Table("log_entries", "log_entries", _LOG_ENTRIES),
)
LOG_VIEWS = {
    "console_logs_log_entries": "session_replay",
    "batch_export_log_entries": "batch_exports",
}
"""Tables that show the log entries of one source."""
