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
"""Event property → column of `events`, type LowCardinality(Nullable(String)), value as `VALUE_OF_RAW` gives it."""

VALUE_OF_RAW = "if(startsWith({raw}, '\"'), substring({raw}, 2, length({raw}) - 2), nullIf(nullIf({raw}, ''), 'null'))"
"""A property's value from its raw JSON text (hogql §6): strings without their quotes, escapes as they stand; numbers,
booleans, objects and arrays as their text; missing and null as NULL."""
