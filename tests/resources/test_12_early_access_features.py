"""Early access features and the flags that open them (rest-api §12)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.resources.house import Project

from hedgerow.core import ids

pytestmark = pytest.mark.stores
PATH = "early_access_feature/"
FLAGS = "feature_flags/"
GROUPS: dict[str, Any] = {"groups": [{"properties": [], "rollout_percentage": 50}]}


def enrolled(key: str) -> list[dict[str, Any]]:
    condition = {"key": f"$feature_enrollment/{key}", "type": "person", "operator": "exact", "value": ["true"]}
    return [{"properties": [condition], "rollout_percentage": 100}]


async def flag(project: Project, key: str, **more: Any) -> int:
    return (await project.made(FLAGS, {"key": key, "filters": {**GROUPS, **more}}))["id"]


async def groups_of(project: Project, flag_id: int) -> Any:
    return (await project.found(f"{FLAGS}{flag_id}/"))["filters"].get("super_groups")


async def test_the_life_of_a_feature(ada: Project) -> None:
    made = await ada.made(PATH, {"name": "Größere Knöpfe!", "stage": "concept", "payload": {"a": 1}})
    item, opened = f"{PATH}{made['id']}/", made["feature_flag"]

    assert {name: made[name] for name in ("name", "description", "stage", "documentation_url", "payload")} == {
        "name": "Größere Knöpfe!",
        "description": "",
        "stage": "concept",
        "documentation_url": "",
        "payload": {"a": 1},
    }
    assert (opened["key"], opened["name"]) == ("groere-knopfe", "Feature Flag for Feature Größere Knöpfe!")
    assert opened["filters"] == {"groups": [{"properties": [], "rollout_percentage": 0, "variant": None}]}
    assert (await ada.found(PATH))["results"] == [await ada.found(item)] == [made]
    beta = await ada.changed(item, {"stage": "beta"})
    assert beta["feature_flag"]["filters"]["super_groups"] == enrolled("groere-knopfe")
    assert (await ada.changed(item, {"stage": "alpha", "name": "x"}))["feature_flag"]["version"] == 2
    assert (await ada.changed(item, {"stage": "draft"}))["feature_flag"]["filters"]["super_groups"] is None
    await ada.changed(item, {"stage": "general-availability"})
    assert (await ada.found(f"{FLAGS}{opened['id']}/"))["features"][0]["name"] == "x"
    assert (await ada.ask("DELETE", ada.path(item))).status_code == 204
    assert await groups_of(ada, opened["id"]) is None
    await ada.refused("GET", item, status=404)
    await ada.refused("DELETE", item, status=404)
    await ada.changed(f"{FLAGS}{opened['id']}/", {"deleted": True})


async def test_a_flag_that_is_there_can_open_it(ada: Project) -> None:
    flag_id = await flag(ada, "there")
    made = await ada.made(PATH, {"name": "There", "stage": "beta", "feature_flag_id": flag_id})

    assert (made["feature_flag"]["id"], made["feature_flag"]["filters"]["groups"]) == (flag_id, GROUPS["groups"])
    assert await groups_of(ada, flag_id) == enrolled("there")
    second = await ada.made(PATH, {"name": "There", "stage": "draft"})
    assert second["feature_flag"]["key"] == "there-2"


async def test_flags_that_cannot_open_it(ada: Project, bob: Project) -> None:
    halves = {"variants": [{"key": key, "rollout_percentage": 50} for key in "ab"]}
    taken, his, gone = await flag(ada, "taken"), await flag(bob, "his"), await flag(ada, "gone")
    await ada.changed(f"{FLAGS}{gone}/", {"deleted": True})
    await ada.made(PATH, {"name": "a", "stage": "beta", "feature_flag_id": taken})
    for flag_id, detail in (
        (his, "Feature Flag with this ID does not exist"),
        (2**70, "Feature Flag with this ID does not exist"),
        (gone, "Feature Flag with this ID does not exist"),
        (taken, "Linked feature flag taken already has a feature attached to it."),
        (
            await flag(ada, "groups", aggregation_group_type_index=0),
            "Group-based feature flags are not supported for Early Access Features.",
        ),
        (
            await flag(ada, "variants", multivariate=halves),
            "Multivariate feature flags are not supported for Early Access Features.",
        ),
    ):
        said = await ada.refused("POST", PATH, {"name": "b", "stage": "beta", "feature_flag_id": flag_id})
        assert (said["detail"], said["attr"]) == (detail, None)
    assert (await ada.found(PATH))["count"] == 1


@pytest.mark.parametrize(
    ("body", "attr", "code"),
    [
        ({"stage": "beta"}, "name", "required"),
        ({"name": "a"}, "stage", "required"),
        ({"name": "a", "stage": "omega"}, "stage", "invalid_choice"),
        ({"name": "a" * 201, "stage": "beta"}, "name", "max_length"),
        ({"name": "a", "stage": "beta", "documentation_url": "a" * 801}, "documentation_url", "max_length"),
        ({"name": "a", "stage": "beta", "payload": []}, "payload", "not_a_dict"),
    ],
)
async def test_bodies_that_are_refused(ada: Project, body: dict[str, Any], attr: str, code: str) -> None:
    said = await ada.refused("POST", PATH, body)

    assert (said["attr"], said["code"]) == (attr, code)
    assert (await ada.found(FLAGS))["count"] == 0


async def test_of_parallel_features_one_gets_the_flag(ada: Project) -> None:
    flag_id = await flag(ada, "contested")
    body = {"name": "a", "stage": "beta", "feature_flag_id": flag_id}
    answers = await asyncio.gather(*(ada.post(ada.path(PATH), body) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400]


async def test_anothers_features_and_missing_scopes(ada: Project, bob: Project) -> None:
    made = await ada.made(PATH, {"name": "a", "stage": "beta"})
    item = f"{PATH}{made['id']}/"
    for method in ("GET", "PATCH", "DELETE"):
        await bob.refused(method, item, {} if method == "PATCH" else None, status=404)
    await ada.refused("GET", f"{PATH}{ids.uuid7()}/", status=404)
    assert (await bob.found(PATH))["results"] == []
    reader = await ada.person.by_key("early_access_feature:read")
    assert (await reader.get(ada.path(item))).status_code == 200
    assert (await reader.ask("DELETE", ada.path(item))).status_code == 403
