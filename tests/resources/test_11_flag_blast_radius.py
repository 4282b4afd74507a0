"""How many persons and groups a condition of a flag reaches (rest-api §11)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.resources.house import Project

pytestmark = pytest.mark.stores
PATH = "feature_flags/user_blast_radius/"


def person(operator: str, value: Any) -> dict[str, Any]:
    return {"key": "seats", "type": "person", "operator": operator, "value": value}


async def radius(project: Project, *conditions: dict[str, Any], **more: Any) -> tuple[int, int]:
    answer = await project.made(PATH, {"condition": {"properties": list(conditions)}, **more}, 200)
    assert (answer["affected"], answer["total"]) == (answer["users_affected"], answer["total_users"])
    return answer["users_affected"], answer["total_users"]


async def test_persons_are_counted(ada: Project, bob: Project) -> None:
    for number in range(4):
        await ada.sends("seen", f"user {number}", {"$set": {"seats": number}})
    await bob.sends("seen", "his", {"$set": {"seats": 1}})

    assert await radius(ada) == (4, 4)
    assert await radius(ada, person("gte", "2")) == (2, 4)
    assert await radius(ada, person("exact", ["1", "3"]), person("is_set", "is_set")) == (2, 4)
    needs = {"key": "1", "type": "flag", "operator": "flag_evaluates_to", "value": True}
    assert await radius(ada, needs, person("exact", ["1"])) == (1, 4)
    answer = await ada.made(PATH, {"condition": {"properties": [person("lt", "3")], "rollout_percentage": 25}}, 200)
    assert answer["users_affected"] == 3


async def test_groups_are_counted(ada: Project) -> None:
    for key, plan in (("a", "pro"), ("b", "free")):
        await ada.sends(
            "$groupidentify", "user", {"$group_type": "company", "$group_key": key, "$group_set": {"plan": plan}}
        )
    each = {"key": "plan", "type": "group", "group_type_index": 0, "operator": "exact", "value": ["pro"]}

    assert await radius(ada, each, group_type_index=0) == (1, 2)
    assert await radius(ada, group_type_index=1) == (0, 0)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "Missing condition for which to get blast radius"),
        ({"condition": None}, "Missing condition for which to get blast radius"),
        ({"condition": {"properties": [person("gt", 5)]}}, "Invalid value for operator gt: 5"),
        (
            {"condition": {"properties": [person("exact", "x")]}, "group_type_index": 0},
            "Filters are not valid (can only use group properties)",
        ),
        (
            {"condition": {"properties": [{"key": "id", "type": "cohort", "value": 10**17}]}},
            f"Cohort with id {10**17} does not exist",
        ),
    ],
)
async def test_conditions_that_make_no_sense(ada: Project, body: dict[str, Any], detail: str) -> None:
    assert (await ada.refused("POST", PATH, body))["detail"] == detail


@pytest.mark.parametrize(
    ("operator", "value"), [("regex", "("), ("exact", {"a": 1}), ("icontains", "%'"), ("semver_gt", "x"), ("gt", "x")]
)
async def test_strange_values_are_counted_or_refused(ada: Project, operator: str, value: Any) -> None:
    answer = await ada.post(ada.path(PATH), {"condition": {"properties": [person(operator, value)]}})

    assert answer.status_code in {200, 400}, answer.text
