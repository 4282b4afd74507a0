"""hogql §11: the modifiers that change rows, and those that are read, sent back and change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.hogql.conftest import Shop
from tests.hogql.project import uuid_of

pytestmark = pytest.mark.stores

NO_OVERRIDE = "person_id_no_override_properties_on_events"
OVERRIDE = "person_id_override_properties_on_events"
JOINED = "person_id_override_properties_joined"
TEXT = "SELECT event, person_id, person.id, person.properties.title FROM events ORDER BY timestamp"


@pytest.fixture(scope="module")
def merged(empty: Shop) -> Shop:
    """An event of `guest` from when she was a person of her own, one of `ann`, one of nobody; later guest was ann."""
    project = empty.rows
    for minute, (event, by, name) in enumerate([("first", "guest", "then"), ("second", "ann", "Ann then")]):
        project.sends(event, by=by, at=f"2026-01-05 10:0{minute}:00", person_properties={"title": name})
    project.sends("third", by="nobody", at="2026-01-05 10:05:00")
    project.has_person("ann", title="Ann now")
    project.moves("guest", "ann")
    return empty


def _rows(guest: str, names: tuple[str | None, str | None, str | None]) -> list[list[Any]]:
    people = (uuid_of(guest), uuid_of("ann"), uuid_of("nobody"))
    events = ("first", "second", "third")
    return [[event, who, who, name] for event, who, name in zip(events, people, names, strict=True)]


@pytest.mark.parametrize(
    ("mode", "rows"),
    [
        (None, _rows("ann", ("then", "Ann then", None))),
        (OVERRIDE, _rows("ann", ("then", "Ann then", None))),
        (NO_OVERRIDE, _rows("guest", ("then", "Ann then", None))),
        (JOINED, _rows("ann", ("Ann now", "Ann now", None))),
        ("disabled", _rows("ann", ("Ann now", "Ann now", None))),
    ],
)
async def test_whose_id_and_properties_a_person_shows(merged: Shop, mode: str | None, rows: list[Any]) -> None:
    modifiers = {} if mode is None else {"personsOnEventsMode": mode}
    answer = await merged.answer(TEXT, modifiers=modifiers)
    assert answer.columns == ["event", "person_id", "id", "title"]
    assert answer.rows == rows
    assert answer.body["modifiers"]["personsOnEventsMode"] == (mode or OVERRIDE)


@pytest.mark.parametrize(("mode", "events"), [("left", 3), ("inner", 2)])
async def test_whether_events_without_a_person_stay(merged: Shop, mode: str, events: int) -> None:
    text = "SELECT count() FROM (SELECT event, person.properties.title FROM events)"
    answer = await merged.answer(text, modifiers={"personsJoinMode": mode, "personsOnEventsMode": JOINED})
    assert answer.rows == [[events]]


@pytest.mark.parametrize(
    ("convert", "moment", "kind"),
    [
        (None, "2026-01-06T09:00:00+01:00", "DateTime64(6, 'Europe/Berlin')"),
        (True, "2026-01-06T09:00:00+01:00", "DateTime64(6, 'Europe/Berlin')"),
        (False, "2026-01-06T08:00:00Z", "DateTime64(6, 'UTC')"),
    ],
)
async def test_project_time_can_be_left_out(zoned: Shop, convert: bool | None, moment: str, kind: str) -> None:
    text = "SELECT timestamp FROM events WHERE event = 'purchase' AND distinct_id = 'ann'"
    answer = await zoned.answer(text, modifiers={"convertToProjectTimezone": convert})
    assert (answer.rows, answer.types) == ([[moment]], [kind])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("inCohortVia", value) for value in ("auto", "leftjoin", "subquery", "leftjoin_conjoined")),
        *(("sessionTableVersion", value) for value in ("auto", "v1", "v2", "v3")),
        *(("personsArgMaxVersion", value) for value in ("auto", "v1", "v2")),
        ("materializationMode", "disabled"),
        ("optimizeJoinedFilters", True),
        ("s3TableUseInvalidColumns", True),
        ("propertyGroupsMode", "optimized"),
        ("materializedColumnsOptimizationMode", "optimized"),
        ("sessionsV2JoinMode", "uuid"),
        ("useMaterializedViews", True),
        ("useWebAnalyticsPreAggregatedTables", False),
        ("usePreaggregatedTableTransforms", True),
        ("usePreaggregatedIntermediateResults", True),
        ("formatCsvAllowDoubleQuotes", True),
        ("optimizeProjections", True),
        ("pushDownPredicates", True),
        ("forceClickhouseDataSkippingIndexes", ["a"]),
        ("inlineCohortCalculation", "off"),
        ("parserMode", "cpp"),
        ("sessionIdPushdown", True),
        ("sessionPropertyPreAggregation", True),
        ("dataWarehouseEventsModifiers", []),
        ("timings", True),
    ],
)
async def test_the_others_are_sent_back_and_change_no_row(shop: Shop, name: str, value: Any) -> None:
    text = (
        "SELECT count(), countIf(person_id IN COHORT 5), uniq(session.id) FROM events WHERE session.$pageview_count > 0"
    )
    answer = await shop.answer(text, modifiers={name: value})
    assert answer.rows == [[4, 2, 2]]
    assert answer.body["modifiers"][name] == value


async def test_debug_shows_what_was_run(shop: Shop) -> None:
    plain = await shop.answer("SELECT event FROM events LIMIT 1")
    assert (plain.body["clickhouse"], plain.body["explain"], plain.body["metadata"]) == (None, None, None)
    shown = await shop.answer("SELECT event FROM events LIMIT 1", modifiers={"debug": True})
    assert shown.body["clickhouse"].startswith("SELECT ")
    assert shown.body["metadata"]["table_names"] == ["events"]


@pytest.mark.parametrize(
    ("modifiers", "named"), [({"nonsense": 1}, "modifiers"), ({"personsOnEventsMode": "x"}, "personsOnEventsMode")]
)
async def test_what_is_no_modifier_is_refused(shop: Shop, modifiers: dict[str, Any], named: str) -> None:
    response = await shop.asker.post("SELECT 1", node={"modifiers": modifiers})
    assert (response.status_code, response.json()["type"]) == (400, "validation_error")
    assert response.json()["attr"].endswith(f"__{named}")
