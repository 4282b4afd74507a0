"""hogql §5: links and columns of the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.contract.hogql.cases import Case, asked, read_cases
from tests.contract.hogql.conftest import Shop

pytestmark = pytest.mark.stores

FILE = Path(__file__).with_name("05_tables.txt")
CASES = read_cases(FILE)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
async def test_the_answer(shop: Shop, zoned: Shop, case: Case) -> None:
    await asked(FILE, case, shop, zoned)


_EVENTS = [
    *("uuid", "event", "properties", "timestamp", "distinct_id", "elements_chain", "created_at", "$session_id"),
    *("$window_id", "person_mode", "$group_0", "$group_1", "$group_2", "$group_3", "$group_4", "elements_chain_href"),
    *("elements_chain_texts", "elements_chain_ids", "elements_chain_elements"),
]
_ENTRY = [
    *("referring_domain", "utm_source", "utm_campaign", "utm_medium", "utm_term", "utm_content", "gclid", "gad_source"),
    *("gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "twclid", "li_fat_id", "mc_cid", "igshid", "ttclid"),
    *("_kx", "irclid"),
]
_COUNTS = [
    *("click_count", "keypress_count", "mouse_activity_count", "active_milliseconds", "console_log_count"),
    *("console_warn_count", "console_error_count", "size", "event_count", "message_count"),
]
_LOG = ["log_source", "log_source_id", "instance_id", "timestamp", "message", "level"]
STARS = {
    "events": _EVENTS,
    "persons": ["id", "created_at", "properties", "is_identified"],
    "raw_persons": ["id", "created_at", "properties", "is_identified", "is_deleted", "version"],
    "person_distinct_ids": ["distinct_id", "person_id"],
    "raw_person_distinct_ids": ["distinct_id", "person_id", "is_deleted", "version"],
    "person_distinct_id_overrides": ["distinct_id", "person_id"],
    "raw_person_distinct_id_overrides": ["distinct_id", "person_id", "is_deleted", "version"],
    "groups": ["index", "key", "created_at", "updated_at", "properties"],
    "raw_groups": ["index", "key", "created_at", "updated_at", "properties"],
    "sessions": [
        *("session_id", "id", "distinct_id", "$start_timestamp", "$end_timestamp", "max_inserted_at", "$urls"),
        *("$num_uniq_urls", "$entry_current_url", "$entry_pathname", "$entry_hostname", "$end_current_url"),
        *("$end_pathname", "$end_hostname", "$exit_current_url", "$exit_pathname"),
        *(f"$entry_{each}" for each in _ENTRY),
        *("$pageview_count", "$autocapture_count", "$screen_count", "$session_duration", "duration", "$is_bounce"),
        *("$channel_type", "$last_external_click_url", "$page_screen_autocapture_count_up_to", "$vitals_lcp"),
    ],
    "raw_sessions": ["session_id", "min_timestamp", "max_timestamp", "urls"],
    "session_replay_events": [
        *("session_id", "distinct_id", "start_time", "end_time", "first_url", "all_urls", *_COUNTS),
        *("snapshot_source", "snapshot_library", "retention_period_days", "expiry_time"),
    ],
    "raw_session_replay_events": [
        *("session_id", "distinct_id", "min_first_timestamp", "max_last_timestamp", "first_url", "all_urls", *_COUNTS),
        *("snapshot_source", "snapshot_library", "retention_period_days", "expiry_time", "_timestamp", "is_deleted"),
    ],
    "log_entries": _LOG,
    "console_logs_log_entries": _LOG,
    "batch_export_log_entries": _LOG,
    "numbers(1)": ["number"],
    "generateSeries(1, 2)": ["generate_series"],
    "query_log": [
        *("event_date", "event_time", "query_id", "endpoint", "query", "query_start_time", "query_duration_ms"),
        *("hogql_name", "created_by", "read_rows", "read_bytes", "result_rows", "result_bytes", "memory_usage"),
        *("status", "exception_code", "is_personal_api_key_request", "cpu_microseconds", "RealTimeMicroseconds"),
        *("S3ListObjects", "S3HeadObject", "S3GetObjectAttributes", "S3GetObject", "ReadBufferFromS3Bytes"),
    ],
}
NOT_STARRED = {"team_id", "person", "pdi", "poe", "person_id", "session", "override", "group_0", "$session_id_uuid"}
"""Columns and links of events that `*` leaves out."""


@pytest.mark.parametrize("table", STARS)
async def test_star_has_the_columns_of_the_contract_in_its_order(shop: Shop, table: str) -> None:
    found = (await shop.answer(f"SELECT * FROM {table} LIMIT 0")).columns
    assert [name for name in found if name in STARS[table]] == STARS[table]
    assert "team_id" not in found


async def test_star_of_events_leaves_links_out(shop: Shop) -> None:
    assert not NOT_STARRED & set((await shop.answer("SELECT * FROM events LIMIT 0")).columns)


@pytest.mark.parametrize(
    "table",
    [
        *("system.tables", "system.processes", "information_schema.tables", "default.events", "dictionary", "merge"),
        *("url('http://127.0.0.1/')", "file('/etc/passwd')", "s3('x')", "remote('127.0.0.1')", "mysql('x')"),
        *("postgresql('x')", "cluster('c', 'events')", "executable('x')", "clusterAllReplicas('c', 'events')"),
        *("values('a Int8', 1)", "zeros(3)", "view('SELECT 1')", "input('a Int8')", "azureBlobStorage('x')"),
    ],
)
async def test_what_is_clickhouse_s_own_cannot_be_named(shop: Shop, table: str) -> None:
    detail, _ = await shop.refusal(f"SELECT 1 FROM {table}")
    assert detail == f"Unknown table `{table.partition('(')[0]}`."


@pytest.fixture(scope="module")
def versions(empty: Shop) -> Shop:
    """Persons, distinct ids and groups in several versions, some deleted."""
    project = empty.rows
    project.has_person("kept", version=1, mail="old")
    project.has_person("kept", version=2, mail="new")
    project.has_person("gone", version=1, mail="gone")
    project.has_person("gone", version=2, deleted=True, mail="gone")
    project.has_person("late", mail="late")
    project.moves("late", "kept")
    project.has_group("acme", version=1, name="Old")
    project.has_group("acme", version=2, name="New")
    project.has_group("acme", index=1, name="Another type")
    return empty


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT properties.mail FROM persons ORDER BY 1", [["late"], ["new"]]),
        (
            (
                "SELECT argMax(properties.mail, version) AS mail, max(version), max(is_deleted) FROM raw_persons "
                "GROUP BY id ORDER BY mail"
            ),
            [["gone", 2, True], ["late", 1, False], ["new", 2, False]],
        ),
        (
            "SELECT distinct_id, person.properties.mail FROM person_distinct_ids ORDER BY 1",
            [["kept", "new"], ["late", "new"]],
        ),
        (
            "SELECT distinct_id, max(version), max(is_deleted) FROM raw_person_distinct_ids GROUP BY 1 ORDER BY 1",
            [["gone", 2, True], ["kept", 2, False], ["late", 2, False]],
        ),
        ("SELECT distinct_id, person.properties.mail FROM person_distinct_id_overrides", [["late", "new"]]),
        ("SELECT distinct_id, version, is_deleted FROM raw_person_distinct_id_overrides", [["late", 2, False]]),
        (
            "SELECT index, key, properties.name FROM groups ORDER BY index",
            [[0, "acme", "New"], [1, "acme", "Another type"]],
        ),
        (
            "SELECT argMax(properties.name, updated_at + toIntervalSecond(version)) FROM raw_groups WHERE index = 0",
            [["New"]],
        ),
    ],
)
async def test_tables_show_the_newest_and_raw_tables_what_is_stored(
    versions: Shop, text: str, rows: list[list[Any]]
) -> None:
    assert (await versions.answer(text)).rows == rows
