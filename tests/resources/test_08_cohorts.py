"""Cohorts: made, listed, changed, hidden, brought back (rest-api §8)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.resources.house import Project
from tests.resources.statements import AUTHORS, counted

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


async def calculated(ada: Project, number: int) -> dict[str, Any]:
    """The cohort, once it is calculated."""
    while True:
        found = await ada.found(f"{PATH}{number}/")
        if not found["is_calculating"]:
            return found
        await asyncio.sleep(0.02)


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
    await calculated(ada, made["id"])
    assert (await ada.changed(item, {"description": "They pay"}))["is_calculating"] is False
    assert (await ada.changed(item, {"filters": those(PRO, VIEWED)}))["is_calculating"] is True
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


async def test_who_is_in_it_is_calculated(ada: Project, bob: Project) -> None:
    for project in (ada, bob):
        await project.sends("signup", "ann", {"$set": {"plan": "pro"}})
        await project.sends("$pageview", "ben", {"$set": {"plan": "free"}})
        await project.sends("$pageview", "cat", {"$set": {"plan": "pro"}})
    pros = await ada.made(PATH, {"name": "Pros", "filters": those(PRO)})
    named = {"type": "cohort", "key": "id", "value": pros["id"]}
    quiet = await ada.made(PATH, {"name": "Quiet pros", "filters": those(named, VIEWED | {"negation": True})})

    found = await calculated(ada, pros["id"])
    assert (found["count"], found["errors_calculating"], found["last_error_message"]) == (2, 0, None)
    assert found["version"] == found["pending_version"]
    assert found["last_calculation"] is not None
    second = await calculated(ada, quiet["id"])
    assert (second["count"], second["last_error_message"]) == (1, None)
    asked = "SELECT distinct_id FROM events WHERE person_id IN COHORT {} ORDER BY distinct_id"
    assert await ada.rows(asked.format(pros["id"])) == [["ann"], ["cat"]]
    assert await ada.rows(asked.format("'Quiet pros'")) == [["ann"]]
    people = f"SELECT count(), uniq(person_id) FROM {{}} WHERE cohort_id = {pros['id']}"
    assert await ada.rows(people.format("cohort_people")) == [[2, 2]]
    assert await bob.rows(people.format("cohort_people")) == [[0, 0]]
    assert await bob.rows(people.format("raw_cohort_people")) == [[0, 0]]
    await bob.refused("POST", "query/", {"query": {"kind": "HogQLQuery", "query": asked.format(pros["id"])}})

    free = PRO | {"value": ["free"]}
    await ada.changed(f"{PATH}{pros['id']}/", {"filters": those(free)})
    assert (await calculated(ada, quiet["id"]))["count"] == 0
    assert (await calculated(ada, pros["id"]))["count"] == 1
    assert await ada.rows(asked.format(pros["id"])) == [["ben"]]
    assert await ada.rows(people.format("cohort_people")) == [[1, 1]]
    history = await ada.found(f"{PATH}{pros['id']}/calculation_history/")
    assert [(row["count"], row["is_successful"], row["filters"]) for row in history["results"]] == [
        (1, True, those(free)),
        (2, True, those(PRO)),
    ]


async def test_a_calculation_that_fails_says_so(ada: Project) -> None:
    wrong = VIEWED | {"event_filters": [{"type": "hogql", "key": "no_such_field = 1"}]}
    made = await ada.made(PATH, {"filters": those(wrong)})
    found = await calculated(ada, made["id"])

    assert (found["errors_calculating"], found["count"]) == (1, None)
    assert found["last_error_message"]
    (row,) = (await ada.found(f"{PATH}{made['id']}/calculation_history/"))["results"]
    assert (row["is_successful"], row["error"]) == (False, found["last_error_message"])


async def test_a_cohort_that_flags_use_stays_as_they_need_it(ada: Project) -> None:
    made = await ada.made(PATH, {"name": "Pros", "filters": those(PRO)})
    item = f"{PATH}{made['id']}/"
    condition = {"type": "cohort", "key": "id", "value": made["id"]}
    for key in ("b", "a"):
        groups = {"groups": [{"properties": [condition], "rollout_percentage": 100}]}
        flag = await ada.made("feature_flags/", {"key": key, "filters": groups})

    said = await ada.refused("PATCH", item, {"deleted": True})
    assert said["detail"] == (
        "This cohort is used in 2 active feature flag(s): a, b. Please remove the cohort from these feature flags before"
        " deleting it."
    )
    said = await ada.refused("PATCH", item, {"filters": those(VIEWED)})
    assert (said["code"], said["detail"]) == (
        "behavioral_cohort_found",
        "Behavioral filters cannot be added to cohorts used in feature flags.",
    )
    await ada.changed(item, {"filters": those(PRO | {"value": ["free"]})})
    await ada.changed(f"feature_flags/{flag['id']}/", {"active": False})
    assert "1 active feature flag(s): b." in (await ada.refused("PATCH", item, {"deleted": True}))["detail"]


async def test_a_list_takes_as_many_statements_for_two_as_for_one(ada: Project) -> None:
    taken: list[int] = []
    for name in ("One", "Two"):
        await ada.made(PATH, {"name": name, "is_static": True})
        await ada.found(PATH)
        with counted("FROM cohorts", AUTHORS) as statements:
            await ada.found(PATH)
        taken.append(len(statements))
    assert taken == [3, 3]
