"""TrendsQuery (queries §5.1)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.queries.world import Asker, World

pytestmark = pytest.mark.stores
DATES = {"date_from": "2026-01-03", "date_to": "2026-01-05"}


async def asked(project: Asker, status: int = 200, **node: Any) -> dict[str, Any]:
    query = {"kind": "TrendsQuery", "series": [{"kind": "EventsNode", "event": "bought"}], "dateRange": DATES, **node}
    body = {"query": {"kind": "InsightVizNode", "source": query}, "refresh": "force_blocking"}
    response = await project.request("POST", json=body)
    assert response.status_code == status, response.text
    return response.json()


async def test_totals_and_people_by_day_with_zeros(world: World, project: Asker) -> None:
    other = await world.project()
    await other.sends("bought", at="2026-01-03 10:00:00", by="eve")
    for at, by in (("2026-01-03 10:00:00", "ann"), ("2026-01-05 09:00:00", "ann"), ("2026-01-05 10:00:00", "ann")):
        await project.sends("bought", {"plan": "pro"}, at=at, by=by)
    await project.sends("bought", {"plan": "free"}, at="2026-01-05 11:00:00", by="bob")

    series = [{"kind": "EventsNode", "event": "bought"}, {"kind": "EventsNode", "math": "dau"}]
    total, people = (await asked(project, series=series))["results"]

    assert (total["data"], total["count"], total["label"]) == ([1.0, 0.0, 3.0], 4.0, "bought")
    assert total["labels"] == ["3-Jan-2026", "4-Jan-2026", "5-Jan-2026"]
    assert total["days"] == ["2026-01-03", "2026-01-04", "2026-01-05"]
    assert (people["data"], people["label"], people["order"]) == ([1.0, 0.0, 2.0], "All events", 1)
    pro = [{"type": "event", "key": "plan", "operator": "exact", "value": ["pro"]}]
    assert (await asked(project, properties=pro))["results"][0]["data"] == [1.0, 0.0, 2.0]


async def test_a_bucket_is_whole_unless_the_date_is_explicit(project: Asker) -> None:
    for at in ("2026-01-01 08:00:00", "2026-01-03 08:00:00", "2026-01-03 20:00:00"):
        await project.sends("bought", at=at, by="ann")
    noon = {"date_from": "2026-01-03T12:00", "date_to": "2026-01-03"}
    assert (await asked(project, dateRange=noon))["results"][0]["data"] == [2.0]
    assert (await asked(project, dateRange=noon, interval="month"))["results"][0]["data"] == [3.0]
    exact = {"date_from": "2026-01-03T12:00", "date_to": "2026-01-03T23:00", "explicitDate": True}
    assert (await asked(project, dateRange=exact))["results"][0]["data"] == [1.0]


@pytest.mark.parametrize("interval", ["hour", "week", "month"])
async def test_nothing_is_lost_between_buckets(project: Asker, interval: str) -> None:
    for at in ("2026-01-03 00:00:00", "2026-01-04 23:59:59", "2026-01-05 00:00:00"):
        await project.sends("bought", at=at, by="ann")
    assert (await asked(project, interval=interval))["results"][0]["count"] == 3.0


async def test_hours_of_a_zone_that_is_half_an_hour_off(world: World) -> None:
    project = await world.project(timezone="Asia/Kolkata")
    for at in ("2026-01-03 04:29:59", "2026-01-03 04:30:00", "2026-01-03 05:29:59", "2026-01-03 18:30:00"):
        await project.sends("bought", at=at, by="ann")
    (trend,) = (await asked(project, interval="hour", dateRange={"date_from": "2026-01-03", "date_to": "2026-01-04"}))[
        "results"
    ]
    found = {day: count for day, count in zip(trend["days"], trend["data"], strict=True) if count}
    assert found == {"2026-01-03 09:00:00": 1.0, "2026-01-03 10:00:00": 2.0, "2026-01-04 00:00:00": 1.0}


async def test_hours_when_clocks_change(world: World) -> None:
    project = await world.project(timezone="Europe/Berlin")
    # 02:30 comes twice on 26 October 2025, and not at all on 30 March 2025
    for at in ("2025-10-26 00:30:00", "2025-10-26 01:30:00", "2025-10-26 01:45:00", "2025-10-26 22:59:59"):
        await project.sends("bought", at=at, by="ann")
    for at in ("2025-03-30 00:59:59", "2025-03-30 01:00:00"):
        await project.sends("bought", at=at, by="ann")
    autumn = {"date_from": "2025-10-26", "date_to": "2025-10-26T23:59:59"}
    (trend,) = (await asked(project, interval="hour", dateRange=autumn))["results"]
    assert (len(trend["data"]), trend["data"][2:4], trend["data"][24]) == (25, [1.0, 2.0], 1.0)
    assert trend["days"][2:4] == ["2025-10-26 02:00:00", "2025-10-26 02:00:00"]
    assert trend["action"]["days"][2:4] == ["2025-10-26T00:00:00Z", "2025-10-26T01:00:00Z"]
    assert trend["count"] == 4.0
    spring = {"date_from": "2025-03-30", "date_to": "2025-03-30T23:59:59"}
    (trend,) = (await asked(project, interval="hour", dateRange=spring))["results"]
    assert (len(trend["data"]), trend["data"][1:3]) == (23, [1.0, 1.0])
    assert trend["days"][1:3] == ["2025-03-30 01:00:00", "2025-03-30 03:00:00"]
    (trend,) = (await asked(project, dateRange={"date_from": "2025-10-25", "date_to": "2025-10-27"}))["results"]
    assert trend["data"] == [0.0, 4.0, 0.0]


async def test_what_is_only_drawn_changes_nothing(project: Asker) -> None:
    await project.sends("bought", {"plan": "pro"}, at="2026-01-03 10:00:00", by="ann")
    plain = (await asked(project))["results"]
    drawn: dict[str, Any] = {
        "trendsFilter": {
            "display": "ActionsBar", "showLegend": True, "aggregationAxisFormat": "numeric", "smoothingIntervals": 1,
            "showValuesOnSeries": True, "formula": None, "goalLines": [], "yAxisScaleType": "log10",
        },
        "dataColorTheme": 3, "aggregation_group_type_index": None, "compareFilter": {"compare": False},
        "breakdownFilter": {"breakdown_type": "event"}, "conversionGoal": None, "samplingFactor": None,
    }  # fmt: skip
    assert (await asked(project, **drawn))["results"] == plain
    series = [{"kind": "EventsNode", "event": "bought", "math_property": None, "limit": 100, "orderBy": ["timestamp"]}]
    assert (await asked(project, series=series))["results"] == plain


async def test_properties_may_be_a_group(project: Asker) -> None:
    for plan in ("pro", "free", "gone"):
        await project.sends("bought", {"plan": plan}, at="2026-01-03 10:00:00", by="ann")
    plans = [{"type": "event", "key": "plan", "operator": "exact", "value": [plan]} for plan in ("pro", "free")]
    group = {"type": "AND", "values": [{"type": "OR", "values": plans}]}
    assert (await asked(project, properties=group))["results"][0]["count"] == 2.0
    series = [{"kind": "EventsNode", "event": "bought", "properties": group, "fixedProperties": plans[:1]}]
    assert (await asked(project, series=series))["results"][0]["count"] == 1.0


@pytest.mark.parametrize(
    "node",
    [
        {"series": []},
        {"series": [{"kind": "ActionsNode"}]},
        {"series": [{"kind": "EventsNode", "math": "p99"}]},
        {"breakdownFilter": {"breakdown": "plan"}},
        {"trendsFilter": {"formula": "A"}},
        {"trendsFilter": {"display": "BoldNumber"}},
        {"trendsFilter": {"smoothingIntervals": 7}},
        {"trendsFilter": {"display": ["ActionsBar"]}},
        {"trendsFilter": {"nonsense": 1}},
        {"trendsFilter": "ActionsBar"},
        {"compareFilter": {"compare": True}},
        {"aggregation_group_type_index": 0},
        {"samplingFactor": 0.5},
        {"properties": {"type": "AND", "values": 5}},
        {"properties": {"type": "AND", "values": [5]}},
        {"properties": {"type": "XOR", "values": []}},
    ],
)
async def test_what_is_not_computed_is_refused(project: Asker, node: dict[str, Any]) -> None:
    assert (await asked(project, 400, **node))["type"] == "validation_error"
