"""Queries know of merges and group types as soon as the event that caused them was answered."""

from __future__ import annotations

from tests.people.test_routes import an_event, send
from tests.served import LiveProject

PEOPLE = "SELECT count(DISTINCT person_id) FROM events"


def test_a_merge_counts_in_the_next_query_although_the_last_one_knew_of_none(project: LiveProject):
    send(project, an_event("anon-1"), an_event("ada"))
    assert project.value(PEOPLE) == 2
    send(project, {**an_event("ada"), "event": "$identify", "properties": {"$anon_distinct_id": "anon-1"}})
    assert project.value(PEOPLE) == 1
    send(project, an_event("bob"), {**an_event("bob"), "event": "$create_alias", "properties": {"alias": "eve"}})
    assert project.value(PEOPLE) == 2


def test_a_group_type_can_be_asked_for_once_an_event_brought_it(project: LiveProject):
    send(project, an_event("ada"))
    for group_type in ("company", "team"):
        send(project, {**an_event("ada"), "properties": {"$groups": {group_type: "one"}}})
        send(
            project,
            {
                **an_event("ada"),
                "event": "$groupidentify",
                "properties": {"$group_type": group_type, "$group_key": "one", "$group_set": {"name": group_type}},
            },
        )
        named = f"SELECT count() FROM events WHERE {group_type}.properties.name = '{group_type}'"
        assert project.value(named) == 1
