"""Who is in a cohort, against a model that looks at every person and every event (rest-api §8)."""

from __future__ import annotations

import asyncio
import calendar
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import eq, ge, gt, le, lt
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hogql.project import Project, fresh_team_id, uuid_of

from hedgerow.core.storage.events import EventStore
from hedgerow.hogql import HogQLContext, compile_select
from hedgerow.people.cohort_query import Known, people_of
from hedgerow.settings import Settings

pytestmark = pytest.mark.stores

EXAMPLES = 100 if os.environ.get("HEDGEROW_TEST_TIER") == "all" else 25
NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
NAMES = [f"person {number}" for number in range(12)]
MERGED = {"person 1 before": "person 1", "person 2 before": "person 2", "person 3 before": "person 4"}
PLANS = ("pro", "free", None)
UNITS = ("day", "week", "month")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {"gte": ge, "lte": le, "gt": gt, "lt": lt, "eq": eq, "exact": eq}
LISTED = {"person 0", "person 5", "person 6"}


def group(kind: str, *filters: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "values": list(filters)}


PRO = {"type": "person", "key": "plan", "operator": "exact", "value": ["pro"]}
BOUGHT = {
    "type": "behavioral",
    "key": "buy",
    "value": "performed_event",
    "event_type": "events",
    "time_value": 1,
    "time_interval": "month",
}
COHORTS = {
    1: Known(1, group("AND", PRO, BOUGHT)),
    2: Known(2, None),
    3: Known(3, group("OR", {"type": "cohort", "key": "id", "value": 1, "negation": True}, BOUGHT)),
}


class Model:
    """The same rows, in Python."""

    def __init__(self) -> None:
        random = Random(8)
        self.plans = {name: random.choice(PLANS) for name in NAMES}
        self.events: list[tuple[str, str, str, datetime]] = []
        """Distinct id, person's name by now, event, moment."""
        for distinct_id in [*NAMES[:-1], *MERGED, "nobody"]:
            for _ in range(random.choice((1, 4, 12))):
                ago = timedelta(days=random.choice((0, 1, 2, 5, 7, 10, 14, 20, 31, 40, 62)))
                ago += timedelta(seconds=random.choice((-1, 0, 1, 3_600)))
                event = random.choice(("view", "buy", "leave"))
                self.events.append((distinct_id, MERGED.get(distinct_id, distinct_id), event, NOW - ago))

    def members(self, definition: dict[str, Any]) -> set[str]:
        return {name for name in NAMES if self.fits(name, definition)}

    def fits(self, name: str, said: dict[str, Any]) -> bool:
        if "values" in said:
            parts = [self.fits(name, each) for each in said["values"]]
            return (all(parts) if said["type"] == "AND" else any(parts)) if parts else True
        if said["type"] == "person":
            plan = self.plans[name]
            found = {
                "exact": plan in said.get("value", ()),
                "is_not": plan not in said.get("value", ()),
                "is_set": plan is not None,
                "is_not_set": plan is None,
            }[said["operator"]]
        elif said["type"] == "cohort":
            definition = COHORTS[said["value"]].definition
            found = name in LISTED if definition is None else self.fits(name, definition)
        else:
            found = self.did(name, said)
        return found is not bool(said.get("negation"))

    def did(self, name: str, said: dict[str, Any]) -> bool:
        def moments(event: str) -> list[datetime]:
            return [at for _, owner, what, at in self.events if owner == name and what == event and at <= NOW]

        at = moments(said["key"])
        since = ago(said.get("time_value"), said.get("time_interval"))
        recent = [moment for moment in at if moment > since]
        compare, wanted = COMPARE[said.get("operator", "gte")], said.get("operator_value", 1)
        match said["value"]:
            case "performed_event":
                return bool(recent)
            case "performed_event_multiple":
                return bool(recent) and compare(len(recent), wanted)
            case "performed_event_first_time":
                return bool(at) and min(at) > since
            case "performed_event_regularly":
                edges = [ago(said["time_value"] * n, said["time_interval"]) for n in range(said["total_periods"] + 1)]
                if not any(moment > edges[-1] for moment in at):
                    return False
                counts = [sum(early < moment <= late for moment in at) for late, early in pairwise(edges)]
                return sum(compare(count, wanted) for count in counts) >= said["min_periods"]
            case "performed_event_sequence":
                return any(
                    first < second <= later(first, said["seq_time_value"], said["seq_time_interval"])
                    for first in recent
                    for second in moments(said["seq_event"])
                )
            case other:
                middle = ago(said["seq_time_value"], said["seq_time_interval"])
                between = any(since < moment <= middle for moment in at)
                lately = any(moment > middle for moment in at)
                if other == "stopped_performing_event":
                    return between and not any(moment > max(since, middle) for moment in at)
                return any(moment <= since for moment in at) and not between and lately


def ago(number: int | None, unit: str | None) -> datetime:
    if number is None or unit is None:
        return datetime.min.replace(tzinfo=UTC)
    if unit != "month":
        return NOW - timedelta(days=number * (7 if unit == "week" else 1))
    year, month = divmod(NOW.year * 12 + NOW.month - 1 - number, 12)
    return NOW.replace(year=year, month=month + 1, day=min(NOW.day, calendar.monthrange(year, month + 1)[1]))


def later(moment: datetime, number: int, unit: str) -> datetime:
    return moment + timedelta(days=number * (7 if unit == "week" else 1))


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[Project]:
    """The model's rows in ClickHouse; beside them the same events of another project, all by one more person."""
    store = asyncio.run(EventStore.open(Settings(data_dir=tmp_path_factory.mktemp("data"))))
    ours, theirs = Project(store, fresh_team_id()), Project(store, fresh_team_id())
    for name in NAMES:
        plan = model.plans[name]
        ours.has_person(name, plan=plan)
    for former in MERGED:
        ours.has_person(former, plan="pro")
        ours.has_person(former, version=2, deleted=True)
    for distinct_id, _, event, at in model.events:
        ours.sends(event, by=distinct_id, at=f"{at:%Y-%m-%d %H:%M:%S}")
        theirs.sends(event, by=NAMES[-1], at=f"{at:%Y-%m-%d %H:%M:%S}")
    for former, name in MERGED.items():
        ours.moves(former, name, version=3)
    rows = [{"cohort_id": 2, "person_id": uuid_of(name), "is_deleted": False, "version": 1} for name in LISTED]
    gone = {"cohort_id": 2, "person_id": uuid_of("person 7"), "version": 1}
    ours.stores("static_cohort_people", *rows, gone | {"is_deleted": False})
    ours.stores("static_cohort_people", gone | {"is_deleted": True, "version": 2})
    theirs.stores("static_cohort_people", gone | {"is_deleted": False, "version": 3})
    yield ours
    asyncio.run(store.close())


def found(project: Project, definition: dict[str, Any]) -> set[str]:
    tree = people_of(definition, project.schema, NOW, COHORTS)
    query = compile_select(tree, HogQLContext(schema=project.schema, limit_top=None, max_limit=None))
    rows = asyncio.run(project.store.rows(query.sql, query.parameters, settings=query.settings, settled=False))
    names = {uuid_of(name): name for name in [*NAMES, *MERGED, "nobody"]}
    assert len(rows) == len({row[0] for row in rows})
    return {names[row[0]] for row in rows}


numbers = st.integers(0, 6)
events = st.sampled_from(("view", "buy", "leave"))
negation = {"negation": st.booleans()}
window = {"time_value": numbers, "time_interval": st.sampled_from(UNITS)}
counting = {"operator": st.sampled_from(tuple(COMPARE)), "operator_value": st.integers(0, 4)}
following = {"seq_time_value": st.integers(0, 3), "seq_time_interval": st.sampled_from(("day", "week"))}


def behaviour(value: str, **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    fixed = {"type": st.just("behavioral"), "event_type": st.just("events"), "value": st.just(value)}
    return st.fixed_dictionaries({**fixed, "key": events, **negation, **window, **more})


filters = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("person"),
            "key": st.just("plan"),
            "operator": st.sampled_from(("exact", "is_not")),
            "value": st.sampled_from((["pro"], ["free"], ["pro", "free"])),
            **negation,
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("person"),
            "key": st.just("plan"),
            "operator": st.sampled_from(("is_set", "is_not_set")),
            **negation,
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("cohort"), "key": st.just("id"), "value": st.sampled_from((1, 2, 3)), **negation}
    ),
    behaviour("performed_event"),
    behaviour("performed_event_multiple", **counting),
    behaviour("performed_event_first_time"),
    behaviour(
        "performed_event_regularly",
        time_value=st.integers(1, 3),
        total_periods=st.integers(2, 5),
        min_periods=st.integers(1, 2),
        **counting,
    ),
    behaviour("performed_event_sequence", seq_event=events, **following),
    behaviour("stopped_performing_event", **following),
    behaviour("restarted_performing_event", **following),
)
definitions = st.recursive(
    filters,
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(("AND", "OR")), "values": st.lists(inner, min_size=1, max_size=3)}
    ),
    max_leaves=5,
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(definition=definitions)
def test_the_same_persons_are_found(project: Project, model: Model, definition: dict[str, Any]) -> None:
    said = definition if "values" in definition else group("AND", definition)

    assert found(project, said) == model.members(said)


def test_each_behaviour_tells_persons_apart(model: Model) -> None:
    """The rows are such that a model that says yes or no to everybody is found out."""
    seq = {"seq_time_value": 2, "seq_time_interval": "day"}
    for value, more in (
        ("performed_event", {"time_value": 1, "time_interval": "week"}),
        ("performed_event_multiple", {"operator_value": 2}),
        ("performed_event_first_time", {}),
        ("performed_event_regularly", {"time_interval": "week", "total_periods": 3, "min_periods": 2}),
        ("performed_event_sequence", seq | {"seq_event": "view"}),
        ("stopped_performing_event", seq),
        ("restarted_performing_event", seq | {"time_interval": "week"}),
    ):
        members = model.members(group("AND", BOUGHT | {"value": value} | more))
        assert 0 < len(members) < len(NAMES), value


def test_a_group_of_nothing_holds_everybody(project: Project) -> None:
    assert found(project, group("OR")) == set(NAMES)
