"""What conditions of flags may say, and the flags and cohorts that they name (rest-api §11, filters schema)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.resources.house import Project

pytestmark = pytest.mark.stores
PATH = "feature_flags/"


def filters(*conditions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"groups": [{"properties": list(conditions), "rollout_percentage": 100}], **more}


def needs(flag_id: Any, value: Any = True) -> dict[str, Any]:
    return {"key": str(flag_id), "type": "flag", "operator": "flag_evaluates_to", "value": value}


async def made(project: Project, key: str, *conditions: dict[str, Any], **more: Any) -> int:
    return (await project.made(PATH, {"key": key, "filters": filters(*conditions), **more}))["id"]


@pytest.mark.parametrize(
    ("condition", "code", "detail"),
    [
        ({"operator": "gt", "value": 5}, "invalid_value", "Invalid value for operator gt: 5"),
        ({"operator": "regex", "value": None}, "invalid_value", "Invalid value for operator regex: None"),
        ({"operator": "is_date_before", "value": "x"}, "invalid_date", "Invalid date value: x"),
        (
            {"operator": "in", "value": "x"},
            "invalid_operator",
            "The 'in' operator is only valid for cohort properties, not 'person' properties.",
        ),
        ({"operator": "resembles", "value": "x"}, "invalid_operator", "Invalid operator: resembles"),
        ({"operator": [], "value": "x"}, "invalid_operator", "Invalid operator: []"),
        (
            {"operator": "exact", "value": ["x"] * 1_001},
            "invalid_input",
            "Property group expressions of type plan cannot contain more than 1000 values.",
        ),
        (
            {"type": "flag", "operator": "exact", "value": True},
            "invalid_input",
            "Flag properties must use the 'flag_evaluates_to' operator",
        ),
        (
            {"type": "flag", "operator": "flag_evaluates_to", "value": True},
            "invalid_input",
            "Flag dependencies must reference flag IDs (integers), not flag keys. Invalid reference: 'plan'",
        ),
        ({"type": "cohort", "value": 5}, "cohort_does_not_exist", "Cohort with id 5 does not exist"),
    ],
)
async def test_a_condition_that_makes_no_sense(ada: Project, condition: dict[str, Any], code: str, detail: str) -> None:
    each = {"key": "plan", "type": "person", **condition}
    said = await ada.refused("POST", PATH, {"key": "wrong", "filters": filters(each)})

    assert (said["attr"], said["code"], said["detail"]) == ("filters", code, detail)


@pytest.mark.parametrize("value", ["2026-01-02", "-7d", "30d", "2026-01-02T03:04:05Z"])
async def test_dates_may_be_absolute_or_count_from_now(ada: Project, value: str) -> None:
    each = {"key": "joined", "type": "person", "operator": "is_date_after", "value": value}

    assert (await ada.made(PATH, {"key": "dated", "filters": filters(each)}))["filters"] == filters(each)


@pytest.mark.parametrize("index", [5, -1, True, "0", 1.5])
async def test_the_group_type_is_a_small_number(ada: Project, index: Any) -> None:
    body = {"key": "grouped", "filters": filters(aggregation_group_type_index=index)}

    assert (await ada.refused("POST", PATH, body))["attr"] == "filters"


async def test_groups_have_conditions_on_the_same_group_type(ada: Project) -> None:
    each = {"key": "size", "type": "group", "group_type_index": 1, "operator": "exact", "value": ["10"]}
    good = filters(each, aggregation_group_type_index=1)
    said = await ada.refused("POST", PATH, {"key": "g", "filters": filters(each, aggregation_group_type_index=0)})

    assert said["detail"] == "Filters are not valid (can only use group properties)"
    assert (await ada.made(PATH, {"key": "g", "filters": good}))["filters"] == good


async def test_what_else_filters_hold_is_kept(ada: Project) -> None:
    said = filters(
        super_groups=[{"properties": [], "rollout_percentage": 100}],
        holdout_groups=[{"properties": [], "rollout_percentage": 10, "variant": "holdout-3"}],
        holdout={"id": 3, "exclusion_percentage": 10},
    )

    assert (await ada.made(PATH, {"key": "kept", "filters": said}))["filters"] == said
    assert (await ada.refused("POST", PATH, {"key": "k", "filters": filters(holdout=[])}))["attr"] == "filters"


async def test_a_flag_needs_only_active_flags_of_its_project(ada: Project, bob: Project) -> None:
    base, off, his = await made(ada, "base"), await made(ada, "off", active=False), await made(bob, "his")
    await made(ada, "above", needs(base))
    for flag_id in (his, 10**17):
        said = await ada.refused("POST", PATH, {"key": "x", "filters": filters(needs(flag_id))})
        assert said["detail"] == f"Flag dependency references non-existent flag with ID {flag_id}"
    said = await ada.refused("POST", PATH, {"key": "x", "filters": filters(needs(off))})
    assert said["detail"] == (
        f"Cannot create dependency on disabled flag 'off' (ID: {off}). "
        "Flag dependencies must reference active flags only."
    )


async def test_no_flag_needs_itself_by_any_way(ada: Project) -> None:
    a = await made(ada, "a")
    b = await made(ada, "b", needs(a))
    c = await made(ada, "c", needs(b))
    said = await ada.refused("PATCH", f"{PATH}{a}/", {"filters": filters(needs(a))})
    assert said["detail"] == "Feature flag 'a' cannot depend on itself"
    said = await ada.refused("PATCH", f"{PATH}{a}/", {"filters": filters(needs(c))})
    assert said["detail"] == "Circular dependency detected: a → c → b → a"


async def test_of_two_changes_that_close_a_circle_one_is_refused(ada: Project) -> None:
    a, b = await made(ada, "a"), await made(ada, "b")
    answers = await asyncio.gather(
        ada.patch(ada.path(f"{PATH}{a}/"), {"filters": filters(needs(b))}),
        ada.patch(ada.path(f"{PATH}{b}/"), {"filters": filters(needs(a))}),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_what_others_need_stays_active(ada: Project) -> None:
    base = await made(ada, "base")
    above = await made(ada, "above", needs(base))
    said = await ada.refused("PATCH", f"{PATH}{base}/", {"active": False})
    assert said["detail"].startswith(
        f"Cannot disable this feature flag because other flags depend on it: above (ID: {above})."
    )
    said = await ada.refused("PATCH", f"{PATH}{base}/", {"deleted": True})
    assert said["detail"] == (
        f"Cannot delete this feature flag because other flags depend on it: above (ID: {above}). "
        "Please update or delete the dependent flags first."
    )
    await ada.changed(f"{PATH}{above}/", {"active": False})
    await ada.changed(f"{PATH}{base}/", {"active": False})
    said = await ada.refused("PATCH", f"{PATH}{above}/", {"active": True})
    assert said["detail"] == (
        f"Cannot enable this feature flag because it depends on disabled flags: base (ID: {base}). "
        "Please enable the dependency flags first."
    )


async def cohort(project: Project, name: str, *values: dict[str, Any]) -> int:
    group = {"type": "OR", "values": [{"type": "AND", "values": list(values)}]}
    return (await project.made("cohorts/", {"name": name, "filters": {"properties": group}}))["id"]


async def test_a_cohort_is_named_in_the_answer(ada: Project, bob: Project) -> None:
    plan = {"key": "plan", "type": "person", "operator": "exact", "value": ["pro"]}
    calm, his = await cohort(ada, "Calm", plan), await cohort(bob, "His", plan)
    each = {"key": "id", "type": "cohort", "operator": "in", "value": calm}
    made = await ada.made(PATH, {"key": "calm", "filters": filters(each)})

    assert made["filters"] == filters({**each, "cohort_name": "Calm"})
    assert (await ada.found(PATH))["results"][0]["filters"] == made["filters"]
    again = await ada.changed(f"{PATH}{made['id']}/", {"filters": made["filters"]})
    assert again["filters"] == made["filters"]
    await ada.changed(f"cohorts/{calm}/", {"name": "Quiet"})
    found = await ada.found(f"{PATH}{made['id']}/")
    assert found["filters"]["groups"][0]["properties"][0]["cohort_name"] == "Quiet"
    said = await ada.refused("POST", PATH, {"key": "x", "filters": filters({**each, "value": his})})
    assert (said["code"], said["detail"]) == ("cohort_does_not_exist", f"Cohort with id {his} does not exist")


async def test_cohorts_of_what_somebody_did_are_refused(ada: Project) -> None:
    did = {
        "key": "bought",
        "type": "behavioral",
        "value": "performed_event",
        "event_type": "events",
        "time_value": 7,
        "time_interval": "day",
    }
    busy = await cohort(ada, "Busy", did)
    above = await cohort(ada, "Above", {"key": "id", "type": "cohort", "value": busy})
    for number, name in ((busy, "Busy"), (above, "Above")):
        each = {"key": "id", "type": "cohort", "value": number}
        said = await ada.refused("POST", PATH, {"key": "x", "filters": filters(each)})
        assert (said["code"], said["attr"]) == ("behavioral_cohort_found", "filters")
        assert said["detail"] == f"Cohort '{name}' with filters on events cannot be used in feature flags."
