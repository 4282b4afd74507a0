"""Visitors without cookies: one id for a day, no way back, sessions and log-ins when remembered (sdk-wire §8.8)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.capture.room import CaptureProject, Room

from hedgerow.capture.cookieless import day_of
from hedgerow.capture.models import CookielessSalt, CookielessVisit
from hedgerow.capture.root_domain import root_domain
from hedgerow.core.clock import ManualClock

pytestmark = pytest.mark.stores

AGENT = "Mozilla/5.0 (X11; Linux) Firefox/160.0"


def visit(
    at: str = "10:00:00", *, event: str = "$pageview", distinct_id: str = "$posthog_cookieless", **own: Any
) -> Any:
    """One cookieless event; a property of None in `own` is left out."""
    properties = {
        "$cookieless_mode": True,
        "$device_id": None,
        "$host": "www.shop.example",
        "$raw_user_agent": AGENT,
        "$ip": "198.51.100.7",
        "$timezone": "UTC",
        **own,
    }
    kept = {key: value for key, value in properties.items() if value is not None or key == "$device_id"}
    stamp = at if "T" in at else f"2031-02-03T{at}Z"
    return {"event": event, "distinct_id": distinct_id, "timestamp": stamp, "properties": kept}


def without(name: str) -> dict[str, Any]:
    """For `visit`: leave this property out."""
    return {name: None}


@pytest.fixture
async def stateless(room: Room) -> CaptureProject:
    return await room.new_project(cookieless_server_hash_mode=1)


@pytest.fixture
async def stateful(room: Room) -> CaptureProject:
    return await room.new_project(cookieless_server_hash_mode=2)


async def ids_of(project: CaptureProject) -> list[str]:
    return [row[0] for row in await project.rows("distinct_id", "timestamp")]


async def sessions_of(project: CaptureProject) -> list[str]:
    return [row[0] for row in await project.rows("`$session_id`", "timestamp")]


@pytest.mark.parametrize("mode", [1, 2])
async def test_a_visitor_has_one_id_and_leaves_nothing_else(room: Room, mode: int) -> None:
    project = await room.new_project(cookieless_server_hash_mode=mode)

    await project.sends(
        visit("09:00:00", **{"$cookieless_extra": "x"}), visit("09:10:00", **{"$cookieless_extra": "x"})
    )

    first, second = await ids_of(project)
    assert first == second
    assert first.startswith("cookieless_")
    for text in await project.properties():
        found = json.loads(text)
        assert not {"$ip", "$raw_user_agent", "$cookieless_extra"} & set(found)
        assert "198.51.100.7" not in text
        assert "203.0.113.9" not in text
        assert AGENT not in text
        assert found["$device_id"].startswith("cookielessd_")
        assert found["$session_id"]


@pytest.mark.parametrize(
    "other",
    [
        {"$ip": "198.51.100.8"},
        {"$raw_user_agent": "Other"},
        {"$host": "other.example"},
        {"$cookieless_extra": "x"},
        {"$timezone": "Pacific/Kiritimati"},
    ],
)
async def test_whoever_differs_is_somebody_else(stateless: CaptureProject, other: dict[str, Any]) -> None:
    await stateless.sends(visit("10:00:01"), visit("10:00:02", **other))

    assert len(set(await ids_of(stateless))) == 2


async def test_subdomains_of_one_domain_are_one_site(stateless: CaptureProject) -> None:
    await stateless.sends(visit(), visit(**{"$host": "shop.example:8443"}), visit(**{"$host": "A.B.shop.example"}))

    assert len(set(await ids_of(stateless))) == 1


async def test_projects_do_not_share_visitors(stateless: CaptureProject, stateful: CaptureProject) -> None:
    await stateless.sends(visit())
    await stateful.sends(visit())

    assert set(await ids_of(stateless)) != set(await ids_of(stateful))


async def test_the_address_of_the_request_counts_when_none_was_sent(stateless: CaptureProject) -> None:
    await stateless.sends(visit("10:00:01", **without("$ip")), peer="192.0.2.1")
    await stateless.sends(visit("10:00:02", **without("$ip")), peer="192.0.2.2")
    await stateless.sends(visit("10:00:03", **without("$ip")), peer="192.0.2.1")

    one, two, three = await ids_of(stateless)
    assert one == three != two


async def test_the_next_day_is_another_id(stateless: CaptureProject, clock: ManualClock) -> None:
    await stateless.sends(visit())
    clock.advance(days=1)
    await stateless.sends(visit("2031-02-04T10:00:00Z"))

    assert len(set(await ids_of(stateless))) == 2


async def test_without_memory_a_day_is_one_session(stateless: CaptureProject, clock: ManualClock) -> None:
    clock.advance(10 * 3600)
    await stateless.sends(visit("08:00:00"), visit("19:00:00"))

    assert len(set(await sessions_of(stateless))) == 1


async def test_with_memory_a_session_ends_after_half_an_hour_of_silence(stateful: CaptureProject) -> None:
    await stateful.sends(visit("08:00:00"), visit("08:29:59"))
    await stateful.sends(visit("08:59:59"))
    await stateful.sends(visit("09:30:00"))

    first, second, third, fourth = await sessions_of(stateful)
    assert first == second == third != fourth


async def test_who_logs_in_and_out_is_not_whoever_comes_next(stateful: CaptureProject) -> None:
    await stateful.sends(visit("08:00:00"))
    await stateful.sends(
        visit("08:01:00", event="$identify", distinct_id="ada", **{"$anon_distinct_id": "$posthog_cookieless"}),
        visit("08:02:00", distinct_id="ada"),
    )
    await stateful.sends(visit("08:03:00"))

    before, identify, after, stranger = await ids_of(stateful)
    assert (identify, after) == ("ada", "ada")
    assert before.startswith("cookieless_")
    assert stranger.startswith("cookieless_")
    assert before != stranger
    rows = await stateful.rows("JSONExtractString(properties, '$anon_distinct_id')", "timestamp")
    assert rows[1] == [before]


async def test_an_identify_that_is_sent_twice_counts_once(stateful: CaptureProject) -> None:
    identify = visit("08:01:00", event="$identify", distinct_id="ada", **{"$anon_distinct_id": "$posthog_cookieless"})
    identify["uuid"] = "018f0000-0000-7000-8000-0000000000aa"
    await stateful.sends(identify)
    await stateful.sends(visit("08:02:00"))
    await stateful.sends(identify)
    await stateful.sends(visit("08:03:00"))

    _, first, second = await ids_of(stateful)
    assert first == second


DROPPED: list[tuple[str, int, Any]] = [
    ("cookieless_disabled", 0, visit()),
    ("cookieless_disallowed_event", 1, visit(event="$create_alias", alias="x")),
    ("cookieless_disallowed_event", 2, visit(event="$merge_dangerously", alias="x")),
    ("cookieless_stateless_disallowed_identify", 1, visit(event="$identify")),
    ("cookieless_missing_user_agent", 1, visit(**without("$raw_user_agent"))),
    ("cookieless_missing_host", 2, visit(**without("$host"))),
    ("cookieless_missing_ip", 1, visit(**{"$ip": ""})),
    ("cookieless_day_out_of_range", 1, visit("2031-01-30T10:00:00Z")),
]


@pytest.mark.parametrize(("kind", "mode", "event"), DROPPED)
async def test_what_cannot_be_anonymous_is_dropped_with_a_warning(
    room: Room, kind: str, mode: int, event: dict[str, Any]
) -> None:
    project = await room.new_project(cookieless_server_hash_mode=mode)

    await project.sends({"event": "before", "distinct_id": "u1"}, event, {"event": "later", "distinct_id": "u1"})

    assert await project.rows("event") == [["before"], ["later"]]
    assert await project.warning_types() == {kind}


async def test_events_that_do_not_ask_for_it_keep_their_ids(stateless: CaptureProject) -> None:
    await stateless.sends({"event": "a", "distinct_id": "u1", "properties": {"$cookieless_mode": False}})

    assert await ids_of(stateless) == ["u1"]


async def test_salts_and_visits_are_forgotten_when_their_day_is_over(
    room: Room, stateful: CaptureProject, clock: ManualClock
) -> None:
    await stateful.sends(visit())
    assert await _kept(room) != (0, 0)
    before = await ids_of(stateful)

    clock.advance(days=7)
    await room.app.forget_expired()
    assert await _kept(room) == (0, 0)

    clock._now = room.clock._now.replace(month=2, day=3, hour=11)
    await stateful.sends(visit("10:00:01"))
    assert (await ids_of(stateful))[1] != before[0], "the old salt must be gone"


async def _kept(room: Room) -> tuple[int, int]:
    async with room.metadata.read() as session:
        salts = await session.scalar(select(func.count()).select_from(CookielessSalt))
        visits = await session.scalar(select(func.count()).select_from(CookielessVisit))
    return salts or 0, visits or 0


NOON = 1_927_886_400_000_000


@pytest.mark.parametrize(
    ("zone", "project_zone", "day"),
    [
        ("UTC", "UTC", "2031-02-03"),
        ("Pacific/Kiritimati", "UTC", "2031-02-04"),
        ("Pacific/Kiritimati", "Pacific/Niue", "2031-02-04"),
        (None, "Pacific/Kiritimati", "2031-02-04"),
        ("Nowhere/Land", "Pacific/Kiritimati", "2031-02-04"),
        ("../../etc/passwd", "UTC", "2031-02-03"),
        ("Europe", "UTC", "2031-02-03"),
        ("", "also none", "2031-02-03"),
        (7, "UTC", "2031-02-03"),
        ("x" * 1000, "UTC", "2031-02-03"),
        ("a\0b", "UTC", "2031-02-03"),
    ],
)
def test_the_day_is_the_visitors(zone: object, project_zone: str, day: str) -> None:
    assert day_of(NOON, zone, project_zone).isoformat() == day


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("www.example.com", "example.com"),
        ("example.com", "example.com"),
        ("Shop.Example.CO.UK:8443", "example.co.uk"),
        ("example.com.", "example.com"),
        ("localhost:3000", "localhost"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("co.uk", "co.uk"),
        ("", ""),
        ("...", ""),
    ],
)
def test_the_root_domain(host: str, domain: str) -> None:
    assert root_domain(host) == domain
