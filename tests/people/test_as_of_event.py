"""`person.…` on an event: the person as the event left them, noisy values included (sdk-wire §8.4, hogql §5)."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from tests.live_server import LiveProject

from hedgerow.capture.mapped import MAPPED_KEYS
from hedgerow.hogql.rules.noisy_values import NOISY, OF_THE_SYSTEM
from hedgerow.people.properties import NOISY_KEYS

AT = "2026-01-05T10:{:02}:00Z"


def send(project: LiveProject, *events: tuple[str, dict[str, Any]], distinct_id: str = "ada") -> None:
    batch = [
        {"event": name, "distinct_id": distinct_id, "properties": properties, "timestamp": AT.format(minute)}
        for minute, (name, properties) in enumerate(events)
    ]
    answer = httpx.post(f"{project.url}/batch/", json={"api_key": project.token, "batch": batch})
    assert answer.status_code == 200, answer.text


def test_the_noisy_keys_are_those_that_the_writer_knows():
    assert NOISY == NOISY_KEYS
    assert {key for key in NOISY if not key.startswith("$geoip_")} <= MAPPED_KEYS
    assert OF_THE_SYSTEM <= MAPPED_KEYS


def test_an_event_shows_what_its_own_set_introduced_and_changed(project: LiveProject):
    send(
        project,
        ("first", {"$set": {"plan": "free"}, "$browser": "Chrome", "$current_url": "https://x.test/a"}),
        ("introduces", {"$set": {"team": "red"}, "$browser": "Chrome"}),
        ("changes", {"$set": {"plan": "pro"}}),
        ("moves on", {"$browser": "Safari", "$current_url": "https://x.test/b"}),
        ("says so", {"$set": {"$browser": "Firefox"}}),
        ("unsets", {"$unset": ["$browser"], "$current_url": "https://x.test/c"}),
        ("$identify", {"$set": {"plan": "max"}, "$browser": "Opera"}),
        ("silent", {}),
    )
    rows = project.query(
        """SELECT event, person.properties.plan, person.properties.team, person.properties.$browser,
                  person.properties.$current_url FROM events ORDER BY timestamp"""
    )
    assert rows == [
        ["first", "free", None, "Chrome", "https://x.test/a"],
        ["introduces", "free", "red", "Chrome", "https://x.test/a"],
        ["changes", "pro", "red", "Chrome", "https://x.test/a"],
        ["moves on", "pro", "red", "Safari", "https://x.test/b"],
        ["says so", "pro", "red", "Firefox", "https://x.test/a"],
        ["unsets", "pro", "red", None, "https://x.test/c"],
        ["$identify", "max", "red", "Opera", "https://x.test/c"],
        ["silent", "max", "red", "Opera", "https://x.test/c"],
    ]
    texts = project.query("SELECT person.properties FROM events ORDER BY timestamp")
    whole = [json.loads(text) if isinstance(text, str) else text for (text,) in texts]
    keys = ("plan", "team", "$browser", "$current_url")
    assert [[properties.get(key) for key in keys] for properties in whole] == [row[1:] for row in rows]


@pytest.mark.parametrize("mode", ["person_id_override_properties_joined", "disabled"])
def test_joined_modes_show_the_person_as_they_are_now(project: LiveProject, mode: str):
    send(project, ("a", {"$browser": "Chrome", "$set": {"plan": "free"}}), ("b", {"$set": {"plan": "pro"}}))
    query = {
        "kind": "HogQLQuery",
        "query": "SELECT person.properties.plan, person.properties.$browser FROM events ORDER BY timestamp",
        "modifiers": {"personsOnEventsMode": mode},
    }
    answer = project.server.api.post(f"/api/projects/{project.id}/query/", json={"query": query})
    assert answer.json()["results"] == [["pro", "Chrome"], ["pro", "Chrome"]]


def test_filters_and_groups_see_the_events_own_values(project: LiveProject):
    send(project, *(("$pageview", {"$browser": browser}) for browser in ("Chrome", "Safari", "Safari")))
    assert project.value("SELECT count() FROM events WHERE person.properties.$browser = 'Safari'") == 2
    assert project.value("SELECT count() FROM events WHERE person.properties.$browser != 'Safari'") == 1
    by_browser = "SELECT person.properties.$browser AS b, count() FROM events GROUP BY b ORDER BY b"
    assert project.query(by_browser) == [["Chrome", 1], ["Safari", 2]]
