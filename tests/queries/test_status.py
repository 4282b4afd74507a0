"""Asynchronous queries can be asked after for ten minutes, and take bounded room (queries §1.4)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hedgerow.core.clock import ManualClock
from hedgerow.queries.status import Statuses


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 5, 10, tzinfo=UTC))


def test_a_status_is_there_for_ten_minutes_after_its_end(clock: ManualClock) -> None:
    statuses = Statuses(clock, bytes_max=1 << 20)
    status = statuses.start(7, "id", "task")
    assert status.http_status == 202
    clock.advance(500)
    statuses.end(status, results=b"{}")
    clock.advance(599)
    assert statuses.find(7, "id") is status
    assert (status.http_status, status.end_time, status.expiration_time) == (
        200, "2026-01-05T10:08:20Z", "2026-01-05T10:18:20Z",
    )  # fmt: skip
    clock.advance(2)
    assert statuses.find(7, "id") is None


def test_another_project_does_not_find_it(clock: ManualClock) -> None:
    statuses = Statuses(clock, bytes_max=1 << 20)
    statuses.start(7, "id", "task")
    assert statuses.find(8, "id") is None


def test_results_beyond_the_bound_push_out_the_oldest(clock: ManualClock) -> None:
    statuses = Statuses(clock, bytes_max=10_000)
    for number in range(10):
        statuses.end(statuses.start(7, f"id{number}", "task"), results=b"x" * 2_000)
    assert [number for number in range(10) if statuses.find(7, f"id{number}")] == [7, 8, 9]


def test_an_error_has_the_status_of_its_text(clock: ManualClock) -> None:
    statuses = Statuses(clock, bytes_max=10_000)
    told, untold = statuses.start(7, "a", "task"), statuses.start(7, "b", "task")
    statuses.end(told, error_message="Query was cancelled.")
    statuses.end(untold)
    assert (told.http_status, untold.http_status) == (400, 500)
