"""Cohorts: values of the wrong type, odd definitions, and who may ask (rest-api §1.4, §8)."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from tests.contract.rest.test_wrong_types import VALUES, taken
from tests.resources.house import Project
from tests.resources.test_08_cohorts import PATH, PRO, VIEWED, calculated, those

from hedgerow.people.cohorts import CohortPatch

pytestmark = pytest.mark.stores


async def test_a_value_of_the_wrong_type_names_the_field(ada: Project) -> None:
    made = await ada.made(PATH, {"name": "Pros", "is_static": True})
    item = f"{PATH}{made['id']}/"
    before = await ada.found(item)
    for field, kind in get_type_hints(CohortPatch, include_extras=True).items():
        for name in sorted(set(VALUES) - taken(kind)):
            refused = await ada.refused("PATCH", item, {field: VALUES[name]})
            assert refused["type"] == "validation_error", (field, name, refused)
            assert refused["attr"].split("__")[0] == field, (field, name, refused)
    assert await ada.found(item) == before


@pytest.mark.parametrize(
    "odd",
    [
        PRO | {"operator": "between", "value": 7},
        PRO | {"operator": "no_such", "value": {"a": [1]}},
        PRO | {"operator": "is_date_before", "value": [[]]},
        VIEWED | {"time_value": 10**15},
        VIEWED | {"event_filters": 7},
        VIEWED | {"event_filters": [{"type": "group", "key": "a"}]},
        VIEWED | {"explicit_datetime": {"a": 1}},
        VIEWED | {"value": "performed_event_sequence"},
        VIEWED | {"value": "performed_event_regularly", "total_periods": 10**9, "min_periods": 1},
    ],
)
async def test_an_odd_definition_is_refused_or_comes_to_an_end(ada: Project, odd: dict[str, Any]) -> None:
    response = await ada.post(ada.path(PATH), {"name": "Odd", "filters": those(odd)})
    assert response.status_code in (201, 400), response.text
    if response.status_code == 201:
        found = await calculated(ada, response.json()["id"])
        assert (found["count"] is None) is (found["last_error_message"] is not None)


async def test_a_key_needs_the_scope(ada: Project) -> None:
    made = await ada.made(PATH, {"name": "Pros", "filters": those(PRO)})
    reader = await ada.person.by_key("cohort:read")
    assert (await reader.get(ada.path(PATH))).status_code == 200
    assert (await reader.post(ada.path(PATH), {"name": "x"})).status_code == 403
    assert (await reader.get(ada.path(f"{PATH}{made['id']}/persons/"))).status_code == 403
    other = await ada.person.by_key("person:read")
    assert (await other.get(ada.path(PATH))).status_code == 403
