"""`session_replay_events`, `log_entries` and the views over them (hogql §5): rows as the room of replay will write them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.hogql.project import Project, fresh_team_id, uuid_of

from hedgerow.core.storage.events import EventStore

SESSION = "019b8f00-0000-7000-8000-000000000001"
COLUMNS = [
    "session_id", "distinct_id", "start_time", "end_time", "first_url", "all_urls", "click_count", "keypress_count",
    "mouse_activity_count", "active_milliseconds", "console_log_count", "console_warn_count", "console_error_count", "size",
    "event_count", "message_count", "snapshot_source", "snapshot_library", "retention_period_days", "expiry_time",
]  # fmt: skip


@pytest.fixture(scope="module")
def ours(store: EventStore) -> Project:
    """A project with a recording in two parts; beside it another, with other values under the same ids."""
    ours, theirs = Project(store, fresh_team_id()), Project(store, fresh_team_id())
    for project, url, line in ((ours, "/ours", "ours"), (theirs, "/theirs", "SECRET")):
        for part, second in ((url, 5), (f"{url}/later", 9)):
            sql = f"""
                INSERT INTO session_replay_events
                SELECT {project.schema.team_id}, '{SESSION}', 'ann', '2026-01-05 10:00:0{second}', '2026-01-05 10:00:1{second}',
                    argMinState(toNullable('{part}'), toDateTime64('2026-01-05 10:00:0{second}', 6, 'UTC')), ['{part}'],
                    2, 3, 4, 5, 1, 0, 1, 100, 7, 1,
                    argMinState(toNullable('web'), toDateTime64('2026-01-05 10:00:0{second}', 6, 'UTC')),
                    argMinState(toNullable('js'), toDateTime64('2026-01-05 10:00:0{second}', 6, 'UTC')), NULL, 0, now()
            """
            asyncio.run(store.command(sql))
        for source in ("session_replay", "batch_exports"):
            project.stores(
                "log_entries",
                {"log_source": source, "log_source_id": SESSION, "instance_id": "i", "timestamp": "1767607200",
                 "level": "info", "message": f"{line} {source}"},
            )  # fmt: skip
        project.has_person("ann", email=f"ann@{line}.test")
        session: dict[str, Any] = {"$session_id": SESSION}
        project.sends("clicked", by="ann", properties={"on": line}, **session)
    return ours


def test_a_recording_is_one_row_and_star_has_the_columns_of_the_contract(ours: Project) -> None:
    assert ours.compiles("SELECT * FROM session_replay_events").columns == COLUMNS
    assert ours.asks(
        "SELECT session_id, toString(start_time), dateDiff('second', start_time, end_time), first_url, all_urls, click_count,"
        " size, snapshot_source FROM session_replay_events"
    ) == [[SESSION, "2026-01-05 10:00:05.000000", 14, "/ours", ["/ours", "/ours/later"], 4, 200, "web"]]


def test_the_raw_table_shows_its_parts(ours: Project) -> None:
    found = ours.asks("SELECT first_url, click_count, is_deleted FROM raw_session_replay_events ORDER BY first_url")

    assert [row[1] for row in found] in ([2, 2], [4])  # parts may have been merged meanwhile
    assert {row[2] for row in found} == {False}


def test_a_recording_leads_to_its_person_its_events_and_its_lines(ours: Project) -> None:
    rows = ours.asks(
        "SELECT person.properties.email, person_id, events.event, properties.on, console_logs.message"
        " FROM session_replay_events"
    )

    assert rows == [["ann@ours.test", uuid_of("ann"), "clicked", "ours", "ours session_replay"]]


def test_lines_and_the_views_of_their_sources(ours: Project) -> None:
    assert ours.asks("SELECT message FROM log_entries ORDER BY message") == [
        ["ours batch_exports"],
        ["ours session_replay"],
    ]
    assert ours.asks("SELECT message, level FROM console_logs_log_entries") == [["ours session_replay", "info"]]
    assert ours.asks("SELECT message FROM batch_export_log_entries b WHERE b.level = 'info'") == [
        ["ours batch_exports"]
    ]
