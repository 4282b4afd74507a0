"""Properties that have a column of their own, so that reading one costs what a column costs.

The columns are DEFAULTs over `properties_map`, so adding one by ALTER needs no rewrite: old parts compute it when read
and store it at their next merge.
"""

from __future__ import annotations

EVENT_PROPERTY_COLUMNS: dict[str, str] = {
    name: f"p_{name}"
    for name in (
        "$browser",
        "$os",
        "$device_type",
        "$current_url",
        "$pathname",
        "$host",
        "$referring_domain",
        "$lib",
        "$geoip_country_code",
        "utm_source",
        "$feature_flag",
        "$feature_flag_response",
    )
}
"""Event property → column of `events`, value as `VALUE_OF_RAW` gives it. LowCardinality, but for URLs: they are many."""

VALUE_OF_RAW = "if(startsWith({raw}, '\"'), substring({raw}, 2, length({raw}) - 2), nullIf(nullIf({raw}, ''), 'null'))"
"""A property's value from its raw JSON text (hogql §6): strings without their quotes, escapes as they stand; numbers,
booleans, objects and arrays as their text; missing and null as NULL."""

INSERT_COLUMNS: dict[str, tuple[str, ...]] = {
    "events": (
        "team_id",
        "uuid",
        "event",
        "timestamp",
        "created_at",
        "distinct_id",
        "person_id",
        "person_mode",
        "person_created_at",
        "properties",
        "indexed_properties",
        "person_properties_id",
        "elements_chain",
        "$group_0",
        "$group_1",
        "$group_2",
        "$group_3",
        "$group_4",
        "$session_id",
        "$window_id",
    ),
    "query_log": (
        "team_id",
        "event_time",
        "query_start_time",
        "query_id",
        "endpoint",
        "kind",
        "query",
        "hogql_name",
        "query_duration_ms",
        "read_rows",
        "read_bytes",
        "result_rows",
        "result_bytes",
        "memory_usage",
        "cpu_microseconds",
        "status",
        "exception_code",
        "exception",
        "created_by",
        "key_id",
        "is_personal_api_key_request",
    ),
    "log_entries": ("team_id", "log_source", "log_source_id", "instance_id", "timestamp", "level", "message"),
    "person_properties_versions": ("team_id", "id", "properties", "indexed_properties"),
    "persons": (
        "team_id",
        "id",
        "created_at",
        "properties",
        "indexed_properties",
        "is_identified",
        "is_deleted",
        "version",
    ),
    "person_distinct_ids": ("team_id", "distinct_id", "person_id", "is_deleted", "version"),
    "static_cohort_people": ("team_id", "cohort_id", "person_id", "is_deleted", "version"),
    "person_overrides": ("team_id", "distinct_id", "person_id", "is_deleted", "version"),
    "groups": (
        "team_id",
        "group_type_index",
        "group_key",
        "created_at",
        "updated_at",
        "properties",
        "indexed_properties",
        "is_deleted",
        "version",
    ),
}
"""Table → the columns that an insert names; any of them may be missing from a row.

`indexed_properties` is never stored: it stands in for `properties` when the map is made, for the rare text that
ClickHouse's JSON reader refuses (a lone surrogate escape). Moments are Unix seconds with a fraction, as text."""
