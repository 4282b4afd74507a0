"""Feature flags: made, changed, hidden, brought back (rest-api §11)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.resources.house import Project

pytestmark = pytest.mark.stores
PATH = "feature_flags/"
GROUPS = {"groups": [{"rollout_percentage": 100}]}


def body(key: str, **filters: Any) -> dict[str, Any]:
    return {"key": key, "name": "My Feature Flag", "active": True, "filters": {**GROUPS, **filters}}


async def test_the_life_of_a_flag(ada: Project) -> None:
    made = await ada.made(PATH, body("my-feature-flag"))
    item = f"{PATH}{made['id']}/"

    assert (made["key"], made["active"], made["version"], made["filters"]) == ("my-feature-flag", True, 1, GROUPS)
    assert (made["is_simple_flag"], made["rollout_percentage"], made["evaluation_tags"]) == (True, 100, [])
    assert (await ada.found(PATH))["results"] == [await ada.found(item)]
    assert (await ada.changed(item, {"active": False}))["status"] == "INACTIVE"
    assert (await ada.changed(item, {"deleted": True}))["deleted"] is True
    assert (await ada.found(PATH))["results"] == []
    assert (await ada.found(item))["deleted"] is True
    assert (await ada.changed(item, {"deleted": False}))["deleted"] is False
    await ada.changed(item, {"deleted": True})
    assert [row["activity"] for row in (await ada.found(item + "activity/"))["results"]] == [
        "deleted",
        "restored",
        "deleted",
        "updated",
        "created",
    ]
    assert (await ada.refused("DELETE", item, status=405))["code"] == "method_not_allowed"


async def test_a_flag_with_variants_is_not_simple(ada: Project) -> None:
    halves = [{"key": key, "rollout_percentage": 50} for key in ("control", "test")]
    made = await ada.made(PATH, body("split", multivariate={"variants": halves}))

    assert (made["is_simple_flag"], made["rollout_percentage"]) == (False, None)


async def test_another_projects_flag_is_not_found(ada: Project, bob: Project) -> None:
    made = await ada.made(PATH, body("hers"))

    await bob.refused("GET", f"{PATH}{made['id']}/", status=404)
    await bob.refused("PATCH", f"{PATH}{made['id']}/", {"active": False}, status=404)
    assert (await bob.found(PATH))["count"] == 0


async def test_of_parallel_requests_one_gets_the_key(ada: Project) -> None:
    answers = await asyncio.gather(*(ada.post(ada.path(PATH), body("contested")) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 400, 400, 400, 400]


@pytest.mark.parametrize(
    ("filters", "detail"),
    [
        ({"groups": []}, "Feature flags must have at least one condition set (group)."),
        (
            {"multivariate": {"variants": [{"key": "a", "rollout_percentage": 99}]}},
            "Invalid variant definitions: Variant rollout percentages must sum to 100.",
        ),
        ({"groups": [{"variant": "a"}]}, "Filters are not valid (variant override does not exist)"),
        ({"payloads": []}, "Payloads must be passed as a dictionary"),
        ({"payloads": {"a": "1"}}, "Payload keys must be 'true' for boolean flags"),
        ({"payloads": {"true": "{"}}, "Payload value is not valid JSON"),
        (
            {"groups": [{"properties": [{"key": "a", "type": "event", "value": "b"}]}]},
            "Filters are not valid (can only use person, cohort, and flag properties)",
        ),
    ],
)
async def test_filters_that_make_no_sense_are_refused(ada: Project, filters: dict[str, Any], detail: str) -> None:
    said = await ada.refused("POST", PATH, body("wrong", **filters))

    assert (said["attr"], said["code"], said["detail"]) == ("filters", "invalid_input", detail)


async def test_keys_have_letters_digits_hyphens_underscores(ada: Project) -> None:
    said = await ada.refused("POST", PATH, body("two words"))

    assert (said["attr"], said["code"]) == ("key", "invalid_key")
