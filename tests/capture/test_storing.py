"""What needs the stores: warnings that are kept, project settings, and what the client hears when a store is away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from tests.capture.room import CaptureProject, Room, ask, uuid_text

from hedgerow.capture.event import IncomingEvent, IngestionWarning, QueueFull
from hedgerow.capture.routes import CaptureApp
from hedgerow.capture.warnings import DISTINCT_PER_HOUR_MAX, keep, latest
from hedgerow.core.clock import ManualClock
from hedgerow.core.errors import MetadataUnavailable
from hedgerow.core.storage.events import StoreUnavailable

pytestmark = pytest.mark.stores


async def test_a_warning_is_kept_with_what_one_needs_to_find_the_cause(project: CaptureProject) -> None:
    await project.sends({
        "event": "$identify",
        "uuid": uuid_text(7),
        "distinct_id": "u1",
        "properties": {"$anon_distinct_id": "null"},
    })  # fmt: skip

    [row] = await project.warnings()
    assert (row.type, row.subject, row.count) == ("cannot_merge_with_illegal_distinct_id", "u1", 1)
    assert json.loads(row.details) == {
        "event": "$identify",
        "eventUuid": uuid_text(7),
        "distinctId": "u1",
        "illegalDistinctId": "null",
        "otherDistinctId": "u1",
    }


async def test_a_request_of_warnings_alone_is_kept(project: CaptureProject) -> None:
    message = {"$$client_ingestion_warning_message": "too fast"}
    event = {"event": "$$client_ingestion_warning", "distinct_id": "u1", "properties": message}

    await project.sends(event)

    [row] = await project.warnings()
    assert (row.type, json.loads(row.details)["message"]) == ("client_ingestion_warning", "too fast")
    assert await project.count() == 0


async def test_equal_warnings_of_an_hour_are_one_row(project: CaptureProject, clock: ManualClock) -> None:
    event = {"event": "$$heatmap", "distinct_id": "u1"}
    await project.sends(event, event)
    await project.sends(event)
    clock.advance(3600)
    await project.sends(event)

    assert [row.count for row in await project.warnings()] == [1, 3]


async def test_a_flood_of_warnings_is_bounded_and_counted(room: Room, project: CaptureProject) -> None:
    for start in (0, 500):
        async with room.metadata.write() as session:
            flood = [IngestionWarning(project.id, "t", {"distinctId": f"u{n}"}, 5) for n in range(start, start + 500)]
            await keep(session, flood)

    async with room.metadata.read() as session:
        rows = await latest(session, project.id, limit=10_000)
    assert len(rows) == DISTINCT_PER_HOUR_MAX + 1
    assert sum(row.count for row in rows) == 1000


async def test_old_warnings_are_forgotten(room: Room, project: CaptureProject, clock: ManualClock) -> None:
    await project.sends({"event": "$$heatmap", "distinct_id": "u1"})
    clock.advance(days=29)
    await room.app.forget_expired()
    assert await project.warning_types() == {"heatmap_not_stored"}

    clock.advance(days=2)
    await room.app.forget_expired()
    assert await project.warning_types() == set()


async def test_a_project_may_hide_addresses(room: Room) -> None:
    project = await room.new_project(anonymize_ips=True)

    await project.sends(
        {"event": "a", "distinct_id": "u"}, {"event": "b", "distinct_id": "u", "properties": {"$ip": "1.2.3.4"}}
    )

    assert await project.properties() == ["{}", "{}"]


async def test_a_project_may_refuse_old_events(room: Room) -> None:
    project = await room.new_project(settings={"drop_events_older_than_seconds": 3600})
    late, early = "2031-02-03T09:30:00Z", "2031-02-03T08:30:00Z"

    await project.sends(*[{"event": at, "distinct_id": "u", "timestamp": at} for at in (late, early)])

    assert await project.rows("event") == [[late]]
    assert await project.warning_types() == {"event_dropped_too_old"}


async def test_the_first_event_marks_the_project(room: Room, project: CaptureProject) -> None:
    team = await room.teams.by_id(project.id)
    assert team is not None
    assert not team.ingested_event

    await project.sends({"event": "a", "distinct_id": "u"})

    team = await room.teams.by_id(project.id)
    assert team is not None
    assert team.ingested_event


@pytest.mark.parametrize("flag", [False, True])
async def test_a_historical_batch_is_stored_as_it_is(project: CaptureProject, flag: bool) -> None:
    event = {"event": "a", "distinct_id": "u", "timestamp": "2026-02-03T10:00:00Z", "properties": {"n": 1}}
    answer = await project.post(
        "/batch/",
        {"api_key": project.token, "historical_migration": flag, "batch": [event], "sent_at": "2031-02-03T10:00:05Z"},
    )

    assert answer.status == 200
    assert await project.rows("toString(timestamp)") == [["2026-02-03 10:00:00.000000"]]


@pytest.mark.parametrize(
    ("envelope", "query", "stored"),
    [
        ({"sent_at": "2031-02-03T11:00:05Z"}, {}, "09:00:00"),
        ({}, {"_": "1927882805000"}, "09:00:00"),
        ({}, {"sent_at": "1927882805000"}, "09:00:00"),
        ({"sent_at": "2031-02-03T10:00:05Z"}, {"_": "1927882805000"}, "10:00:00"),
        ({"sent_at": "nonsense"}, {"_": "1927882805000"}, "09:00:00"),
        ({"sent_at": 10**15}, {}, "10:00:00"),
        ({"sent_at": -(10**15)}, {"_": "1927882805000"}, "09:00:00"),
        ({"sent_at": "+012345-01-01T00:00:00Z"}, {}, "10:00:00"),
        ({}, {"_": "12345"}, "10:00:00"),
    ],
)
async def test_the_clock_is_corrected_by_envelope_then_query(
    project: CaptureProject, envelope: dict[str, str], query: dict[str, str], stored: str
) -> None:
    event = {"event": "a", "distinct_id": "u", "timestamp": "2031-02-03T10:00:00Z"}

    await project.post("/e/", {"api_key": project.token, "batch": [event], **envelope}, query=query)

    assert await project.rows("formatDateTime(timestamp, '%H:%i:%S')") == [[stored]]


class Unwilling:
    """A writer that cannot."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def submit(self, events: list[IncomingEvent], warnings: Sequence[IngestionWarning] = ()) -> None:
        raise self.error


class Unreachable:
    """Project look-ups without a database."""

    async def by_token(self, _token: str) -> Any:
        raise MetadataUnavailable("the lock was held for too long")


ERRORS = [QueueFull(), StoreUnavailable("disk full"), MetadataUnavailable("locked")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_what_cannot_be_stored_now_is_503_with_retry_after(
    room: Room, project: CaptureProject, error: Exception
) -> None:
    app = CaptureApp(None, room.teams, Unwilling(error), room.metadata, room.settings, room.clock)  # pyright: ignore[reportArgumentType]
    project.app = app
    body = {
        "created_at": "2031-02-03T10:00:05Z",
        "batch": [{**project.one(), "uuid": uuid_text(1), "timestamp": "2031-02-03T10:00:05Z"}],
    }

    first = await project.post("/batch/", project.one())
    second = await project.v1(body)

    assert (first.status, first.headers["retry-after"]) == (503, "1")
    assert first.headers["content-type"] == "text/plain; charset=utf-8"
    assert (second.status, second.headers["retry-after"]) == (503, "1")
    assert second.json()["error"] == "service_unavailable"
    assert app._budget.taken == 0


async def test_projects_that_cannot_be_looked_up_are_503(room: Room, project: CaptureProject) -> None:
    teams: Any = Unreachable()
    app = CaptureApp(None, teams, room.writer, room.metadata, room.settings, room.clock)  # pyright: ignore[reportArgumentType]

    answer = await ask(app, "/e/", json.dumps(project.one()).encode())

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_housekeeping_begins_and_ends(room: Room) -> None:
    app = room.capture_app(room.settings)
    await app.start()
    await app.stop()
