"""A session is what its events say, in whatever order and however often they come (hogql §5, §5.2)."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from tests.hogql.project import Project, fresh_team_id, uuid_of

from hedgerow.core.storage.events import EventStore
from hedgerow.hogql import Modifiers

VISIT = "019b8f00-0000-7000-8000-0000000000aa"
OTHER = "019b8f00-0000-7000-8000-0000000000ab"


@pytest.fixture
def project(store: EventStore) -> Project:
    return Project(store, fresh_team_id())


def seen(project: Project, at: str, *, event: str = "$pageview", session: str = VISIT, **properties: Any) -> None:
    columns: dict[str, Any] = {"$session_id": session}
    project.sends(event, at=f"2026-01-05 {at}", properties=properties, **columns)


def test_an_event_that_is_stored_twice_counts_once(project: Project) -> None:
    row: dict[str, Any] = {
        "team_id": project.schema.team_id,
        "uuid": uuid_of("twice"),
        "event": "$pageview",
        "timestamp": "2026-01-05 10:00:00",
        "distinct_id": "ann",
        "properties": "{}",
        "$session_id": VISIT,
    }
    line = msgspec.json.encode(row) + b"\n"
    for token in ("the first", "the first", "another"):
        asyncio.run(project.store.insert("events", line, token=f"{project.schema.team_id} {token}"))

    assert project.asks("SELECT $pageview_count, duration FROM sessions") == [[1, 0]]


def test_a_late_event_moves_the_beginning_and_the_entry(project: Project) -> None:
    seen(project, "10:05:00", **{"$current_url": "https://a.example/second", "utm_source": "second"})
    seen(project, "10:00:00", **{"$current_url": "https://a.example/first", "utm_source": "first"})
    asked = "SELECT $start_timestamp, $entry_pathname, $end_pathname, $entry_utm_source, duration FROM sessions"
    expected = [["2026-01-05T10:00:00.000000Z", "/first", "/second", "first", 300]]

    assert project.asks(asked) == expected
    asyncio.run(project.store.command("OPTIMIZE TABLE raw_sessions FINAL"))
    assert project.asks(asked) == expected


@pytest.mark.parametrize(
    ("events", "is_bounce"),
    [
        ([("$pageview", "10:00:00")], True),
        ([("$screen", "10:00:00"), ("other", "10:00:09")], True),
        ([("$pageview", "10:00:00"), ("other", "10:00:10")], False),
        ([("$pageview", "10:00:00"), ("$autocapture", "10:00:01")], False),
        ([("$autocapture", "10:00:00")], None),
    ],
)
def test_a_bounce_is_one_page_and_a_short_time(
    project: Project, events: list[tuple[str, str]], is_bounce: bool | None
) -> None:
    for event, at in events:
        seen(project, at, event=event)

    assert project.asks("SELECT $is_bounce FROM sessions") == [[is_bounce]]


@pytest.mark.parametrize(
    ("modifiers", "is_bounce"),
    [
        ({}, False),
        ({"bounceRatePageViewMode": "uniq_urls"}, True),
        ({"bounceRatePageViewMode": "count_pageviews"}, False),
        ({"bounceRatePageViewMode": "uniq_urls", "bounceRateDurationSeconds": 5}, False),
        ({"bounceRatePageViewMode": "uniq_urls", "bounceRateDurationSeconds": 6.5}, True),
    ],
)
def test_what_a_bounce_is_can_be_said(project: Project, modifiers: dict[str, Any], is_bounce: bool) -> None:
    for at in ("10:00:00", "10:00:06"):
        seen(project, at, **{"$current_url": "https://shop.example/"})
    project.modifiers = msgspec.convert(modifiers, Modifiers)

    assert project.asks("SELECT $is_bounce FROM sessions") == [[is_bounce]]


@pytest.mark.parametrize(
    ("said", "channel"),
    [
        ({"utm_campaign": "Cross-Network 5", "gclid": "x"}, "Cross Network"),
        ({"utm_medium": "cpc", "utm_source": "google"}, "Paid Search"),
        ({"utm_medium": "Paid-Social", "utm_source": "Facebook"}, "Paid Social"),
        ({"gad_source": "1", "utm_source": "somebody"}, "Paid Search"),
        ({"utm_medium": "cpm", "utm_campaign": "winter shopping"}, "Paid Shopping"),
        ({"utm_medium": "ppc"}, "Paid Unknown"),
        ({"$referring_domain": "$direct"}, "Direct"),
        ({"$referring_domain": "www.google.de"}, "Organic Search"),
        ({"$referring_domain": "m.facebook.com"}, "Organic Social"),
        ({"$referring_domain": "www.youtube.com"}, "Organic Video"),
        ({"$referring_domain": "blog.example"}, "Referral"),
        ({"utm_medium": "email", "$referring_domain": "$direct"}, "Email"),
        ({"utm_medium": "web-push"}, "Push"),
        ({"$referring_domain": "$direct", "fbclid": "x"}, "Organic Social"),
        ({"utm_source": "null", "$referring_domain": ""}, "Unknown"),
        ({}, "Unknown"),
    ],
)
def test_the_channel_type(project: Project, said: dict[str, str], channel: str) -> None:
    seen(project, "10:00:00", **said)

    assert project.asks("SELECT $channel_type FROM sessions") == [[channel]]


def test_a_session_is_found_by_its_id(project: Project) -> None:
    seen(project, "10:00:00")
    seen(project, "10:01:00", session=OTHER)
    seen(project, "10:02:00", session="not-a-uuid")

    assert project.asks(f"SELECT session_id FROM sessions WHERE session_id = '{VISIT}'") == [[VISIT]]
    assert project.asks("SELECT session_id FROM sessions WHERE session_id = 'not-a-uuid'") == []
    assert project.asks(f"SELECT id FROM sessions WHERE '{OTHER}' = id AND duration = 0") == [[OTHER]]
    assert project.asks(f"SELECT count() FROM sessions WHERE session_id != '{VISIT}'") == [[1]]
    assert project.asks(f"SELECT count() FROM events WHERE session.id = '{OTHER}'") == [[1]]
    assert "equals(__hq0.`session_id_v7`" in project.compiles(f"SELECT 1 FROM sessions WHERE id = '{VISIT}'").sql
