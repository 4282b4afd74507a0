"""A cohort's definition, as it may be said (rest-api §8)."""

from __future__ import annotations

from typing import Any

import pytest

from hedgerow.core.http.errors import ValidationFailed
from hedgerow.people.cohort_definition import asks_for_behaviour, cohorts_named, read_filters, read_groups

PERSON = {"type": "person", "key": "plan", "operator": "exact", "value": ["pro"]}
DID = {"type": "behavioral", "key": "$pageview", "value": "performed_event", "event_type": "events"}
COHORT = {"type": "cohort", "key": "id", "value": 5}


def _all(*filters: object) -> dict[str, Any]:
    return {"properties": {"type": "OR", "values": [{"type": "AND", "values": list(filters)}]}}


def test_a_definition_is_kept_as_it_was_said() -> None:
    said = _all(PERSON, DID, COHORT)
    assert read_filters(said) == _all(PERSON, DID, COHORT)
    assert cohorts_named(said["properties"]) == {5}
    assert asks_for_behaviour(said["properties"])
    assert not asks_for_behaviour(_all(PERSON)["properties"])


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ({}, "Must contain a 'properties' key with type and values"),
        (None, "Must contain a 'properties' key with type and values"),
        (
            _all({"type": "person", "key": "plan", "operator": "exact"}),
            "Missing required keys for person filter: value",
        ),
        (_all({"type": "behavioral", "key": "a"}), "Missing required keys for behavioral filter: value, event_type"),
        (_all({"type": "cohort"}), "Missing required keys for cohort filter: key, value"),
        (_all(COHORT | {"value": "5"}), "Invalid Cohort ID in filter"),
        (_all(DID | {"value": "danced"}), '"danced" is not a valid choice.'),
        (_all(DID | {"time_interval": ["day"]}), "\"['day']\" is not a valid choice."),
        (_all(DID | {"operator": "about"}), '"about" is not a valid choice.'),
        (_all(DID | {"time_value": "30"}), "A valid integer is required."),
        (_all(DID | {"operator_value": True}), "A valid integer is required."),
        (_all({"type": "group"}), '"group" is not a valid choice.'),
        (_all(7), 'Expected a dictionary of items but got type "int".'),
        ({"properties": {"type": "OR", "values": [], "more": 1}}, "Extra keys are not permitted in a group: more"),
    ],
)
def test_what_is_wrong_is_named(said: object, detail: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        read_filters(said)
    assert (refused.value.detail, refused.value.attr) == (detail, "filters")


def test_is_set_needs_no_value() -> None:
    said = _all({"type": "person", "key": "plan", "operator": "is_set"})
    assert read_filters(said) == said


def test_depth_is_bounded() -> None:
    group: dict[str, Any] = {"type": "AND", "values": []}
    for _ in range(3_000):
        group = {"type": "AND", "values": [group]}
    with pytest.raises(ValidationFailed, match="nested more than"):
        read_filters({"properties": group})


def test_older_groups_are_said_as_filters() -> None:
    said = [
        {"properties": [{"key": "$pageview", "type": "event", "value": "performed_event"}]},
        {"action_id": 5, "days": 7, "count": 3, "count_operator": "gte"},
        {"properties": [{"key": "plan", "value": "pro"}]},
    ]
    window = {"time_interval": "day", "negation": False}
    assert read_groups(said)["properties"] == {
        "type": "OR",
        "values": [
            {"type": "AND", "values": [DID | window | {"time_value": 30}]},
            {
                "type": "AND",
                "values": [
                    {"type": "behavioral", "key": 5, "value": "performed_event_multiple", "event_type": "actions"}
                    | window
                    | {"time_value": 7, "operator": "gte", "operator_value": 3}
                ],
            },
            {"type": "AND", "values": [{"type": "person", "key": "plan", "operator": "exact", "value": "pro"}]},
        ],
    }


@pytest.mark.parametrize(
    ("said", "attr"), [({}, "groups"), ([{}], "groups"), ([7], "groups"), ([{"properties": [7]}], "filters")]
)
def test_older_groups_that_say_nothing_are_refused(said: object, attr: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        read_groups(said)
    assert refused.value.attr == attr
