"""Cohorts: made, listed, changed, hidden, brought back (rest-api §8)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.resources.house import Project

pytestmark = pytest.mark.stores
PATH = "cohorts/"
PRO = {"type": "person", "key": "plan", "operator": "exact", "value": ["pro"]}
VIEWED = {
    "type": "behavioral",
    "key": "$pageview",
    "value": "performed_event",
    "event_type": "events",
    "time_value": 30,
    "time_interval": "day",
    "negation": False,
}


def those(*filters: object) -> dict[str, Any]:
    return {"properties": {"type": "OR", "values": [{"type": "AND", "values": list(filters)}]}}


async def test_the_life_of_a_cohort(ada: Project) -> None:
    made = await ada.made(PATH, {"name": "Pros", "filters": those(PRO)})
    item = f"{PATH}{made['id']}/"

    assert made == {
        "id": made["id"],
        "name": "Pros",
        "description": "",
        "groups": [],
        "deleted": False,
        "filters": those(PRO),
        "query": None,
        "version": None,
        "pending_version": 1,
        "is_calculating": True,
        "created_by": made["created_by"],
        "created_at": made["created_at"],
        "last_calculation": None,
        "last_backfill_person_properties_at": None,
        "errors_calculating": 0,
        "last_error_message": None,
        "count": None,
        "is_static": False,
        "cohort_type": None,
        "experiment_set": [],
    }
    assert made["created_by"]["first_name"] == "Ada"
    assert [row["id"] for row in (await ada.found(PATH))["results"]] == [made["id"]]
    assert (await ada.changed(item, {"description": "They pay"}))["pending_version"] == 1
    assert (await ada.changed(item, {"filters": those(PRO, VIEWED)}))["pending_version"] == 2
    assert (await ada.changed(item, {"deleted": True}))["deleted"] is True
    assert (await ada.found(PATH))["results"] == []
    assert (await ada.found(item))["deleted"] is True
    assert (await ada.refused("DELETE", item, status=405))["code"] == "method_not_allowed"
    response = await ada.put(ada.path(item), {"deleted": False})
    assert response.status_code == 200
    assert [row["activity"] for row in (await ada.found(item + "activity/"))["results"]] == [
        "restored",
        "deleted",
        "updated",
        "updated",
        "created",
    ]
    assert (await ada.found(PATH + "activity/"))["total_count"] == 5


async def test_older_groups_are_shown_as_filters(ada: Project) -> None:
    groups = [{"properties": [{"key": "$pageview", "type": "event", "value": "performed_event"}]}]
    made = await ada.made(PATH, {"name": "Active Users", "groups": groups})

    assert made["groups"] == groups
    assert made["filters"] == those(VIEWED)
    changed = await ada.changed(f"{PATH}{made['id']}/", {"groups": [{"properties": [{"key": "plan", "value": "pro"}]}]})
    assert changed["filters"] == those(PRO | {"value": "pro"})


@pytest.mark.parametrize(
    ("body", "attr", "detail"),
    [
        ({"filters": {}}, "filters", "Must contain a 'properties' key with type and values"),
        (
            {"filters": those({"type": "person", "key": "plan", "operator": "exact"})},
            "filters",
            "Missing required keys for person filter: value",
        ),
        ({"filters": those({"type": "cohort", "key": "id", "value": 9_999})}, "filters", "Invalid Cohort ID in filter"),
        ({"name": "x" * 401}, "name", "Ensure this field has no more than 400 characters."),
        ({"description": "x" * 1_001}, "description", "Ensure this field has no more than 1000 characters."),
        ({"groups": [{}]}, "groups", "A group needs properties, action_id or event_id."),
        (
            {"query": {"kind": "HogQLQuery"}, "is_static": True, "filters": those(PRO)},
            None,
            "Cannot set both query and filters at the same time.",
        ),
        (
            {"query": {"kind": "HogQLQuery"}},
            None,
            "Cannot create a dynamic cohort with a query. Set is_static to true.",
        ),
        (
            {"query": {"kind": "TrendsQuery"}, "is_static": True},
            "query",
            "Query must be an ActorsQuery or HogQLQuery. Got: TrendsQuery",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused(
    ada: Project, body: dict[str, Any], attr: str | None, detail: str
) -> None:
    said = await ada.refused("POST", PATH, {"name": "Wrong", **body})

    assert (said["attr"], said["detail"]) == (attr, detail)
    assert (await ada.found(PATH))["count"] == 0


async def test_cohorts_do_not_name_each_other_in_a_loop(ada: Project) -> None:
    first = await ada.made(PATH, {"name": "First", "filters": those(PRO)})
    second = await ada.made(PATH, {"filters": those({"type": "cohort", "key": "id", "value": first["id"]})})
    for named in (first, second):
        body = {"filters": those({"type": "cohort", "key": "id", "value": named["id"]})}
        said = await ada.refused("PATCH", f"{PATH}{first['id']}/", body)
        assert (said["attr"], said["detail"]) == ("filters", "Cohorts cannot reference other cohorts in a loop.")
    await ada.changed(f"{PATH}{first['id']}/", {"filters": those(VIEWED)})
    assert (await ada.found(f"{PATH}{second['id']}/"))["pending_version"] == 2


async def test_another_projects_cohort_is_not_there(ada: Project, bob: Project) -> None:
    made = await ada.made(PATH, {"name": "Hers", "filters": those(PRO)})

    await bob.refused("GET", f"{PATH}{made['id']}/", status=404)
    await bob.refused("PATCH", f"{PATH}{made['id']}/", {"name": "His"}, status=404)
    body = {"filters": those({"type": "cohort", "key": "id", "value": made["id"]})}
    assert (await bob.refused("POST", PATH, body))["detail"] == "Invalid Cohort ID in filter"


async def test_the_list_is_filtered(ada: Project) -> None:
    by = (await ada.made(PATH, {"name": "Pros", "filters": those(PRO)}))["created_by"]["id"]
    await ada.made(PATH, {"name": "Viewers 100%", "filters": those(VIEWED)})
    await ada.made(PATH, {"name": "Listed", "is_static": True})

    async def names(query: str) -> list[str]:
        return [row["name"] for row in (await ada.found(f"{PATH}?{query}"))["results"]]

    assert await names("") == ["Listed", "Viewers 100%", "Pros"]
    assert await names("type=static") == ["Listed"]
    assert await names("type=dynamic&hide_behavioral_cohorts=true") == ["Pros"]
    assert await names("search=100%25") == ["Viewers 100%"]
    assert await names(f"created_by_id={by}&limit=1&offset=1") == ["Viewers 100%"]
    assert await names("created_by_id=9999999") == []
    assert (await ada.refused("GET", f"{PATH}?created_by_id=me"))["attr"] == "created_by_id"
