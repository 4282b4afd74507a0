"""Every kind that reads rows: never another project's, and whatever a field holds, never a failure of the server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.queries.world import Asker, World
from tests.stores.opened import Stores

from hedgerow.core import ids
from hedgerow.core.clock import Clock
from hedgerow.queries.registry import KINDS

pytestmark = pytest.mark.stores
MARK = "foreign mark"
NODES: dict[str, dict[str, Any]] = {
    "EventsQuery": {
        "select": ["event"], "where": ["1 = 1"], "event": "buy", "events": ["buy"], "actionId": 1, "actionSteps": [],
        "personId": "0190d0a5-5a5a-7000-8000-000000000000", "properties": [], "fixedProperties": [],
        "filterTestAccounts": True, "before": "2100-01-01", "after": "all", "orderBy": ["event"], "source": {},
        "limit": 10, "offset": 0,
    },
    "SessionsQuery": {
        "select": ["session_id"], "where": ["1 = 1"], "event": "buy", "actionId": 1, "eventProperties": [],
        "personId": "0190d0a5-5a5a-7000-8000-000000000000", "properties": [], "fixedProperties": [],
        "filterTestAccounts": True, "before": "2100-01-01", "after": "all", "orderBy": ["session_id"], "limit": 10,
        "offset": 0,
    },
    "ActorsQuery": {
        "source": {"kind": "HogQLQuery", "query": "SELECT person_id FROM events"}, "select": ["id"], "search": "a",
        "properties": [], "fixedProperties": [], "orderBy": ["id"], "limit": 10, "offset": 0,
    },
    "GroupsQuery": {
        "group_type_index": 0, "select": ["key"], "search": "a", "properties": [], "orderBy": ["key"], "limit": 10,
        "offset": 0,
    },
    "EventTaxonomyQuery": {
        "event": "buy", "actionId": 1, "properties": ["plan"], "maxPropertyValues": 3, "limit": 10, "offset": 0,
    },
    "TrendsQuery": {
        "series": [{"kind": "EventsNode", "event": "buy"}], "interval": "day", "dateRange": {"date_from": "-7d"},
        "properties": [], "filterTestAccounts": True,
    },
    "TeamTaxonomyQuery": {"modifiers": {}, "tags": {}, "version": 1},
}  # fmt: skip
"""Every field of a kind, with a value that it takes."""
FILTERS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["event", "person", "group", "session", "hogql", "event_metadata", "element"]),
        "key": st.sampled_from(
            ["plan", "email", "$session_duration", "distinct_id", "1 = 1 OR team_id > 0", "tag_name"]
        ),
        "operator": st.sampled_from(
            ["exact", "is_not", "icontains", "regex", "gt", "is_set", "is_date_after", "nonsense"]
        ),
        "value": st.one_of(
            st.sampled_from(["pro", MARK, "%", "'", "-1d", 3, None]), st.lists(st.text("a'%\\", max_size=3), max_size=2)
        ),
        "group_type_index": st.sampled_from([0, 4, None]),
    }
)
TEXTS = st.sampled_from(
    ["*", "event", "person", "person_display_name", "count()", "properties.plan", "person.properties.email", "distinct_id",
     "pdi.distinct_id", "group_0.properties.name", "session.$session_duration", "key", "group_name", "id", "created_at",
     "(SELECT max(event) FROM events)", "(SELECT groupArray(key) FROM groups)", "event -- '", "1) OR (1", "toString(uuid)",
     "session_id", "$entry_current_url", "properties", "index", "timestamp DESC", "actor", "person.$delete"]
)  # fmt: skip
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5),
    st.lists(st.one_of(st.none(), st.integers(), TEXTS), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.just("x" * 5_000), st.just(["event"] * 300), st.just(10**30),
)  # fmt: skip
LISTS = {
    "select": TEXTS,
    "where": TEXTS,
    "orderBy": TEXTS,
    "properties": FILTERS,
    "fixedProperties": FILTERS,
    "eventProperties": FILTERS,
}


async def fill(project: Asker, word: str) -> None:
    """A project whose every row says the word."""
    at = Clock().now().strftime("%Y-%m-%d %H:%M:%S.%f")
    session = "0190d0a5-5a5a-7000-8000-00000000abcd"
    texts = {"plan": word, "email": word, "name": word, "$current_url": f"https://x.example/{word}"}
    for event in ("buy", word):
        await project.sends(event, texts, at=at, by=word, **{"$session_id": session, "$group_0": word})
    person, properties = str(ids.person_uuid(project.id, word)), json.dumps(texts)
    tables: dict[str, dict[str, Any]] = {
        "persons": {"id": person, "created_at": at, "properties": properties, "is_identified": True},
        "person_distinct_ids": {"distinct_id": word, "person_id": person},
        "groups": {
            "group_type_index": 0,
            "group_key": word,
            "created_at": at,
            "updated_at": at,
            "properties": properties,
        },
    }
    for table, row in tables.items():
        line = json.dumps({"team_id": project.id, "is_deleted": False, "version": 1, **row}).encode()
        await project.world.stores.events.insert(table, line, token=str(ids.uuid7()))


@pytest.fixture(scope="module")
async def own(stores: Stores) -> AsyncIterator[Asker]:
    """A project beside another one, whose every row is marked."""
    world = World.over(stores, Clock(), rate_limit_profile="local")
    await fill(await world.project(), MARK)
    project = await world.project()
    await fill(project, "own")
    yield project
    await world.close()


def test_every_kind_is_here() -> None:
    assert KINDS.keys() - NODES.keys() == {"HogQLQuery", "HogQLMetadata", "HogQLAutocomplete", "DatabaseSchemaQuery"}


@st.composite
def nodes(draw: st.DrawFn) -> dict[str, Any]:
    """A node whose lists hold whatever a client may write."""
    kind = draw(st.sampled_from(sorted(NODES)))
    node: dict[str, Any] = {"kind": kind}
    for name, value in NODES[kind].items():
        if name in {"group_type_index", "select", "event"} or draw(st.booleans()):
            node[name] = draw(st.lists(LISTS[name], max_size=3)) if name in LISTS else value
    if kind == "EventTaxonomyQuery" and "properties" in node:
        node["properties"] = draw(st.lists(st.sampled_from(["plan", MARK, "'"]), max_size=2))
    return node


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(node=nodes())
async def test_rows_of_another_project_are_never_seen(own: Asker, node: dict[str, Any]) -> None:
    node.pop("actionId", None)
    node.pop("source", None)

    response = await own.request("POST", json={"query": node, "refresh": "force_blocking"})

    assert response.status_code in {200, 400}, response.text
    if response.status_code == 200:
        assert MARK not in json.dumps(response.json()["results"])


@st.composite
def broken(draw: st.DrawFn) -> dict[str, Any]:
    """A node one of whose fields holds anything."""
    kind = draw(st.sampled_from(sorted(NODES)))
    name = draw(st.sampled_from(sorted(NODES[kind])))
    needed = {each: NODES[kind][each] for each in ("select", "group_type_index", "event") if each in NODES[kind]}
    return {"kind": kind, **needed, name: draw(JUNK)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(node=broken())
async def test_whatever_a_field_holds_is_answered_or_refused(own: Asker, node: dict[str, Any]) -> None:
    response = await own.request("POST", json={"query": node, "refresh": "force_blocking"})

    assert response.status_code in {200, 400}, response.text
    if response.status_code == 400:
        body = response.json()
        assert body.keys() >= {"type", "code", "detail", "attr"}
        assert body["detail"]
