"""The table `query_log`: what the project itself asked (hogql §5, "The rest"). Filled by the query room."""

from __future__ import annotations

from hedgerow.hogql.table import TEAM_ID, Column, Table, fields_of
from hedgerow.hogql.types import BOOLEAN, DATE, DATETIME, INTEGER, STRING

_NOTHING = (
    "RealTimeMicroseconds",
    "S3ListObjects",
    "S3HeadObject",
    "S3GetObjectAttributes",
    "S3GetObject",
    "ReadBufferFromS3Bytes",
)
"""Columns of PostHog's cloud that count what is not here: 0."""

QUERY_LOG = Table(
    name="query_log",
    clickhouse="query_log",
    fields=fields_of(
        Column("event_date", DATE, "toDate({0}.`event_time`)"),
        Column("event_time", DATETIME),
        Column("query_id", STRING),
        Column("endpoint", STRING),
        Column("query", STRING),
        Column("query_start_time", DATETIME),
        Column("query_duration_ms", INTEGER),
        Column("hogql_name", STRING),
        Column("created_by", INTEGER),
        *(Column(name, INTEGER) for name in ("read_rows", "read_bytes", "result_rows", "result_bytes", "memory_usage")),
        Column("status", STRING),
        Column("exception_code", INTEGER),
        Column("is_personal_api_key_request", BOOLEAN),
        Column("cpu_microseconds", INTEGER),
        *(Column(name, INTEGER, "toUInt64(0)") for name in _NOTHING),
        TEAM_ID,
        Column("kind", STRING, starred=False),
        Column("exception", STRING, starred=False),
        Column("key_id", STRING, starred=False),
    ),
)
